"""What the ledger's record of a recording says of its files and its requests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester import timestamps
from ingester.ledger import record as ledger
from ingester.ledger.record import (
    LAG,
    MOST_REQUESTS,
    End,
    Ingest,
    NamedFile,
    Post,
    Record,
    Request,
)
from ingester.status.row import Asked

NOW = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)
EMPTY = Record(uuid="u==")
ZIP, OTHER = "auto-ingest-u==", "on-demand-1"
ASKED = Asked(oc_series_id="S", allow_multiple_ingests=True)


def at(minutes: float = 0) -> str:
    return timestamps.write(NOW + timedelta(minutes=minutes))


def ingest(zip_id: str = ZIP, files: str = "f") -> Ingest:
    """An ingest of files with ids of one letter each."""
    post = Post(attempt="a", at=at())
    return Ingest(zip_id=zip_id, series="S", files=dict.fromkeys(files, "a file"), posts=(post,))


def named(record: Record, files: str, minutes: float = 0) -> Record:
    """The record with files that Zoom has named, of one letter each."""
    names = {file_id: f"{file_id} of noon" for file_id in files}
    return ledger.with_files(record, names, NOW + timedelta(minutes=minutes))


def accepted(record: Record = EMPTY, zip_id: str = ZIP, minutes: float = 0) -> Record:
    return ledger.with_request(record, zip_id, ASKED, NOW + timedelta(minutes=minutes))


def sent(files: str, record: Record = EMPTY, zip_id: str = ZIP) -> Record:
    return ledger.with_sent(named(accepted(record, zip_id), files), zip_id, files)


class TestFiles:
    def test_file_keeps_its_first_name_and_time_when_it_is_named_again(self) -> None:
        record = named(EMPTY, "ab")
        again = ledger.with_files(record, {"a": "another", "c": "c of noon"}, NOW + LAG)
        assert again.files["a"] == NamedFile(name="a of noon", at=at())
        assert again.files["c"] == NamedFile(name="c of noon", at=timestamps.write(NOW + LAG))

    def test_record_is_the_same_when_no_file_is_new(self) -> None:
        record = named(EMPTY, "ab")
        assert named(record, "a", minutes=5) is record

    def test_time_of_a_file_must_be_one(self) -> None:
        with pytest.raises(ValueError, match="noon"):
            NamedFile(name="a", at="noon")


class TestFilesThatZoomDoesNotList:
    def test_file_is_waited_for_within_a_day(self) -> None:
        record = named(named(EMPTY, "a"), "b", minutes=60)
        assert ledger.files_to_wait_for(record, {"b"}, NOW) == ["a"]
        almost = NOW + LAG - timedelta(seconds=1)
        assert ledger.files_to_wait_for(record, set(), almost) == ["a", "b"]
        assert ledger.files_to_wait_for(record, set(), NOW + LAG) == ["b"]
        assert ledger.files_given_up(record, set()) == {"a": "a of noon", "b": "b of noon"}

    def test_file_is_neither_waited_for_nor_given_up_when_an_ingest_holds_it(self) -> None:
        record = ledger.with_claim(named(EMPTY, "ab"), "mp", ingest(files="a"))
        assert ledger.files_to_wait_for(record, set(), NOW) == ["b"]
        assert ledger.files_given_up(record, set()) == {"b": "b of noon"}
        assert ledger.not_listed(record, set()) == ["a", "b"]

    def test_file_is_neither_waited_for_nor_given_up_when_it_is_left_out(self) -> None:
        record = ledger.without(named(EMPTY, "ab"), ["a"])
        assert ledger.files_to_wait_for(record, set(), NOW) == ["b"]
        assert list(ledger.files_given_up(record, set())) == ["b"]
        assert ledger.not_listed(record, {"b"}) == []

    def test_left_out_files_are_kept_in_order_and_once(self) -> None:
        record = ledger.without(ledger.without(EMPTY, ["b", "b"]), ["a", "b"])
        assert record.left_out == ("a", "b")
        assert ledger.without(record, ["a"]) is record


class TestRequests:
    def test_request_is_accepted_with_what_it_asked_for(self) -> None:
        assert accepted().request(ZIP) == Request(at=at(), asked=ASKED)

    def test_nothing_counts_as_sent_when_a_request_is_accepted_anew(self) -> None:
        record = ledger.with_failure(sent("ab"), ZIP)
        assert accepted(record, minutes=5).request(ZIP) == Request(at=at(5), asked=ASKED)

    def test_other_requests_and_ingests_stay_when_one_is_accepted(self) -> None:
        record = ledger.with_claim(sent("ab", zip_id=OTHER), "mp", ingest(zip_id=OTHER))
        again = accepted(record)
        assert again.request(OTHER) == record.request(OTHER)
        assert again.ingests == record.ingests
        assert again.files == record.files

    def test_notice_goes_when_a_request_is_accepted(self) -> None:
        """Zoom said it before this request."""
        record = ledger.with_notice(sent("a"), "It was deleted")
        assert record.notice == "It was deleted"
        assert accepted(record).notice == ""

    def test_request_that_nobody_knows_is_an_empty_one(self) -> None:
        assert EMPTY.request(ZIP) == Request()
        assert EMPTY.ingest_of(ZIP) == ""

    def test_oldest_requests_go_when_there_are_too_many(self) -> None:
        record = EMPTY
        for number in range(MOST_REQUESTS + 10):
            record = accepted(record, f"z{number}", minutes=number)
        assert list(record.requests) == [f"z{n}" for n in range(10, MOST_REQUESTS + 10)]

    def test_oldest_request_stays_when_it_has_an_ingest(self) -> None:
        record = ledger.with_claim(accepted(EMPTY, "z0"), "mp", ingest(zip_id="z0"))
        for number in range(1, MOST_REQUESTS + 10):
            record = accepted(record, f"z{number}", minutes=number)
        assert "z0" in record.requests
        assert "z1" not in record.requests
        assert len(record.requests) == MOST_REQUESTS + 1


class TestDuplicates:
    def test_message_is_no_duplicate_when_its_request_was_not_sent(self) -> None:
        record = named(accepted(), "ab")
        assert not ledger.is_duplicate(record, ZIP, set("ab"))
        assert not ledger.is_duplicate(record, ZIP, set())

    @pytest.mark.parametrize(
        ("files", "is_duplicate"), [("ab", True), ("a", True), ("", True), ("abc", False)]
    )
    def test_message_is_a_duplicate_when_all_its_files_were_sent(
        self, files: str, is_duplicate: bool
    ) -> None:
        assert ledger.is_duplicate(sent("ab"), ZIP, set(files)) is is_duplicate

    def test_message_of_another_request_is_no_duplicate(self) -> None:
        assert not ledger.is_duplicate(sent("ab"), OTHER, set("ab"))

    def test_every_message_is_a_duplicate_when_another_stack_sent_the_request(self) -> None:
        """Nobody knows which files it named."""
        request = Request(at=at(), is_sent=True, is_taken_over=True)
        record = msgspec.structs.replace(EMPTY, requests={ZIP: request})
        assert ledger.is_duplicate(record, ZIP, set("xyz"))

    def test_files_of_several_messages_count_together(self) -> None:
        record = ledger.with_sent(sent("a"), ZIP, "b")
        assert record.request(ZIP).sent == ("a", "b")
        assert ledger.is_duplicate(record, ZIP, set("ab"))

    def test_request_without_files_counts_as_sent(self) -> None:
        """A notification may lack its files: Zoom's API tells them."""
        record = sent("")
        assert record.request(ZIP).is_sent
        assert ledger.is_duplicate(record, ZIP, set())
        assert not ledger.is_duplicate(record, ZIP, {"a"})


