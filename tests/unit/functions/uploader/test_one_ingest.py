"""The single ingest of a recording, whose media package is claimed before each POST."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from ingester.ledger.record import Outcome
from tests.hooks import failing_table, recorded
from tests.unit.functions.uploader.harness import OWN_ID, SERIES, ZIP_ID, Harness, Refusing, id_of

BUSY = ["Opencast is at work on an ingest", "Opencast doesn't tell"]


class TestTheFirstPost:
    def test_uploader_sends_the_ingest_to_opencast(self, harness: Harness) -> None:
        assert harness.take(harness.message())
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        (ingest,) = harness.opencast.ingests
        assert (ingest.mediapackage_id, ingest.state) == (OWN_ID, "done")
        assert uuid.UUID(OWN_ID).hex == "".join(OWN_ID.split("-"))

    def test_ledger_has_the_ingest_record_when_opencast_accepted_the_ingest(
        self, harness: Harness
    ) -> None:
        harness.take(harness.message("active_speaker", "chat_file"))
        ingest = harness.own_ingest
        assert (ingest.zip_id, ingest.series) == (ZIP_ID, SERIES)
        assert ingest.files == {
            id_of("active_speaker", 0): "active_speaker of 2026-10-14T14:00:12Z",
            id_of("chat_file", 0): "chat_file of 2026-10-14T14:00:12Z",
        }
        assert [(post.at, post.outcome) for post in ingest.posts] == [
            ("2026-10-14T18:30:00Z", Outcome.TAKEN)
        ]
        (workflow,) = harness.opencast.store.workflows
        assert ingest.workflow == str(workflow)

    def test_media_package_is_claimed_before_the_post(self, harness: Harness) -> None:
        known: list[dict[str, list[str]]] = []
        harness.when_answered("/ingest/", lambda: known.append(harness.posts_of))
        harness.take(harness.message())
        assert known == [{OWN_ID: ["unknown"]}]

    def test_nothing_is_posted_when_the_claim_cannot_be_written(self, harness: Harness) -> None:
        with failing_table(harness.aws.recordings):
            assert not harness.take(harness.message())
        assert harness.posts == 0
        assert harness.outcome[0] == "UPLOADER_FAILED"
        assert "AWS failed: UpdateItem answered Throttling" in harness.outcome[1]
        assert harness.take(harness.message(), receive_count=2)
        assert harness.outcome == ("SENT_TO_OPENCAST", "")

    def test_nothing_is_posted_when_the_record_has_changed_since_it_was_read(
        self, harness: Harness
    ) -> None:
        # Another container may have claimed the media package meanwhile.
        harness.when_answered("/series/", lambda: harness.accept("late"))
        assert not harness.take(harness.message())
        assert harness.posts == 0
        assert harness.outcome[0] == "UPLOADER_RECEIVED"
        assert (
            "The recording's record in the ledger has just changed; asks again"
            in harness.outcome[1]
        )

    def test_two_uploaders_post_once_when_they_work_at_the_same_time(
        self, harness: Harness
    ) -> None:
        second: list[bool] = []
        message = harness.message()
        harness.when_answered("/series/", lambda: second.append(harness.take(message)))
        assert not harness.take(message)
        assert second == [True]
        assert harness.posts == 1
        assert harness.take(message, receive_count=2)
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert harness.posts == 1

    def test_claim_holds_when_the_answer_to_its_write_was_lost(self, harness: Harness) -> None:
        # botocore retries the write, which fails because the first attempt changed the version.
        client = harness.aws.recordings.meta.client
        seen: list[str] = []

        def lose(**_: object) -> None:
            if not seen:
                seen.append("the first write")
                answer = {"Error": {"Code": "ConditionalCheckFailedException"}}
                raise client.exceptions.ConditionalCheckFailedException(answer, "UpdateItem")

        client.meta.events.register("after-call.dynamodb.UpdateItem", lose)
        try:
            assert harness.take(harness.message())
        finally:
            client.meta.events.unregister("after-call.dynamodb.UpdateItem", lose)
        assert seen
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert harness.posts == 1

    @pytest.mark.parametrize("state", ["IGNORED", "DOWNLOADER_FAILED", "UPLOADER_FAILED"])
    def test_row_says_that_the_ingest_was_sent_when_a_final_state_was_written_during_the_post(
        self, harness: Harness, state: str
    ) -> None:
        # Another message may write the row, for example if the recording is in Zoom's trash.
        harness.when_answered("/ingest/", lambda: harness.rewrite(state))
        assert harness.take(harness.message())
        assert harness.outcome == ("SENT_TO_OPENCAST", "")

    def test_nothing_is_posted_again_when_a_message_is_redelivered_after_its_ingest(
        self, harness: Harness
    ) -> None:
        harness.take(harness.message())
        assert harness.take(harness.message(), receive_count=2)
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert harness.posts == 1
        assert harness.own_ingest.is_shown

    def test_row_says_that_the_ingest_was_sent_when_the_uploader_crashed_before_it_wrote_the_state(
        self, harness: Harness
    ) -> None:
        harness.take(harness.message())
        harness.rewrite("UPLOADER_RECEIVED")
        assert harness.take(harness.message(), receive_count=2)
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert harness.posts == 1

    def test_ingest_counts_as_accepted_when_opencast_answers_409(self, harness: Harness) -> None:
        harness.fail("conflict")
        assert harness.take(harness.message())
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert harness.posts == 1
        assert harness.posts_of == {OWN_ID: ["taken"]}

    @pytest.mark.parametrize("answer", ["409", "400", "no answer"])
    def test_file_is_reported_when_only_a_second_post_had_it_and_the_first_post_may_have_arrived(
        self, harness: Harness, answer: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        harness.be_silent()
        harness.fail("close")
        harness.take(harness.message())
        harness.clock.forward(hours=7)
        late = harness.message(segments=2)
        kind = {"409": "conflict", "400": "status", "no answer": "close"}[answer]
        harness.fail(kind, status=400)
        assert harness.take(late) is (answer == "409")
        assert harness.posts == 2
        # The event of the first POST appears only now, and lacks the late file.
        harness.has_event()
        harness.take(late, receive_count=2)
        assert harness.posts == 2
        state, reason = harness.outcome
        assert state == "SENT_TO_OPENCAST"
        assert "1 file(s) came after the ingest and stayed outside of it" in reason
        assert "active_speaker of 2026-10-14T15:00:12Z" in reason
        told = [record for record in caplog.records if record.getMessage() == reason]
        assert {record.levelname for record in told} == {"ERROR"}

    def test_row_has_no_reason_when_a_second_post_with_more_files_is_accepted(
        self, harness: Harness
    ) -> None:
        harness.be_silent()
        harness.fail("close")
        harness.take(harness.message())
        harness.clock.forward(hours=7)
        assert harness.take(harness.message(segments=2))
        assert (harness.outcome, harness.posts) == (("SENT_TO_OPENCAST", ""), 2)


class TestAnAnswerThatNeverCame:
    def test_recording_counts_as_ingested_when_the_answer_to_its_post_was_lost(
        self, harness: Harness
    ) -> None:
        harness.fail("close", after_work=True)
        assert not harness.take(harness.message())
        state, reason = harness.outcome
        assert state == "UPLOADER_RECEIVED"
        assert "answer to the ingest never came; asks again at 2026-10-14T18:31:00Z" in reason
        assert harness.posts_of == {OWN_ID: ["unknown"]}
        assert harness.take(harness.message(), receive_count=2)
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert harness.posts == 1

    @pytest.fixture(params=BUSY)
    def busy(self, harness: Harness, request: pytest.FixtureRequest) -> None:
        if request.param == BUSY[0]:
            harness.be_busy()
        else:
            harness.be_silent()

    @pytest.mark.usefixtures("busy")
    def test_ingest_is_not_posted_again_while_the_event_may_still_appear(
        self, harness: Harness
    ) -> None:
        harness.fail("close")
        harness.take(harness.message())
        for receive_count in range(2, 8):
            harness.clock.forward(minutes=59)
            assert not harness.take(harness.message(), receive_count=receive_count)
            state, reason = harness.outcome
            assert state == "UPLOADER_RECEIVED"
            assert "doesn't show it yet; asks again at" in reason
        assert harness.posts == 1
        assert harness.failures == 0
        assert harness.dead() == []

    def test_ingest_is_posted_again_whenever_oc_ingest_patience_hours_have_passed(
        self, harness: Harness
    ) -> None:
        harness.be_silent()
        harness.fail("close", times=2)
        harness.take(harness.message())
        harness.clock.forward(hours=6)
        assert not harness.take(harness.message(), receive_count=30)
        assert harness.posts == 2
        harness.clock.forward(hours=5)
        assert not harness.take(harness.message(), receive_count=31)
        assert harness.posts == 2
        harness.clock.forward(hours=1)
        assert harness.take(harness.message(), receive_count=40)
        assert harness.posts == 3
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert [ingest.mediapackage_id for ingest in harness.opencast.ingests] == [OWN_ID]
        assert harness.posts_of == {OWN_ID: ["unknown", "unknown", "taken"]}

    def test_ingest_is_posted_again_after_15_minutes_when_opencast_is_idle(
        self, harness: Harness
    ) -> None:
        # A proxy may have lost the POST.
        harness.fail("close")
        harness.take(harness.message())
        harness.clock.forward(minutes=14)
        assert not harness.take(harness.message(), receive_count=2)
        assert harness.posts == 1
        harness.clock.forward(minutes=1)
        assert harness.take(harness.message(), receive_count=3)
        assert harness.posts == 2
        assert harness.outcome == ("SENT_TO_OPENCAST", "")

    def test_ingest_is_not_posted_again_when_it_has_an_active_workflow(
        self, harness: Harness
    ) -> None:
        # The POST has ended, but the index doesn't show the event yet.
        harness.opencast.set(active_seconds=3600)
        harness.fail("close", after_work=True)
        harness.take(harness.message())
        event = harness.opencast.store.events.pop(OWN_ID)
        harness.clock.forward(minutes=20)
        assert not harness.take(harness.message(), receive_count=2)
        assert "doesn't show it yet; asks again at" in harness.outcome[1]
        harness.opencast.store.events[OWN_ID] = event
        assert harness.take(harness.message(), receive_count=3)
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert harness.posts == 1

    @pytest.mark.parametrize("status", [503, 403])
    def test_ingest_is_not_posted_again_while_the_query_for_the_event_fails(
        self, harness: Harness, status: int
    ) -> None:
        harness.fail("close", after_work=True)
        harness.take(harness.message())
        harness.fail("status", path="/api/events/", status=status, times=4)
        for receive_count in range(2, 6):
            assert not harness.take(harness.message(), receive_count=receive_count)
            state, reason = harness.outcome
            assert state == "UPLOADER_FAILED"
            assert f"{status}" in reason
            assert "next try at" in reason
        assert harness.dead() == []
        assert harness.posts_of == {OWN_ID: ["unknown"]}
        assert harness.take(harness.message(), receive_count=6)
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert harness.posts == 1

    def test_second_post_comes_sooner_when_oc_ingest_patience_hours_is_smaller(
        self, harness: Harness
    ) -> None:
        harness.be_silent()
        harness.settings["oc_ingest_patience_hours"] = 0.5
        harness.fail("close")
        harness.take(harness.message())
        harness.clock.forward(minutes=29)
        harness.take(harness.message())
        assert harness.posts == 1
        harness.clock.forward(minutes=1)
        harness.take(harness.message())
        assert harness.posts == 2

    def test_message_is_retried_without_a_second_post_when_opencast_is_slow(
        self, harness: Harness
    ) -> None:
        # Opencast continues its downloads after the timeout, and then has the event.
        harness.fail("slow", seconds=0.5)
        assert not harness.take(harness.message(), read_seconds=0.1)
        assert "asks again at" in harness.outcome[1]
        deadline = time.monotonic() + 5
        while not any(ingest.state == "done" for ingest in harness.opencast.ingests):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert harness.take(harness.message(), receive_count=2)
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert harness.posts == 1

    @pytest.mark.parametrize("status", [500, 502])
    def test_outcome_is_unknown_when_a_proxy_answers_500_or_502(
        self, harness: Harness, status: int
    ) -> None:
        # An error with an HTML page comes from a proxy, so Opencast may still be working.
        harness.fail("status", status=status)
        assert not harness.take(harness.message())
        assert harness.outcome[0] == "UPLOADER_RECEIVED"
        assert f"answered the ingest with {status}; asks again at" in harness.outcome[1]
        assert harness.posts_of == {OWN_ID: ["unknown"]}
        assert harness.failures == 0
        assert not harness.take(harness.message(), receive_count=2)
        assert harness.posts == 1

    def test_backoff_grows_up_to_10_minutes_while_the_outcome_is_unknown(
        self, harness: Harness
    ) -> None:
        harness.fail("close")
        harness.take(harness.message())
        with recorded(harness.aws.sqs, "sqs.ChangeMessageVisibility") as asked:
            for receive_count in (2, 3, 4, 5, 49):
                harness.take(harness.message(), receive_count=receive_count)
        assert [call["VisibilityTimeout"] for call in asked] == [120, 240, 480, 600, 600]


class TestAPostThatMadeNothing:
    def test_claim_is_removed_when_the_connection_was_never_made(self, harness: Harness) -> None:
        adapters = harness.session.adapters
        harness.session.mount(f"{harness.opencast.url}/ingest", Refusing())
        assert not harness.take(harness.message())
        assert harness.outcome[0] == "UPLOADER_FAILED"
        assert harness.posts_of == {}
        assert harness.failures == 0
        del adapters[f"{harness.opencast.url}/ingest"]
        assert harness.take(harness.message(), receive_count=2)
        assert harness.outcome == ("SENT_TO_OPENCAST", "")

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 415])
    def test_claim_is_removed_when_opencast_refuses_the_post(
        self, harness: Harness, status: int
    ) -> None:
        harness.fail("status", status=status)
        assert not harness.take(harness.message())
        state, reason = harness.outcome
        assert state == "UPLOADER_FAILED"
        assert f"answered {status} to the ingest" in reason
        assert harness.posts_of == {}
        assert harness.failures == 1
        assert harness.take(harness.message(), receive_count=2)
        assert len(harness.opencast.ingests) == 1
        assert harness.failures == 0

    def test_ledger_keeps_an_earlier_post_when_opencast_refuses_a_later_post(
        self, harness: Harness
    ) -> None:
        # Opencast may still be working on the first POST.
        harness.be_silent()
        harness.fail("close")
        harness.take(harness.message())
        harness.clock.forward(hours=6)
        harness.fail("status", status=400)
        assert not harness.take(harness.message(), receive_count=2)
        assert "answered 400 to the ingest" in harness.outcome[1]
        assert harness.posts_of == {OWN_ID: ["unknown", "refused"]}
        assert harness.own_ingest.posted_at == "2026-10-14T18:30:00Z"

    def test_claim_is_removed_when_opencast_answers_500_and_has_no_event(
        self, harness: Harness
    ) -> None:
        harness.break_down()
        assert not harness.take(harness.message())
        assert harness.outcome[0] == "UPLOADER_FAILED"
        assert harness.outcome[1].startswith(
            "Unable to reach Opencast. It broke down in the ingest (500) and has no such event. "
            "(attempt 1 of 5, next try at "
        )
        assert harness.posts_of == {}
        assert harness.failures == 1

    def test_outcome_is_unknown_when_a_proxy_answers_500_after_opencast_answered_500(
        self, harness: Harness
    ) -> None:
        harness.break_down()
        assert not harness.take(harness.message())
        assert harness.posts_of == {}
        harness.fail("status", status=500)
        assert not harness.take(harness.message(), receive_count=2)
        assert harness.posts_of == {OWN_ID: ["unknown"]}

    def test_ingest_is_accepted_when_opencast_answers_500_and_has_the_event(
        self, harness: Harness
    ) -> None:
        harness.break_down(after_work=True)
        assert harness.take(harness.message())
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert harness.posts == 1
        assert harness.posts_of == {OWN_ID: ["taken"]}

    def test_outcome_is_unknown_when_opencast_answers_500_and_the_next_query_gets_no_answer(
        self, harness: Harness
    ) -> None:
        harness.break_down()
        harness.when_answered("/ingest/", lambda: harness.fail("close", path="/api/events/"))
        assert not harness.take(harness.message())
        assert harness.outcome[0] == "UPLOADER_RECEIVED"
        assert "asks again at" in harness.outcome[1]
        assert harness.posts_of == {OWN_ID: ["unknown"]}
        harness.take(harness.message(), receive_count=2)
        assert harness.posts == 1


@contextmanager
def ledger_failing_after_the_post(harness: Harness) -> Iterator[None]:
    with ExitStack() as stack:
        broken = failing_table(harness.aws.recordings)
        harness.when_answered("/ingest/", lambda: stack.enter_context(broken))
        yield


class TestALedgerThatCanNotBeWrittenAfterThePost:
    @pytest.mark.parametrize("kind", ["conflict", "status"])
    def test_claim_stays_when_the_outcome_cannot_be_written(
        self, harness: Harness, kind: str
    ) -> None:
        # The claim prevents a second POST, whatever the outcome of the first POST was.
        harness.fail(kind, status=400)
        with ledger_failing_after_the_post(harness):
            assert not harness.take(harness.message())
        assert harness.posts_of == {OWN_ID: ["unknown"]}
        assert harness.outcome[0] == "UPLOADER_FAILED"
        assert "AWS failed: UpdateItem answered Throttling" in harness.outcome[1]
        assert not harness.take(harness.message(), receive_count=2)
        assert harness.posts == 1

    def test_recording_counts_as_ingested_when_the_outcome_could_not_be_written(
        self, harness: Harness
    ) -> None:
        with ledger_failing_after_the_post(harness):
            assert not harness.take(harness.message())
        assert harness.take(harness.message(), receive_count=2)
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert harness.posts == 1
