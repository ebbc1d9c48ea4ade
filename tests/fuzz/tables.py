"""Targets: the tables' items as a person may have edited them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import log_notifications
import reconcile
import status_query
from ingester.errors import IngesterError
from tests.fuzz import functions, payloads
from tests.fuzz.fakes import Aws
from tests.fuzz.functions import process, text_of
from tests.fuzz.logs import subscription_event
from tests.fuzz.mutations import Mutator, encoded
from tests.fuzz.opencast import good_answers
from tests.fuzz.slack import check_request, command, rows
from tests.fuzz.target import Target, require
from tests.fuzz.zoom import check_event, recording_answer

ROW_QUERIES: tuple[dict[str, str], ...] = (
    {"meeting_id": str(payloads.MEETING)},
    {"meeting_id": str(payloads.MEETING), "details": "true"},
    {"seconds": "3600"},
    {"since": "2026-10-13T00:00:00Z", "open": "true"},
)
MOST_BYTES = 6_000_000


def make_rows(mutator: Mutator) -> Any:
    found = [payloads.status_row(), *rows()[:2]]
    return mutator.value(found, most=6)


def check_rows(given: Any) -> Iterator[str]:
    """Check that /status, /zip and the mails work despite malformed rows of the status table.

    Yield the texts that must contain no secret.
    """
    aws = Aws()
    aws.status.put(given)
    aws.schedule.put([payloads.schedule_row()])
    for query in ROW_QUERIES:
        answered = status_query.respond({"queryStringParameters": query}, functions.status_of(aws))
        require(answered.status == 200, f"/status answers {answered.status}")
        require(len(answered.body) < MOST_BYTES, "An answer that Lambda refuses")
        json.loads(answered.body)
        yield text_of(answered)
    yield from check_request(command(), aws)
    sns = functions.Sns()
    line = {"level": "ERROR", "message": "no", "uuid": payloads.UUID, "location": "a.b:1"}
    event = subscription_event([json.dumps(line)])
    log_notifications.mail_faults(event, functions.notifications_of(aws, sns))
    require(sns.mails, "A failure that isn't mailed")
    yield from sns.mails


def make_record(mutator: Mutator) -> Any:
    return mutator.value([payloads.record()], most=6)


def check_record(given: Any) -> Iterator[str]:
    """Check that the functions handle messages and webhook events despite a malformed record.

    Yield the texts that must contain no secret.
    """
    items = given if isinstance(given, list) else []
    event = {"content": payloads.completed(), "own": False, "headers": {}, "known": items or [{}]}
    yield from check_event(event)
    removed = payloads.completed(event="recording.deleted")
    yield from check_event({**event, "content": removed})
    yield from check_event({**event, "content": {**removed, "event": "recording.recovered"}})
    aws = Aws()
    aws.recordings.put(items)
    download = {**payloads.download_messages()[0], "uuid": payloads.UUID}
    deps: Any = functions.downloader_of(aws, {"/recordings": recording_answer()}, [])
    process(aws, aws.download_queue, encoded(download).decode(), 1, deps)
    body = json.dumps({**payloads.upload_messages()[0], "uuid": payloads.UUID})
    deps = functions.uploader_of(aws, good_answers(), body)
    process(aws, aws.upload_queue, body, 1, deps)
    yield from aws.seen()


def make_others(mutator: Mutator) -> Any:
    events = {
        "zoom_uuid": payloads.upload_messages()[0]["uuid"],
        "recording_event_times": [{"event": "recording.paused", "timestamp": 1_792_000_000}],
        "expiration": 1_800_000_000,
    }
    return {
        "events": mutator.value([events]),
        "schedule": mutator.value([payloads.schedule_row()]),
        "reconcile": mutator.value([payloads.reconcile_item()]),
    }


def check_others(given: Any) -> Iterator[str]:
    """Check that functions raise no unexpected error on three kinds of malformed items.

    The items are recording events, the schedule, and the state of reconcile.

    Yield the texts that must contain no secret.
    """
    aws = Aws()
    for table, name in ((aws.events, "events"), (aws.schedule, "schedule")):
        table.put(given[name])
    aws.recordings.put(given["reconcile"])
    body = json.dumps(payloads.upload_messages()[0])
    deps: Any = functions.uploader_of(aws, good_answers(), body)
    process(aws, aws.upload_queue, body, 1, deps)
    message = {**payloads.download_messages()[0], "zoom_series_id": payloads.MEETING}
    deps = functions.downloader_of(aws, {"/recordings": recording_answer()}, [])
    process(aws, aws.download_queue, json.dumps(message), 1, deps)
    aws.status.put(rows()[:1])
    yield from check_request(command(), aws)
    queues = {"queryStringParameters": {"queues": "true"}}
    yield text_of(status_query.respond(queues, functions.status_of(aws)))
    deps = functions.reconcile_of(aws, {"/recordings": {"content": {"meetings": []}}})
    try:
        yield str(reconcile.answer({"source": "aws.events"}, deps, 100.0))
    except IngesterError as error:
        yield str(error)
    yield from aws.seen()


TARGETS = (
    Target("status-rows", 6, make_rows, check_rows),
    Target("ledger-record", 4, make_record, check_record),
    Target("other-items", 4, make_others, check_others),
)