class TestEnds:
    @pytest.mark.parametrize("end", [End.FAILED, End.GONE])
    def test_nothing_is_on_a_queue_any_more_when_a_request_failed(self, end: End) -> None:
        record = ledger.with_end(ledger.with_failure(sent("ab"), ZIP), ZIP, end)
        assert record.request(ZIP) == Request(at=at(), asked=ASKED, end=end)
        assert not ledger.is_duplicate(record, ZIP, set("ab"))

    def test_files_still_count_as_sent_when_a_request_was_ignored(self) -> None:
        record = ledger.with_end(sent("ab"), ZIP, End.IGNORED)
        assert record.request(ZIP).end is End.IGNORED
        assert ledger.is_duplicate(record, ZIP, set("ab"))
        assert not ledger.is_duplicate(record, ZIP, set("abc"))

    def test_end_goes_when_a_message_is_sent_for_a_request_that_is_accepted_anew(self) -> None:
        record = ledger.with_end(sent("ab"), ZIP, End.FAILED)
        record = ledger.with_request(record, ZIP, Asked(), NOW)
        again = ledger.with_sent(record, ZIP, "ab").request(ZIP)
        assert (again.end, again.is_sent, again.sent) == (None, True, ("a", "b"))

    @pytest.mark.parametrize("end", [End.FAILED, End.GONE])
    def test_end_stays_when_it_comes_before_the_note_that_the_message_was_sent(
        self, end: End
    ) -> None:
        record = ledger.with_end(ledger.with_request(sent("a"), ZIP, Asked(), NOW), ZIP, end)
        late = ledger.with_sent(record, ZIP, "ab").request(ZIP)
        assert (late.end, late.is_sent) == (end, False)

    def test_only_what_zoom_did_not_have_is_given_up(self) -> None:
        record = sent("a", sent("a", sent("a"), "z1"), "z2")
        for zip_id, end in ((ZIP, End.GONE), ("z1", End.FAILED), ("z2", End.IGNORED)):
            record = ledger.with_end(record, zip_id, end)
        assert list(ledger.given_up(record)) == [ZIP]

    @pytest.mark.parametrize(
        ("end", "was_asked_for"),
        [(None, False), (End.IGNORED, False), (End.FAILED, True), (End.GONE, True)],
    )
    def test_recording_was_asked_for_when_a_request_got_onto_the_queue(
        self, end: End | None, was_asked_for: bool
    ) -> None:
        """Whatever became of it. What was ignored before that, without an MP4, didn't."""
        record = accepted() if end is None else ledger.with_end(accepted(), ZIP, end)
        assert record.was_asked_for is was_asked_for
        assert ledger.with_sent(record, ZIP, "a").was_asked_for

    def test_failures_are_counted_for_each_request_until_it_ends(self) -> None:
        record = ledger.with_failure(ledger.with_failure(sent("a"), ZIP), ZIP)
        record = ledger.with_failure(record, OTHER)
        assert (record.request(ZIP).failures, record.request(OTHER).failures) == (2, 1)
        record = ledger.with_end(record, ZIP, End.IGNORED)
        assert (record.request(ZIP).failures, record.request(OTHER).failures) == (0, 1)


