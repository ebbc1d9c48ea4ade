"""Run calls in other threads, and wait for them until a deadline.

A call that misses its deadline keeps running in its thread until its own timeouts end it.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

Result = TypeVar("Result")

Monotonic = Callable[[], float]


def begin(
    pool: ThreadPoolExecutor, work: Callable[..., Result], *given: Any, **named: Any
) -> Future[Result]:
    """Start a call in another thread, with the context of the log."""
    return pool.submit(contextvars.copy_context().run, partial(work, *given, **named))


def result(future: Future[Result], ends: float, monotonic: Monotonic) -> Result:
    """Return the result of a call. Raises TimeoutError at `ends`, as `monotonic` counts."""
    return future.result(timeout=max(0.0, ends - monotonic()))


def within(ends: float, monotonic: Monotonic, work: Callable[..., Result], *given: Any) -> Result:
    """Run a call and return its result. Raises TimeoutError at `ends`."""
    pool = ThreadPoolExecutor(1, "in-time")
    try:
        return result(begin(pool, work, *given), ends, monotonic)
    finally:
        pool.shutdown(wait=False)
