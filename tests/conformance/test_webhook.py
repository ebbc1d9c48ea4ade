"""What the webhook of the first system did with random requests; ours must do the same.

Where it may differ, a rule below says so, with the line of the specification it comes from. The
rules look at what a case holds, never at its number: other recorded cases have to pass as well.
"""

from __future__ import annotations

from typing import Any

import pytest

from ingester.rules.recording import CHAT, VIEWS, view_of
from tests.cloud import Clock, Cloud, plain
from tests.conformance.vectors import cases, empty_is_absent
from tests.kits import post_webhook, webhook_tools

INGEST_EVENTS = ("recording.completed", "on.demand.ingest")
NEW_IN_FILES = {"file_size", "file_extension", "status"}
NEW_IN_ROWS = {"expiration", "file_ids", "steps"}
CHANGED_BY_LATE_EVENTS = {"pipeline_state", "reason", "update_date", "update_time"}


def files_of(request: dict[str, Any]) -> list[dict[str, Any]]:
    about = request.get("payload", {}).get("object", {})
    return list(about.get("recording_files", []))


def is_needed(file: dict[str, Any]) -> bool:
    """Whether a file has to be complete.

    Section 3: "other files need nothing [fixed] (a file without `file_type` counts as MP4 if its
    extension or recording type says video: then 400; else it is one of the others)".
    """
    if file.get("file_type"):
        return str(file["file_type"]).upper() in ("MP4", "CHAT")
    video = str(file.get("file_extension", "")).upper() == "MP4"
    return video or view_of(str(file.get("recording_type", ""))) in VIEWS - {CHAT}


def only_others_lack_something(request: dict[str, Any]) -> bool:
    """A 400 of the first system that came from a file that needs nothing [fixed], as above."""
    required = {"id", "recording_start", "recording_end", "download_url", "file_type"}
    lacking = [file for file in files_of(request) if not required <= set(file)]
    return bool(lacking) and not any(is_needed(file) for file in lacking)


def is_unfinished(request: dict[str, Any]) -> bool:
    """Section 3: a file whose status is not `completed`: "Zoom's own [fixed]: accepted with a
    delay"."""
    return request.get("event") == "recording.completed" and any(
        is_needed(file) and file.get("status", "completed") != "completed"
        for file in files_of(request)
    )


def makes_a_failed_row(request: dict[str, Any], status: int) -> bool:
    """Section 3: "state `WEBHOOK_FAILED` ("Bad webhook data"; the row is made if it isn't there
    and `uuid` and `id` can be read [fixed])"."""
    about = request.get("payload", {}).get("object", {})
    ingest = request.get("event") in INGEST_EVENTS
    return bool(ingest and status == 400 and about.get("uuid") and about.get("id"))


def repeats(requests: list[dict[str, Any]]) -> int:
    """Section 3, Duplicates [fixed]: the same event, uuid and file ids put one message on the
    queue. How many of the accepted requests are such repeats."""
    keys = [
        (
            request["event"],
            request["payload"]["object"]["uuid"],
            request["payload"].get("zip_id"),
            frozenset(file["id"] for file in files_of(request) if is_needed(file)),
        )
        for request in requests
    ]
    return len(keys) - len(set(keys))


def has_late_status_event(case: dict[str, Any]) -> bool:
    """Section 2: "A Zoom-side state never replaces […] [fixed] any pipeline state"."""
    ingested = False
    for step in case["steps"]:
        if step["request"].get("event") in INGEST_EVENTS:
            ingested = True
        elif ingested:
            return True
    return False


@pytest.mark.parametrize("case", cases("webhook"))
def test_webhook(case: dict[str, Any], aws: Cloud, clock: Clock) -> None:
    clock.set(case["now"])
    tools = webhook_tools(aws, clock)
    accepted: list[dict[str, Any]] = []
    more_accepted = failed_row = False
    for step in case["steps"]:
        request, expected = step["request"], step["status_code"]
        answer = post_webhook(tools, request)
        if expected == 400 and (only_others_lack_something(request) or is_unfinished(request)):
            assert answer.status == 200, answer.body
            more_accepted = True
            continue
        assert answer.status == expected, answer.body
        if request.get("event") in INGEST_EVENTS and answer.status == 200:
            accepted.append(request)
        failed_row = failed_row or makes_a_failed_row(request, answer.status)

    queue, rows = sent(aws), [without(row, NEW_IN_ROWS) for row in aws.rows().values()]
    if more_accepted:
        assert queue
        assert {row["pipeline_state"] for row in rows} == {"SENT_TO_DOWNLOADER"}
        return
    first = len(case["download_queue"]) - repeats(accepted)
    assert queue == case["download_queue"][:first]
    expected_rows = [empty_is_absent(row) for row in case["status_rows"]]
    if failed_row and not expected_rows:
        assert [(row["pipeline_state"], row["reason"]) for row in rows] == [
            ("WEBHOOK_FAILED", "Bad webhook data")
        ]
    elif has_late_status_event(case):
        assert [without(empty_is_absent(row), CHANGED_BY_LATE_EVENTS) for row in rows] == [
            without(row, CHANGED_BY_LATE_EVENTS) for row in expected_rows
        ]
        assert not any(row["pipeline_state"].startswith("RECORDING_") for row in rows)
    else:
        assert [empty_is_absent(row) for row in rows] == expected_rows
    events = [without(plain(item), {"expiration"}) for item in aws.events.scan()["Items"]]
    assert events == [without(item, {"expiration"}) for item in case["recording_events"]]


def sent(aws: Cloud) -> list[dict[str, Any]]:
    """The messages sent, without what is new in them."""
    messages = aws.sent_to(aws.download_queue)
    for message in messages:
        files = message["body"]["recording_files"]
        message["body"]["recording_files"] = [without(file, NEW_IN_FILES) for file in files]
    return messages


def without(row: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in names}
