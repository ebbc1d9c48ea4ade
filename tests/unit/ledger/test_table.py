"""The ledger's table, over an in-process DynamoDB."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingester.errors import LedgerBusy, LedgerUnreadable
from ingester.ledger.record import (
    End,
    Ingest,
    NamedFile,
    Outcome,
    Post,
    Record,
    Request,
    with_failure,
    with_sent,
)
from ingester.ledger.table import ATTEMPTS, Ledger
from ingester.status.row import Asked
from tests.cloud import Clock, Cloud, plain
from tests.hooks import failing, recorded

UUID = "aj//Xp112QmuoKj485487=="
AT = "2026-10-14T18:30:00Z"
FULL = Record(
    uuid=UUID,
    files={"f-1": NamedFile(name="shared_screen of noon", at=AT)},
    left_out=("f-2",),
    requests={
        "z1": Request(
            at=AT,
            asked=Asked(oc_series_id="S", allow_multiple_ingests=True),
            is_sent=True,
            sent=("f-1", "f-2"),
            end=End.IGNORED,
            failures=3,
        ),
        "z2": Request(is_sent=True, is_taken_over=True),
    },
    ingests={
        "mp": Ingest(
            zip_id="z1",
            series="S",
            files={"f-1": "shared_screen of noon"},
            posts=(
                Post(attempt="a", at=AT, outcome=Outcome.TAKEN),
                Post(attempt="b", at=AT),
            ),
            workflow="1603",
            is_shown=True,
        )
    },
    notice="It was deleted",
)


@pytest.fixture
def ledger(aws: Cloud, clock: Clock) -> Ledger:
    return Ledger(aws.recordings, clock)


def item(aws: Cloud) -> dict[str, Any]:
    found: dict[str, Any] = plain(aws.recordings.get_item(Key={"uuid": UUID})["Item"])
    return found


def noticed(record: Record, notice: str = "x") -> Record:
    return msgspec.structs.replace(record, notice=notice)


def sent(record: Record, files: str = "a") -> Record:
    return with_sent(record, "z", files)


@contextmanager
def answers_lost(aws: Cloud, times: int = 1) -> Iterator[None]:
    """DynamoDB writes, its answer is lost, and botocore's repeat finds another version."""
    client, left = aws.recordings.meta.client, [times]

    def lose(parsed: dict[str, Any], **_: Any) -> None:
        if left[0] and "Error" not in parsed:
            left[0] -= 1
            answer: Any = {"Error": {"Code": "ConditionalCheckFailedException"}}
            raise client.exceptions.ConditionalCheckFailedException(answer, "UpdateItem")

    client.meta.events.register("after-call.dynamodb.UpdateItem", lose)
    try:
        yield
    finally:
        client.meta.events.unregister("after-call.dynamodb.UpdateItem", lose)


