"""POST /schedule_update: replace the schedule's table by the tabs of the Google Sheet."""

from __future__ import annotations

import hmac
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests
from botocore.exceptions import BotoCoreError, ClientError

from ingester import log
from ingester.errors import (
    GoogleKeyRefused,
    NotReady,
    NotSetUp,
    ScheduleUnreadable,
    SheetsRefused,
    SheetsTimedOut,
    SheetsUnreachable,
    Unauthorized,
)
from ingester.runtime import clients, http_endpoint
from ingester.runtime.api_gateway import Answer, Request
from ingester.runtime.clock import utc_now
from ingester.runtime.container import Container
from ingester.runtime.http_endpoint import AwsFailure, ErrorAnswers
from ingester.schedule.google_sheets import Sheets, Tab
from ingester.schedule.importer import (
    FIRST_SYSTEM,
    SHEET_SOURCE,
    ImportReport,
    Sheet,
    import_sheets,
)
from ingester.schedule.lock import ScheduleLock
from ingester.schedule.model import assemble
from ingester.schedule.removals import Losses, Lost, losses
from ingester.schedule.table import ScheduleTable
from ingester.schedule.wording import change, described
from ingester.settings import (
    ScheduleUpdateSecrets,
    ScheduleUpdateSettings,
    read,
    read_parameter,
    read_secrets,
)

logger = logging.getLogger("ingester.schedule_update")

GOOGLE_SECONDS = 15.0
"""The time limit for reading the sheet, with all retries and a second key. API Gateway gives up
after 29 s, and the table has to be written in the rest."""

TOKEN_HEADER = "x-schedule-token"  # noqa: S105  # a header's name
TOLD = 10
"""The most rows that an answer names. With any, the sheet shows an alert, which has room."""

TOLD_REMOVED = 5
"""The most meetings that lost classes, of those that an answer names."""

ALSO_NAMED = 3
"""The most other meetings that an answer names for a removed class."""

FEW = 2
"""The most rows without a link that an answer names. If there are more, it only counts them: most
of them are meant so."""

LONGEST_LINE = 400
"""The longest line of an answer, in characters: the names of two tabs, a class on all days and what
is wrong with them fit."""

LOGGED_AT_ONCE = 100
LONGEST_LOGGED = 1000
"""The most reasons in a log record, and the characters of each: CloudWatch limits a record to 1 MB,
and a meeting may have thousands of classes."""


NOT_NOW = (
    "The schedule's table can't be read or written now. Part of it may be changed already: "
    "update again in a minute."
)


@dataclass(frozen=True)
class Dependencies:
    """The dependencies of the use case."""

    settings: ScheduleUpdateSettings
    secrets: ScheduleUpdateSecrets
    sheets: Sheets
    schedule: ScheduleTable
    lock: ScheduleLock
    monotonic: Callable[[], float] = time.monotonic


def build() -> Dependencies:
    """Make the dependencies from the environment and the secrets in SSM."""
    settings = read(ScheduleUpdateSettings, os.environ)
    log.verbose(settings.is_debug)
    ssm, table = clients.ssm(), clients.table(settings.schedule_table)
    return Dependencies(
        settings=settings,
        secrets=read_secrets(ScheduleUpdateSecrets, ssm, settings.secrets_path),
        sheets=Sheets(
            read_parameter(ssm, settings.google_credentials),
            base_url=settings.gsheets_api_base_url,
            session=requests.Session(),
            sleep=time.sleep,
            clock=utc_now,
        ),
        schedule=ScheduleTable(table),
        lock=ScheduleLock(table, utc_now),
    )


