"""The ledger's record of a forgotten recording, whose traces an operator removed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from ingester.ledger import record as ledger
from ingester.ledger.record import End, IngestRecord, Outcome, Post, Record
from ingester.ledger.table import Ledger
from ingester.reconcile.decisions import ListedRecording, is_known
from ingester.status.row import RequestOptions
from tests.cloud import Clock, Cloud

NOW = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)
POST = Post(attempt="a", at="2026-10-14T18:30:00Z")
INGEST = IngestRecord(zip_id="z", series="S", files={"f": "speaker"}, posts=(POST,))
Change = Callable[[Record], Record]
REQUESTED: Change = partial(ledger.with_request, zip_id="z", asked=RequestOptions(), now=NOW)


def record_after(*changes: Change) -> Record:
    record = Record(uuid="u==", version=7)
    for change in changes:
        record = change(record)
    return record


FORGOTTEN = record_after(partial(ledger.as_forgotten, now=NOW))


@pytest.mark.parametrize(
    "change",
    [
        partial(ledger.with_files, names={"f": "speaker"}, now=NOW),
        partial(ledger.with_sent, zip_id="z", files=["f"]),
        partial(ledger.with_end, zip_id="z", end=End.FAILED),
        partial(ledger.with_failure, zip_id="z"),
        partial(ledger.with_left_out, files=["f"]),
        partial(ledger.with_notice, notice="Gone."),
        partial(ledger.with_claim, media_package="mp", claim=INGEST),
        partial(ledger.as_forgotten, now=datetime(2027, 1, 1, tzinfo=UTC)),
    ],
    ids=lambda change: change.func.__name__,
)
def test_forgotten_record_stays_the_same_when_a_change_is_not_a_request(
    aws: Cloud, clock: Clock, change: Change
) -> None:
    table = Ledger(aws.recordings, clock)
    kept = table.change("u==", partial(ledger.as_forgotten, now=NOW))
    assert change(kept) != kept
    assert table.change("u==", change) == kept == table.get("u==")


def test_request_makes_a_forgotten_record_an_ordinary_record(aws: Cloud, clock: Clock) -> None:
    table = Ledger(aws.recordings, clock)
    table.change("u==", partial(ledger.as_forgotten, now=NOW))
    assert table.change("u==", REQUESTED).forgotten == ""
    assert table.get("u==").request("z").at == "2026-10-14T18:30:00Z"


def test_forgetting_a_recording_clears_its_files_and_requests_in_the_table(
    aws: Cloud, clock: Clock
) -> None:
    table = Ledger(aws.recordings, clock)
    table.change("u==", partial(ledger.with_files, names={"f": "A name"}, now=NOW))
    table.change("u==", REQUESTED)
    table.change("u==", partial(ledger.as_forgotten, now=NOW))
    item: dict[str, Any] = aws.recordings.get_item(Key={"uuid": "u=="})["Item"]
    kept = {name: value for name, value in item.items() if value not in ("", [], {})}
    assert set(kept) == {"uuid", "version", "expiration", "forgotten"}
    assert kept["version"] == 3


def test_reconcile_treats_a_forgotten_recording_as_known() -> None:
    listed = ListedRecording(uuid="u==", id=1, start_time="2026-10-14T15:00:00Z", duration=60)
    assert is_known(FORGOTTEN, listed)
    assert not is_known(Record(uuid="u=="), listed)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ((), False),
        ((REQUESTED,), False),
        ((REQUESTED, partial(ledger.with_sent, zip_id="z", files=["f"])), True),
        ((partial(ledger.with_sent, zip_id="z", files=[]),), True),
        (
            (
                partial(ledger.with_sent, zip_id="z", files=[]),
                partial(ledger.with_claim, media_package="mp", claim=INGEST),
            ),
            True,
        ),
        (
            (
                partial(ledger.with_sent, zip_id="z", files=[]),
                partial(ledger.with_claim, media_package="mp", claim=INGEST),
                partial(ledger.with_answer, media_package="mp", attempt="a", outcome=Outcome.TAKEN),
            ),
            False,
        ),
        (
            (
                partial(ledger.with_sent, zip_id="z", files=[]),
                partial(ledger.with_end, zip_id="z", end=End.IGNORED),
            ),
            False,
        ),
    ],
)
def test_request_is_in_progress_from_its_message_to_its_end_or_its_accepted_post(
    changes: tuple[Change, ...], expected: bool
) -> None:
    assert ledger.is_in_progress(record_after(*changes), "z") is expected
