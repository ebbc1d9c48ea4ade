"""Decode the events of a CloudWatch Logs subscription.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec

from ingester.errors import UNREADABLE_JSON, MessageError

RECORDS = "DATA_MESSAGE"
LARGEST = 32 * 1024 * 1024
"""Maximum number of decompressed bytes. CloudWatch Logs sends at most 1 MB of compressed data."""

GZIP = zlib.MAX_WBITS | 16


class LogEvent(msgspec.Struct, frozen=True):
    """One line of a log."""

    message: str


class LogBatch(msgspec.Struct, frozen=True, rename="camel"):
    """Lines of one log stream, in order."""

    log_group: str
    log_stream: str
    log_events: tuple[LogEvent, ...] = ()

    @property
    def lines(self) -> list[str]:
        return [event.message for event in self.log_events]


class _Data(msgspec.Struct):
    data: str


class _Event(msgspec.Struct):
    awslogs: _Data


class _Kind(msgspec.Struct, rename="camel"):
    message_type: str


def batch_of(event: Mapping[str, Any]) -> LogBatch | None:
    """Decode an event of the subscription.

    Returns:
        The lines; None for a control message, which tests whether the function is reachable.

    Raises:
        MessageError: The event is malformed, or its data exceeds `LARGEST`.
    """
    try:
        compressed = base64.b64decode(msgspec.convert(event, _Event).awslogs.data, validate=True)
        content = _decompress(compressed)
        if msgspec.json.decode(content, type=_Kind).message_type != RECORDS:
            return None
        return msgspec.json.decode(content, type=LogBatch)
    except (*UNREADABLE_JSON, zlib.error) as error:
        raise MessageError(f"What CloudWatch Logs sent can't be read: {error}") from error


def _decompress(compressed: bytes) -> bytes:
    decompressor = zlib.decompressobj(wbits=GZIP)
    content = decompressor.decompress(compressed, LARGEST)
    if not decompressor.eof:
        raise ValueError("it is cut off, or larger than any")
    return content
