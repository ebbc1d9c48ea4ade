"""GET /status: what the status table knows of a meeting, or of the last seconds."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ingester import clients, log
from ingester.container import Container
from ingester.errors import BadRequest, RequestError
from ingester.gateway import Answer, json_answer, proxy_answer, request_of
from ingester.neighbours.tables import StatusRow, StatusTable
from ingester.rules import timestamps
from ingester.settings import StatusQuerySettings, read

logger = logging.getLogger("ingester.status_query")

MAX_SECONDS = 3600
MAX_DIGITS = 18


@dataclass(frozen=True)
class Tools:
    """What the use case works with."""

    status: StatusTable
    clock: Callable[[], datetime]


def build() -> Tools:
    settings = read(StatusQuerySettings, os.environ)
    log.verbose(settings.is_debug)
    return Tools(status=StatusTable(clients.table(settings.status_table), _now), clock=_now)


def _now() -> datetime:
    return datetime.now(UTC)


tools = Container(build)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """API Gateway's entry."""
    log.start(context)
    return proxy_answer(respond(event, tools()))


def respond(event: Mapping[str, Any], tools: Tools) -> Answer:
    """The answer to one query."""
    try:
        return json_answer(200, {"records": records(request_of(event).query, tools)})
    except RequestError as error:
        return json_answer(error.status, {"message": str(error)})
    except (BotoCoreError, ClientError):
        told = "Nothing is lost: whoever asked was told to ask again later."
        logger.exception("The status table can't be read", extra={"outlook": told})
        return json_answer(503, {"message": "The status can't be read now. Try again later."})


def records(query: Mapping[str, str], tools: Tools) -> dict[str, Any] | None:
    """By `meeting_id` one meeting or None, by `seconds` the meetings updated since then."""
    if "meeting_id" in query:
        meeting_id = _digits(query["meeting_id"], "meeting_id must be a meeting number's digits")
        meetings = _meetings(tools.status.of_meeting(meeting_id))
        return meetings[0] if meetings else None
    if "seconds" in query:
        problem = f"seconds must be a number from 0 to {MAX_SECONDS}"
        seconds = _digits(query["seconds"], problem)
        if seconds > MAX_SECONDS:
            raise BadRequest(f"{problem}.")
        begin = tools.clock() - timedelta(seconds=seconds)
        return {"meetings": _meetings(tools.status.updated_since(begin))}
    raise BadRequest("Ask with ?meeting_id= or ?seconds=.")


def _digits(text: str, problem: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise BadRequest(f"{problem}.")
    return int(text)


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
