"""GET /status: what the status table knows; and GET /, the page that asks it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ingester import log, timestamps
from ingester.errors import BadRequest, LedgerUnreadable, RequestError
from ingester.pipeline.queue import Queue
from ingester.pipeline.states import OVER
from ingester.reconcile.decisions import Check, check_of
from ingester.reconcile.state_table import ReconcileState
from ingester.runtime import clients
from ingester.runtime.api_gateway import Answer, Request, json_answer, proxy_answer, request_of
from ingester.runtime.container import Container
from ingester.runtime.static_page import page_answer
from ingester.settings import StatusQuerySettings, read
from ingester.status.details import details_of
from ingester.status.diagnosis import diagnose, diagnose_each
from ingester.status.row import StatusRow
from ingester.status.table import STATUS_LIFE, StatusTable
from ingester.status.time_index import Position, StatusPages

logger = logging.getLogger("ingester.status_query")

MAX_SECONDS = 3600
MAX_DIGITS = 18
MAX_PERIOD = STATUS_LIFE + timedelta(days=1)
"""A day more than rows live: whoever asks counts days of their own."""

MEETING_INGESTS = 200
"""Ingests of a meeting told with their steps: with the longest reasons some 4 MB, of Lambda's 6."""

MEETINGS_LOOKED_UP = 100
"""For each page of ingests, whether others have settled those that need a person, in a second or
less. What isn't looked up goes on needing one."""

PAGE = Path(__file__).with_name("status_page.html")


@dataclass(frozen=True)
class Dependencies:
    """What the use case works with. `queues` go by the names that the answer gives them.

    `reconcile` remembers the last look for recordings that Zoom didn't tell of.
    """

    stack_name: str
    zoom_web: str
    status: StatusTable
    pages: StatusPages
    queues: Mapping[str, Queue]
    reconcile: ReconcileState
    reconcile_days: int
    page: Answer
    clock: Callable[[], datetime]
    patience: timedelta


def build() -> Dependencies:
    settings = read(StatusQuerySettings, os.environ)
    log.verbose(settings.is_debug)
    table, sqs = clients.table(settings.status_table), clients.sqs()
    return Dependencies(
        stack_name=settings.stack_name,
        zoom_web=settings.zoom_web,
        status=StatusTable(table, _now),
        pages=StatusPages(table),
        queues={
            "downloads": Queue(sqs, settings.download_queue_url),
            "downloads_dead": Queue(sqs, settings.download_dlq_url),
            "uploads": Queue(sqs, settings.upload_queue_url),
            "uploads_dead": Queue(sqs, settings.upload_dlq_url),
        },
        reconcile=ReconcileState(clients.table(settings.recordings_table)),
        reconcile_days=settings.reconcile_days,
        page=page_answer(PAGE.read_text("utf-8")),
        clock=_now,
        patience=timedelta(hours=settings.oc_ingest_patience_hours),
    )


def _now() -> datetime:
    return datetime.now(UTC)


container = Container(build)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """API Gateway's entry."""
    log.start(context)
    return proxy_answer(respond(event, container()))


def respond(event: Mapping[str, Any], deps: Dependencies) -> Answer:
    """The answer to one request: the page, or what a query asks for."""
    try:
        request = request_of(event)
        return deps.page if request.resource == "/" else _asked(request, deps)
    except RequestError as error:
        return json_answer(error.status, {"message": str(error)})
    except (BotoCoreError, ClientError):
        told = "Nothing is lost: whoever asked was told to ask again later."
        logger.exception("The status can't be read", extra={"outlook": told})
        return json_answer(503, {"message": "The status can't be read now. Try again later."})


def _asked(request: Request, deps: Dependencies) -> Answer:
    query = request.query
    if "meeting_id" in query and _flag(query, "details"):
        return json_answer(200, of_meeting(query, deps))
    if not query.keys() & {"meeting_id", "seconds"}:
        if "since" in query:
            return json_answer(200, changed_since(query, deps))
        if _flag(query, "queues"):
            return json_answer(200, backlogs(deps))
    return json_answer(200, {"records": records(query, deps)})


def records(query: Mapping[str, str], deps: Dependencies) -> dict[str, Any] | None:
    """By `meeting_id` one meeting or None, by `seconds` the meetings updated since then."""
    if "meeting_id" in query:
        meetings = _meetings(deps.status.of_meeting(_meeting_id(query)))
        return meetings[0] if meetings else None
    if "seconds" in query:
        problem = f"seconds must be a number from 0 to {MAX_SECONDS}"
        seconds = _digits(query["seconds"], problem)
        if seconds > MAX_SECONDS:
            raise BadRequest(f"{problem}.")
        begin = deps.clock() - timedelta(seconds=seconds)
        return {"meetings": _meetings(deps.status.updated_since(begin))}
    raise BadRequest("Ask with ?meeting_id=, ?seconds=, ?since= or ?queues=true.")


