"""Restore signals that the shell makes the tests ignore.

`nohup` makes a program ignore SIGHUP, and a shell's `&` makes a program ignore SIGINT. The workers
of pytest-xdist and the programs that tests start inherit the ignored signals.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heard(number: signal.Signals) -> Iterator[None]:
    """Give a signal its usual effect during the `with` block.

    Outside the `with` block, a test run under `nohup` still ignores SIGHUP, and so survives the end
    of its terminal.
    """
    is_interrupt = number is signal.SIGINT
    usual = signal.default_int_handler if is_interrupt else signal.SIG_DFL
    before = signal.signal(number, usual)
    try:
        yield
    finally:
        signal.signal(number, before)
