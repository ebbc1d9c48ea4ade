"""Unit tests of the ledger's table, with an in-process DynamoDB."""

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
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ingester.errors import LedgerBusy, LedgerUnreadable
from ingester.ledger.record import (
    End,
    IngestRecord,
    NamedFile,
    Outcome,
    Post,
    Record,
    Request,
    with_failure,
    with_sent,
)
from ingester.ledger.table import ATTEMPTS, Ledger
from ingester.status.row import RequestOptions
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
            asked=RequestOptions(oc_series_id="S", allow_multiple_ingests=True),
            is_sent=True,
            sent=("f-1", "f-2"),
            end=End.IGNORED,
            failures=3,
        ),
        "z2": Request(is_sent=True, is_taken_over=True),
    },
    ingests={
        "mp": IngestRecord(
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
    attributes: dict[str, Any] = plain(aws.recordings.get_item(Key={"uuid": UUID})["Item"])
    return attributes


def with_notice(record: Record, notice: str = "x") -> Record:
    return msgspec.structs.replace(record, notice=notice)


def with_file_sent(record: Record) -> Record:
    return with_sent(record, "z", "a")


@contextmanager
def lost_answer(aws: Cloud) -> Iterator[None]:
    """Lose DynamoDB's answer to one write in the `with` block.

    Raise the error of botocore's retry, which would fail because the first attempt has already
    written the record.
    """
    client, left = aws.recordings.meta.client, [1]

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
    def test_ledger_returns_an_empty_record_when_there_is_no_item(self, ledger: Ledger) -> None:
        assert ledger.get(UUID) == Record(uuid=UUID, version=0)

    def test_ledger_reads_a_record_with_a_strongly_consistent_read(
        self, aws: Cloud, ledger: Ledger
    ) -> None:
        with recorded(aws.recordings.meta.client, "dynamodb.GetItem") as reads:
            ledger.get(UUID)
        assert [read["ConsistentRead"] for read in reads] == [True]

    def test_ledger_returns_the_record_that_was_written(self, ledger: Ledger) -> None:
        written = ledger.replace(Record(uuid=UUID), FULL)
        assert written == msgspec.structs.replace(FULL, version=1)
        assert ledger.get(UUID) == written

    def test_ledger_returns_the_record_when_the_item_has_unknown_attributes(
        self, aws: Cloud, ledger: Ledger
    ) -> None:
        # A later version of this system may write more attributes.
        ledger.replace(Record(uuid=UUID), FULL)
        aws.recordings.put_item(Item={**item(aws), "later": {"x": 1}})
        assert ledger.get(UUID) == msgspec.structs.replace(FULL, version=1)

    @pytest.mark.parametrize(
        "edited",
        [
            {"version": "x"},
            # DynamoDB can store this number, but the ledger accepts at most 10**18.
            {"version": 10**38 - 1},
            {"version": -1},
            {"files": 7},
            {"files": {"f": {"name": "x"}}},
            {"files": {"f": {"name": "x", "at": "noon"}}},
            {"left_out": "f"},
            {"left_out": [7]},
            {"requests": {"z": {"end": "lost"}}},
            {"requests": {"z": {"failures": "many"}}},
            {"requests": {"z": {"failures": 10**38 - 1}}},
            {"requests": {"z": {"is_sent": 1}}},
            {"ingests": {"mp": {"zip_id": "z", "series": "S", "files": {}, "posts": []}}},
            {"ingests": {"mp": {"zip_id": "z", "series": "S", "files": {}, "posts": ["x"]}}},
            {"notice": {}},
        ],
    )
    def test_ledger_error_names_the_item_and_what_to_do_when_the_item_is_invalid(
        self, aws: Cloud, ledger: Ledger, edited: dict[str, Any]
    ) -> None:
        aws.recordings.put_item(Item={"uuid": UUID, "version": 1, **edited})
        with pytest.raises(LedgerUnreadable) as raised:
            ledger.get(UUID)
        message = str(raised.value)
        assert message.startswith(f"The ledger's record of {UUID} can't be read: ")
        (name,) = edited
        assert f"$.{name}" in message
        assert "Correct the item in the table of recordings" in message
        assert "delete the item" in message
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
    @example(edited={"version": 0})
    def test_ledger_returns_a_record_or_raises_ledger_unreadable_whatever_the_item_has(
        self, aws: Cloud, ledger: Ledger, edited: dict[str, Any]
    ) -> None:
        aws.recordings.put_item(Item={"uuid": UUID, **edited})
        try:
            record = ledger.get(UUID)
        except LedgerUnreadable:
            return
        assert record.uuid == UUID
        ledger.change(UUID, with_file_sent)


class TestWriting:
    def test_ledger_item_expires_a_year_after_its_last_write(
        self, aws: Cloud, ledger: Ledger, clock: Clock
    ) -> None:
        ledger.change(UUID, with_notice)
        in_a_year = int((clock() + timedelta(days=365)).timestamp())
        assert item(aws)["expiration"] == in_a_year
        clock.forward(days=30)
        ledger.change(UUID, partial(with_notice, notice="y"))
        assert item(aws)["expiration"] == in_a_year + 30 * 86_400

    def test_ledger_version_increases_by_one_with_each_write(self, ledger: Ledger) -> None:
        for number in (1, 2, 3):
            assert ledger.change(UUID, partial(with_notice, notice=str(number))).version == number
        assert ledger.get(UUID).version == 3

    def test_ledger_change_writes_nothing_when_the_record_stays_the_same(
        self, aws: Cloud, ledger: Ledger
    ) -> None:
        ledger.change(UUID, with_file_sent)
        with recorded(aws.recordings.meta.client, "dynamodb.UpdateItem") as writes:
            assert ledger.change(UUID, with_file_sent) == ledger.get(UUID)
            assert ledger.change("another==", lambda record: record).version == 0
        assert writes == []

    def test_ledger_change_keeps_attributes_that_it_does_not_know(
        self, aws: Cloud, ledger: Ledger
    ) -> None:
        ledger.change(UUID, with_notice)
        aws.recordings.put_item(Item={**item(aws), "later": "x"})
        ledger.change(UUID, with_file_sent)
        assert item(aws)["later"] == "x"

    def test_ledger_change_writes_version_1_when_the_item_has_no_version(
        self, aws: Cloud, ledger: Ledger
    ) -> None:
        # Somebody has created the item by hand.
        aws.recordings.put_item(Item={"uuid": UUID, "notice": "by hand"})
        assert ledger.change(UUID, with_file_sent).version == 1
        assert ledger.get(UUID).notice == "by hand"

    def test_replacement_of_a_ledger_record_writes_nothing_when_the_record_has_changed(
        self, ledger: Ledger
    ) -> None:
        old = ledger.get(UUID)
        ledger.change(UUID, with_notice)
        assert ledger.replace(old, with_notice(old, "late")) is None
        assert ledger.get(UUID).notice == "x"
        current = ledger.get(UUID)
        assert ledger.replace(current, with_notice(current, "in time"))
        assert ledger.replace(current, with_notice(current, "late")) is None
        assert ledger.get(UUID).notice == "in time"

    def test_replacement_of_a_ledger_record_raises_client_error_when_dynamodb_fails(
        self, aws: Cloud, ledger: Ledger
    ) -> None:
        throttled = failing(aws.recordings.meta.client, "dynamodb.UpdateItem", "Throttling")
        with throttled, pytest.raises(ClientError, match="Throttling"):
            ledger.replace(Record(uuid=UUID), FULL)


class TestConflicts:
    def change_with_conflicts(self, ledger: Ledger, times: int) -> Callable[[Record], Record]:
        """Return a change. During its first `times` calls, another process writes the record."""
        conflicts_left = [times]

        def change(record: Record) -> Record:
            if conflicts_left[0]:
                conflicts_left[0] -= 1
                ledger.change(UUID, lambda other: with_failure(other, "another"))
            return with_file_sent(record)

        return change

    @pytest.mark.parametrize("times", [1, ATTEMPTS - 1])
    def test_ledger_change_is_repeated_when_another_process_wrote_the_record(
        self, ledger: Ledger, times: int
    ) -> None:
        record = ledger.change(UUID, self.change_with_conflicts(ledger, times))
        assert record == ledger.get(UUID)
        assert record.request("z").sent == ("a",)
        assert record.request("another").failures == times
        assert record.version == times + 1

    def test_ledger_change_raises_ledger_busy_when_other_processes_write_the_record_each_time(
        self, ledger: Ledger
    ) -> None:
        with pytest.raises(LedgerBusy, match=f"record of {UUID} keeps changing"):
            ledger.change(UUID, self.change_with_conflicts(ledger, ATTEMPTS))
        record = ledger.get(UUID)
        assert record.request("another").failures == ATTEMPTS
        assert not record.request("z").is_sent

    def test_ledger_change_is_written_once_when_the_answer_to_its_write_was_lost(
        self, aws: Cloud, ledger: Ledger
    ) -> None:
        with lost_answer(aws):
            record = ledger.change(UUID, with_file_sent)
        assert (record.version, record.request("z").sent) == (1, ("a",))
        assert ledger.get(UUID) == record

    def test_replacement_of_a_ledger_record_returns_none_when_the_answer_to_its_write_was_lost(
        self, aws: Cloud, ledger: Ledger
    ) -> None:
        # The caller has to check whether its own write has changed the record.
        with lost_answer(aws):
            assert ledger.replace(Record(uuid=UUID), FULL) is None
        assert ledger.get(UUID) == msgspec.structs.replace(FULL, version=1)


class TestNoting:
    """Tests of `change_or_log`, which logs a failure of AWS or of the ledger."""

    def test_ledger_change_that_tolerates_failures_writes_the_change(self, ledger: Ledger) -> None:
        ledger.change_or_log(UUID, with_file_sent)
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
    def test_ledger_change_that_tolerates_failures_logs_a_failure_and_does_not_raise_it(
        self, ledger: Ledger, error: Exception, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(_: Record) -> Record:
            raise error

        ledger.change_or_log(UUID, fail)
        [logged] = caplog.records
        assert logged.levelno == logging.WARNING
        assert logged.getMessage().startswith("The ledger isn't written. ")

    def test_ledger_change_that_tolerates_failures_raises_an_error_of_another_kind(
        self, ledger: Ledger
    ) -> None:
        def stumble(_: Record) -> Record:
            raise KeyError("x")

        with pytest.raises(KeyError):
            ledger.change_or_log(UUID, stumble)
