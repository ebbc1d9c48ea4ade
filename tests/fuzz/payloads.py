"""Payloads to mutate: from docs/openapi.yaml, from tests/vectors, and written here."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from ingester.zoom.webhook_events import REMOVAL_EVENTS, STATUS_EVENTS
from tests import openapi
from tests.fuzz import planted

VECTORS = Path(__file__).resolve().parents[1] / "vectors"

UUID, MEETING = "ajXp112QmuoKj4854875==", 95846636714
START, END = "2026-10-14T15:00:00Z", "2026-10-14T15:50:00Z"
SERIES = "20260112345"


@cache
def vectors(name: str) -> list[dict[str, Any]]:
    """Return the cases of one file of tests/vectors. Callers must not change the cached cases."""
    found: list[dict[str, Any]] = json.loads((VECTORS / f"{name}.json").read_bytes())
    return found


def recording_file(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return an entry of Zoom's `recording_files`."""
    return {
        "id": f"a000000{number}-0000-4000-8000-000000000000",
        "meeting_id": UUID,
        "recording_start": START,
        "recording_end": END,
        "file_type": "MP4",
        "file_extension": "MP4",
        "file_size": 1_800_000,
        "recording_type": "shared_screen_with_speaker_view",
        "status": "completed",
        "download_url": f"https://zoom.us/rec/download/{number}",
        "play_url": f"https://zoom.us/rec/play/{number}",
        **changes,
    }


def meeting(**changes: Any) -> dict[str, Any]:
    """Return Zoom's answer about one recording, which is also the `object` of webhook events."""
    files = [
        recording_file(1),
        recording_file(2, recording_type="active_speaker"),
        recording_file(3, file_type="CHAT", file_extension="TXT", recording_type="chat_file"),
        recording_file(4, file_type="TIMELINE", file_extension="JSON"),
    ]
    return {
        "uuid": UUID,
        "id": MEETING,
        "account_id": "acc",
        "host_id": "host-1",
        "topic": "HIST E-1010",
        "type": 8,
        "start_time": START,
        "timezone": "America/New_York",
        "duration": 50,
        "total_size": 5_400_000,
        "recording_count": 4,
        "share_url": "https://zoom.us/rec/share/x",
        "password": planted.PASSCODE,
        "recording_play_passcode": planted.PASSCODE,
        "recording_files": files,
        **changes,
    }


def completed(**changes: Any) -> dict[str, Any]:
    """Return Zoom's webhook event `recording.completed`."""
    return {
        "event": "recording.completed",
        "event_ts": 1_791_990_000_000,
        "download_token": planted.DOWNLOAD_TOKEN,
        "payload": {"account_id": "acc", "object": meeting()},
        **changes,
    }


def on_demand_event() -> dict[str, Any]:
    """Return the request by which the pipeline itself asks the webhook for an ingest."""
    options = {
        "zip_id": "on-demand-1",
        "on_demand_series_id": SERIES,
        "oc_workflow": "wf",
        "allow_multiple_ingests": False,
        "ingest_all_mp4": True,
        "force": True,
        "override_series_id": SERIES,
        "ignore_schedule": False,
    }
    payload = {"object": meeting(), **options}
    return completed(event="on.demand.ingest", payload=payload)


@cache
def zoom_events() -> list[dict[str, Any]]:
    """Return webhook events of several kinds, and the requests of the webhook's test vectors."""
    about = {key: value for key, value in meeting().items() if key != "recording_files"}
    batch = {
        "meeting_uuids": [UUID, "b=="],
        "meetings": [{"meeting_uuid": UUID, "recording_files": [{"recording_file_id": "a"}]}],
    }
    documented = openapi.operations()["POST", "new_recording"]["requestBody"]["content"]
    examples = documented["application/json"]["examples"].values()
    return [
        *(dict(example["value"]) for example in examples),
        *([completed()] * 4),
        *(completed(event=event, payload={"object": about}) for event in STATUS_EVENTS),
        *(completed(event=event, payload={"object": batch}) for event in REMOVAL_EVENTS),
        completed(event="recording.recovered", payload={"object": about}),
        completed(event="recording.batch_recovered", payload={"object": batch}),
        *(step["request"] for case in vectors("webhook") for step in case["steps"]),
    ]


