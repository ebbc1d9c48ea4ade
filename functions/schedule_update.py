"""Update the schedule table from the tabs of the Google Sheet: POST /schedule_update."""

from __future__ import annotations

import hmac
import logging
import os
import time
from collections.abc import Callable, Mapping
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
    GOOGLE_SHEET_SOURCES,
    ImportReport,
    Sheet,
    import_sheets,
)
from ingester.schedule.lock import ScheduleLock
from ingester.schedule.model import SHEET_SOURCE
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
"""Time limit in seconds for reading the sheet, with all retries and a second key. API Gateway's
limit is 29 s, and the rest is needed to write the table.

https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
"""

UNAUTHORIZED = (
    "The request doesn't carry the right token: the script's property SCHEDULE_TOKEN has to be the "
    "stack's SCHEDULE_UPDATE_TOKEN, which `invoke secrets.schedule-token` prints."
)
NOT_OPEN = (
    "This stack has no SCHEDULE_UPDATE_TOKEN, so it refuses every update: `invoke stack.update` "
    "makes one."
)

TOKEN_HEADER = "x-schedule-token"  # noqa: S105  # a header's name

NOT_NOW = (
    "The schedule's table can't be read or written now. Part of it may be changed already: "
    "update again in a minute."
)


@dataclass(frozen=True)
class Dependencies:
    """Client, table, lock, clock, settings and secrets that an update of the table works with."""

    settings: ScheduleUpdateSettings
    secrets: ScheduleUpdateSecrets
    sheets: Sheets
    schedule: ScheduleTable
    lock: ScheduleLock
    monotonic: Callable[[], float] = time.monotonic


def build() -> Dependencies:
    """Make the dependencies from the environment and the secrets in SSM.

    Raises:
        SettingsError: A setting is missing or malformed. A missing secret counts as not set up.
        BotoCoreError, ClientError: SSM fails.
    """
    settings = read(ScheduleUpdateSettings, os.environ)
    log.set_debug(settings.is_debug)
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
    """Handle a request from API Gateway."""
    return http_endpoint.handle(
        context, lambda: respond(event, container(), container.rebuild_sparingly)
    )


def respond(
    event: Mapping[str, Any], deps: Dependencies, rebuild: Callable[[], Dependencies] | None = None
) -> Answer:
    """Answer one request with a text for the spreadsheet's toast, or for its alert.

    `rebuild` returns dependencies with the current secrets. Without `rebuild`, `deps` stay in use.
    """
    return ERRORS.respond(
        event, lambda request: handle_update(request, deps, rebuild or (lambda: deps))
    )


def handle_update(
    request: Request, deps: Dependencies, rebuild: Callable[[], Dependencies]
) -> Answer:
    """Update the schedule table as a request asks, and answer with the result.

    `rebuild` returns dependencies with the current secrets.

    Raises:
        IngesterError, BotoCoreError, ClientError: See `update`.
    """
    text = sheet_answer(update(request, deps, rebuild))
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
    request: Request, deps: Dependencies, rebuild: Callable[[], Dependencies]
) -> ImportReport:
    """Read and check every tab, log and write the changes, and return the report.

    `rebuild` returns dependencies with the current secrets.

    Raises:
        Unauthorized: The request lacks the token, or the stack has none and isn't open.
        NotSetUp: The settings name no sheet.
        UpdateRunning: Another update is running.
        NotReady: AWS failed while the table was written: part of the update may be done.
        BotoCoreError, ClientError: AWS failed before the table was written.
        IngesterError: See `Sheets.tabs`, `ScheduleTable.all` and `import_sheets`.
    """
    ends = deps.monotonic() + GOOGLE_SECONDS
    if not _is_authorized(request, deps):
        current = rebuild()
        if not _is_authorized(request, current):
            raise Unauthorized(UNAUTHORIZED if current.secrets.schedule_update_token else NOT_OPEN)
    if not deps.settings.gsheets_doc_id or not deps.settings.tabs:
        raise NotSetUp(
            "No Google Sheet is set up for this stack: GSHEETS_DOC_ID and GSHEETS_SHEET_NAMES "
            "are missing in its settings."
        )
    with deps.lock.held():
        try:
            tabs = _tabs(deps, ends)
        except GoogleKeyRefused:
            newer = rebuild()
            if newer is deps or deps.monotonic() >= ends:
                raise
            tabs = _tabs(newer, ends)
        report = import_sheets(
            deps.schedule,
            [Sheet(tab.name, f"{SHEET_SOURCE}{tab.name}", tab.rows) for tab in tabs],
            GOOGLE_SHEET_SOURCES,
            dry_run=True,
        )
        # Log the changes before the writes: if the writes break off, no later update can report all
        # changes.
        for entry in log_entries(report):
            logger.log(entry.level, entry.message, extra={"rows": entry.rows})
        try:
            deps.schedule.apply(report.plan.put, report.plan.delete)
        except (BotoCoreError, ClientError) as error:
            logger.exception("AWS failed")
            # Report the changes in the error. The next update can't report all changes, because
            # that update compares the sheet with a table that is partly written.
            raise NotReady("\n".join([NOT_NOW, *interrupted_lines(report)])) from error
        return report


def _is_authorized(request: Request, deps: Dependencies) -> bool:
    """Return whether a request carries the token, or needs none."""
    token = deps.secrets.schedule_update_token
    if not token:
        return deps.settings.allow_open_schedule_update
    given = request.headers.get(TOKEN_HEADER, "").strip()
    return hmac.compare_digest(token.encode(), given.encode("utf-8", "replace"))


def _tabs(deps: Dependencies, ends: float) -> list[Tab]:
    settings, left = deps.settings, ends - deps.monotonic()
    return deps.sheets.tabs(settings.gsheets_doc_id, settings.tabs, seconds=left)
