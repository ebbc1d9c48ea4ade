"""A stand-in for Google, with a service account and a spreadsheet of the class schedule.

The stand-in refuses wrong requests as Google does.

    python -m local.neighbours.sheets --tls-dir .local/tls --credentials key.json

Control requests have the header `Authorization: Bearer <LOCAL_CONTROL_TOKEN>`.

POST   /_control/tabs     {"tab", "rows": [[…]], "merges"?: ["A2:A4"]}: replaces a tab's content, or
                          adds the tab. "'14:30" stays text, as if a person typed the cell
POST   /_control/rename   {"tab", "to"}: gives a tab another title
POST   /_control/expire   expires every token
POST   /_control/faults   a Fault: makes requests fail. Places: token, values
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from local import authority
from local.authority import Authority, ensure_authority
from local.neighbours.faults import ApiStandIn
from local.neighbours.https_server import Request
from local.neighbours.sheets_account import ServiceAccount, Tokens
from local.neighbours.sheets_api import SheetsApi
from local.neighbours.sheets_book import Spreadsheet, Typed
from local.neighbours.stand_in import CONTROL_TOKEN, Route, read_body, run

HEADER = "Course Code,Instructor,Type,Day,Start,Meeting ID with Password,OC Series".split(",")
ENGAGE = "https://opencast.example.edu/engage/ui/index.html#"
DAYS = "MTWRFSU"
LECTURE_AGE = timedelta(hours=3)
"""Minimum time from the start of the demo's lecture to the run of the demo (local/demo.py)."""


class TabContent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tab's new content."""

    tab: str
    rows: tuple[tuple[Typed, ...], ...]
    merges: tuple[str, ...] = ()


class NewTitle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tab's new title."""

    tab: str
    to: str


class SheetsStandIn(ApiStandIn):
    """A stand-in for Google, with one service account and one spreadsheet."""

    def __init__(
        self,
        *,
        tls: Authority,
        spreadsheet: Spreadsheet,
        account: ServiceAccount | None = None,
        port: int = 0,
        control_token: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.account = account or ServiceAccount()
        self._spreadsheet = spreadsheet
        self._tokens = Tokens(self.account, clock)
        self._sheets = SheetsApi(spreadsheet, self._tokens, lambda: self.token_uri)
        super().__init__(self._sheets, tls, port, control_token)

    @property
    def token_uri(self) -> str:
        """The URL at which clients get tokens."""
        return f"{self.url}/token"

    @property
    def credentials(self) -> dict[str, str]:
        """The content of the service account's key file, private key included."""
        return self.account.credentials(self.token_uri)

    def put(self, tab: str, rows: Sequence[Sequence[Typed]], merges: Sequence[str] = ()) -> None:
        """Replace a tab's content, or add the tab.

        Raises:
            ValueError: An element of `merges` isn't a range.
        """
        with self._sheets.lock:
            self._spreadsheet.put(tab, rows, merges)

    def expire_tokens(self) -> None:
        """Make every token invalid."""
        with self._sheets.lock:
            self._tokens.expire()

    def control(self) -> Mapping[tuple[str, str], Route]:
        """Return the routes that the module's docstring lists."""
        return {
            **super().control(),
            ("POST", "tabs"): self._put,
            ("POST", "rename"): self._rename,
            ("POST", "expire"): lambda _: self.expire_tokens(),
        }

    def _put(self, request: Request) -> None:
        content = read_body(request, TabContent)
        self.put(content.tab, content.rows, content.merges)

    def _rename(self, request: Request) -> None:
        wanted = read_body(request, NewTitle)
        with self._sheets.lock:
            self._spreadsheet.rename(wanted.tab, wanted.to)


def default_spreadsheet(
    document: str, tabs: Sequence[str], zone: ZoneInfo, now: datetime
) -> Spreadsheet:
    """Return a spreadsheet with scheduled classes of the demo's meetings.

    The first tab has two courses that share a Zoom meeting. One course begins `LECTURE_AGE` before
    `now`, the other twelve hours later. Tabs after the second are empty.
    """
    began = (now - LECTURE_AGE).astimezone(zone)
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
    spreadsheet = Spreadsheet(document)
    for title, rows in zip(tabs, [fall, spring, *([] for _ in tabs)], strict=False):
        spreadsheet.put(title, [HEADER, *rows] if rows else [])
    return spreadsheet


def _series(number: str) -> str:
    return f"{ENGAGE}/2026/01/{number}"


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run the stand-in until SIGTERM or SIGINT, and return the exit code.

    The program prints the stand-in's URL after the service account's key file was written. The
    secret `LOCAL_CONTROL_TOKEN` comes from the environment, where other users can't read it.
    """
    options = _arguments(argv, environ)
    sheets = SheetsStandIn(
        tls=ensure_authority(options.tls_dir),
        spreadsheet=default_spreadsheet(
            options.document, options.tab, ZoneInfo(options.time_zone), datetime.now(UTC)
        ),
        port=options.port,
        control_token=environ.get(CONTROL_TOKEN, ""),
    )
    return run(
        sheets,
        "The Google stand-in",
        lambda: _write(options.credentials, msgspec.json.encode(sheets.credentials)),
    )


def _write(path: Path, content: bytes) -> None:
    """Write a file that only the owner can read, in place of any older file."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _arguments(argv: Sequence[str] | None, environ: Mapping[str, str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.neighbours.sheets", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--tls-dir", type=Path, default=authority.DEFAULT_FOLDER)
    parser.add_argument(
        "--credentials",
        type=Path,
        required=True,
        help="where to write the service account's key file",
    )
    parser.add_argument("--document", default=environ.get("GSHEETS_DOC_ID") or "local-schedule")
    parser.add_argument("--tab", action="append", default=[], help="a tab's title")
    parser.add_argument(
        "--time-zone", default=environ.get("LOCAL_TIME_ZONE") or "US/Eastern", help="the schedule's"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
