"""A stand-in for Google: a service account's tokens, and a spreadsheet with the class schedule.

It refuses what Google refuses, and fails when told to. Beside the paths of every stand-in
(host.py; places of faults: token, values, spreadsheet) it answers

GET    /_control/tabs     {a tab's title: its cells as people see them}
POST   /_control/tabs     {"tab", "rows": [[…]], "merges"?: ["A2:A4"]}: replaces a tab's content, or
                          makes the tab. A cell is typed as by a person: "14:30" becomes a time,
                          "'14:30" stays text; {"value": 0.5, "shown": "noon", "moment": true} is
                          a whole one
POST   /_control/rename   {"tab", "to"}
POST   /_control/sharing  {"shared": false}: the account may not read it any more
POST   /_control/expire   every token given out so far is dead

In a test:      with SheetsStandIn(tls=ensure_authority(folder), book=book) as sheets: ...
As a process:   python -m local.neighbours.sheets --tls-dir .local/tls --credentials key.json
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from local import authority
from local.authority import Authority, ensure_authority
from local.neighbours.host import Host, Route, StandIn, read_body, run
from local.neighbours.https_server import Request
from local.neighbours.sheets_account import ServiceAccount, Tokens
from local.neighbours.sheets_api import SheetsApi
from local.neighbours.sheets_book import Book, RangeProblem, Typed

COLUMNS = (
    *("Course Code", "Instructor", "Type", "Day", "Start", "Meeting ID with Password", "OC Series"),
)
ENGAGE = "https://opencast.example.edu/engage/ui/index.html#"
DAYS = "MTWRFSU"
BEGAN_AGO = timedelta(hours=3)
"""How long ago the demo's lecture began (local/demo.py)."""


class TabContent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tab's content."""

    tab: str
    rows: tuple[tuple[Typed, ...], ...]
    merges: tuple[str, ...] = ()


class Renamed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tab gets another name."""

    tab: str
    to: str


class Sharing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the service account may read the spreadsheet."""

    shared: bool


class SheetsStandIn(StandIn):
    """Google for one service account and one spreadsheet, from `with` (or `start`) on."""

    def __init__(
        self,
        *,
        tls: Authority,
        book: Book,
        account: ServiceAccount | None = None,
        port: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.account = account or ServiceAccount()
        self._book = book
        self._tokens = Tokens(self.account, clock)
        self._api = SheetsApi(book, self._tokens, lambda: self.token_uri)
        host = Host(self._api, tls=tls, port=port, clock=clock)
        host.control_with(self._control_paths())
        super().__init__(host)

    @property
    def token_uri(self) -> str:
        """Where tokens are got."""
        return f"{self.url}/token"

    @property
    def credentials(self) -> dict[str, str]:
        """The service account's file, private key included."""
        return self.account.credentials(self.token_uri)

    def put(self, tab: str, rows: Sequence[Sequence[Typed]], merges: Sequence[str] = ()) -> None:
        """Replace a tab's content, or make the tab."""
        with self._api.lock:
            self._book.put(tab, rows, merges)

    def share(self, *, shared: bool) -> None:
        """Let the service account read the spreadsheet, or not."""
        with self._api.lock:
            self._book.shared = shared

    def expire_tokens(self) -> None:
        """Every token given out so far is dead."""
        with self._api.lock:
            self._tokens.expire()

    def _control_paths(self) -> Mapping[tuple[str, str], Route]:
        return {
            ("GET", "tabs"): self._tabs,
            ("POST", "tabs"): self._put,
            ("POST", "rename"): self._rename,
            ("POST", "sharing"): lambda request: self.share(
                shared=read_body(request, Sharing).shared
            ),
            ("POST", "expire"): lambda _: self.expire_tokens(),
        }

    def _tabs(self, _: Request) -> dict[str, Any]:
        with self._api.lock:
            return {
                tab.title: [[cell.shown if cell else "" for cell in row] for row in tab.cells]
                for tab in self._book.tabs
            }

    def _put(self, request: Request) -> None:
        content = read_body(request, TabContent)
        try:
            self.put(content.tab, content.rows, content.merges)
        except RangeProblem as problem:
            raise ValueError(str(problem)) from None

    def _rename(self, request: Request) -> None:
        wanted = read_body(request, Renamed)
        with self._api.lock:
            tab = self._book.tab(wanted.tab)
            if tab is None:
                raise KeyError(f"no tab {wanted.tab}")
            tab.title = wanted.to


def default_book(document: str, tabs: Sequence[str], zone: ZoneInfo, now: datetime) -> Book:
    """A schedule in which the demo's recordings have their classes; tabs beyond two are empty.

    The first has two courses that share a Zoom meeting: one when the demo's lecture began, by
    `now`, the other half a day apart.
    """
    began = (now - BEGAN_AGO).astimezone(zone)
    other = began + timedelta(hours=12)
    day, other_day = DAYS[began.weekday()], DAYS[other.weekday()]
    lecture = "https://example.zoom.us/j/86168921331?pwd=hidden"
    guest = "https://example.zoom.us/j/92345678901"
    fall: list[list[Typed]] = [
        ["HIST E-1010", "Ortelius", "lecture", day, f"{began:%H:%M}", lecture, _series("12345")],
        ["HIST E-1011", "Blaeu", "section", other_day, f"{other:%H:%M}", lecture, _series("12346")],
    ]
    spring: list[list[Typed]] = [
        ["GUST S-1", "Guests", "lecture", "M W F", "09:30", guest, _series("99999")],
    ]
    book = Book(document)
    for title, rows in zip(tabs, [fall, spring, *([] for _ in tabs)], strict=False):
        book.put(title, [COLUMNS, *rows] if rows else [])
    return book


def _series(number: str) -> str:
    return f"{ENGAGE}/2026/01/{number}"


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run the stand-in until SIGTERM or SIGINT. Says where it listens in one line of JSON.

    The service account's file is there by then, for its owner's eyes only.
    """
    options = _arguments(argv, environ)
    sheets = SheetsStandIn(
        tls=ensure_authority(options.tls_dir),
        book=default_book(
            options.document, options.tab, ZoneInfo(options.time_zone), datetime.now(UTC)
        ),
        port=options.port,
    )
    return run(
        sheets,
        "Google",
        lambda: _write(options.credentials, msgspec.json.encode(sheets.credentials)),
    )


def _write(path: Path, content: bytes) -> None:
    """Write a file that nobody else can ever read."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _arguments(argv: Sequence[str] | None, environ: Mapping[str, str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.neighbours.sheets", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--tls-dir", type=Path, default=authority.DEFAULT_FOLDER)
    parser.add_argument(
        "--credentials", type=Path, required=True, help="where to put the service account's file"
    )
    parser.add_argument("--document", default=environ.get("GSHEETS_DOC_ID") or "local-schedule")
    parser.add_argument("--tab", action="append", default=[], help="a tab's title")
    parser.add_argument(
        "--time-zone", default=environ.get("LOCAL_TIME_ZONE") or "US/Eastern", help="the schedule's"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
