"""POST /schedule_update: the Google Sheet's tabs take the schedule's place in its table."""

from __future__ import annotations

import hmac
import logging
import os
import time
from collections.abc import Callable, Mapping
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
    SHEET_SOURCE,
    THE_GOOGLE_SHEET,
    ImportReport,
    Sheet,
    import_sheets,
)
from ingester.schedule.lock import ScheduleLock
from ingester.schedule.report import interrupted_lines, log_entries, sheet_answer
from ingester.schedule.table import ScheduleTable
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
        return _said(503, "\n".join([NOT_NOW, *interrupted_lines(error.report)]))
    except (BotoCoreError, ClientError):
        logger.exception("AWS failed")
        return _said(503, NOT_NOW)
    return _said(200, sheet_answer(report))


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
            THE_GOOGLE_SHEET,
            dry_run=True,
        )
        # Before it is done: whatever breaks that off, the log has what no later update can tell.
        for entry in log_entries(report):
            logger.log(entry.level, entry.message, extra={"rows": entry.rows})
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