class TestReading:
    def test_record_is_empty_when_there_is_no_item(self, ledger: Ledger) -> None:
        assert ledger.get(UUID) == Record(uuid=UUID, version=0)

    def test_read_is_consistent(self, aws: Cloud, ledger: Ledger) -> None:
        with recorded(aws.recordings.meta.client, "dynamodb.GetItem") as asked:
            ledger.get(UUID)
        assert [one["ConsistentRead"] for one in asked] == [True]

    def test_record_is_read_as_it_was_written(self, ledger: Ledger) -> None:
        written = ledger.replace(Record(uuid=UUID), FULL)
        assert written == msgspec.structs.replace(FULL, version=1)
        assert ledger.get(UUID) == written

    def test_unknown_attributes_are_passed_over(self, aws: Cloud, ledger: Ledger) -> None:
        """A later version may write more."""
        ledger.replace(Record(uuid=UUID), FULL)
        aws.recordings.put_item(Item={**item(aws), "later": {"x": 1}})
        assert ledger.get(UUID) == msgspec.structs.replace(FULL, version=1)

    @pytest.mark.parametrize(
        "edited",
        [
            {"version": "x"},
            {"files": 7},
            {"files": {"f": {"name": "x"}}},
            {"files": {"f": {"name": "x", "at": "noon"}}},
            {"left_out": "f"},
            {"left_out": [7]},
            {"requests": {"z": {"end": "lost"}}},
            {"requests": {"z": {"failures": "many"}}},
            {"requests": {"z": {"is_sent": 1}}},
            {"ingests": {"mp": {"zip_id": "z", "series": "S", "files": {}, "posts": []}}},
            {"ingests": {"mp": {"zip_id": "z", "series": "S", "files": {}, "posts": ["x"]}}},
            {"notice": {}},
        ],
    )
    def test_item_that_makes_no_sense_is_named_with_what_to_do(
        self, aws: Cloud, ledger: Ledger, edited: dict[str, Any]
    ) -> None:
        aws.recordings.put_item(Item={"uuid": UUID, "version": 1, **edited})
        with pytest.raises(LedgerUnreadable) as raised:
            ledger.get(UUID)
        told = str(raised.value)
        assert told.startswith(f"The ledger's record of {UUID} can't be read: ")
        (name,) = edited
        assert f"$.{name}" in told
        assert "Correct the item in the table of recordings" in told
        assert "delete the item" in told
        assert ledger.get("another==") == Record(uuid="another==")

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.dictionaries(
            st.sampled_from(["version", "files", "left_out", "requests", "ingests", "notice"]),
            st.recursive(
                st.none()
                | st.booleans()
                | st.integers(-(10**20), 10**20)
                | st.decimals(-1000, 1000, allow_nan=False, places=2)
                | st.text()
                | st.binary(),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(st.text(min_size=1), inner, max_size=3)
                ),
            ),
        )
    )
    def test_item_is_read_or_unreadable_whatever_somebody_wrote(
        self, aws: Cloud, ledger: Ledger, edited: dict[str, Any]
    ) -> None:
        aws.recordings.put_item(Item={"uuid": UUID, **edited})
        try:
            record = ledger.get(UUID)
        except LedgerUnreadable:
            return
        assert record.uuid == UUID
        ledger.change(UUID, sent)


class TestWriting:
    def test_item_lives_for_a_year(self, aws: Cloud, ledger: Ledger, clock: Clock) -> None:
        ledger.change(UUID, noticed)
        in_a_year = int((clock() + timedelta(days=365)).timestamp())
        assert item(aws)["expiration"] == in_a_year
        clock.forward(days=30)
        ledger.change(UUID, partial(noticed, notice="y"))
        assert item(aws)["expiration"] == in_a_year + 30 * 86_400

    def test_version_grows_with_each_write(self, ledger: Ledger) -> None:
        for number in (1, 2, 3):
            assert ledger.change(UUID, partial(noticed, notice=str(number))).version == number
        assert ledger.get(UUID).version == 3

    def test_nothing_is_written_when_nothing_changes(self, aws: Cloud, ledger: Ledger) -> None:
        ledger.change(UUID, sent)
        with recorded(aws.recordings.meta.client, "dynamodb.UpdateItem") as writes:
            assert ledger.change(UUID, sent) == ledger.get(UUID)
            assert ledger.change("another==", lambda record: record).version == 0
        assert writes == []

    def test_other_attributes_stay_as_they_are(self, aws: Cloud, ledger: Ledger) -> None:
        ledger.change(UUID, noticed)
        aws.recordings.put_item(Item={**item(aws), "later": "x"})
        ledger.change(UUID, sent)
        assert item(aws)["later"] == "x"

    def test_item_without_a_version_is_taken_up(self, aws: Cloud, ledger: Ledger) -> None:
        """Somebody has made it by hand."""
        aws.recordings.put_item(Item={"uuid": UUID, "notice": "by hand"})
        assert ledger.change(UUID, sent).version == 1
        assert ledger.get(UUID).notice == "by hand"

    def test_replacing_does_nothing_when_the_record_has_changed(self, ledger: Ledger) -> None:
        old = ledger.get(UUID)
        ledger.change(UUID, noticed)
        assert ledger.replace(old, noticed(old, "late")) is None
        assert ledger.get(UUID).notice == "x"
        read = ledger.get(UUID)
        assert ledger.replace(read, noticed(read, "in time"))
        assert ledger.replace(read, noticed(read, "late")) is None
        assert ledger.get(UUID).notice == "in time"

    def test_replacing_raises_when_aws_fails(self, aws: Cloud, ledger: Ledger) -> None:
        throttled = failing(aws.recordings.meta.client, "dynamodb.UpdateItem", "Throttling")
        with throttled, pytest.raises(ClientError, match="Throttling"):
            ledger.replace(Record(uuid=UUID), FULL)


