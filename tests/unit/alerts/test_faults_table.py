"""The table of faults: claims, counts of repeats, and expiry."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ingester.alerts.faults_table import CLAIM_DURATION, MAX_STORED_BODY, FaultsTable
from ingester.alerts.mail import Mail
from tests.cloud import Clock, Cloud

QUIET = timedelta(minutes=10)
MAIL = Mail(subject="s", body="b")


@pytest.fixture
def table(aws: Cloud, clock: Clock) -> FaultsTable:
    return FaultsTable(aws.faults, QUIET, clock)


def test_first_occurrence_of_a_fault_is_claimed_and_repeats_are_counted(
    table: FaultsTable, clock: Clock
) -> None:
    first = table.count_and_claim("k", 2, MAIL)
    assert first
    assert first.times == 2
    table.mark_mailed(first)
    began = clock.now
    for body in ("c", "d"):
        clock.forward(minutes=1)
        assert table.count_and_claim("k", 3, Mail(subject="t", body=body)) is None
    assert list(table.claim_due()) == []
    clock.forward(minutes=8)
    [claim] = table.claim_due()
    assert (claim.times, claim.since, claim.latest) == (6, began, began + timedelta(minutes=2))
    assert claim.mail == Mail(subject="t", body="d")
    table.mark_mailed(claim)
    clock.forward(minutes=10)
    assert list(table.claim_due()) == []


def test_quiet_period_starts_again_after_a_mail_about_repeats(
    table: FaultsTable, clock: Clock
) -> None:
    for _ in range(2):
        claim = table.count_and_claim("k", 1, MAIL)
        if claim:
            table.mark_mailed(claim)
    clock.forward(minutes=10)
    [claim] = table.claim_due()
    table.mark_mailed(claim)
    clock.forward(minutes=9)
    assert table.count_and_claim("k", 1, MAIL) is None
    clock.forward(minutes=1)
    [claim] = table.claim_due()
    assert claim.times == 1


def test_occurrence_of_a_fault_is_claimed_when_the_quiet_period_has_ended(
    table: FaultsTable, clock: Clock
) -> None:
    first = table.count_and_claim("k", 1, MAIL)
    assert first
    table.mark_mailed(first)
    clock.forward(minutes=10)
    again = table.count_and_claim("k", 1, MAIL)
    assert again
    assert again.times == 1


def test_claim_of_a_fault_includes_earlier_repeats_when_the_quiet_period_has_ended(
    table: FaultsTable, clock: Clock
) -> None:
    first = table.count_and_claim("k", 1, MAIL)
    assert first
    table.mark_mailed(first)
    began = clock.now
    table.count_and_claim("k", 4, MAIL)
    clock.forward(minutes=11)
    again = table.count_and_claim("k", 1, MAIL)
    assert again
    assert (again.times, again.since) == (5, began)


def test_fault_has_only_one_claim_until_the_claim_expires(table: FaultsTable, clock: Clock) -> None:
    # If an invocation ends before it sends the mail, a later invocation claims the fault.
    assert table.count_and_claim("k", 1, MAIL)
    assert table.count_and_claim("k", 1, MAIL) is None
    clock.forward(seconds=CLAIM_DURATION.total_seconds())
    [claim] = table.claim_due()
    assert claim.times == 2
    assert list(table.claim_due()) == []


def test_fault_can_be_claimed_again_when_its_claim_was_released(table: FaultsTable) -> None:
    claim = table.count_and_claim("k", 3, MAIL)
    assert claim
    table.release_claim(claim, 3)
    again = table.count_and_claim("k", 3, MAIL)
    assert again
    assert again.times == 3


def test_row_of_a_fault_expires_after_a_day_and_a_long_body_is_truncated(
    aws: Cloud, table: FaultsTable, clock: Clock
) -> None:
    assert table.count_and_claim("k", 1, MAIL)
    assert table.count_and_claim("l", 1, Mail(subject="s", body="x" * 99_999))
    items = aws.faults.scan()["Items"]
    expiration = int((clock.now + timedelta(days=1)).timestamp())
    assert [item["expiration"] for item in items] == [expiration, expiration]
    assert sorted(len(item["body"]) for item in items) == [1, MAX_STORED_BODY]


def test_every_fault_with_due_repeats_is_claimed_when_the_scan_has_several_pages(
    aws: Cloud, table: FaultsTable
) -> None:
    for number in range(4):
        item = {"fault": str(number), "unmailed": 1, "quiet_until": 0, "body": "x" * 390_000}
        aws.faults.put_item(Item=item)
    assert "LastEvaluatedKey" in aws.faults.scan()
    assert {claim.key for claim in table.claim_due()} == {"0", "1", "2", "3"}


def test_fault_is_claimed_when_its_row_expired_between_two_writes(
    aws: Cloud, table: FaultsTable
) -> None:
    aws.faults.put_item(Item={"fault": "k", "unmailed": 1})
    claim = table.count_and_claim("k", 1, MAIL)
    assert claim
    assert claim.times == 2
