"""Signals in tests, whatever the shell that started them lets its programs ignore.

`nohup` makes programs ignore SIGHUP, and a shell's `&` makes them ignore SIGINT. Both reach the
workers of pytest-xdist and the programs that tests start.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heard(number: signal.Signals) -> Iterator[None]:
    """Give a signal its usual effect for as long as the block lasts.

    Only there: a test run under `nohup` has to live on when its terminal is closed.
    """
    is_interrupt = number is signal.SIGINT
    usual = signal.default_int_handler if is_interrupt else signal.SIG_DFL
    before = signal.signal(number, usual)
    try:
        yield
    finally:
        signal.signal(number, before)
