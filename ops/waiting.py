"""A moving line on the terminal while a request to AWS takes long.

Many commands read from AWS before they print anything. The slow steps of commands show a line of
their own (`terminal.working`); the line of this module covers every other request.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError

from ops import terminal

if TYPE_CHECKING:
    import boto3

QUIET_SECONDS = 0.5
"""Minimum seconds without the line after a command's start, and after a removal of the line."""


class WaitingLine:
    """A line that is shown while a request is pending, for use from several threads."""

    def __init__(
        self,
        show: Callable[[], AbstractContextManager[object]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_line = show
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._pending = 0
        self._quiet_since = monotonic()
        self._timer: threading.Timer | None = None
        self._shown = ExitStack()
        self._is_shown = False

    def begin(self, **_: object) -> None:
        """Count a request, and show the line if a request is pending when `QUIET_SECONDS` are over.

        The line isn't shown while a slow step shows a line or a bar of its own.
        """
        with self._lock:
            self._pending += 1
            if self._timer is None:
                quiet = self._monotonic() - self._quiet_since
                self._timer = threading.Timer(max(QUIET_SECONDS - quiet, 0), self._show)
                self._timer.daemon = True
                self._timer.start()

    def end(self, **_: object) -> None:
        """Count a request's end, and remove the line when no request is pending."""
        with self._lock:
            self._pending = max(self._pending - 1, 0)
            if not self._pending:
                self._remove()

    def reset(self) -> None:
        """Remove the line, forget pending requests, and count `QUIET_SECONDS` from now on.

        ^C ends a request without a call of `end`.
        """
        with self._lock:
            self._pending = 0
            self._remove()
            self._quiet_since = self._monotonic()

    def _show(self) -> None:
        with self._lock:
            if self._timer is threading.current_thread() and not terminal.is_showing_work():
                self._shown.enter_context(self._open_line())
                self._is_shown = True

    def _remove(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._shown.close()
        if self._is_shown:
            self._is_shown = False
            self._quiet_since = self._monotonic()


LINE = WaitingLine(lambda: terminal.moving_line("Waiting for AWS"))


def show_waiting(session: boto3.Session) -> None:
    """Show a moving line during a session's slow requests, if stderr can show one.

    If stderr can show the line, this function also reads the credentials, so botocore may ask for
    an MFA code.

    Raises:
        ClientError: STS refuses the profile's credentials, for example for a wrong MFA code.
    """
    if not terminal.has_moving_lines():
        return
    # A profile may ask for an MFA code, and the line would overwrite the question. STS refuses
    # a wrong code with a ClientError, and botocore doesn't ask again.
    with suppress(BotoCoreError):
        if credentials := session.get_credentials():
            credentials.get_frozen_credentials()
    session.events.register("before-call", LINE.begin)
    session.events.register("after-call", LINE.end)
    session.events.register("after-call-error", LINE.end)