class TestSuperseded:
    @pytest.mark.parametrize(
        ("files", "is_superseded"), [("a", True), ("", True), ("ab", False), ("abc", False)]
    )
    def test_message_is_superseded_when_another_one_brings_more(
        self, files: str, is_superseded: bool
    ) -> None:
        assert ledger.is_superseded(sent("ab"), ZIP, set(files)) is is_superseded

    def test_message_is_not_superseded_by_files_that_are_left_out(self) -> None:
        assert not ledger.is_superseded(ledger.without(sent("abc"), "c"), ZIP, set("ab"))

    def test_message_is_not_superseded_by_files_that_an_ingest_holds(self) -> None:
        """Zoom may not have them any more: then no message brings them."""
        record = ledger.with_claim(sent("abc"), "mp", ingest(files="ab"))
        assert not ledger.is_superseded(record, ZIP, set("c"))
        assert ledger.is_superseded(record, ZIP, set("ab"))

    def test_message_is_not_superseded_by_another_request(self) -> None:
        assert not ledger.is_superseded(sent("ab", zip_id=OTHER), ZIP, set("a"))

    def test_message_is_not_superseded_by_files_that_were_only_seen(self) -> None:
        """Their message may never have got onto the queue."""
        assert not ledger.is_superseded(named(sent("a"), "b"), ZIP, set("a"))

    @pytest.mark.parametrize("end", [End.FAILED, End.GONE])
    def test_message_is_not_superseded_when_the_other_one_failed(self, end: End) -> None:
        assert not ledger.is_superseded(ledger.with_end(sent("ab"), ZIP, end), ZIP, set("a"))

    @given(
        st.lists(st.sets(st.sampled_from("abcde"))),
        st.sets(st.sampled_from("abcde")),
        st.sets(st.sampled_from("vwxyz")),
    )
    def test_message_with_all_files_is_never_superseded(
        self, messages: list[set[str]], left_out: set[str], more: set[str]
    ) -> None:
        record = EMPTY
        for files in messages:
            record = ledger.with_sent(record, ZIP, files)
        record = ledger.without(record, left_out)
        everything = set(record.request(ZIP).sent) | more
        assert not ledger.is_superseded(record, ZIP, everything)
        assert not ledger.is_superseded(record, ZIP, everything - left_out)
