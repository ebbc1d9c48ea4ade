"""Unit tests of the ledger's ingest records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ingester import timestamps
from ingester.ledger.record import (
    POST_ARRIVAL_LIMIT,
    Absence,
    IngestRecord,
    Outcome,
    Post,
    Record,
    Request,
    absence_of,
    may_be_lost,
    with_answer,
    with_claim,
    with_failure,
    with_request,
    with_sent,
    with_shown,
)
from ingester.status.row import RequestOptions

NOW = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)
EMPTY = Record(uuid="u==")
ZIP, OTHER = "auto-ingest-u==", "on-demand-1"
POST_TIMEOUT = timedelta(hours=6)


def at(minutes: float = 0) -> str:
    return timestamps.write(NOW + timedelta(minutes=minutes))


def post(
    attempt: str = "a", minutes: float = 0, outcome: Outcome = Outcome.UNKNOWN, lacks: str = ""
) -> Post:
    """Return a POST that lacks the files whose ids are the letters of `lacks`."""
    return Post(attempt=attempt, at=at(minutes), outcome=outcome, lacks=tuple(lacks))


def ingest(
    *posts: Post, zip_id: str = ZIP, files: str = "f", is_shown: bool = False
) -> IngestRecord:
    """Return an ingest record of the files whose ids are the letters of `files`."""
    named = {file_id: f"{file_id} of noon" for file_id in files}
    return IngestRecord(
        zip_id=zip_id, series="S", files=named, posts=posts or (post(),), is_shown=is_shown
    )


def failed() -> Record:
    """Return a record with one counted failure of a sent request."""
    record = with_request(EMPTY, ZIP, RequestOptions(), NOW)
    return with_failure(with_sent(record, ZIP, "f"), ZIP)


class TestIngestRecords:
    def test_media_package_of_a_request_is_found_by_the_zip_id_of_the_request(self) -> None:
        record = with_claim(EMPTY, "mp-1", ingest(zip_id=ZIP))
        record = with_claim(record, "mp-2", ingest(zip_id=OTHER))
        assert (record.media_package_of(ZIP), record.media_package_of(OTHER)) == ("mp-1", "mp-2")
        assert record.media_package_of("z") == ""

    def test_ingest_record_belongs_to_the_request_of_the_latest_claim(self) -> None:
        record = with_claim(EMPTY, "mp", ingest(post("a"), files="a"))
        record = with_claim(record, "mp", ingest(post("b", 1), zip_id=OTHER, files="ab"))
        known = record.ingests["mp"]
        assert (known.zip_id, set(known.files)) == (OTHER, {"a", "b"})
        assert known.posts == (post("a", lacks="b"), post("b", 1))

    @pytest.mark.parametrize("is_shown", [False, True])
    def test_claim_drops_earlier_posts_when_opencast_had_the_media_package(
        self, is_shown: bool
    ) -> None:
        # A new claim means that somebody has deleted the earlier event in Opencast.
        taken = ingest(post("a", outcome=Outcome.TAKEN), is_shown=is_shown)
        record = with_claim(EMPTY, "mp", taken)
        record = with_claim(record, "mp", ingest(post("b", 5)))
        assert record.ingests["mp"] == ingest(post("b", 5))

    def test_answer_to_a_post_changes_nothing_when_the_media_package_is_unknown(self) -> None:
        assert with_answer(EMPTY, "mp", "a", Outcome.TAKEN) is EMPTY

    def test_accepted_post_sets_the_workflow_and_resets_the_failures(self) -> None:
        record = with_claim(failed(), "mp", ingest())
        record = with_answer(record, "mp", "a", Outcome.TAKEN, "1603")
        known = record.ingests["mp"]
        assert (known.is_taken, known.workflow) == (True, "1603")
        assert known.posts == (post("a", outcome=Outcome.TAKEN),)
        assert record.request(ZIP).failures == 0
        # An answer of 409 contains no workflow.
        again = with_answer(record, "mp", "a", Outcome.TAKEN)
        assert again.ingests["mp"].workflow == "1603"

    def test_ingest_record_is_removed_when_its_only_post_was_refused(self) -> None:
        record = with_claim(failed(), "mp", ingest())
        record = with_answer(record, "mp", "a", Outcome.REFUSED)
        assert record.ingests == {}
        assert record.request(ZIP).failures == 1

    def test_post_with_unknown_outcome_is_kept_when_a_later_post_is_refused(self) -> None:
        record = with_claim(EMPTY, "mp", ingest(post("a")))
        record = with_claim(record, "mp", ingest(post("b", 400)))
        record = with_answer(record, "mp", "b", Outcome.REFUSED)
        known = record.ingests["mp"]
        assert [post.outcome for post in known.posts] == [Outcome.UNKNOWN, Outcome.REFUSED]
        assert known.posted_at == at()
        assert not known.is_taken
        assert with_answer(record, "mp", "a", Outcome.REFUSED).ingests == {}

    def test_other_ingest_records_stay_when_an_ingest_record_is_removed(self) -> None:
        record = with_claim(EMPTY, "mp-1", ingest(post("a")))
        record = with_claim(record, "mp-2", ingest(post("b"), zip_id=OTHER))
        record = with_answer(record, "mp-1", "a", Outcome.REFUSED)
        assert list(record.ingests) == ["mp-2"]

    def test_ingest_record_is_kept_when_its_event_was_shown_and_its_post_refused(self) -> None:
        record = with_shown(with_claim(EMPTY, "mp", ingest()), "mp")
        record = with_answer(record, "mp", "a", Outcome.REFUSED)
        known = record.ingests["mp"]
        assert known.is_shown
        assert known.is_taken
        assert known.posted_at == at()

    def test_record_without_an_ingest_record_stays_the_same_when_opencast_shows_the_event(
        self,
    ) -> None:
        assert with_shown(EMPTY, "mp") is EMPTY

    def test_ingest_record_is_rejected_when_it_has_no_post(self) -> None:
        with pytest.raises(ValueError, match="without a POST"):
            IngestRecord(zip_id=ZIP, series="S", files={}, posts=())

    def test_post_record_is_rejected_when_its_time_is_not_a_timestamp(self) -> None:
        with pytest.raises(ValueError, match="noon"):
            Post(attempt="a", at="noon")


UNKNOWN, TAKEN, REFUSED = Outcome


class TestCertainFiles:
    """The files that an event certainly has after two POSTs."""

    def record(self, first: str, second: str) -> Record:
        record = with_claim(EMPTY, "mp", ingest(post("a"), files=first))
        return with_claim(record, "mp", ingest(post("b", 400), files=second))

    @pytest.mark.parametrize(
        ("first", "second", "certain"), [("f", "fg", "f"), ("fg", "f", "f"), ("fg", "fg", "fg")]
    )
    def test_certain_files_are_those_in_both_posts_when_no_outcome_is_known(
        self, first: str, second: str, certain: str
    ) -> None:
        known = self.record(first, second).ingests["mp"]
        assert set(known.files) == set(first) | set(second)
        assert set(known.certain_files) == set(certain)

    @pytest.mark.parametrize(
        ("outcome", "workflow", "certain"),
        [(TAKEN, "1603", "fg"), (TAKEN, "", "f"), (REFUSED, "", "f")],
        ids=["200", "409", "400"],
    )
    def test_certain_files_include_those_of_the_second_post_when_its_answer_has_a_workflow(
        self, outcome: Outcome, workflow: str, certain: str
    ) -> None:
        # A 409 means that a workflow is running, which the first POST may have started.
        known = with_answer(self.record("f", "fg"), "mp", "b", outcome, workflow).ingests["mp"]
        assert set(known.certain_files) == set(certain)

    def test_certain_files_are_those_of_the_second_post_when_the_first_was_refused(self) -> None:
        record = with_answer(self.record("f", "fg"), "mp", "a", REFUSED)
        known = with_answer(record, "mp", "b", TAKEN).ingests["mp"]
        assert set(known.certain_files) == {"f", "g"}

    def test_age_of_an_event_counts_from_the_second_post_when_that_post_got_a_409(self) -> None:
        # After a 409, Opencast takes some time to show the event. Until then no POST may follow.
        known = with_answer(self.record("f", "fg"), "mp", "b", TAKEN).ingests["mp"]
        assert known.posted_at == at(400)


TIMEOUT_MINUTES = 6 * 60


class TestAbsence:
    @pytest.mark.parametrize(
        ("known", "minutes", "is_idle", "expected"),
        [
            # Opencast doesn't say whether it is working on an ingest.
            (ingest(post()), 1, None, Absence.COMING),
            (ingest(post()), TIMEOUT_MINUTES - 1, None, Absence.COMING),
            (ingest(post()), TIMEOUT_MINUTES, None, Absence.LOST),
            (ingest(post(), post("b", TIMEOUT_MINUTES)), TIMEOUT_MINUTES + 1, None, Absence.COMING),
            (
                ingest(post(), post("b", TIMEOUT_MINUTES, REFUSED)),
                TIMEOUT_MINUTES + 1,
                None,
                Absence.LOST,
            ),
            (ingest(post(outcome=TAKEN)), TIMEOUT_MINUTES - 1, None, Absence.COMING),
            (ingest(post(outcome=TAKEN)), TIMEOUT_MINUTES, None, Absence.DELETED),
            (
                ingest(post(), post("b", TIMEOUT_MINUTES, TAKEN)),
                2 * TIMEOUT_MINUTES,
                None,
                Absence.DELETED,
            ),
            (ingest(post(outcome=TAKEN), is_shown=True), 1, None, Absence.DELETED),
            (ingest(post(), is_shown=True), 1, None, Absence.DELETED),
            # Opencast says that it isn't working on any ingest.
            (ingest(post()), 14, True, Absence.COMING),
            (ingest(post()), 15, True, Absence.LOST),
            (ingest(post(outcome=TAKEN)), TIMEOUT_MINUTES - 1, True, Absence.COMING),
            (ingest(post(outcome=TAKEN)), TIMEOUT_MINUTES, True, Absence.DELETED),
            # Opencast says that it is working on an ingest.
            (ingest(post()), 4 * TIMEOUT_MINUTES - 1, False, Absence.COMING),
            (ingest(post()), 4 * TIMEOUT_MINUTES, False, Absence.LOST),
            (ingest(post(), is_shown=True), 1, False, Absence.DELETED),
        ],
    )
    def test_absence_of_an_event_depends_on_ingest_record_time_and_whether_opencast_is_idle(
        self, known: IngestRecord, minutes: float, is_idle: bool | None, expected: Absence
    ) -> None:
        now = NOW + timedelta(minutes=minutes)
        before = Request(at=at(-10))
        assert absence_of(known, before, now, POST_TIMEOUT, is_idle=is_idle) is expected

    @pytest.mark.parametrize(
        ("minutes", "expected"),
        [(-1, Absence.DELETED), (0, Absence.DELETED), (1, Absence.ASKED_AGAIN)],
    )
    def test_absent_event_that_was_shown_counts_as_requested_again_when_a_request_follows_the_post(
        self, minutes: float, expected: Absence
    ) -> None:
        known = ingest(post(outcome=TAKEN), is_shown=True)
        now = NOW + timedelta(days=1)
        request = Request(at=at(minutes))
        assert absence_of(known, request, now, POST_TIMEOUT, is_idle=True) is expected

    def test_absence_of_an_event_that_was_shown_means_deletion_when_the_request_is_unknown(
        self,
    ) -> None:
        known = ingest(post(outcome=TAKEN), is_shown=True)
        absence = absence_of(known, Request(), NOW, POST_TIMEOUT, is_idle=None)
        assert absence is Absence.DELETED

    @pytest.mark.parametrize(
        ("known", "expected"),
        [
            (ingest(post()), True),
            (ingest(post("a", 1)), False),
            (ingest(post(), post("b", 1)), False),
            (ingest(post(), post("b", 1, REFUSED)), True),
            (ingest(post(outcome=TAKEN)), False),
            (ingest(post(), is_shown=True), False),
        ],
    )
    def test_posts_may_be_lost_when_no_post_is_confirmed_within_15_minutes(
        self, known: IngestRecord, expected: bool
    ) -> None:
        assert may_be_lost(known, NOW + POST_ARRIVAL_LIMIT) is expected
