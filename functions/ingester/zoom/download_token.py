"""The token that opens a recording's files, and a fresh one when Zoom takes it no more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Access:
    """The token, and addresses by file id that go before those of the message."""

    token: str
    urls: Mapping[str, str] = field(default_factory=dict)
    is_fresh: bool = False


class AccessInUse:
    """The message's access until Zoom refuses it, then a fresh one, asked for once a recording.

    Tokens die after 24 h, and a queue keeps a message for 14 days.
    """

    def __init__(self, first: Access, refresh: Callable[[], Access]) -> None:
        self.now = first
        self._refresh = refresh
        self._lock = threading.Lock()

    def instead_of(self, refused: Access) -> Access | None:
        """Another access than the one that was refused; None if that was the fresh one."""
        with self._lock:
            if self.now is refused:
                if refused.is_fresh:
                    return None
                self.now = self._refresh()
            return self.now
