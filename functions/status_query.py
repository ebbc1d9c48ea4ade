"""GET /status: query ingests, queues and reconcile. GET /: return the page that shows results."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from ingester import log, timestamps
from ingester.errors import BadRequest, LedgerUnreadable, ScheduleUnreadable
from ingester.ledger.record import Record, files_of_event, media_package_or_newest
from ingester.ledger.table import Ledger
from ingester.pipeline.queue import Queue
from ingester.pipeline.states import FOLLOWED, OVER, State
from ingester.reconcile.decisions import Check, check_of
from ingester.reconcile.state_table import ReconcileState
from ingester.runtime import clients, http_endpoint
from ingester.runtime.api_gateway import Answer, Request, json_answer
from ingester.runtime.clock import utc_now
from ingester.runtime.container import Container
from ingester.runtime.http_endpoint import AwsFailure, ErrorAnswers, log_nothing
from ingester.runtime.static_page import page_answer
from ingester.schedule.series_lookup import scheduled_destination
from ingester.schedule.table import ScheduleTable
from ingester.settings import StatusQuerySettings, read
from ingester.status.details import RecordingDetails, Scheduled, details_of, editor_of, file_words
from ingester.status.diagnosis import CAN_BE_SUPERSEDED, Diagnosis, diagnose, diagnose_each
from ingester.status.row import StatusRow
from ingester.status.table import STATUS_RETENTION, StatusTable
from ingester.status.time_index import Position, StatusPages
from ingester.status.verdict import Verdict, verdicts_of
from ingester.status.words import STATES
from ingester.time_zones import zone_of

logger = logging.getLogger("ingester.status_query")

MAX_SECONDS = 3600
MAX_DIGITS = 18
MAX_PERIOD = STATUS_RETENTION + timedelta(days=1)
"""Longest period of a query: a day more than rows live, because callers count days in their own
time zone."""

MEETING_INGESTS = 200
"""Maximum number of a meeting's ingests in an answer with details. With the longest reasons, the
ingests take 4 MB of Lambda's 6 MB.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

MEETINGS_LOOKED_UP = 100
"""Maximum number of meetings whose other ingests are read for one page of ingests. Another ingest
may show that an ingest needs no person and no new request."""

ERRORS = ErrorAnswers(
    aws=AwsFailure(
        status=503,
        text="The status can't be read now. Try again later.",
        headline=lambda _error: "The status can't be read",
        outlook="Nothing is lost: whoever asked was told to ask again later.",
    ),
    report=log_nothing,
)

PAGE = Path(__file__).with_name("status_page.html")
WORDS_IN_PAGE = "const WORDS = {};"
"""Line of the page's script that `page_text` fills with the words for states."""


@dataclass(frozen=True)
class Dependencies:
    """Tables, queues, clock and settings that the queries work with.

    An answer names the queues by the keys of `queues`. `reconcile` holds the state of reconcile.
    `opencast` is Opencast's URL; "" if the URL is unknown.
    """

    stack_name: str
    zoom_web: str
    status: StatusTable
    pages: StatusPages
    queues: Mapping[str, Queue]
    ledger: Ledger
    schedule: ScheduleTable
    zone: tzinfo
    buffer_minutes: int
    fallback_series_id: str
    opencast: str
    reconcile: ReconcileState
    reconcile_days: int
    page: Answer
    clock: Callable[[], datetime]
    patience: timedelta
    meetings_looked_up: int = MEETINGS_LOOKED_UP


def build() -> Dependencies:
    """Make the dependencies from the environment.

    Raises:
        SettingsError: A setting is missing or malformed.
    """
    settings = read(StatusQuerySettings, os.environ)
    log.set_debug(settings.is_debug)
    table, sqs = clients.table(settings.status_table), clients.sqs()
    recordings = clients.table(settings.recordings_table)
    return Dependencies(
        stack_name=settings.stack_name,
        zoom_web=settings.zoom_web,
        status=StatusTable(table, utc_now),
        pages=StatusPages(table),
        queues={
            "downloads": Queue(sqs, settings.download_queue_url),
            "downloads_dead": Queue(sqs, settings.download_dlq_url),
            "uploads": Queue(sqs, settings.upload_queue_url),
            "uploads_dead": Queue(sqs, settings.upload_dlq_url),
        },
        ledger=Ledger(recordings, utc_now),
        schedule=ScheduleTable(clients.table(settings.schedule_table)),
        zone=zone_of(settings.local_time_zone),
        buffer_minutes=settings.buffer_minutes,
        fallback_series_id=settings.fallback_series_id,
        opencast=settings.opencast_base_url,
        reconcile=ReconcileState(recordings),
        reconcile_days=settings.reconcile_days,
        page=page_answer(page_text()),
        clock=utc_now,
        patience=timedelta(hours=settings.oc_ingest_patience_hours),
    )


