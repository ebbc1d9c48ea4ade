"""POST /schedule_update: the Google Sheet's tabs take the schedule's place in its table."""

from __future__ import annotations

import hmac
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests
from botocore.exceptions import BotoCoreError, ClientError

from ingester import log
from ingester.errors import (
    GoogleKeyRefused,
    NotSetUp,
    RequestError,
    ScheduleUnreadable,
    SheetsRefused,
    SheetsTimedOut,
    SheetsUnreachable,
    Unauthorized,
)
from ingester.runtime import clients
from ingester.runtime.api_gateway import Answer, Request, proxy_answer, request_of
from ingester.runtime.container import Container
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
"""For reading the sheet, all tries and a second key included: API Gateway gives up after 29, and
the table comes yet."""

TOKEN_HEADER = "x-schedule-token"  # noqa: S105  # a header's name
TOLD = 10
"""How many rows an answer names. With any, the sheet shows an alert, which has room."""

TOLD_REMOVED = 5
"""How many of the meetings that lost classes an answer names."""

ALSO_NAMED = 3
"""How many of the meetings that have a removed class too."""

FEW = 2
"""How many rows without a link are told one by one: the rest is counted, for most are meant so."""

LONGEST_LINE = 400
"""Of an answer: two tabs' names and a class on all days fit, and what is wrong with them."""

LOGGED_AT_ONCE = 100
LONGEST_LOGGED = 1000
"""How many reasons, and how much of each, go into a log record, which CloudWatch limits to 1 MB:
a meeting may have thousands of classes."""


NOT_NOW = (
    "The schedule's table can't be read or written now. Part of it may be changed already: "
    "update again in a minute."
)


class BrokeOff(Exception):
    """AWS failed while the table was written: part of what is reported may be done."""

    def __init__(self, report: ImportReport) -> None:
        super().__init__(NOT_NOW)
        self.report = report


@dataclass(frozen=True)
class Dependencies:
    """What the use case works with."""

    settings: ScheduleUpdateSettings
    secrets: ScheduleUpdateSecrets
    sheets: Sheets
    schedule: ScheduleTable
    lock: ScheduleLock
    monotonic: Callable[[], float] = time.monotonic


def build() -> Dependencies:
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
            clock=_now,
        ),
        schedule=ScheduleTable(table),
        lock=ScheduleLock(table, _now),
    )


def _now() -> datetime:
    return datetime.now(UTC)


container = Container(build)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """API Gateway's entry."""
    log.start(context)
    return proxy_answer(respond(event, container(), container.renewed))


def respond(
    event: Mapping[str, Any], deps: Dependencies, renewed: Callable[[], Dependencies] | None = None
) -> Answer:
    """The answer to one request: a text for the spreadsheet's toast, or for its alert.

    `renewed` gives deps with the secrets of now, if there may be others than in `deps`.
    """
    try:
        report = update(request_of(event), deps, renewed or (lambda: deps))
    except RequestError as error:
        return _said(error.status, str(error))
    except SheetsTimedOut as error:
        return _said(504, str(error))
    except SheetsUnreachable as error:
        return _said(503, str(error))
    except SheetsRefused as error:
        return _said(502, str(error))
    except ScheduleUnreadable as error:
        return _said(500, str(error))
    except BrokeOff as error:
        logger.exception("AWS failed")
        # The next update compares with what this one has left: it doesn't know of all of these.
        return _said(503, "\n".join([NOT_NOW, *_removed("To be removed", _losses(error.report))]))
    except (BotoCoreError, ClientError):
        logger.exception("AWS failed")
        return _said(503, NOT_NOW)
    return _said(200, summary(report))


def _said(status: int, text: str) -> Answer:
    logger.log(logging.INFO if status == 200 else logging.WARNING, "%s %s", status, text)
    return Answer(status=status, body=text, headers={"Content-Type": "text/plain; charset=utf-8"})


