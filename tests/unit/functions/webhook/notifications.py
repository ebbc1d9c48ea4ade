"""Builders of Zoom's webhook events and of on-demand requests; functions for tables and queues."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ingester.ledger.record import Record
from ingester.ledger.table import Ledger
from ingester.pipeline.states import State
from tests.cloud import Clock, Cloud
from tests.hooks import failing

UUID = "4Mhc+abc/def=="
ZIP_ID = f"auto-ingest-{UUID}"
MEETING = 95846636714
TOKEN = "SECRET-token"
Json = dict[str, Any]
Post = Callable[..., int]


def mp4(file_id: str = "file-1", **changes: Any) -> Json:
    return {
        "id": file_id,
        "meeting_id": UUID,
        "recording_start": "2026-10-14T15:00:00Z",
        "recording_end": "2026-10-14T16:00:00Z",
        "file_type": "MP4",
        "file_extension": "MP4",
        "file_size": 1000,
        "download_url": f"https://zoom.us/rec/download/SECRET-{file_id}",
        "status": "completed",
        "recording_type": "shared_screen_with_speaker_view",
        **changes,
    }


def chat(file_id: str = "chat-1", **changes: Any) -> Json:
    return mp4(file_id, file_type="CHAT", file_extension="TXT", recording_type="chat_file") | (
        changes
    )


def without(about: Json, *names: str) -> Json:
    return {name: value for name, value in about.items() if name not in names}


def about(**changes: Any) -> Json:
    return {
        "id": MEETING,
        "uuid": UUID,
        "host_id": "host",
        "topic": "HIST E-10",
        "start_time": "2026-10-14T15:00:00Z",
        "duration": 60,
        "total_size": 2000,
        "password": "SECRET-passcode",
        "recording_files": [mp4()],
        **changes,
    }


def completed(*files: Json, token: str = TOKEN, **changes: Any) -> Json:
    chosen = about(recording_files=list(files) or [mp4()]) | changes
    return {
        "event": "recording.completed",
        "event_ts": 1_791_993_600_000,
        "payload": {"account_id": "a", "object": chosen},
        "download_token": token,
    }


def on_demand(*files: Json, zip_id: str = "on-demand-1", **options: Any) -> Json:
    made = completed(*files) | {"event": "on.demand.ingest"}
    made["payload"] = {"object": made["payload"]["object"], "zip_id": zip_id, **options}
    return made


def status_event(event: str = "recording.started", **changes: Any) -> Json:
    return {
        "event": event,
        "event_ts": 1_791_990_000_500,
        "payload": {"object": without(about(), "recording_files", "host_id") | changes},
    }


def raw(content: Any, headers: dict[str, str] | None = None) -> Json:
    body = content if isinstance(content, str) else json.dumps(content)
    return {"headers": headers or {}, "body": body, "isBase64Encoded": False}


def sent(aws: Cloud) -> list[Json]:
    return [message["body"] for message in aws.sent_to(aws.download_queue)]


def state(aws: Cloud, zip_id: str = ZIP_ID) -> tuple[str, str]:
    row = aws.rows()[zip_id]
    return row["pipeline_state"], row.get("reason", "")


def put(aws: Cloud, to: State, zip_id: str = ZIP_ID, **more: Any) -> None:
    """Write the state `to` and the attributes `more` into a row."""
    aws.status.update_item(
        Key={"zip_id": zip_id},
        UpdateExpression="SET pipeline_state = :s"
        + "".join(f", {name} = :{name}" for name in more),
        ExpressionAttributeValues={":s": str(to), **{f":{n}": v for n, v in more.items()}},
    )


def untouched(aws: Cloud) -> bool:
    tables = (aws.status, aws.recordings, aws.events)
    return not aws.sends and not any(table.scan()["Items"] for table in tables)


def record_of(aws: Cloud, uuid: str = UUID) -> Record:
    """Return the ledger's record of a recording."""
    return Ledger(aws.recordings, Clock()).get(uuid)


def change_record(aws: Cloud, change: Callable[[Record], Record], uuid: str = UUID) -> None:
    """Change the ledger's record, as another step of the pipeline does."""
    Ledger(aws.recordings, Clock()).change(uuid, change)


def edit_record(aws: Cloud, uuid: str = UUID, **attributes: Any) -> None:
    """Write a record into the ledger, as a person may do by hand."""
    aws.recordings.put_item(Item={"uuid": uuid, "version": 3, **attributes})


def notes_sent(params: Json) -> bool:
    """Return whether an update of the ledger notes that a message was sent."""
    requests = params["ExpressionAttributeValues"][":requests"]
    return any(request.get("is_sent") for request in requests.values())


@contextmanager
def failing_queue(aws: Cloud) -> Iterator[None]:
    """Make SQS refuse messages in the `with` block, and remove these messages from `aws.sends`."""
    taken = list(aws.sends)
    with failing(aws.sqs, "sqs.SendMessage", "InternalError", status=500):
        yield
    aws.sends[:] = taken
