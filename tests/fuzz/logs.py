"""Targets: the events that CloudWatch Logs sends, and the lines in them."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from typing import Any

import log_notifications
from tests.fuzz import functions, payloads
from tests.fuzz.fakes import Aws
from tests.fuzz.mutations import Mutator, encoded, filled
from tests.fuzz.target import Target

ID = "8f1d2c3b-0000-4000-8000-000000000001"
LINES = (
    json.dumps(
        {
            "level": "ERROR",
            "timestamp": "2026-10-14T18:30:00.000Z",
            "location": "uploader.upload:10",
            "message": "Gave up: Opencast answers 503",
            "uuid": payloads.UUID,
            "zip_id": f"auto-ingest-{payloads.UUID}",
            "aws_request_id": ID,
            "outlook": "Not retried automatically.",
            "advice": "invoke recordings UUID",
            "exception": "Traceback (most recent call last):\n  File x\nKeyError: 'a'",
        }
    ),
    f"[ERROR] KeyError: 'a'\nTraceback (most recent call last):\n  File x RequestId: {ID}",
    f"2026-10-14T18:30:00.000Z {ID} Task timed out after 900.00 seconds",
    f"RequestId: {ID} Error: Runtime exited with error: signal: killed\nRuntime.ExitError",
    f"REPORT RequestId: {ID}\tDuration: 5 ms\tBilled Duration: 6 ms\tStatus: error",
    f"START RequestId: {ID} Version: 7",
    "a warning of a library",
)


def document(lines: Any) -> dict[str, Any]:
    """Return the uncompressed content of CloudWatch Logs' event with `lines`."""
    return {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "/aws/lambda/fuzz-zoom-uploader",
        "logStream": "2026/10/14/[7]abcdef",
        "subscriptionFilters": ["f"],
        "logEvents": [{"id": "1", "timestamp": 1_791_990_000_000, "message": x} for x in lines],
    }


def subscription_event(lines: Any) -> dict[str, Any]:
    """Return CloudWatch Logs' event with `lines`."""
    return _event(encoded(document(lines)))


def _event(content: bytes) -> dict[str, Any]:
    packed = gzip.compress(content, compresslevel=1, mtime=0)
    return {"awslogs": {"data": base64.b64encode(packed).decode()}}


def make_lines(mutator: Mutator) -> Any:
    lines = [mutator.one_of(LINES) for _ in range(1 + mutator.random.randrange(4))]
    return [_mutated(mutator, line) for line in lines]


def _mutated(mutator: Mutator, line: str) -> str:
    if line.startswith("{") and mutator.chance(0.7):
        return encoded(mutator.value(json.loads(line)))[:300_000].decode()
    return mutator.text(line)


def check_lines(given: Any) -> Iterator[str]:
    """Yield the mails about lines, and check that the mails are within SNS's limits."""
    sns = functions.Sns()
    lines = [filled(line) for line in given]
    log_notifications.mail_faults(subscription_event(lines), functions.notifications_of(Aws(), sns))
    yield from sns.mails


def make_event(mutator: Mutator) -> Any:
    content: Any = mutator.value(document(LINES[:2]))
    if mutator.chance(0.3):
        content = mutator.raw(encoded(content))
    event: Any = _event(encoded(content)[:500_000])
    return mutator.value(event) if mutator.chance(0.3) else event


def check_event(given: Any) -> Iterator[str]:
    """Check that an event of CloudWatch Logs raises no error, because Lambda retries errors.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html

    Yield the texts that must contain no secret.
    """
    sns = functions.Sns()
    event = given if isinstance(given, dict) else {}
    log_notifications.mail_faults(event, functions.notifications_of(Aws(), sns))
    yield from sns.mails


TARGETS = (
    Target("log-lines", 4, make_lines, check_lines),
    Target("log-event", 2, make_event, check_event),
)
