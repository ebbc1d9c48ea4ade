"""The download token of a recording's files, and a fresh one when Zoom refuses the first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Access:
    """Access to a recording's files.

    Attributes:
        token: Download token.
        urls: Download URLs by file id, which replace the message's URLs.
        is_fresh: Whether the access comes from Zoom's API, not from the message.
    """

    token: str
    urls: Mapping[str, str] = field(default_factory=dict)
    is_fresh: bool = False


class AccessInUse:
    """The access that a recording's files share: the message's, then at most one fresh access.

    A message's token expires after at most 24 hours (`docs/incidents.md`), and a queue keeps a
    message for 14 days (`cdk/receive_limits.py`).

    Attributes:
        now: The current access.
    """

    def __init__(self, first: Access, refresh: Callable[[], Access]) -> None:
        self.now = first
        self._refresh = refresh
        self._lock = threading.Lock()

    def replacement_for(self, refused: Access) -> Access | None:
        """Return an access other than the refused one; None if the refused one is fresh already.

        Of several threads that ask for a fresh access, only the first calls `refresh`, unless that
        call fails. The errors are those of `refresh`.
        """
        with self._lock:
            if self.now is refused:
                if refused.is_fresh:
                    return None
                self.now = self._refresh()
            return self.now
