"""Request an ingest from our own webhook, with a signed webhook event `on.demand.ingest`.

The callers are the on-demand function for requests by "+Zoom" or the status page, reconcile for
recordings whose webhook event never came, and the operators' commands for recordings to send again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec
import requests

from ingester.errors import (
    UNREADABLE_JSON,
    BadRequest,
    KeyRefused,
    NotReady,
    WebhookFailed,
    WebhookUnreachable,
    ZoomUnreachable,
)
from ingester.log import redact
from ingester.retry import RandomSource, Sleep, retrying, shortened_timeout
from ingester.zoom.api import MeetingRecordings
from ingester.zoom.signature import signed_headers
from ingester.zoom.webhook_events import ON_DEMAND, IngestOptions, files_of

TIMEOUT = (3.05, 8.0)
"""Timeouts in seconds: to connect, and between two bytes of an answer."""

ATTEMPTS = 3


def check_files(recording: MeetingRecordings) -> None:
    """Check that Zoom has finished the MP4 and chat files of a recording.

    Raises:
        NotReady: Zoom has no files of any type yet, or hasn't finished an MP4 or chat file.
        ZoomUnreachable: The list of files is malformed, for example because a field is missing.
    """
    if not recording.recording_files:
        raise NotReady("Zoom has no files of this recording yet. Try again later.")
    try:
        files = files_of(recording.recording_files)
    except ValueError as error:
        raise ZoomUnreachable(f"Zoom's answer lacks something: {error}.") from error
    if not all(file.is_completed for file in files):
        raise NotReady("Zoom has not finished this recording's files yet. Try again later.")


def check_video(recording: MeetingRecordings) -> None:
    """Check that a recording has a video. `check_files` must have accepted the recording.

    Raises:
        BadRequest: None of the files is a video.
    """
    if not any(file.is_mp4 for file in files_of(recording.recording_files)):
        raise BadRequest("This recording has no video (MP4): there is nothing to ingest.")


def webhook_event(recording: MeetingRecordings, options: IngestOptions, now: datetime) -> bytes:
    """Build the body of a webhook event that requests the ingest of a recording."""
    about = msgspec.to_builtins(recording)
    token = about.pop("download_access_token")
    return msgspec.json.encode(
        {
            "event": ON_DEMAND,
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
    random_fraction: RandomSource = random.random,
) -> None:
    """POST a webhook event to the webhook, and return once the webhook has accepted it.

    A retry after a lost answer causes no second ingest, because each attempt sends the same
    `zip_id`.

    Args:
        body: Body of the webhook event, which has a `zip_id`.
        url: URL of the webhook.
        key: Key to sign the webhook event with.
        seconds: Limit for all attempts together.
        session: HTTP session.
        sleep: Waits between attempts.
        clock: Returns the current time.
        monotonic: Clock for the limit, in seconds.
        random_fraction: Returns a random number between 0 and 1, for the backoff.

    Raises:
        WebhookUnreachable: No attempt got an answer with a status below 500.
        WebhookFailed: The webhook answered a status other than 200, below 500. The subclass
            KeyRefused (401) means that the webhook has another key.
    """
    attempt = retrying(
        WebhookUnreachable,
        attempts=ATTEMPTS,
        seconds=seconds,
        sleep=sleep,
        monotonic=monotonic,
        random_fraction=random_fraction,
    )
    begin = monotonic()

    def post_once() -> None:
        seconds_left = max(0.1, seconds - (monotonic() - begin))
        headers = {
            "Content-Type": "application/json",
            **signed_headers(key, clock().timestamp(), body),
        }
        _post_once(body, headers, url, shortened_timeout(seconds_left, TIMEOUT), session)

    attempt(post_once)


def _post_once(
    body: bytes,
    headers: Mapping[str, str],
    url: str,
    timeout: tuple[float, float],
    session: requests.Session,
) -> None:
    """POST a webhook event to the webhook once. The errors are those of `post`."""
    try:
        response = session.post(
            url, data=body, headers=headers, timeout=timeout, allow_redirects=False
        )
    except requests.RequestException as error:
        raise WebhookUnreachable(
            f"The webhook can't be reached ({type(error).__name__})."
        ) from error
    status = response.status_code
    if status >= 500:
        raise WebhookUnreachable(f"The webhook answered {status}.")
    if status != 200:
        error_type = KeyRefused if status == 401 else WebhookFailed
        raise error_type(f"The webhook answered {status}: {_text(response)}")


class _Answer(msgspec.Struct):
    message: str


def _text(response: requests.Response) -> str:
    """Return at most 200 characters of the answer's message, or else of the whole answer.

    Secrets are removed. The text for an empty answer is "nothing to ingest".
    """
    try:
        return redact(msgspec.json.decode(response.content, type=_Answer).message)[:200]
    except UNREADABLE_JSON:
        return redact(response.text)[:200] or "nothing to ingest"
