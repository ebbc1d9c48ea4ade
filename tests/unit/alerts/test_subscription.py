"""Decoding the events of CloudWatch Logs."""

from __future__ import annotations

import base64
import gzip
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.alerts.subscription import LARGEST, batch_of
from ingester.errors import MessageError
from tests.subscription import GROUP, log_event, packed


def test_batch_of_log_lines_has_its_log_group_and_log_stream_and_the_lines_in_order() -> None:
    batch = batch_of(log_event("one", "two\nlines", "ü"))
    assert batch is not None
    assert batch.log_group == GROUP
    assert batch.log_stream == "2026/10/14/[7]abc"
    assert batch.lines == ["one", "two\nlines", "ü"]


def test_control_message_of_cloudwatch_logs_yields_no_batch_of_log_lines() -> None:
    assert batch_of(log_event("CWL CONTROL MESSAGE", kind="CONTROL_MESSAGE")) is None


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"awslogs": {}},
        {"awslogs": {"data": 1}},
        {"awslogs": {"data": "no base64!"}},
        {"awslogs": {"data": base64.b64encode(b"no gzip").decode()}},
        {"awslogs": {"data": packed(b"no JSON")}},
        {"awslogs": {"data": packed(b"{}")}},
        {"awslogs": {"data": packed(b'{"messageType": "DATA_MESSAGE"}')}},
        {"awslogs": {"data": packed(b"[" * 100_000)}},
        {"awslogs": {"data": base64.b64encode(gzip.compress(b"x" * 99)[:-9]).decode()}},
    ],
)
def test_malformed_event_of_cloudwatch_logs_raises_message_error(event: dict[str, Any]) -> None:
    with pytest.raises(MessageError, match="What CloudWatch Logs sent can't be read"):
        batch_of(event)


def test_event_of_cloudwatch_logs_raises_message_error_when_its_data_are_too_large() -> None:
    with pytest.raises(MessageError, match="larger than any"):
        batch_of({"awslogs": {"data": packed(b" " * (LARGEST + 1))}})


@given(st.binary() | st.binary().map(gzip.compress))
def test_event_of_cloudwatch_logs_is_decoded_or_raises_message_error_whatever_its_data(
    data: bytes,
) -> None:
    with suppress(MessageError):
        batch_of({"awslogs": {"data": base64.b64encode(data).decode()}})
