"""^C, or a lost connection, where it must not fall between two things that belong together."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Asked = Callable[[], bool]

ENDS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
"""^C, the terminal (or the ssh connection) is gone, `kill`."""


@contextmanager
def noted() -> Iterator[Asked]:
    """Within, the first of these is only noted; what is given tells whether one came.

    A second one ends the program as always, for when what is under way hangs.
    """
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in ENDS}
    # What is ignored stays so: SIGHUP under nohup.
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
