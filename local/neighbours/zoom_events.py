"""Build, sign and send webhook events as Zoom does."""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import requests

from local.neighbours.zoom_account import ZoomAccount
from local.neighbours.zoom_recordings import Recording, meeting_json

Forgery = Literal["wrong_secret", "old_timestamp", "unsigned"]
RECORDING_SIGNALS = {"started", "paused", "resumed", "stopped"}
TRASH_SIGNALS = {"trashed", "deleted", "recovered"}
TIMEOUT_SECONDS = 3.0
"""Longest time in seconds that Zoom waits for an answer to a webhook event (docs/zoom.md)."""

OLD_SECONDS = 3600


@dataclass(frozen=True)
class Delivery:
    """The endpoint's answer to one webhook event, and the seconds until the answer."""

    status: int
    body: str
    tracking_id: str
    seconds: float


def build_event(
    account: ZoomAccount, event: str, uuid: str = "", *, event_ts: int | None = None
) -> dict[str, Any]:
    """Return the body of a webhook event about the recording `uuid`, or of a URL validation.

    Each `recording.completed` has new links and a new token, as Zoom's repeats have. `event_ts` is
    in milliseconds since 1970, by default the current time.

    Raises:
        KeyError: No recording has the uuid `uuid`.
        ValueError: The stand-in can't build this kind of webhook event.
    """
    body: dict[str, Any] = {
        "event": event,
        "event_ts": int(account.clock() * 1000) if event_ts is None else event_ts,
    }
    if event == "endpoint.url_validation":
        return body | {"payload": {"plainToken": secrets.token_urlsafe(16)}}
    recording = account.recording(uuid)
    kind, _, signal = event.partition(".")
    if event in {"recording.completed", "recording.transcript_completed"}:
        described = account.describe(recording) | {"on_prem": False}
        if signal == "transcript_completed":
            files = described["recording_files"]
            described["recording_files"] = [f for f in files if f["file_type"] == "TRANSCRIPT"]
        return body | {
            "payload": {"account_id": account.app.account_id, "object": described},
            "download_token": account.issue_download_token(uuid),
        }
    payload: dict[str, Any] = {"account_id": account.app.account_id}
    if kind == "recording" and signal in RECORDING_SIGNALS:
        payload["object"] = _recording_state_object(recording, signal)
    elif kind == "recording" and signal in TRASH_SIGNALS:
        payload |= {"operator": recording.host_email, "operator_id": recording.host_id}
        payload["object"] = meeting_json(recording) | {
            "total_size": recording.total_size,
            "recording_count": len(recording.files),
        }
    elif event in {"meeting.ended", "webinar.ended"}:
        end = max((file.recording_end for file in recording.files), default=recording.start_time)
        payload["object"] = meeting_json(recording) | {
            "id": str(recording.meeting_id),
            "end_time": end,
        }
    else:
        raise ValueError(f"the stand-in builds no {event!r}: post a body of your own")
    return body | {"payload": payload}


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return Zoom's `x-zm-signature` of a raw body (github.com/zoom/rivet-javascript)."""
    message = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def post_event(
    url: str,
    body: bytes,
    secret: str,
    *,
    clock: Callable[[], float],
    forge: Forgery | None = None,
    trust: Path | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> Delivery:
    """POST a webhook event once, signed with `secret` at `clock()`, and return the answer.

    `forge` makes the webhook event invalid. The webhook event then has the signature of another
    secret, a timestamp an hour ago, or no signature. `trust` is a PEM file of the authorities to
    trust, by default those that requests trusts.

    Raises:
        requests.RequestException: The endpoint can't be reached, or doesn't answer within `timeout`
            seconds.
    """
    age = OLD_SECONDS if forge == "old_timestamp" else 0
    timestamp = str(int(clock() - age))
    key = secrets.token_urlsafe(16) if forge == "wrong_secret" else secret
    tracking_id = f"v=2.0;clid=local;rid=WEB_{secrets.token_hex(16)}"
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Zoom Marketplace/1.0a",
        "clientid": secrets.token_urlsafe(16),
        "x-zm-trackingid": tracking_id,
    }
    if forge != "unsigned":
        headers["x-zm-request-timestamp"] = timestamp
        headers["x-zm-signature"] = signature(key, timestamp, body)
    began = time.monotonic()
    verify = str(trust) if trust else True
    with requests.Session() as session:
        answer = session.post(
            url, body, headers=headers, timeout=timeout, verify=verify, allow_redirects=False
        )
    return Delivery(answer.status_code, answer.text, tracking_id, time.monotonic() - began)


def encoded(event: dict[str, Any]) -> bytes:
    """Return the raw body of a webhook event, in compact JSON that isn't escaped to ASCII."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _recording_state_object(recording: Recording, signal: str) -> dict[str, Any]:
    """Return the `object` of a recording event, with the meeting and the first file's times."""
    first = recording.files[0] if recording.files else None
    ended = signal in {"paused", "stopped"}
    times = {
        "recording_start": first.recording_start if first else recording.start_time,
        "recording_end": first.recording_end if first and ended else "",
    }
    return meeting_json(recording) | {"recording_file": times}
