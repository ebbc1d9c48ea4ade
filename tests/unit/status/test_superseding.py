"""An ingest that got nowhere, of a recording that another one brings into Opencast."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester import timestamps
from ingester.pipeline.reasons import ALREADY_THERE, NO_SERIES, TOO_SHORT
from ingester.pipeline.states import State
from ingester.status.next_step import needs_a_person
from ingester.status.row import StatusRow, Step
from ingester.status.superseding import Sibling, got_nowhere, sibling_of, siblings_among

NOW = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)


def ago(hours: float) -> str:
    return timestamps.write(NOW - timedelta(hours=hours))


def row(
    zip_id: str, state: State, *, asked: float | None, changed: float, **more: Any
) -> StatusRow:
    """A row that was asked for and changed so many hours ago."""
    fields: dict[str, Any] = {"recording_id": "u==", "files": frozenset("f"), **more}
    return StatusRow(
        zip_id=zip_id,
        state=state,
        ingest_request_time="" if asked is None else ago(asked),
        updated=NOW - timedelta(hours=changed),
        **fields,
    )


FAILED = row("failed", State.UPLOADER_FAILED, asked=5, changed=3)
DONE = State.SENT_TO_OPENCAST


@pytest.mark.parametrize(
    ("sibling", "settles"),
    [
        (row("later", DONE, asked=2, changed=1), True),
        # The failed one's last try came after the later request was through.
        (row("while it was tried", DONE, asked=4, changed=3.5), True),
        (row("slow", DONE, asked=6, changed=1), True),
        (
            row(
                "slow, as it went",
                DONE,
                asked=6,
                changed=1,
                steps=(
                    Step(state="WEBHOOK_RECEIVED", at=ago(6)),
                    Step(state="SENT_TO_OPENCAST", at=ago(1)),
                ),
            ),
            True,
        ),
        (row("before", DONE, asked=9, changed=8), False),
        (row("no time of asking", DONE, asked=None, changed=8), False),
        (row("there", State.IGNORED, asked=2, changed=1, reason=ALREADY_THERE), True),
        (row("nobody's", State.IGNORED, asked=2, changed=1, reason=NO_SERIES), False),
        (row("going", State.UPLOADER_RECEIVED, asked=2, changed=0.5), False),
        (row("another recording", DONE, asked=2, changed=1, recording_id="v=="), False),
        (row("failed", DONE, asked=2, changed=1), False),
        # An earlier success to which late files came.
        (
            row(
                "late files",
                DONE,
                asked=9,
                changed=1,
                steps=(Step(state="SENT_TO_OPENCAST", at=ago(8)),) * 2,
            ),
            False,
        ),
    ],
    ids=lambda value: value.zip_id if isinstance(value, StatusRow) else "",
)
def test_what_settles_it(sibling: StatusRow, settles: bool) -> None:
    found = sibling_of(FAILED, [sibling], NOW)
    assert (found is not None and found.is_done and found.row is sibling) is settles
    if sibling.zip_id != FAILED.zip_id:
        assert siblings_among([FAILED, sibling], NOW) == ({"failed": found} if found else {})


@pytest.mark.parametrize(
    ("sibling", "is_awaited"),
    [
        (row("asked", State.ON_DEMAND_RECEIVED, asked=0.05, changed=0.05), True),
        (row("waits", State.SENT_TO_DOWNLOADER, asked=1, changed=1), True),
        (row("tried again", State.UPLOADER_FAILED, asked=2, changed=1, retry_due=ago(-1)), True),
        # Whichever was asked for first: it comes in after the row failed.
        (row("slow", State.SENT_TO_UPLOADER, asked=6, changed=5), True),
        (row("stuck", State.SENT_TO_DOWNLOADER, asked=2.5, changed=2.5), False),
        (row("failed too", State.DOWNLOADER_FAILED, asked=2, changed=1), False),
        (row("ignored", State.IGNORED, asked=2, changed=1, reason=TOO_SHORT), False),
        (row("at Zoom", State.RECORDING_IN_PROGRESS, asked=None, changed=0.1), False),
        (row("another", State.OC_SERIES_FOUND, asked=1, changed=0, recording_id="v=="), False),
    ],
    ids=lambda value: value.zip_id if isinstance(value, StatusRow) else "",
)
def test_what_is_waited_for(sibling: StatusRow, is_awaited: bool) -> None:
    found = sibling_of(FAILED, [sibling], NOW)
    assert (found is not None) is is_awaited
    assert found is None or not found.is_done


def test_who_waits_longer_for_opencast_waits_longer_for_the_other_one() -> None:
    waits = row("waits", State.SENT_TO_UPLOADER, asked=10, changed=10)
    assert siblings_among([FAILED, waits], NOW) == {}
    found = siblings_among([FAILED, waits], NOW, timedelta(hours=24))
    assert found == {"failed": Sibling(waits, is_done=False)}


def test_what_is_there_counts_before_what_is_on_its_way() -> None:
    later = row("later", DONE, asked=2, changed=1)
    going = row("going", State.UPLOADER_RECEIVED, asked=1, changed=0.5)
    found = sibling_of(FAILED, [going, FAILED, later], NOW)
    assert found is not None
    assert found.row is later


@pytest.mark.parametrize(("reason", "counts"), [(NO_SERIES, True), (TOO_SHORT, False)])
def test_what_lacked_a_series_is_settled_too(reason: str, counts: bool) -> None:
    ignored = row("ignored", State.IGNORED, asked=5, changed=5, reason=reason)
    later = row("later", DONE, asked=2, changed=1)
    assert (siblings_among([ignored, later], NOW).keys() == {"ignored"}) is counts


def test_only_what_got_nowhere_is_settled() -> None:
    later = row("later", DONE, asked=2, changed=1)
    again = row("again", State.UPLOADER_FAILED, asked=5, changed=3, retry_due=ago(-1))
    going = row("going", State.UPLOADER_RECEIVED, asked=5, changed=0.1)
    assert siblings_among([later, again, going], NOW) == {}


def test_rows_without_a_uuid_are_nobodys_siblings() -> None:
    failed = row("failed", State.WEBHOOK_FAILED, asked=5, changed=3, recording_id="")
    later = row("later", DONE, asked=2, changed=1, recording_id="")
    assert siblings_among([failed, later], NOW) == {}


def test_an_earlier_success_doesn_t_settle_what_nobody_asked_for() -> None:
    stuck = row("stuck", State.RECORDING_PROCESSING, asked=None, changed=30)
    earlier = row("earlier", DONE, asked=50, changed=49)
    assert got_nowhere(stuck, NOW)
    assert siblings_among([stuck, earlier], NOW) == {}


def test_what_is_said() -> None:
    later = Sibling(row("later", DONE, asked=2, changed=1, oc_series_id="S"), is_done=True)
    assert later.step == "Nothing: a later request brought it into Opencast, series S."
    assert Sibling(row("later", DONE, asked=2, changed=1), is_done=True).step.endswith("Opencast.")
    going = Sibling(row("going", State.UPLOADER_RECEIVED, asked=2, changed=1), is_done=False)
    assert going.step == "Wait: another request for it is on its way to Opencast."


ROWS = st.builds(
    row,
    st.sampled_from("abcd"),
    st.sampled_from(State),
    asked=st.none() | st.floats(0, 100),
    changed=st.floats(0, 100),
    recording_id=st.sampled_from(["", "u==", "v=="]),
    reason=st.sampled_from(["", ALREADY_THERE, NO_SERIES]),
    retry_due=st.sampled_from(["", "x", ago(1)]),
)


@given(st.lists(ROWS, max_size=6, unique_by=lambda each: each.zip_id))
def test_whatever_there_is(rows: list[StatusRow]) -> None:
    for zip_id, sibling in siblings_among(rows, NOW).items():
        (settled,) = (one for one in rows if one.zip_id == zip_id)
        assert got_nowhere(settled, NOW)
        assert sibling.row.recording_id == settled.recording_id
        assert sibling.row.zip_id != zip_id
        assert not needs_a_person(sibling.row, NOW)
