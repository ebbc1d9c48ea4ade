"""What CloudWatch Logs hands in."""

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


def test_lines_in_their_order() -> None:
    batch = batch_of(log_event("one", "two\nlines", "ü"))
    assert batch is not None
    assert batch.log_group == GROUP
    assert batch.log_stream == "2026/10/14/[7]abc"
    assert batch.lines == ["one", "two\nlines", "ü"]


def test_a_question_whether_we_are_there_brings_none() -> None:
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
def test_what_can_t_be_read_is_said(event: dict[str, Any]) -> None:
    with pytest.raises(MessageError, match="What CloudWatch Logs sent can't be read"):
        batch_of(event)


def test_a_bomb_isn_t_unpacked() -> None:
    with pytest.raises(MessageError, match="larger than any"):
        batch_of({"awslogs": {"data": packed(b" " * (LARGEST + 1))}})


@given(st.binary() | st.binary().map(gzip.compress))
def test_any_data_gives_a_batch_or_a_sentence(data: bytes) -> None:
    with suppress(MessageError):
        batch_of({"awslogs": {"data": base64.b64encode(data).decode()}})
