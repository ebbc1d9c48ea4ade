"""Work in other threads, waited for until a moment and not longer.

Who is late goes on alone: a thread can't be ended, only its own time-outs end what it does.
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
    """Does it in another thread, where the log knows what it is about."""
    return pool.submit(contextvars.copy_context().run, partial(work, *given, **named))


def result(future: Future[Result], ends: float, monotonic: Monotonic) -> Result:
    """What was begun; TimeoutError if it isn't there at `ends`, as `monotonic` counts."""
    return future.result(timeout=max(0.0, ends - monotonic()))


def within(ends: float, monotonic: Monotonic, work: Callable[..., Result], *given: Any) -> Result:
    """What a call gives; TimeoutError if it has given nothing at `ends`."""
    pool = ThreadPoolExecutor(1, "in-time")
    try:
        return result(begin(pool, work, *given), ends, monotonic)
    finally:
        pool.shutdown(wait=False)
