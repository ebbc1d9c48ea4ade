"""What the ledger's record says of the POSTs to Opencast, and of an event that isn't there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ingester import timestamps
from ingester.ledger import record as ledger
from ingester.ledger.record import ARRIVAL, Absence, Ingest, Outcome, Post, Record, Request
from ingester.status.row import Asked

NOW = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)
EMPTY = Record(uuid="u==")
ZIP, OTHER = "auto-ingest-u==", "on-demand-1"
PATIENCE = timedelta(hours=6)


def at(minutes: float = 0) -> str:
    return timestamps.write(NOW + timedelta(minutes=minutes))


def post(attempt: str = "a", minutes: float = 0, outcome: Outcome = Outcome.UNKNOWN) -> Post:
    return Post(attempt=attempt, at=at(minutes), outcome=outcome)


def ingest(*posts: Post, zip_id: str = ZIP, files: str = "f", is_shown: bool = False) -> Ingest:
    """An ingest of files with ids of one letter each."""
    named = {file_id: f"{file_id} of noon" for file_id in files}
    return Ingest(
        zip_id=zip_id, series="S", files=named, posts=posts or (post(),), is_shown=is_shown
    )


def failed() -> Record:
    """The record of a request that failed once."""
    record = ledger.with_request(EMPTY, ZIP, Asked(), NOW)
    return ledger.with_failure(ledger.with_sent(record, ZIP, "f"), ZIP)


class TestIngests:
    def test_ingest_is_found_by_its_request(self) -> None:
        record = ledger.with_claim(EMPTY, "mp-1", ingest(zip_id=ZIP))
        record = ledger.with_claim(record, "mp-2", ingest(zip_id=OTHER))
        assert (record.ingest_of(ZIP), record.ingest_of(OTHER)) == ("mp-1", "mp-2")
        assert record.ingest_of("z") == ""

    def test_later_claim_tells_whose_ingest_it_is(self) -> None:
        record = ledger.with_claim(EMPTY, "mp", ingest(post("a"), files="a"))
        record = ledger.with_claim(record, "mp", ingest(post("b", 1), zip_id=OTHER, files="ab"))
        known = record.ingests["mp"]
        assert (known.zip_id, set(known.files)) == (OTHER, {"a", "b"})
        assert known.posts == (post("a"), post("b", 1))

    @pytest.mark.parametrize("is_shown", [False, True])
    def test_earlier_posts_are_over_when_the_ingest_was_taken(self, is_shown: bool) -> None:
        """Its event was deleted in Opencast since."""
        taken = ingest(post("a", outcome=Outcome.TAKEN), is_shown=is_shown)
        record = ledger.with_claim(EMPTY, "mp", taken)
        record = ledger.with_claim(record, "mp", ingest(post("b", 5)))
        assert record.ingests["mp"] == ingest(post("b", 5))

    def test_answer_to_an_ingest_that_nobody_knows_changes_nothing(self) -> None:
        assert ledger.with_answer(EMPTY, "mp", "a", Outcome.TAKEN) is EMPTY

    def test_ingest_is_taken_with_its_workflow_and_failures_are_over(self) -> None:
        record = ledger.with_claim(failed(), "mp", ingest())
        record = ledger.with_answer(record, "mp", "a", Outcome.TAKEN, "1603")
        known = record.ingests["mp"]
        assert (known.is_taken, known.workflow) == (True, "1603")
        assert known.posts == (post("a", outcome=Outcome.TAKEN),)
        assert record.request(ZIP).failures == 0
        # 409 names none.
        again = ledger.with_answer(record, "mp", "a", Outcome.TAKEN)
        assert again.ingests["mp"].workflow == "1603"

    def test_ingest_is_forgotten_when_its_only_post_was_refused(self) -> None:
        record = ledger.with_claim(failed(), "mp", ingest())
        record = ledger.with_answer(record, "mp", "a", Outcome.REFUSED)
        assert record.ingests == {}
        assert record.request(ZIP).failures == 1

    def test_unanswered_post_is_remembered_when_a_later_one_is_refused(self) -> None:
        record = ledger.with_claim(EMPTY, "mp", ingest(post("a")))
        record = ledger.with_claim(record, "mp", ingest(post("b", 400)))
        record = ledger.with_answer(record, "mp", "b", Outcome.REFUSED)
        known = record.ingests["mp"]
        assert [one.outcome for one in known.posts] == [Outcome.UNKNOWN, Outcome.REFUSED]
        assert known.posted_at == at()
        assert not known.is_taken
        assert ledger.with_answer(record, "mp", "a", Outcome.REFUSED).ingests == {}

    def test_other_ingests_stay_when_one_is_forgotten(self) -> None:
        record = ledger.with_claim(EMPTY, "mp-1", ingest(post("a")))
        record = ledger.with_claim(record, "mp-2", ingest(post("b"), zip_id=OTHER))
        record = ledger.with_answer(record, "mp-1", "a", Outcome.REFUSED)
        assert list(record.ingests) == ["mp-2"]

    def test_ingest_is_remembered_when_it_is_shown_whatever_was_answered(self) -> None:
        record = ledger.with_shown(ledger.with_claim(EMPTY, "mp", ingest()), "mp")
        record = ledger.with_answer(record, "mp", "a", Outcome.REFUSED)
        known = record.ingests["mp"]
        assert known.is_shown
        assert known.is_taken
        assert known.posted_at == at()

    def test_ingest_without_a_post_is_none(self) -> None:
        with pytest.raises(ValueError, match="without a POST"):
            Ingest(zip_id=ZIP, series="S", files={}, posts=())

    def test_time_of_a_post_must_be_one(self) -> None:
        with pytest.raises(ValueError, match="noon"):
            Post(attempt="a", at="noon")


UNKNOWN, TAKEN, REFUSED = Outcome
LATE = 6 * 60


class TestAbsence:
    """Opencast doesn't show the event."""

    @pytest.mark.parametrize(
        ("known", "minutes", "is_idle", "absence"),
        [
            # Opencast doesn't say whether it is at work.
            (ingest(post()), 1, None, Absence.COMING),
            (ingest(post()), LATE - 1, None, Absence.COMING),
            (ingest(post()), LATE, None, Absence.LOST),
            (ingest(post(), post("b", LATE)), LATE + 1, None, Absence.COMING),
            (ingest(post(), post("b", LATE, REFUSED)), LATE + 1, None, Absence.LOST),
            (ingest(post(outcome=TAKEN)), LATE - 1, None, Absence.COMING),
            (ingest(post(outcome=TAKEN)), LATE, None, Absence.DELETED),
            (ingest(post(), post("b", LATE, TAKEN)), 2 * LATE, None, Absence.DELETED),
            (ingest(post(outcome=TAKEN), is_shown=True), 1, None, Absence.DELETED),
            (ingest(post(), is_shown=True), 1, None, Absence.DELETED),
            # It is at work on nothing.
            (ingest(post()), 14, True, Absence.COMING),
            (ingest(post()), 15, True, Absence.LOST),
            (ingest(post(outcome=TAKEN)), LATE - 1, True, Absence.COMING),
            (ingest(post(outcome=TAKEN)), LATE, True, Absence.DELETED),
            # It is at work.
            (ingest(post()), 4 * LATE - 1, False, Absence.COMING),
            (ingest(post()), 4 * LATE, False, Absence.LOST),
            (ingest(post(), is_shown=True), 1, False, Absence.DELETED),
        ],
    )
    def test_absence_means(
        self, known: Ingest, minutes: float, is_idle: bool | None, absence: Absence
    ) -> None:
        now = NOW + timedelta(minutes=minutes)
        before = Request(at=at(-10))
        assert ledger.absence_of(known, before, now, PATIENCE, is_idle=is_idle) is absence

    @pytest.mark.parametrize(
        ("minutes", "absence"), [(-1, Absence.DELETED), (0, Absence.DELETED), (1, "asked again")]
    )
    def test_event_that_was_there_is_wanted_when_it_was_asked_for_since(
        self, minutes: float, absence: Absence
    ) -> None:
        known = ingest(post(outcome=TAKEN), is_shown=True)
        now = NOW + timedelta(days=1)
        asked = Request(at=at(minutes))
        assert ledger.absence_of(known, asked, now, PATIENCE, is_idle=True) is Absence(absence)

    def test_event_is_not_wanted_again_when_nobody_knows_the_request(self) -> None:
        known = ingest(post(outcome=TAKEN), is_shown=True)
        found = ledger.absence_of(known, Request(), NOW, PATIENCE, is_idle=None)
        assert found is Absence.DELETED

    @pytest.mark.parametrize(
        ("known", "is_doubtful"),
        [
            (ingest(post()), True),
            (ingest(post("a", 1)), False),
            (ingest(post(), post("b", 1)), False),
            (ingest(post(), post("b", 1, REFUSED)), True),
            (ingest(post(outcome=TAKEN)), False),
            (ingest(post(), is_shown=True), False),
        ],
    )
    def test_ingest_is_doubtful_when_no_answer_has_come_for_long(
        self, known: Ingest, is_doubtful: bool
    ) -> None:
        assert ledger.is_doubtful(known, NOW + ARRIVAL) is is_doubtful
