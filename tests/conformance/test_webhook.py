"""What the webhook of the first system did with random requests; ours must do the same.

Exceptions are rules with the line of the specification that they come from.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.cloud import Clock, Cloud, plain
from tests.conformance.vectors import cases, empty_is_absent
from tests.kits import post_webhook, webhook_tools

NEW_IN_FILES = {"file_size", "file_extension"}
NEW_IN_ROWS = {"expiration", "file_ids"}


def lacks_file_type(request: dict[str, Any]) -> bool:
    """A file without a type that is neither MP4 nor video needs nothing.

    Section 3: "other files need nothing [fixed] (a file without `file_type` counts as MP4 if its
    extension or recording type says video: then 400; else it is one of the others)".
    """
    files = request.get("payload", {}).get("object", {}).get("recording_files", [])
    return any("file_type" not in file for file in files)


def makes_a_failed_row(request: dict[str, Any], status: int) -> bool:
    """Bad webhook data leaves a row, made if it isn't there.

    Section 3: "state `WEBHOOK_FAILED` ("Bad webhook data"; the row is made if it isn't there and
    `uuid` and `id` can be read [fixed])".
    """
    about = request.get("payload", {}).get("object", {})
    ingest = request.get("event") in ("recording.completed", "on.demand.ingest")
    return bool(ingest and status == 400 and about.get("uuid") and about.get("id"))


@pytest.mark.parametrize("case", cases("webhook"))
def test_webhook(case: dict[str, Any], aws: Cloud, clock: Clock) -> None:
    clock.set(case["now"])
    tools = webhook_tools(aws, clock)
    failed_row = accepted = False
    for step in case["steps"]:
        answer = post_webhook(tools, step["request"])
        if step["status_code"] == 400 and lacks_file_type(step["request"]) and answer.status == 200:
            accepted = True
            continue
        assert answer.status == step["status_code"], answer.body
        failed_row = failed_row or makes_a_failed_row(step["request"], answer.status)

    queue = sent(aws)
    rows = [without(row, NEW_IN_ROWS) for row in aws.rows().values()]
    if accepted:
        assert [row["pipeline_state"] for row in rows] == ["SENT_TO_DOWNLOADER"]
        assert len(queue) == 1
        return
    assert queue == case["download_queue"]
    expected = [empty_is_absent(row) for row in case["status_rows"]]
    if failed_row and not expected:
        assert [(row["pipeline_state"], row["reason"]) for row in rows] == [
            ("WEBHOOK_FAILED", "Bad webhook data")
        ]
        return
    assert [empty_is_absent(row) for row in rows] == expected
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
