"""Unit tests of the ledger's record of a recording."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester import timestamps
from ingester.ledger.record import (
    MAX_REQUESTS,
    ZOOM_LIST_LAG,
    End,
    IngestRecord,
    NamedFile,
    Post,
    Record,
    Request,
    files_to_wait_for,
    gone_requests,
    is_duplicate,
    is_superseded,
    missing_files,
    unlisted_files,
    with_claim,
    with_end,
    with_failure,
    with_files,
    with_left_out,
    with_notice,
    with_request,
    with_sent,
)
from ingester.status.row import RequestOptions

NOW = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)
EMPTY = Record(uuid="u==")
ZIP, OTHER = "auto-ingest-u==", "on-demand-1"
ASKED = RequestOptions(oc_series_id="S", allow_multiple_ingests=True)


def at(minutes: float = 0) -> str:
    return timestamps.write(NOW + timedelta(minutes=minutes))


def ingest(zip_id: str = ZIP, files: str = "f") -> IngestRecord:
    """Return an ingest record of the files whose ids are the letters of `files`."""
    post = Post(attempt="a", at=at())
    return IngestRecord(
        zip_id=zip_id, series="S", files=dict.fromkeys(files, "a file"), posts=(post,)
    )


def named(record: Record, files: str, minutes: float = 0) -> Record:
    """Return the record with files that Zoom named, whose ids are the letters of `files`."""
    names = {file_id: f"{file_id} of noon" for file_id in files}
    return with_files(record, names, NOW + timedelta(minutes=minutes))


def accepted(record: Record = EMPTY, zip_id: str = ZIP, minutes: float = 0) -> Record:
    return with_request(record, zip_id, ASKED, NOW + timedelta(minutes=minutes))


def sent(files: str, record: Record = EMPTY, zip_id: str = ZIP) -> Record:
    return with_sent(named(accepted(record, zip_id), files), zip_id, files)


class TestFiles:
    def test_file_keeps_its_first_name_and_time_when_zoom_names_it_again(self) -> None:
        record = named(EMPTY, "ab")
        again = with_files(record, {"a": "another", "c": "c of noon"}, NOW + ZOOM_LIST_LAG)
        assert again.files["a"] == NamedFile(name="a of noon", at=at())
        assert again.files["c"] == NamedFile(
            name="c of noon", at=timestamps.write(NOW + ZOOM_LIST_LAG)
        )

    def test_record_stays_the_same_when_no_file_is_new(self) -> None:
        record = named(EMPTY, "ab")
        assert named(record, "a", minutes=5) is record

    def test_named_file_is_rejected_when_its_time_is_not_a_timestamp(self) -> None:
        with pytest.raises(ValueError, match="noon"):
            NamedFile(name="a", at="noon")


class TestUnlistedFiles:
    def test_unlisted_file_is_waited_for_when_it_was_named_less_than_a_day_ago(self) -> None:
        record = named(named(EMPTY, "a"), "b", minutes=60)
        assert missing_files(record, {"b"}, may_ingest_again=False) == {"a": "a of noon"}
        missing = missing_files(record, set(), may_ingest_again=False)
        assert missing == {"a": "a of noon", "b": "b of noon"}
        almost = NOW + ZOOM_LIST_LAG - timedelta(seconds=1)
        assert files_to_wait_for(missing, record, almost) == ["a", "b"]
        assert files_to_wait_for(missing, record, NOW + ZOOM_LIST_LAG) == ["b"]

    @pytest.mark.parametrize(("may_ingest_again", "missing"), [(False, "b"), (True, "ab")])
    def test_ingested_file_counts_as_missing_only_when_a_second_ingest_is_allowed(
        self, may_ingest_again: bool, missing: str
    ) -> None:
        record = with_claim(named(EMPTY, "ab"), "mp", ingest(files="a"))
        found = missing_files(record, set(), may_ingest_again=may_ingest_again)
        assert found == {file_id: f"{file_id} of noon" for file_id in missing}
        assert unlisted_files(record, set()) == ["a", "b"]

    def test_unlisted_file_is_not_missing_when_it_is_left_out(self) -> None:
        record = with_left_out(named(EMPTY, "ab"), ["a"])
        assert list(missing_files(record, set(), may_ingest_again=True)) == ["b"]
        assert unlisted_files(record, {"b"}) == []

    def test_left_out_files_are_sorted_and_unique(self) -> None:
        record = with_left_out(with_left_out(EMPTY, ["b", "b"]), ["a", "b"])
        assert record.left_out == ("a", "b")
        assert with_left_out(record, ["a"]) is record


class TestRequests:
    def test_accepted_request_has_its_time_and_options(self) -> None:
        assert accepted().request(ZIP) == Request(at=at(), asked=ASKED)

    def test_request_has_no_sent_files_when_it_is_accepted_again(self) -> None:
        record = with_failure(sent("ab"), ZIP)
        assert accepted(record, minutes=5).request(ZIP) == Request(at=at(5), asked=ASKED)

    def test_accepting_a_request_changes_no_other_request_no_file_and_no_ingest_record(
        self,
    ) -> None:
        record = with_claim(sent("ab", zip_id=OTHER), "mp", ingest(zip_id=OTHER))
        again = accepted(record)
        assert again.request(OTHER) == record.request(OTHER)
        assert again.ingests == record.ingests
        assert again.files == record.files

    def test_notice_is_cleared_when_a_request_is_accepted(self) -> None:
        # The notice is about a time before this request.
        record = with_notice(sent("a"), "It was deleted")
        assert record.notice == "It was deleted"
        assert accepted(record).notice == ""

    def test_request_is_empty_when_the_record_does_not_have_it(self) -> None:
        assert EMPTY.request(ZIP) == Request()
        assert EMPTY.media_package_of(ZIP) == ""

    def test_record_drops_its_oldest_requests_when_it_has_too_many(self) -> None:
        record = EMPTY
        for number in range(MAX_REQUESTS + 10):
            record = accepted(record, f"z{number}", minutes=number)
        assert list(record.requests) == [f"z{n}" for n in range(10, MAX_REQUESTS + 10)]

    def test_oldest_request_is_kept_when_it_has_an_ingest_record(self) -> None:
        record = with_claim(accepted(EMPTY, "z0"), "mp", ingest(zip_id="z0"))
        for number in range(1, MAX_REQUESTS + 10):
            record = accepted(record, f"z{number}", minutes=number)
        assert "z0" in record.requests
        assert "z1" not in record.requests
        assert len(record.requests) == MAX_REQUESTS + 1


class TestDuplicates:
    def test_message_is_not_a_duplicate_when_no_message_of_its_request_was_sent(self) -> None:
        record = named(accepted(), "ab")
        assert not is_duplicate(record, ZIP, set("ab"))
        assert not is_duplicate(record, ZIP, set())

    @pytest.mark.parametrize(
        ("files", "expected"), [("ab", True), ("a", True), ("", True), ("abc", False)]
    )
    def test_message_is_a_duplicate_when_all_its_files_were_sent(
        self, files: str, expected: bool
    ) -> None:
        assert is_duplicate(sent("ab"), ZIP, set(files)) is expected

    def test_message_is_not_a_duplicate_when_only_another_request_sent_its_files(self) -> None:
        assert not is_duplicate(sent("ab"), OTHER, set("ab"))

    def test_message_with_unknown_files_is_a_duplicate_when_another_stack_sent_the_request(
        self,
    ) -> None:
        # The files that the other stack sent are unknown, so all count as sent.
        request = Request(at=at(), is_sent=True, is_taken_over=True)
        record = msgspec.structs.replace(EMPTY, requests={ZIP: request})
        assert is_duplicate(record, ZIP, set("xyz"))

    def test_message_is_a_duplicate_when_several_messages_together_sent_its_files(self) -> None:
        record = with_sent(sent("a"), ZIP, "b")
        assert record.request(ZIP).sent == ("a", "b")
        assert is_duplicate(record, ZIP, set("ab"))

    def test_request_counts_as_sent_when_its_message_named_no_files(self) -> None:
        # If a webhook event lacks its files, the downloader gets the files from Zoom's API.
        record = sent("")
        assert record.request(ZIP).is_sent
        assert is_duplicate(record, ZIP, set())
        assert not is_duplicate(record, ZIP, {"a"})


class TestEnds:
    @pytest.mark.parametrize("end", [End.FAILED, End.GONE])
    def test_request_has_no_sent_files_when_its_end_is_failed_or_gone(self, end: End) -> None:
        record = with_end(with_failure(sent("ab"), ZIP), ZIP, end)
        assert record.request(ZIP) == Request(at=at(), asked=ASKED, end=end)
        assert not is_duplicate(record, ZIP, set("ab"))

    def test_request_keeps_its_sent_files_when_it_was_ignored(self) -> None:
        record = with_end(sent("ab"), ZIP, End.IGNORED)
        assert record.request(ZIP).end is End.IGNORED
        assert is_duplicate(record, ZIP, set("ab"))
        assert not is_duplicate(record, ZIP, set("abc"))

    def test_end_of_a_request_is_cleared_when_the_request_is_accepted_and_sent_again(self) -> None:
        record = with_end(sent("ab"), ZIP, End.FAILED)
        record = with_request(record, ZIP, RequestOptions(), NOW)
        again = with_sent(record, ZIP, "ab").request(ZIP)
        assert (again.end, again.is_sent, again.sent) == (None, True, ("a", "b"))

    @pytest.mark.parametrize("end", [End.FAILED, End.GONE])
    def test_end_of_a_request_is_kept_when_the_ledger_notes_the_end_before_the_sent_message(
        self, end: End
    ) -> None:
        record = with_end(with_request(sent("a"), ZIP, RequestOptions(), NOW), ZIP, end)
        late = with_sent(record, ZIP, "ab").request(ZIP)
        assert (late.end, late.is_sent) == (end, False)

    def test_gone_requests_are_only_requests_whose_recording_zoom_did_not_have(self) -> None:
        record = sent("a", sent("a", sent("a"), "z1"), "z2")
        for zip_id, end in ((ZIP, End.GONE), ("z1", End.FAILED), ("z2", End.IGNORED)):
            record = with_end(record, zip_id, end)
        assert list(gone_requests(record)) == [ZIP]

    @pytest.mark.parametrize(
        ("end", "expected"),
        [(None, False), (End.IGNORED, False), (End.FAILED, True), (End.GONE, True)],
    )
    def test_recording_counts_as_requested_when_a_request_was_sent_or_ended_as_failed_or_gone(
        self, end: End | None, expected: bool
    ) -> None:
        # The webhook ignores a request without an MP4, and sends no message for this request.
        record = accepted() if end is None else with_end(accepted(), ZIP, end)
        assert record.was_requested is expected
        assert with_sent(record, ZIP, "a").was_requested

    def test_failures_of_a_request_are_counted_until_it_ends(self) -> None:
        record = with_failure(with_failure(sent("a"), ZIP), ZIP)
        record = with_failure(record, OTHER)
        assert (record.request(ZIP).failures, record.request(OTHER).failures) == (2, 1)
        record = with_end(record, ZIP, End.IGNORED)
        assert (record.request(ZIP).failures, record.request(OTHER).failures) == (0, 1)


class TestSuperseded:
    @pytest.mark.parametrize(
        ("files", "expected"), [("a", True), ("", True), ("ab", False), ("abc", False)]
    )
    def test_message_is_superseded_when_another_message_has_more_files(
        self, files: str, expected: bool
    ) -> None:
        assert is_superseded(sent("ab"), ZIP, set(files)) is expected

    def test_message_is_not_superseded_when_it_only_lacks_files_that_are_left_out(self) -> None:
        assert not is_superseded(with_left_out(sent("abc"), "c"), ZIP, set("ab"))

    def test_message_is_not_superseded_when_it_only_lacks_files_that_an_ingest_record_has(
        self,
    ) -> None:
        # If Zoom no longer has the files of an ingest record, no message contains them.
        record = with_claim(sent("abc"), "mp", ingest(files="ab"))
        assert not is_superseded(record, ZIP, set("c"))
        assert is_superseded(record, ZIP, set("ab"))

    def test_message_is_not_superseded_when_only_another_request_has_more_files(self) -> None:
        assert not is_superseded(sent("ab", zip_id=OTHER), ZIP, set("a"))

    def test_message_is_not_superseded_when_it_only_lacks_files_that_were_not_sent(self) -> None:
        # The message with the file `b` may never have reached the queue.
        assert not is_superseded(named(sent("a"), "b"), ZIP, set("a"))

    @pytest.mark.parametrize("end", End)
    def test_message_is_not_superseded_when_its_request_has_ended(self, end: End) -> None:
        assert not is_superseded(with_end(sent("ab"), ZIP, end), ZIP, set("a"))

    def test_message_is_superseded_when_its_ignored_request_is_in_progress_again(self) -> None:
        ignored = with_end(sent("ab"), ZIP, End.IGNORED)
        assert is_superseded(with_sent(ignored, ZIP, "c"), ZIP, set("ab"))

    @given(
        st.lists(st.sets(st.sampled_from("abcde"))),
        st.sets(st.sampled_from("abcde")),
        st.sets(st.sampled_from("vwxyz")),
    )
    def test_message_is_not_superseded_when_it_has_all_files(
        self, messages: list[set[str]], left_out: set[str], more: set[str]
    ) -> None:
        record = EMPTY
        for files in messages:
            record = with_sent(record, ZIP, files)
        record = with_left_out(record, left_out)
        everything = set(record.request(ZIP).sent) | more
        assert not is_superseded(record, ZIP, everything)
        assert not is_superseded(record, ZIP, everything - left_out)
