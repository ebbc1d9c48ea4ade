"""Defer signals, so that ^C or a lost connection doesn't separate steps that belong together."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Interrupted = Callable[[], bool]

SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
"""The signals of ^C, of a closed terminal or ssh connection, and of `kill`."""


@contextmanager
def deferred_signals() -> Iterator[Interrupted]:
    """Yield a function that returns whether one of SIGNALS has arrived during the `with` block.

    The first signal has no other effect, and isn't delivered later, so the caller has to end the
    program. A second signal ends the program as usual, in case the current step hangs.
    """
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in SIGNALS}
    # A signal that is ignored stays ignored, as SIGHUP does under nohup.
    before = {number: how for number, how in before.items() if how is not signal.SIG_IGN}

    def as_before() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        as_before()

    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: bool(came)
    finally:
        as_before()