def of_meeting(query: Mapping[str, str], deps: Dependencies) -> dict[str, Any]:
    """Every ingest of a meeting with its steps, the newest first."""
    rows = deps.status.of_meeting(_meeting_id(query))
    rows.sort(key=lambda row: (row.updated, row.zip_id), reverse=True)
    chosen = rows[:MEETING_INGESTS]
    return _ingests(chosen, rows, deps.clock(), deps) | {"left_out": len(rows) - len(chosen)}


def changed_since(query: Mapping[str, str], deps: Dependencies) -> dict[str, Any]:
    """The ingests updated from `since` to `until` (now), the newest first, a page at a time.

    `uuid` leaves only a recording's, `open=true` those that aren't over: neither in Opencast nor
    ignored. If there may be more, `next` is to be sent with the same query.
    """
    now = deps.clock()
    begin = _moment(query["since"], "since")
    if now - begin > MAX_PERIOD:
        raise BadRequest(f"since must lie at most {MAX_PERIOD.days} days back.")
    end = min(_moment(query["until"], "until"), now) if "until" in query else now
    after = Position.read(query["next"]) if "next" in query else None
    over = OVER if _flag(query, "open") else frozenset()
    rows, position = deps.pages.page(begin, end, after, over)
    chosen = [row for row in rows if query.get("uuid") in (None, row.recording_id)]
    siblings = _siblings(chosen, now, deps)
    return _ingests(chosen, siblings, now, deps) | ({"next": position.token} if position else {})


def backlogs(deps: Dependencies) -> dict[str, Any]:
    """How many messages each queue holds; and how reconcile is doing, unless it is off."""
    check = _reconcile_check(deps)
    return {
        "now": timestamps.write(deps.clock()),
        "stack": deps.stack_name,
        "queues": {name: queue.backlog() for name, queue in deps.queues.items()},
        **({"reconcile": check} if check else {}),
    }


def _reconcile_check(deps: Dependencies) -> Check | None:
    if not deps.reconcile_days:
        return None
    try:
        state = deps.reconcile.get()
    except LedgerUnreadable as error:
        return Check(problem=str(error))
    return check_of(state, deps.reconcile_days, deps.clock())


def _siblings(rows: Sequence[StatusRow], now: datetime, deps: Dependencies) -> list[StatusRow]:
    """All ingests of the meetings of those rows that need a person, of so many meetings.

    With their steps, which the rows of a page lack: without these late files make an earlier
    success look like a later one.
    """
    needy = [
        row.meeting_id
        for row in rows
        if row.meeting_id and diagnose(row, (), now, deps.patience).needs_attention
    ]
    meetings = list(dict.fromkeys(needy))[:MEETINGS_LOOKED_UP]
    return [row for meeting in meetings for row in deps.status.of_meeting(meeting)]


def _ingests(
    rows: Sequence[StatusRow], every: Sequence[StatusRow], now: datetime, deps: Dependencies
) -> dict[str, Any]:
    diagnoses = diagnose_each(rows, every, now, deps.patience)
    ingests = [details_of(row, diagnoses[row.zip_id], zoom_web=deps.zoom_web) for row in rows]
    return {"now": timestamps.write(now), "ingests": ingests}


def _meeting_id(query: Mapping[str, str]) -> int:
    return _digits(query["meeting_id"], "meeting_id must be a meeting number's digits")


def _digits(text: str, problem: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise BadRequest(f"{problem}.")
    return int(text)


def _moment(text: str, name: str) -> datetime:
    try:
        return timestamps.parse(text)
    except ValueError as error:
        raise BadRequest(f"{name} must be a time like 2026-10-14T18:30:00Z.") from error


def _flag(query: Mapping[str, str], name: str) -> bool:
    if query.get(name, "false") not in {"true", "false"}:
        raise BadRequest(f"{name} must be true or false.")
    return query.get(name) == "true"


def _meetings(rows: Sequence[StatusRow]) -> list[dict[str, Any]]:
    """Rows as meetings with recordings with ingests, each in the order of its first row."""
    meetings: dict[int, dict[str, Any]] = {}
    recordings: dict[tuple[int, str], dict[str, Any]] = {}
    for row in rows:
        if row.meeting_id not in meetings:
            meetings[row.meeting_id] = {
                "meeting_id": row.meeting_id,
                "topic": row.topic,
                "recordings": [],
            }
        key = (row.meeting_id, row.recording_id)
        if key not in recordings:
            recordings[key] = {
                "recording_id": row.recording_id,
                "start_time": row.start_time,
                "zip_ingests": [],
            }
            meetings[row.meeting_id]["recordings"].append(recordings[key])
        recordings[key]["zip_ingests"].append(_ingest(row))
    return list(meetings.values())


def _ingest(row: StatusRow) -> dict[str, str]:
    optional = {
        "reason": row.reason,
        "ingest_request_time": row.ingest_request_time,
        "oc_series_id": row.oc_series_id,
    }
    return {
        "last_updated": timestamps.write(row.updated),
        "status": str(row.state or ""),
        "origin": row.origin,
        **{name: value for name, value in optional.items() if value},
    }
