"""Recordings handed to our own webhook, as signed `on.demand.ingest` events.

The on-demand function does it for Opencast's "+Zoom", operators' commands for what they send anew.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import datetime

import msgspec
import requests

from ingester.errors import (
    BadRequest,
    KeyRefused,
    NotReady,
    WebhookFailed,
    WebhookUnreachable,
    ZoomUnreachable,
)
from ingester.retry import Chance, Sleep, retrying, within
from ingester.zoom import signature
from ingester.zoom import webhook_events as zoom_events
from ingester.zoom.api import MeetingRecordings
from ingester.zoom.webhook_events import IngestOptions

TIMEOUT = (3.05, 8.0)
"""Seconds to connect to the webhook, and to wait for its answer."""

ATTEMPTS = 3


def check_files(recording: MeetingRecordings) -> None:
    """NotReady if Zoom has no files yet, or hasn't finished them; ZoomUnreachable for nonsense."""
    if not recording.recording_files:
        raise NotReady("Zoom has no files of this recording yet. Try again later.")
    try:
        files = zoom_events.files_of(recording.recording_files)
    except ValueError as error:
        raise ZoomUnreachable(f"Zoom's answer lacks something: {error}.") from error
    if not all(file.is_completed for file in files):
        raise NotReady("Zoom has not finished this recording's files yet. Try again later.")


def check_video(recording: MeetingRecordings) -> None:
    """BadRequest if none of the files, which are checked, is a video."""
    if not any(file.is_mp4 for file in zoom_events.files_of(recording.recording_files)):
        raise BadRequest("This recording has no video (MP4): there is nothing to ingest.")


def event_of(recording: MeetingRecordings, options: IngestOptions, now: datetime) -> bytes:
    """The body of an event that asks for the ingest of what Zoom's API told."""
    about = msgspec.to_builtins(recording)
    token = about.pop("download_access_token")
    return msgspec.json.encode(
        {
            "event": zoom_events.ON_DEMAND,
            "event_ts": int(now.timestamp() * 1000),
            "payload": {"object": about, **msgspec.to_builtins(options)},
            "download_token": token,
        }
    )


def post(
    body: bytes,
    *,
    url: str,
    key: str,
    seconds: float,
    session: requests.Session,
    sleep: Sleep,
    clock: Callable[[], datetime],
    monotonic: Callable[[], float] = time.monotonic,
    by_chance: Chance = random.random,
) -> None:
    """POST an event, signed with `key`; returns when the webhook has taken it, within `seconds`.

    A repeat after a lost answer is recognised by its zip id and files. WebhookUnreachable if there
    is no answer or a 5xx in the end, WebhookFailed for any other than 200, of which KeyRefused says
    that the webhook has another key.
    """
    attempt = retrying(
        WebhookUnreachable,
        attempts=ATTEMPTS,
        seconds=seconds,
        sleep=sleep,
        monotonic=monotonic,
        by_chance=by_chance,
    )
    begin = monotonic()

    def once() -> None:
        left = max(0.1, seconds - (monotonic() - begin))
        headers = {
            "Content-Type": "application/json",
            **signature.signed_headers(key, clock().timestamp(), body),
        }
        try:
            response = session.post(
                url,
                data=body,
                headers=headers,
                timeout=within(left, TIMEOUT),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise WebhookUnreachable(
                f"The webhook can't be reached ({type(error).__name__})."
            ) from error
        if response.status_code >= 500:
            raise WebhookUnreachable(f"The webhook answered {response.status_code}.")
        if response.status_code != 200:
            error_type = KeyRefused if response.status_code == 401 else WebhookFailed
            raise error_type(f"The webhook answered {response.status_code}: {_text(response)}")

    attempt(once)


class _Said(msgspec.Struct):
    message: str


def _text(response: requests.Response) -> str:
    try:
        return msgspec.json.decode(response.content, type=_Said).message[:200]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return response.text[:200] or "nothing to ingest"