class TestConflicts:
    def meanwhile(self, ledger: Ledger, times: int) -> Callable[[Record], Record]:
        """A change during which another process writes the same record, so often."""
        left = [times]

        def change(record: Record) -> Record:
            if left[0]:
                left[0] -= 1
                ledger.change(UUID, lambda other: with_failure(other, "another"))
            return sent(record)

        return change

    @pytest.mark.parametrize("times", [1, ATTEMPTS - 1])
    def test_change_is_made_anew_when_another_process_was_first(
        self, ledger: Ledger, times: int
    ) -> None:
        record = ledger.change(UUID, self.meanwhile(ledger, times))
        assert record == ledger.get(UUID)
        assert record.request("z").sent == ("a",)
        assert record.request("another").failures == times
        assert record.version == times + 1

    def test_change_is_given_up_when_others_are_always_first(self, ledger: Ledger) -> None:
        with pytest.raises(LedgerBusy, match=f"record of {UUID} keeps changing"):
            ledger.change(UUID, self.meanwhile(ledger, ATTEMPTS))
        record = ledger.get(UUID)
        assert record.request("another").failures == ATTEMPTS
        assert not record.request("z").is_sent

    def test_change_is_made_once_when_the_answer_to_its_write_was_lost(
        self, aws: Cloud, ledger: Ledger
    ) -> None:
        with answers_lost(aws):
            record = ledger.change(UUID, sent)
        assert (record.version, record.request("z").sent) == (1, ("a",))
        assert ledger.get(UUID) == record

    def test_replacing_can_not_tell_a_lost_answer_from_a_conflict(
        self, aws: Cloud, ledger: Ledger
    ) -> None:
        """So whoever replaces looks whether the record is his own."""
        with answers_lost(aws):
            assert ledger.replace(Record(uuid=UUID), FULL) is None
        assert ledger.get(UUID) == msgspec.structs.replace(FULL, version=1)


class TestNoting:
    """What follows a message that is sent: were it raised, the old message would come back too."""

    def test_change_is_made(self, ledger: Ledger) -> None:
        ledger.note(UUID, sent)
        assert ledger.get(UUID).request("z").is_sent

    @pytest.mark.parametrize(
        "error",
        [
            ClientError({"Error": {"Code": "Throttling"}}, "UpdateItem"),
            EndpointConnectionError(endpoint_url="https://dynamodb"),
            LedgerBusy("It keeps changing."),
            LedgerUnreadable("It can't be read."),
        ],
    )
    def test_failure_is_logged_and_not_raised(
        self, ledger: Ledger, error: Exception, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(_: Record) -> Record:
            raise error

        ledger.note(UUID, fail)
        [logged] = caplog.records
        assert logged.levelno == logging.WARNING
        assert logged.getMessage().startswith("The ledger isn't written. ")

    def test_mistake_of_our_own_is_raised(self, ledger: Ledger) -> None:
        def stumble(_: Record) -> Record:
            raise KeyError("x")

        with pytest.raises(KeyError):
            ledger.note(UUID, stumble)