def page_text() -> str:
    """Return the page's HTML, with the words for states and without lines of comments."""
    words = json.dumps(
        {str(state): words for state, words in STATES.items()}, separators=(",", ":")
    )
    page = re.sub(r"^ *//.*\n", "", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    return page.replace(WORDS_IN_PAGE, f"const WORDS = {words};")


container = Container(build)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Handle a request from API Gateway."""
    return http_endpoint.handle(context, lambda: respond(event, container()))


def respond(event: Mapping[str, Any], deps: Dependencies) -> Answer:
    """Answer one request."""
    return ERRORS.respond(event, lambda request: query_status(request, deps))


def query_status(request: Request, deps: Dependencies) -> Answer:
    """Answer with the page, or with the data that the query selects.

    Raises:
        BadRequest: The query is wrong.
    """
    if request.resource == "/":
        return deps.page
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
    """Return the ingests of the meeting `meeting_id`, or those updated in the last `seconds`.

    Returns:
        A meeting with its recordings and their ingests, None if the meeting has no ingests; or
        `meetings`, the list of meetings with ingests that were updated in the last `seconds`.

    Raises:
        BadRequest: The query is wrong.
    """
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
    """Return the newest ingests of a meeting with their steps, and the meeting's recordings.

    `uuid` in the query selects the recording that is returned with all details.

    Raises:
        BadRequest: The query is wrong.
    """
    rows = deps.status.of_meeting(_meeting_id(query))
    rows.sort(key=lambda row: (row.updated, row.zip_id), reverse=True)
    chosen = rows[:MEETING_INGESTS]
    now = deps.clock()
    diagnoses = diagnose_each(rows, rows, now, deps.patience)
    return _ingests(chosen, diagnoses, now, deps) | {
        "recordings": _recordings(rows, diagnoses, query.get("uuid", ""), deps),
        "left_out": len(rows) - len(chosen),
    }


def _recordings(
    rows: Sequence[StatusRow],
    diagnoses: Mapping[str, Diagnosis],
    requested_uuid: str,
    deps: Dependencies,
) -> list[RecordingDetails]:
    return [
        _recording_details(uuid, verdict, deps)
        if uuid == requested_uuid
        else RecordingDetails(uuid=uuid, verdict=verdict.text)
        for uuid, verdict in verdicts_of(rows, diagnoses).items()
    ]


def _recording_details(uuid: str, verdict: Verdict, deps: Dependencies) -> RecordingDetails:
    """Return the details of a recording from the ledger and the schedule."""
    try:
        record = deps.ledger.get(uuid)
    except LedgerUnreadable:
        record = Record(uuid=uuid)
    media_package = media_package_or_newest(record, verdict.ingest.zip_id)
    named = sorted(record.files.values(), key=lambda file: file.name)
    is_linked = verdict.is_in_opencast and media_package and deps.opencast
    return RecordingDetails(
        uuid=uuid,
        verdict=verdict.text,
        editor=editor_of(media_package, deps.opencast) if is_linked else "",
        files=[
            file_words(file.name, file.seconds, file.size)
            for file in files_of_event(record, media_package) or named
        ],
        scheduled=_scheduled(verdict.ingest, deps),
    )


def _scheduled(row: StatusRow, deps: Dependencies) -> Scheduled | None:
    """Return a row's destination by the schedule; None if schedule or start can't be read."""
    try:
        found = scheduled_destination(
            row.start_time,
            deps.schedule.get(row.meeting_id),
            zone=deps.zone,
            buffer_minutes=deps.buffer_minutes,
            fallback_series_id=deps.fallback_series_id,
        )
    except (ScheduleUnreadable, ValueError, OverflowError):
        return None
    title = found.title if found.course or found.series_id != deps.fallback_series_id else ""
    return Scheduled(oc_series_id=found.series_id, title=title, course=found.course)


def changed_since(query: Mapping[str, str], deps: Dependencies) -> dict[str, Any]:
    """Return a page of the ingests updated from `since` to `until`, the newest first.

    Without `until`, the period ends now. `uuid` selects the ingests of a recording. `open=true`
    leaves out the ingests in the states `OVER`. If the answer has `next`, there may be more pages:
    the caller sends the same query with this `next`.

    Raises:
        BadRequest: The query is wrong.
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
    diagnoses = diagnose_each(chosen, siblings, now, deps.patience)
    return _ingests(chosen, diagnoses, now, deps) | ({"next": position.token} if position else {})


def backlogs(deps: Dependencies) -> dict[str, Any]:
    """Return the current time, the stack's name and each queue's backlog.

    Add the health of reconcile unless reconcile is off.
    """
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
    """Return the ingests, with their steps, of the meetings whose rows may be superseded.

    Another ingest may supersede a row that needs a person, or that no scheduled class fits. At most
    `meetings_looked_up` meetings are read, first those of rows that need a person.

    The rows of a page lack the steps. Without the steps, a row's time of success would be that of
    its last update, which late files can cause after the success.
    """
    known = [(row, diagnose(row, (), now, deps.patience)) for row in rows if row.meeting_id]
    known = [(row, one) for row, one in known if one.situation in CAN_BE_SUPERSEDED]
    known.sort(key=lambda pair: not pair[1].needs_attention)
    found = dict.fromkeys(row.meeting_id for row, _ in known)
    meetings = list(found)[: deps.meetings_looked_up]
    return [row for meeting in meetings for row in deps.status.of_meeting(meeting)]


def _ingests(
    rows: Sequence[StatusRow], diagnoses: Mapping[str, Diagnosis], now: datetime, deps: Dependencies
) -> dict[str, Any]:
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
    """Group rows by meeting and recording, in the order of each group's first row."""
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
    """Return an ingest without details, with a state that older callers know.

    Only the details say what became of the ingest in Opencast.
    """
    state = State.SENT_TO_OPENCAST if row.state in FOLLOWED else row.state
    is_unknown = row.state in FOLLOWED - {State.PUBLISHED}
    optional = {
        "reason": "" if is_unknown else row.reason,
        "ingest_request_time": row.ingest_request_time,
        "oc_series_id": row.oc_series_id,
    }
    return {
        "last_updated": timestamps.write(row.updated),
        "status": str(state or ""),
        "origin": row.origin,
        **{name: value for name, value in optional.items() if value},
    }
