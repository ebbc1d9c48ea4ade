"""Run calls in other threads, and wait for their results until a deadline.

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
    """Start a call in another thread, with this thread's context variables, which log records need.

    Returns:
        The future that `result` waits for.
    """
    return pool.submit(contextvars.copy_context().run, partial(work, *given, **named))


def result(future: Future[Result], ends: float, monotonic: Monotonic) -> Result:
    """Wait for a call that `begin` started, and return its result.

    Raises:
        TimeoutError: The clock `monotonic` reaches `ends`, in seconds, before the call is done.
    """
    return future.result(timeout=max(0.0, ends - monotonic()))


def within(ends: float, monotonic: Monotonic, work: Callable[..., Result], *given: Any) -> Result:
    """Run a call in another thread, and return its result.

    Raises:
        TimeoutError: The clock `monotonic` reaches `ends`, in seconds, before the call is done.
    """
    pool = ThreadPoolExecutor(1, "in-time")
    try:
        return result(begin(pool, work, *given), ends, monotonic)
    finally:
        pool.shutdown(wait=False)