def update(
    request: Request, deps: Dependencies, renewed: Callable[[], Dependencies]
) -> ImportReport:
    """Reads every tab, checks all, and then logs and writes what has changed.

    Nobody else does so at the same time: UpdateRunning. Unauthorized without the token, if one is
    set; NotSetUp without a sheet; BrokeOff; what Sheets.tabs and import_sheets raise.
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
        # Before it is done: whatever breaks that off, the log has what no later update can tell.
        _log(report)
        try:
            deps.schedule.apply(report.plan.put, report.plan.delete)
        except (BotoCoreError, ClientError) as error:
            raise BrokeOff(report) from error
        return report


def _has_token(request: Request, deps: Dependencies) -> bool:
    """Whether a request carries the token; any request does if none is set."""
    wanted = deps.secrets.schedule_update_token
    given = request.headers.get(TOKEN_HEADER, "").strip()
    return not wanted or hmac.compare_digest(wanted.encode(), given.encode("utf-8", "replace"))


def _tabs(deps: Dependencies, ends: float) -> list[Tab]:
    settings, left = deps.settings, ends - deps.monotonic()
    return deps.sheets.tabs(settings.gsheets_doc_id, settings.tabs, seconds=left)


def summary(report: ImportReport) -> str:
    """What an update did: a line with the numbers, then one for each thing to look at.

    What was removed comes first, then rows that are kept in the schedule as they were, others
    that can't be used, and those that lack something.
    """
    left = _losses(report)
    meetings = _count(report.meetings, "meeting")
    changes = _changes(report, left)
    parts = [f"Success: {meetings} with {_count(report.events, 'event')}{changes}."]
    rows = {(one.sheet, one.row) for one in report.skipped if one.whole}
    partly = {(one.sheet, one.row) for one in report.skipped} - rows
    if rows:
        parts.append(f"{_count(len(rows), 'row')} skipped.")
    if report.kept:
        parts.append(f"{_count(len(report.kept), 'event')} kept as before.")
    if partly:
        parts.append(f"{_count(len(partly), 'row')} incomplete.")
    return "\n".join([" ".join(parts), *_removed("Removed", left), *_reasons(report)])


def _removed(word: str, left: Losses) -> list[str]:
    lines = [f"{word}: {_lost(one, LONGEST_LINE)}" for one in left.lost[:TOLD_REMOVED]]
    if len(left.lost) > TOLD_REMOVED:
        lines.append(f"{word}: {len(left.lost) - TOLD_REMOVED:,} more.")
    return lines


def _lost(one: Lost, longest: int) -> str:
    also = f"; also in {', '.join(one.also_in[:ALSO_NAMED])}" if one.also_in else ""
    return f"{_cut(described(one.meeting), longest - len(also))}{also}"


def _reasons(report: ImportReport) -> list[str]:
    """What is to be said of the first rows, those that cost most before others."""
    keeping = {one.row for one in report.kept}
    idle = [one for one in report.skipped if one.unlinked and one.unread not in keeping]
    counted = {(one.sheet, one.row) for one in idle} if len(idle) > FEW else set()
    told = sorted(
        (one for one in report.skipped if (one.sheet, one.row) not in counted),
        key=lambda one: (one.unread not in keeping, one.unlinked, not one.whole),
    )
    rows: dict[tuple[str, int], list[str]] = {}
    for one in told:
        rows.setdefault((one.sheet, one.row), []).append(one.reason)
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
    """The sheet's script shows an alert for "removed": it is said only where a class is lost."""
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
    """All of what the answer tells the beginning of, and every change."""
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
    replaced = [f"{described(one)}, now in {', '.join(others)}" for one, others in left.moved]
    _log_rows(logging.INFO, "Meetings whose classes move to others", replaced)
    removed = [_lost(one, LONGEST_LOGGED) for one in left.lost]
    _log_rows(logging.WARNING, "Classes that are removed", removed)
    kept = assemble((one.meeting, one.event) for one in report.kept).values()
    _log_rows(logging.WARNING, "Classes that are kept as before", list(map(described, kept)))
    skipped = [str(one) for one in report.skipped]
    _log_rows(logging.WARNING, "Rows that can't be used", skipped)


def _log_rows(level: int, what: str, rows: Sequence[str]) -> None:
    for first in range(0, len(rows), LOGGED_AT_ONCE):
        some = [_cut(one, LONGEST_LOGGED) for one in rows[first : first + LOGGED_AT_ONCE]]
        logger.log(level, what, extra={"rows": some})
