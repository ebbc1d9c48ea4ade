"""Deferred signals: ^C or a lost connection doesn't fall between two steps that belong together."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Interrupted = Callable[[], bool]

SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
"""^C, a closed terminal or ssh connection, and `kill`."""


@contextmanager
def deferred_signals() -> Iterator[Interrupted]:
    """Defer the first of these signals during the block; the yielded function tells whether it
    came.

    A second signal ends the program as usual, in case the current step hangs.
    """
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in SIGNALS}
    # A signal that is ignored stays so, as SIGHUP under nohup.
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