@cache
def download_messages() -> list[dict[str, Any]]:
    """Return messages of the download queue, some with many optional fields."""
    options = {
        "file_extension": "MP4",
        "first_seen": "2026-10-14T18:00:00Z",
        "is_partial": True,
        "copying": {"since": "2026-10-14T18:00:00Z", "stored_bytes": 5, "idle": 1},
        "force": True,
        "override_series_id": SERIES,
        "zoom_total_size_bytes": 5,
        "zoom_processing_minutes": 12.0,
        "download_token": planted.DOWNLOAD_TOKEN,
    }
    found = [case["message"] for case in vectors("download")]
    return [*found, *({**message, **options} for message in found[:20])]


@cache
def upload_messages() -> list[dict[str, Any]]:
    """Return messages of the upload queue."""
    return [case["message"] for case in vectors("upload")]


def record() -> dict[str, Any]:
    """Return the ledger's record of a recording that was ingested."""
    return {
        "uuid": UUID,
        "version": 3,
        "files": {recording_file(1)["id"]: {"name": "a view", "at": START}},
        "left_out": [],
        "requests": {
            f"auto-ingest-{UUID}": {
                "at": START,
                "asked": {"oc_series_id": SERIES},
                "is_sent": True,
                "sent": [recording_file(1)["id"]],
                "end": "gone",
                "failures": 1,
            }
        },
        "ingests": {
            "6cfb4b37-26d1-b0a4-9b94-9d80e4e92f0c": {
                "zip_id": f"auto-ingest-{UUID}",
                "series": SERIES,
                "files": {recording_file(1)["id"]: "a view"},
                "posts": [{"attempt": "a1", "at": START, "outcome": "taken"}],
                "workflow": "7",
                "is_shown": True,
            }
        },
        "notice": "",
        "expiration": 1_900_000_000,
    }


def status_row() -> dict[str, Any]:
    """Return a status row with all attributes."""
    return {
        "zip_id": f"auto-ingest-{UUID}",
        "meeting_id": MEETING,
        "recording_id": UUID,
        "topic": "HIST E-1010",
        "recording_start_time": START,
        "origin": "webhook_notification",
        "pipeline_state": "UPLOADER_FAILED",
        "reason": "Unable to reach Opencast. (attempt 1 of 5, next try at 2026-10-14T18:40:00Z)",
        "oc_series_id": SERIES,
        "ingest_request_time": START,
        "update_date": "2026-10-14",
        "update_time": 66_000,
        "expiration": 1_792_600_000,
        "file_ids": ["a", "b"],
        "retry_due": "2026-10-14T18:40:00Z",
        "zoom_notice": "The recording was moved to the trash in Zoom",
        "failures": 2,
        "course": "HIST E-1010",
        "steps": [
            {"state": "WEBHOOK_RECEIVED", "at": START},
            {"state": "UPLOADER_FAILED", "at": END, "reason": "no"},
        ],
        "steps_left_out": 3,
        "asked": {"oc_series_id": SERIES, "ingest_all_mp4": True},
    }


def schedule_row() -> dict[str, Any]:
    """Return a row of the schedule's table."""
    scheduled = {
        "day": "W",
        "time": "11:00",
        "title": "Lecture",
        "course_code": "HIST E-1010",
        "opencast_series_id": SERIES,
        "source": "sheet:Fall",
    }
    return {
        "zoom_series_id": str(MEETING),
        "opencast_series_id": SERIES,
        "course_code": "HIST E-1010",
        "events": [scheduled, {**scheduled, "day": "F"}],
    }


def reconcile_item() -> dict[str, Any]:
    """Return the item with the state of reconcile."""
    return {
        "uuid": "#reconcile",
        "baseline": "2026-10-12T18:30:00Z",
        "version": 2,
        "last": {"at": "2026-10-14T18:05:00Z", "how": "account", "listed": 3, "error": ""},
        "next_user": "u1",
        "told": {"a problem": "2026-10-14T18:05:00Z"},
        "found": [UUID, "b=="],
        "unanswered": ["b=="],
    }


SHEET = [
    ["Course Code", "Type", "Day", "Start", "Meeting ID with Password", "OC Series"],
    *(
        [
            "HIST E-1010",
            "lecture",
            days,
            "9:30",
            f"https://zoom.us/j/861689213{number}?pwd={planted.PASSCODE}",
            f"https://oc.example.edu/engage/ui/index.html#/2026/01/1234{number}",
        ]
        for number, days in enumerate(("MW", "T, R", "F"))
    ),
]
