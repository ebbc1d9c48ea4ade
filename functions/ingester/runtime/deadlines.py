"""Run calls in other threads, and wait for their results until a deadline.

A call that misses its deadline keeps running in its thread until the call returns or times out.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

Result = TypeVar("Result")

Monotonic = Callable[[], float]


def start_call(
    pool: ThreadPoolExecutor, work: Callable[..., Result], *args: Any, **kwargs: Any
) -> Future[Result]:
    """Start a call in another thread, with this thread's context variables, which log records need.

    Returns:
        The future that `wait_for_result` waits for.
    """
    return pool.submit(contextvars.copy_context().run, partial(work, *args, **kwargs))


def wait_for_result(future: Future[Result], deadline: float, monotonic: Monotonic) -> Result:
    """Wait for a call that `start_call` started, and return its result or raise its error.

    Raises:
        TimeoutError: The clock `monotonic` reaches `deadline`, in seconds, before the call is done.
    """
    return future.result(timeout=max(0.0, deadline - monotonic()))


def call_with_deadline(
    deadline: float, monotonic: Monotonic, work: Callable[..., Result], *args: Any
) -> Result:
    """Run a call in another thread, and return its result or raise its error.

    Raises:
        TimeoutError: The clock `monotonic` reaches `deadline`, in seconds, before the call is done.
    """
    pool = ThreadPoolExecutor(1, "in-time")
    try:
        return wait_for_result(start_call(pool, work, *args), deadline, monotonic)
    finally:
        pool.shutdown(wait=False)
