"""Rows of the status table that a person has edited by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.pipeline.states import Origin, State
from ingester.recording.files import Subject
from ingester.status.table import StatusChange, StatusTable, row_of
from tests.cloud import Clock, Cloud
from tests.fuzz.payloads import status_row

ZIP_ID = "auto-ingest-u=="
SUBJECT = Subject(
    meeting_id=95846636714,
    recording_id="u==",
    topic="HIST",
    start_time="2026-10-14T15:00:00Z",
    origin=Origin.WEBHOOK,
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS | st.sets(st.text()) | st.sets(st.decimals(allow_nan=False, allow_infinity=False)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
ATTRIBUTES = sorted(status_row().keys() - {"zip_id"})


def test_the_example_of_a_status_row_fills_every_field() -> None:
    # The fuzzer and the tests below change the attributes of this example only.
    full, empty = row_of(status_row()), row_of({"zip_id": ZIP_ID})
    names = [field.name for field in msgspec.structs.fields(full)]
    assert [name for name in names if getattr(full, name) == getattr(empty, name)] == []


@given(st.dictionaries(st.sampled_from(ATTRIBUTES), VALUES))
def test_status_row_is_readable_whatever_values_its_attributes_have(edited: dict[str, Any]) -> None:
    row = row_of({"zip_id": ZIP_ID, **edited})
    assert row.zip_id == ZIP_ID


@pytest.mark.parametrize(
    "spoilt",
    [
        {"failures": "many"},
        {"file_ids": [{}]},
        {"steps": 7},
        {"steps_left_out": "some"},
        {"asked": {"oc_series_id": 1}},
    ],
)
def test_lists_of_rows_are_readable_when_one_row_is_malformed(
    aws: Cloud, clock: Clock, spoilt: dict[str, Any]
) -> None:
    status = StatusTable(aws.status, clock)
    for number, more in enumerate(({}, spoilt, {})):
        status.write(f"{ZIP_ID}{number}", StatusChange(State.WEBHOOK_RECEIVED, subject=SUBJECT))
        aws.status.put_item(Item={**aws.rows()[f"{ZIP_ID}{number}"], **more})
    assert len(status.of_meeting(SUBJECT.meeting_id)) == 3
    assert len(status.updated_since(clock() - timedelta(hours=1))) == 3
