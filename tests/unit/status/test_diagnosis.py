"""Diagnoses of ingests by their own row, by limits of waiting, and by other ingests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk import alarms
from ingester import timestamps
from ingester.pipeline.reasons import ALREADY_THERE, NO_SERIES, TOO_SHORT
from ingester.pipeline.states import DONE, FAILED, State
from ingester.status.diagnosis import (
    CAN_BE_SUPERSEDED,
    DOWNLOAD_WAIT,
    NEEDS_ATTENTION,
    PATIENCE,
    UPLOAD_MARGIN,
    WILL_RETRY,
    Situation,
    diagnose,
    diagnose_each,
    has_ended,
    retry_at,
)
from ingester.status.row import StatusRow, Step
from tests.unit.status.situations import (
    EXAMPLES,
    EXAMPLES_WITH_OTHERS,
    NOW,
    ago,
    diagnosis_of,
    row,
)

SENT = State.SENT_TO_OPENCAST


def ingest(
    zip_id: str, state: State, *, requested: float | None, changed: float, **more: Any
) -> StatusRow:
    """Return the row of an ingest that was requested `requested` hours ago.

    The row last changed `changed` hours ago. If `requested` is None, the time of the request is
    unknown.
    """
    requested_at = "" if requested is None else ago(requested)
    fields = {"ingest_request_time": requested_at, "origin": "", **more}
    return row(state, hours=changed, zip_id=zip_id, **fields)


FAILURE = ingest("failed", State.UPLOADER_FAILED, requested=5, changed=3)


class TestOwnRow:
    @pytest.mark.parametrize(("situation", "known"), EXAMPLES)
    def test_diagnosis_has_the_situation_of_the_row(
        self, situation: Situation, known: StatusRow
    ) -> None:
        diagnosis = diagnosis_of(known)
        assert diagnosis.situation is situation
        assert diagnosis.own_situation is situation
        assert diagnosis.since == known.updated
        assert diagnosis.other is None

    def test_examples_of_situations_cover_every_situation(self) -> None:
        covered = {example[0] for example in (*EXAMPLES, *EXAMPLES_WITH_OTHERS)}
        assert covered == set(Situation)

    @pytest.mark.parametrize("state", sorted(FAILED))
    def test_failed_ingest_needs_attention_unless_a_retry_is_scheduled(self, state: State) -> None:
        assert diagnosis_of(row(state, "x")).needs_attention
        retried = diagnosis_of(row(state, "x", retry_due=ago(-1)))
        assert (retried.needs_attention, retried.will_retry) == (False, True)

    @given(
        st.sampled_from([*State, None]),
        st.text(),
        st.floats(0, 300),
        st.text() | st.sampled_from([ago(-1), ago(1), ago(9)]),
    )
    def test_failed_ingest_needs_attention_or_is_retried_whatever_its_row_says(
        self, state: State | None, reason: str, hours: float, due: str
    ) -> None:
        known = row(state, reason, hours=hours, retry_due=due)
        diagnosis = diagnosis_of(known)
        assert diagnosis.has_failed is (diagnosis.needs_attention or diagnosis.will_retry)
        assert diagnosis.has_failed or state not in FAILED

    def test_situations_that_need_attention_are_not_retried_and_can_be_superseded(self) -> None:
        assert not NEEDS_ATTENTION & WILL_RETRY
        assert NEEDS_ATTENTION < CAN_BE_SUPERSEDED

    @pytest.mark.parametrize("state", State)
    def test_ingest_has_ended_when_its_state_is_final_or_it_failed_with_no_retry_scheduled(
        self, state: State
    ) -> None:
        assert has_ended(row(state)) is (state in DONE)
        assert has_ended(row(state, retry_due=ago(-1))) is (state in DONE - FAILED)

    @pytest.mark.parametrize("state", sorted(FAILED))
    def test_unreadable_retry_time_counts_as_no_retry_time(self, state: State) -> None:
        unreadable = row(state, "x", retry_due="soon")
        assert retry_at(unreadable) is None
        assert has_ended(unreadable)
        assert diagnosis_of(unreadable).needs_attention


class TestLimits:
    @pytest.mark.parametrize(
        ("state", "reason", "hours"),
        [
            (State.SENT_TO_DOWNLOADER, "", 2),
            (State.OC_SERIES_FOUND, "", 1),
            (State.SENT_TO_UPLOADER, "", 8),
            (State.UPLOADER_RECEIVED, "", 1),
            # The next two reasons mean that a new message waits in the queue.
            (State.OC_SERIES_FOUND, "620 of 900 MB are copied", 2),
            (State.UPLOADER_RECEIVED, "not there yet; asks again at 2026-10-14T17:34:00Z", 8),
        ],
    )
    def test_ingest_is_stuck_when_its_row_stays_unchanged_longer_than_state_and_reason_allow(
        self, state: State, reason: str, hours: int
    ) -> None:
        minute = 1 / 60
        waiting = diagnosis_of(row(state, reason, hours=hours - minute))
        assert waiting.situation is Situation.IN_PROGRESS
        stuck = diagnosis_of(row(state, reason, hours=hours + minute))
        assert stuck.situation is Situation.STUCK

    @pytest.mark.parametrize(
        ("state", "hours", "queue"),
        [(State.DOWNLOADER_FAILED, 2, "downloads"), (State.UPLOADER_FAILED, 8, "uploads")],
    )
    def test_retry_is_lost_when_it_is_overdue_for_longer_than_its_queue_allows(
        self, state: State, hours: int, queue: str
    ) -> None:
        failed = row(state, "x", hours=hours + 1, retry_due=ago(hours))
        assert diagnosis_of(failed).situation is Situation.RETRY_DUE
        later = NOW + timedelta(minutes=1)
        lost = diagnose(failed, (), later, PATIENCE)
        assert (lost.situation, lost.queue) == (Situation.RETRY_LOST, queue)
        longer = diagnose(failed, (), later, PATIENCE + timedelta(hours=1))
        assert (longer.situation is Situation.RETRY_DUE) is (state is State.UPLOADER_FAILED)

    def test_upload_may_wait_longer_when_oc_ingest_patience_hours_is_larger(self) -> None:
        waiting = row(State.SENT_TO_UPLOADER, hours=25)
        assert diagnosis_of(waiting).situation is Situation.STUCK
        patient = diagnose(waiting, (), NOW, timedelta(hours=24))
        assert patient.situation is Situation.IN_PROGRESS

    def test_limits_of_waiting_are_the_limits_of_the_alarms(self) -> None:
        assert timedelta(hours=alarms.DOWNLOAD_AGE_HOURS) == DOWNLOAD_WAIT
        assert timedelta(hours=alarms.UPLOAD_AGE_MARGIN_HOURS) == UPLOAD_MARGIN


class TestOthers:
    @pytest.mark.parametrize(
        "other",
        [
            ingest("later", SENT, requested=2, changed=1),
            # This ingest succeeded before the last attempt of the failed ingest.
            ingest("during the attempts", SENT, requested=4, changed=3.5),
            ingest("slow", SENT, requested=6, changed=1),
            ingest(
                "slow, with its steps",
                SENT,
                requested=6,
                changed=1,
                steps=(
                    Step(state="WEBHOOK_RECEIVED", at=ago(6)),
                    Step(state="SENT_TO_OPENCAST", at=ago(1)),
                ),
            ),
            ingest("already there", State.IGNORED, requested=2, changed=1, reason=ALREADY_THERE),
        ],
        ids=lambda other: other.zip_id,
    )
    def test_failed_ingest_is_superseded_when_another_ingest_later_shows_the_recording_in_opencast(
        self, other: StatusRow
    ) -> None:
        diagnosis = diagnosis_of(FAILURE, other)
        assert diagnosis.situation is Situation.SUPERSEDED
        assert diagnosis.own_situation is Situation.UPLOAD_FAILED
        assert diagnosis.other is other
        assert not diagnosis.needs_attention
        assert not diagnosis.has_failed

    @pytest.mark.parametrize(
        "other",
        [
            ingest("requested", State.ON_DEMAND_RECEIVED, requested=0.05, changed=0.05),
            ingest("waiting", State.SENT_TO_DOWNLOADER, requested=1, changed=1),
            ingest("retried", State.UPLOADER_FAILED, requested=2, changed=1, retry_due=ago(-1)),
            # This ingest was requested earlier, but will reach Opencast after the failure.
            ingest("slow", State.SENT_TO_UPLOADER, requested=6, changed=5),
        ],
        ids=lambda other: other.zip_id,
    )
    def test_failed_ingest_awaits_another_ingest_that_is_in_progress_or_retried(
        self, other: StatusRow
    ) -> None:
        diagnosis = diagnosis_of(FAILURE, other)
        assert diagnosis.situation is Situation.AWAITS_OTHER
        assert diagnosis.other is other
        assert not diagnosis.needs_attention
        assert diagnosis.has_failed

    @pytest.mark.parametrize(
        "other",
        [
            ingest("earlier", SENT, requested=9, changed=8),
            ingest("time of request unknown", SENT, requested=None, changed=8),
            ingest("no series", State.IGNORED, requested=2, changed=1, reason=NO_SERIES),
            ingest("too short", State.IGNORED, requested=2, changed=1, reason=TOO_SHORT),
            ingest("other recording", SENT, requested=2, changed=1, recording_id="v=="),
            ingest("failed", SENT, requested=2, changed=1),
            ingest(
                "earlier, with late files",
                SENT,
                requested=9,
                changed=1,
                steps=(Step(state="SENT_TO_OPENCAST", at=ago(8)),) * 2,
            ),
            ingest("stuck", State.SENT_TO_DOWNLOADER, requested=2.5, changed=2.5),
            ingest("failed too", State.DOWNLOADER_FAILED, requested=2, changed=1),
            ingest("at Zoom", State.RECORDING_IN_PROGRESS, requested=None, changed=0.1),
            ingest(
                "other one in progress",
                State.OC_SERIES_FOUND,
                requested=1,
                changed=0,
                recording_id="v==",
            ),
        ],
        ids=lambda other: other.zip_id,
    )
    def test_failed_ingest_needs_attention_when_no_other_ingest_supersedes_it(
        self, other: StatusRow
    ) -> None:
        diagnosis = diagnosis_of(FAILURE, other)
        assert diagnosis.situation is Situation.UPLOAD_FAILED
        assert diagnosis.other is None
        assert diagnosis.needs_attention

    def test_diagnosis_names_the_successful_ingest_when_another_ingest_is_in_progress(self) -> None:
        later = ingest("later", SENT, requested=2, changed=1)
        going = ingest("going", State.UPLOADER_RECEIVED, requested=1, changed=0.5)
        assert diagnosis_of(FAILURE, going, FAILURE, later).other is later

    def test_awaited_ingest_may_wait_longer_when_oc_ingest_patience_hours_is_larger(self) -> None:
        waiting = ingest("waiting", State.SENT_TO_UPLOADER, requested=10, changed=10)
        assert diagnosis_of(FAILURE, waiting).situation is Situation.UPLOAD_FAILED
        patient = diagnose(FAILURE, [waiting], NOW, timedelta(hours=24))
        assert patient.situation is Situation.AWAITS_OTHER

    @pytest.mark.parametrize(
        ("reason", "situation"),
        [(NO_SERIES, Situation.SUPERSEDED), (TOO_SHORT, Situation.IGNORED)],
    )
    def test_ignored_ingest_is_superseded_only_when_it_lacked_a_series(
        self, reason: str, situation: Situation
    ) -> None:
        ignored = ingest("ignored", State.IGNORED, requested=5, changed=5, reason=reason)
        later = ingest("later", SENT, requested=2, changed=1)
        assert diagnosis_of(ignored, later).situation is situation

    @pytest.mark.parametrize(
        "known",
        [
            ingest("retried", State.UPLOADER_FAILED, requested=5, changed=3, retry_due=ago(-1)),
            ingest("going", State.UPLOADER_RECEIVED, requested=5, changed=0.1),
        ],
        ids=lambda known: known.zip_id,
    )
    def test_ingest_is_not_superseded_while_it_is_in_progress_or_retried(
        self, known: StatusRow
    ) -> None:
        later = ingest("later", SENT, requested=2, changed=1)
        assert diagnosis_of(known, later) == diagnosis_of(known)

    def test_rows_without_a_uuid_count_as_rows_of_different_recordings(self) -> None:
        failed = ingest("failed", State.WEBHOOK_FAILED, requested=5, changed=3, recording_id="")
        later = ingest("later", SENT, requested=2, changed=1, recording_id="")
        assert diagnosis_of(failed, later).needs_attention

    def test_request_without_a_series_is_not_needed_after_an_earlier_success(self) -> None:
        ignored = ingest("z", State.IGNORED, requested=2, changed=1, reason=NO_SERIES)
        there = ingest("first", SENT, requested=9, changed=8)
        going = ingest("other", State.SENT_TO_UPLOADER, requested=1, changed=0.5)
        diagnosis = diagnosis_of(ignored, going, there)
        assert (diagnosis.situation, diagnosis.other) == (Situation.NOT_NEEDED, there)
        gone = ingest("first", State.OPENCAST_DELETED, requested=9, changed=8)
        assert diagnosis_of(ignored, gone).situation is Situation.NO_SCHEDULED_CLASS

    def test_ingest_that_never_completed_is_not_superseded_by_an_earlier_success(self) -> None:
        stuck = ingest("stuck", State.RECORDING_PROCESSING, requested=None, changed=30)
        earlier = ingest("earlier", SENT, requested=50, changed=49)
        assert diagnosis_of(stuck, earlier).situation is Situation.NEVER_COMPLETED


INGESTS = st.builds(
    ingest,
    st.sampled_from("abcd"),
    st.sampled_from(State),
    requested=st.none() | st.floats(0, 100),
    changed=st.floats(0, 100),
    recording_id=st.sampled_from(["", "u==", "v=="]),
    reason=st.sampled_from(["", ALREADY_THERE, NO_SERIES]),
    retry_due=st.sampled_from(["", "x", ago(1)]),
)


@given(st.lists(INGESTS, max_size=6, unique_by=lambda known: known.zip_id))
def test_other_ingest_of_a_diagnosis_has_the_same_recording_and_needs_no_attention(
    rows: list[StatusRow],
) -> None:
    known = {row.zip_id: row for row in rows}
    diagnoses = diagnose_each(rows, rows, NOW, PATIENCE)
    assert diagnoses.keys() == known.keys()
    for zip_id, diagnosis in diagnoses.items():
        assert diagnosis == diagnose(known[zip_id], rows, NOW, PATIENCE)
        other = diagnosis.other
        if other is None:
            assert diagnosis.situation is diagnosis.own_situation
            continue
        assert diagnosis.own_situation in CAN_BE_SUPERSEDED
        assert other.recording_id == known[zip_id].recording_id
        assert other.zip_id != zip_id
        assert not diagnosis_of(other).needs_attention


def test_diagnosis_has_the_situation_of_each_example_that_follows_from_another_ingest() -> None:
    for situation, known, other in EXAMPLES_WITH_OTHERS:
        assert diagnosis_of(known, other).situation is situation


def test_retry_time_is_read_only_from_the_row_of_a_failed_ingest() -> None:
    failed = row(State.DOWNLOADER_FAILED, "x", retry_due="2026-10-14T18:45:00Z")
    assert retry_at(failed) == timestamps.parse("2026-10-14T18:45:00Z")
    assert retry_at(row(State.SENT_TO_UPLOADER, retry_due="2026-10-14T18:45:00Z")) is None
