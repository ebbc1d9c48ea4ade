"""Followed ingests in the ledger, and the index of records with a planned poll."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import msgspec
import pytest

from ingester.ledger.record import (
    End,
    Fate,
    Following,
    IngestRecord,
    Outcome,
    Post,
    Record,
    needs_staged_files,
    with_claim,
    with_followed,
    with_following,
    with_request,
)
from ingester.ledger.table import Ledger
from ingester.status.row import RequestOptions
from tests.cloud import Clock, Cloud

AT = "2026-10-14T18:30:00Z"


@pytest.fixture
def ledger(aws: Cloud, clock: Clock) -> Ledger:
    return Ledger(aws.recordings, clock)


def ingest(zip_id: str = "z", outcome: Outcome = Outcome.TAKEN) -> IngestRecord:
    post = Post(attempt="a", at=AT, outcome=outcome)
    return IngestRecord(zip_id=zip_id, series="S", files={}, posts=(post,))


def record(uuid: str = "u==") -> Record:
    return Record(uuid=uuid, ingests={"mp": ingest()})


def begin(ledger: Ledger, clock: Clock, uuid: str = "u==") -> Record:
    now = clock()
    return ledger.change(uuid, lambda _: with_following(record(uuid), "mp", now))


def index_of(aws: Cloud, uuid: str = "u==") -> tuple[Any, Any]:
    item = aws.recordings.get_item(Key={"uuid": uuid})["Item"]
    return item.get("follow"), item.get("follow_due")


def test_ingest_is_due_for_a_poll_as_soon_as_its_follow_up_begins(
    aws: Cloud, ledger: Ledger, clock: Clock
) -> None:
    begin(ledger, clock)
    assert ledger.due_to_follow(5) == ["u=="]
    assert index_of(aws) == ("yes", AT)


def test_record_with_a_follow_up_is_read_as_it_was_written(ledger: Ledger, clock: Clock) -> None:
    written = begin(ledger, clock)
    assert ledger.get("u==") == written
    assert written.ingests["mp"].following == Following(since=AT, due=AT)


def test_follow_up_of_an_ingest_begins_only_once(clock: Clock) -> None:
    once = with_following(record(), "mp", clock())
    assert with_following(once, "mp", clock() + timedelta(hours=1)) == once
    assert with_following(record(), "unknown", clock()) == record()


def test_a_record_leaves_the_index_when_its_follow_up_has_ended(
    aws: Cloud, ledger: Ledger, clock: Clock
) -> None:
    begin(ledger, clock)
    ended = Following(since=AT, fate=Fate.PUBLISHED)
    ledger.change("u==", partial(with_followed, media_package="mp", following=ended))
    assert ledger.due_to_follow(5) == []
    assert index_of(aws) == (None, None)


def test_due_records_are_returned_in_the_order_of_their_due_times_up_to_a_maximum(
    ledger: Ledger, clock: Clock
) -> None:
    for number in range(4):
        begin(ledger, clock, f"u{number}")
        clock.forward(seconds=1)
    later = clock() + timedelta(hours=1)
    ledger.change("later", lambda _: with_following(record("later"), "mp", later))
    assert ledger.due_to_follow(2) == ["u0", "u1"]
    assert len(ledger.due_to_follow(9)) == 4


def test_a_record_is_due_at_the_time_of_the_earliest_poll_of_its_ingests() -> None:
    early, late = (Following(since=AT, due=f"2026-10-14T{hour}:00:00Z") for hour in (19, 20))
    ended = Following(since=AT, fate=Fate.DELETED)
    ingests = {
        str(number): msgspec.structs.replace(ingest(), following=following)
        for number, following in enumerate((late, early, ended, None))
    }
    assert Record(uuid="u==", ingests=ingests).follow_due == "2026-10-14T19:00:00Z"
    assert record().follow_due == ""


def test_follow_up_is_cleared_when_a_media_package_is_posted_again(clock: Clock) -> None:
    followed = with_following(record(), "mp", clock())
    again = with_claim(followed, "mp", ingest(outcome=Outcome.UNKNOWN))
    assert again.ingests["mp"].following is None


def test_record_that_was_removed_from_the_index_is_not_due_and_keeps_its_content(
    ledger: Ledger, clock: Clock
) -> None:
    written = begin(ledger, clock)
    ledger.remove_from_follow_index("u==")
    assert ledger.due_to_follow(5) == []
    assert ledger.get("u==") == written


@pytest.mark.parametrize(
    ("end", "outcome", "is_needed"),
    [
        (None, None, True),
        (None, Outcome.UNKNOWN, True),
        (None, Outcome.TAKEN, False),
        (End.IGNORED, None, False),
        (End.FAILED, None, True),
        (End.GONE, None, False),
    ],
)
def test_staged_files_are_needed_while_another_request_is_in_progress_or_has_failed(
    clock: Clock, end: End | None, outcome: Outcome | None, is_needed: bool
) -> None:
    known = record()
    for zip_id in ("z", "other"):
        known = with_request(known, zip_id, RequestOptions(), clock())
    requests = {
        **known.requests,
        "other": msgspec.structs.replace(known.requests["other"], end=end),
    }
    ingests = {**known.ingests, **({"mp2": ingest("other", outcome)} if outcome else {})}
    known = msgspec.structs.replace(known, requests=requests, ingests=ingests)
    assert needs_staged_files(known, "z") is is_needed