container = Container(build)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Entry of API Gateway."""
    return http_endpoint.handle(context, lambda: respond(event, container(), container.renewed))


def respond(
    event: Mapping[str, Any], deps: Dependencies, renewed: Callable[[], Dependencies] | None = None
) -> Answer:
    """Answer one request with a text for the spreadsheet's toast, or for its alert.

    `renewed` gives dependencies with the current secrets.
    """
    return ERRORS.respond(event, lambda request: take(request, deps, renewed or (lambda: deps)))


def take(request: Request, deps: Dependencies, renewed: Callable[[], Dependencies]) -> Answer:
    """Take a request for an update."""
    text = summary(update(request, deps, renewed))
    logger.info("200 %s", text)
    return _text_answer(200, text)


def _text_answer(status: int, text: str) -> Answer:
    return Answer(status=status, body=text, headers={"Content-Type": "text/plain; charset=utf-8"})


def _log_error(status: int, error: Exception | str) -> None:
    logger.warning("%s %s", status, error)


ERRORS = ErrorAnswers(
    statuses={
        SheetsTimedOut: 504,
        SheetsUnreachable: 503,
        SheetsRefused: 502,
        ScheduleUnreadable: 500,
    },
    aws=AwsFailure(status=503, text=NOT_NOW, headline=lambda _error: "AWS failed"),
    make=_text_answer,
    report=_log_error,
)


def update(
    request: Request, deps: Dependencies, renewed: Callable[[], Dependencies]
) -> ImportReport:
    """Read and check every tab, and then log and write what has changed.

    Raises:
        Unauthorized: the request lacks the token, if one is set.
        NotSetUp: the settings name no sheet.
        UpdateRunning: another update is running.
        NotReady: AWS failed while the table was written: part of the update may be done.
        Other errors of `Sheets.tabs` and `import_sheets`.
    """
    ends = deps.monotonic() + GOOGLE_SECONDS
    if not _has_token(request, deps) and not _has_token(request, renewed()):
        raise Unauthorized(
            "The request doesn't carry the right token: the script's property SCHEDULE_TOKEN has "
            "to be the stack's SCHEDULE_UPDATE_TOKEN."
        )
    if not deps.settings.gsheets_doc_id or not deps.settings.tabs:
        raise NotSetUp(
            "No Google Sheet is set up for this stack: GSHEETS_DOC_ID and GSHEETS_SHEET_NAMES "
            "are missing in its settings."
        )
    with deps.lock.held():
        try:
            tabs = _tabs(deps, ends)
        except GoogleKeyRefused:
            newer = renewed()
            if newer is deps or deps.monotonic() >= ends:
                raise
            tabs = _tabs(newer, ends)
        report = import_sheets(
            deps.schedule,
            [Sheet(tab.name, f"{SHEET_SOURCE}{tab.name}", tab.rows) for tab in tabs],
            also_replacing=frozenset({FIRST_SYSTEM}),
            kinds=(SHEET_SOURCE,),
            dry_run=True,
        )
        # Before the writes: if they break off, no later update can tell all of this.
        _log(report)
        try:
            deps.schedule.apply(report.plan.put, report.plan.delete)
        except (BotoCoreError, ClientError) as error:
            logger.exception("AWS failed")
            # The next update compares with what this one has left: it won't know all of these.
            removed = _removed("To be removed", _losses(report))
            raise NotReady("\n".join([NOT_NOW, *removed])) from error
        return report


def _has_token(request: Request, deps: Dependencies) -> bool:
    """Return whether a request carries the token, or none is set."""
    wanted = deps.secrets.schedule_update_token
    given = request.headers.get(TOKEN_HEADER, "").strip()
    return not wanted or hmac.compare_digest(wanted.encode(), given.encode("utf-8", "replace"))


def _tabs(deps: Dependencies, ends: float) -> list[Tab]:
    settings, left = deps.settings, ends - deps.monotonic()
    return deps.sheets.tabs(settings.gsheets_doc_id, settings.tabs, seconds=left)


def summary(report: ImportReport) -> str:
    """Return what an update did: a line with the numbers, then one for each thing to look at.

    The removed classes come first, then rows that are kept in the schedule as they were, others
    that can't be used, and those that lack something.
    """
    left = _losses(report)
    meetings = _count(report.meetings, "meeting")
    changes = _changes(report, left)
    parts = [f"Success: {meetings} with {_count(report.events, 'event')}{changes}."]
    rows = {(skipped.sheet, skipped.row) for skipped in report.skipped if skipped.whole}
    partly = {(skipped.sheet, skipped.row) for skipped in report.skipped} - rows
    if rows:
        parts.append(f"{_count(len(rows), 'row')} skipped.")
    if report.kept:
        parts.append(f"{_count(len(report.kept), 'event')} kept as before.")
    if partly:
        parts.append(f"{_count(len(partly), 'row')} incomplete.")
    return "\n".join([" ".join(parts), *_removed("Removed", left), *_reasons(report)])


def _removed(word: str, left: Losses) -> list[str]:
    lines = [f"{word}: {_lost(lost, LONGEST_LINE)}" for lost in left.lost[:TOLD_REMOVED]]
    if len(left.lost) > TOLD_REMOVED:
        lines.append(f"{word}: {len(left.lost) - TOLD_REMOVED:,} more.")
    return lines


def _lost(lost: Lost, longest: int) -> str:
    also = f"; also in {', '.join(lost.also_in[:ALSO_NAMED])}" if lost.also_in else ""
    return f"{_cut(described(lost.meeting), longest - len(also))}{also}"


def _reasons(report: ImportReport) -> list[str]:
    """Return a line for each of the first rows, the most expensive problems first."""
    keeping = {kept.row for kept in report.kept}
    idle = [row for row in report.skipped if row.unlinked and row.unread not in keeping]
    counted = {(row.sheet, row.row) for row in idle} if len(idle) > FEW else set()
    told = sorted(
        (row for row in report.skipped if (row.sheet, row.row) not in counted),
        key=lambda row: (row.unread not in keeping, row.unlinked, not row.whole),
    )
    rows: dict[tuple[str, int], list[str]] = {}
    for skipped in told:
        rows.setdefault((skipped.sheet, skipped.row), []).append(skipped.reason)
    lines = [
        _cut(f"{sheet} row {row}: {'; '.join(reasons)}")
        for (sheet, row), reasons in list(rows.items())[:TOLD]
    ]
    if len(rows) > TOLD:
        lines.append(f"And {_count(len(rows) - TOLD, 'more row')}, told once these are mended.")
    if counted:
        first = f"{idle[0].sheet} row {idle[0].row}"
        lines.append(f"{len(counted):,} rows have no meeting link, the first is {first}.")
    return lines


def _losses(report: ImportReport) -> Losses:
    return losses(report.before, report.plan.put, report.plan.delete)


def _cut(text: str, longest: int = LONGEST_LINE) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _changes(report: ImportReport, left: Losses) -> str:
    """Return the numbers of changes. "removed" is said only if a class is lost, because the sheet's
    script then shows an alert.
    """
    plan, replaced = report.plan, len(left.moved)
    numbers = (
        (plan.added, "new"),
        (plan.changed, "changed"),
        (replaced, "replaced"),
        (len(plan.delete) - replaced, "removed"),
    )
    changes = [f"{number:,} {what}" for number, what in numbers if number]
    return f" ({', '.join(changes) or 'nothing has changed'})"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _log(report: ImportReport) -> None:
    """Log every change, and in full what the answer may shorten."""
    before = {meeting.zoom_series_id: meeting for meeting in report.before}
    added = [described(row) for row in report.plan.put if row.zoom_series_id not in before]
    changed = [
        change(before[row.zoom_series_id], row)
        for row in report.plan.put
        if row.zoom_series_id in before
    ]
    _log_rows(logging.INFO, "Meetings that are new", added)
    _log_rows(logging.INFO, "Meetings that change", changed)
    left = _losses(report)
    replaced = [
        f"{described(meeting)}, now in {', '.join(others)}" for meeting, others in left.moved
    ]
    _log_rows(logging.INFO, "Meetings whose classes move to others", replaced)
    removed = [_lost(lost, LONGEST_LOGGED) for lost in left.lost]
    _log_rows(logging.WARNING, "Classes that are removed", removed)
    kept = assemble((event.meeting, event.event) for event in report.kept).values()
    _log_rows(logging.WARNING, "Classes that are kept as before", list(map(described, kept)))
    skipped = [str(row) for row in report.skipped]
    _log_rows(logging.WARNING, "Rows that can't be used", skipped)


def _log_rows(level: int, what: str, rows: Sequence[str]) -> None:
    for first in range(0, len(rows), LOGGED_AT_ONCE):
        some = [_cut(row, LONGEST_LOGGED) for row in rows[first : first + LOGGED_AT_ONCE]]
        logger.log(level, what, extra={"rows": some})
