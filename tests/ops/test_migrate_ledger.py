"""Tests of migrated requests in the ledger, and of the pipeline's decisions about repeats."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ingester.ledger import record as rules
from ingester.ledger.record import End, IngestRecord, Outcome, Post, Record, Request
from ingester.ledger.table import Ledger
from ingester.pipeline.states import State
from ingester.status.row import RequestOptions
from ops.migration.commands import migrate_all, plan_migration
from tests.cloud import plain
from tests.function_harness import post_webhook, webhook_dependencies
from tests.ops.migration_harness import OLD, Stacks, during_first_write, status_row
from tests.unit.functions.webhook.notifications import UUID, ZIP_ID, chat, completed, mp4, on_demand

SENT = """
SENT_TO_DOWNLOADER OC_SERIES_FOUND SENT_TO_UPLOADER UPLOADER_RECEIVED SENT_TO_OPENCAST
PUBLISHED OPENCAST_FAILED OPENCAST_DELETED
""".split()
FAILED = ["WEBHOOK_FAILED", "DOWNLOADER_FAILED", "UPLOADER_FAILED"]
EARLY = """
RECORDING_IN_PROGRESS RECORDING_PAUSED RECORDING_STOPPED RECORDING_PROCESSING
ON_DEMAND_RECEIVED WEBHOOK_RECEIVED
""".split()
OTHER_ID = "on-demand-5c0f"
NOW = "2026-10-14T18:30:00Z"


def is_taken_again(stacks: Stacks, *files: dict[str, Any]) -> bool:
    """Post Zoom's webhook event, and return whether the webhook has sent a message so far."""
    answer = post_webhook(
        webhook_dependencies(stacks.aws, stacks.clock), completed(*(files or (mp4(), chat())))
    )
    assert answer.status == 200
    return bool(stacks.aws.sent_to(stacks.aws.download_queue))


def test_the_migration_tests_list_each_state_once() -> None:
    assert sorted([*SENT, *FAILED, *EARLY, "IGNORED"]) == sorted(State)


@pytest.mark.parametrize("state", SENT)
def test_a_repeat_of_a_sent_migrated_request_is_a_duplicate(stacks: Stacks, state: str) -> None:
    stacks.migrate_row(UUID, state)
    request = Request(at="2026-10-14T17:00:00Z", is_sent=True, is_taken_over=True)
    assert stacks.ledger.get(UUID).requests == {ZIP_ID: request}
    assert not is_taken_again(stacks)
    assert not is_taken_again(stacks, mp4(), chat(), mp4("late"))
    assert stacks.aws.rows()[ZIP_ID]["pipeline_state"] == state


@pytest.mark.parametrize("state", [*FAILED, "IGNORED", *EARLY])
def test_a_repeat_of_a_migrated_request_is_accepted_when_the_request_was_not_sent(
    stacks: Stacks, state: str
) -> None:
    stacks.migrate_row(UUID, state)
    assert is_taken_again(stacks)
    request = stacks.ledger.get(UUID).request(ZIP_ID)
    assert (request.is_sent, request.is_taken_over, request.end) == (True, False, None)
    assert stacks.aws.rows()[ZIP_ID]["pipeline_state"] == "SENT_TO_DOWNLOADER"


@pytest.mark.parametrize(
    ("state", "end"), [*((state, End.FAILED) for state in FAILED), ("IGNORED", End.IGNORED)]
)
def test_a_migrated_request_has_an_end_when_it_failed_or_was_ignored(
    stacks: Stacks, state: str, end: End
) -> None:
    stacks.migrate_row(UUID, state)
    request = Request(at="2026-10-14T17:00:00Z", is_taken_over=True, end=end)
    assert stacks.ledger.get(UUID).requests == {ZIP_ID: request}
    assert stacks.ledger.get(UUID).was_requested is (end is End.FAILED)


@pytest.mark.parametrize("state", EARLY)
def test_migrate_adds_no_request_to_the_ledger_when_the_row_has_an_early_state(
    stacks: Stacks, state: str
) -> None:
    tally = stacks.migrate_row(UUID, state)["ledger"]
    assert (tally.copied, tally.kept) == (0, 0)
    assert stacks.ledger.get(UUID) == Record(uuid=UUID)


def test_a_migrated_request_counts_as_sent_when_a_retry_is_due(stacks: Stacks) -> None:
    # Only this pipeline writes the time of a retry, and only while a message waits on the queue.
    stacks.migrate_row(UUID, "DOWNLOADER_FAILED", retry_due=NOW, asked={"oc_workflow": "w"})
    request = stacks.ledger.get(UUID).request(ZIP_ID)
    assert (request.is_sent, request.asked) == (True, RequestOptions(oc_workflow="w"))
    assert not is_taken_again(stacks)


@pytest.mark.parametrize("asked_at", [None, "yesterday", ""])
def test_a_migrated_request_has_the_update_time_of_its_row_when_its_own_time_is_unreadable(
    stacks: Stacks, asked_at: str | None
) -> None:
    stacks.migrate_row(UUID, "IGNORED", ingest_request_time=asked_at)
    assert stacks.ledger.get(UUID).request(ZIP_ID).at == NOW


def test_each_request_of_a_recording_is_migrated(stacks: Stacks) -> None:
    stacks.add_row(UUID, "DOWNLOADER_FAILED")
    assert stacks.migrate_row(UUID, "SENT_TO_OPENCAST", zip_id=OTHER_ID)["ledger"].copied == 2
    requests = stacks.ledger.get(UUID).requests
    assert {zip_id: request.is_sent for zip_id, request in requests.items()} == {
        ZIP_ID: False,
        OTHER_ID: True,
    }


def test_migrate_reads_the_uuid_from_the_zip_id_when_the_row_names_no_recording(
    stacks: Stacks,
) -> None:
    now = stacks.clock()
    for zip_id in (ZIP_ID, OTHER_ID):
        row = status_row(UUID, "IGNORED", now, zip_id=zip_id)
        del row["recording_id"]
        stacks.status.put_item(Item=row)
    tally = stacks.migrate()["ledger"]
    assert stacks.ledger.get(UUID).request(ZIP_ID).end is End.IGNORED
    assert tally.named == [f"{OTHER_ID} can't be read: it names no recording"]


def test_second_run_of_migrate_updates_a_migrated_request(stacks: Stacks) -> None:
    stacks.migrate_row(UUID, "SENT_TO_DOWNLOADER")
    # The webhook drops a repeated webhook event, but adds its files to the ledger.
    assert not is_taken_again(stacks)
    assert set(stacks.ledger.get(UUID).files) == {"file-1", "chat-1"}
    stacks.clock.forward(hours=1)
    tallies = stacks.migrate_row(UUID, "UPLOADER_FAILED")
    assert (tallies["ledger"].copied, tallies["status"].copied) == (1, 1)
    assert stacks.ledger.get(UUID).request(ZIP_ID).end is End.FAILED
    assert set(stacks.ledger.get(UUID).files) == {"file-1", "chat-1"}
    assert is_taken_again(stacks)


@pytest.mark.parametrize("state", ["SENT_TO_OPENCAST", "UPLOADER_FAILED", "IGNORED"])
def test_migrate_keeps_a_request_that_this_pipeline_accepted(stacks: Stacks, state: str) -> None:
    assert is_taken_again(stacks)
    before, row = stacks.ledger.get(UUID), stacks.aws.rows()[ZIP_ID]
    stacks.clock.forward(hours=1)
    tallies = stacks.migrate_row(UUID, state)
    assert [tallies[thing].kept for thing in ("ledger", "status")] == [1, 1]
    assert (stacks.ledger.get(UUID), stacks.aws.rows()[ZIP_ID]) == (before, row)


def test_migrate_keeps_a_row_whose_request_is_in_the_ledger(stacks: Stacks) -> None:
    # The row names no files, because Zoom's webhook event named none.
    stacks.ledger.change(
        UUID, lambda old: rules.with_request(old, ZIP_ID, RequestOptions(), stacks.clock())
    )
    ours = status_row(UUID, "WEBHOOK_RECEIVED", stacks.clock())
    stacks.aws.status.put_item(Item=ours)
    stacks.clock.forward(hours=1)
    assert stacks.migrate_row(UUID, "SENT_TO_OPENCAST")["status"].kept == 1
    assert stacks.aws.rows()[ZIP_ID] == plain(ours)


def test_migrate_keeps_the_ingest_record_of_another_request(stacks: Stacks) -> None:
    posts = (Post(attempt="a", at=NOW, outcome=Outcome.TAKEN),)
    ingest = IngestRecord(zip_id=OTHER_ID, series="S", files={"f": "a file"}, posts=posts)

    def ingested(record: Record) -> Record:
        record = rules.with_request(record, OTHER_ID, RequestOptions(), stacks.clock())
        return rules.with_claim(record, "mp", ingest)

    before = stacks.ledger.change(UUID, ingested)
    stacks.migrate_row(UUID, "SENT_TO_UPLOADER")
    after = stacks.ledger.get(UUID)
    assert after.ingests == before.ingests
    assert after.request(OTHER_ID) == before.request(OTHER_ID)
    assert after.request(ZIP_ID).is_taken_over


def test_migrate_keeps_a_request_that_a_webhook_event_begins_during_the_copy(
    stacks: Stacks,
) -> None:
    stacks.add_row(UUID, "SENT_TO_DOWNLOADER")
    table = stacks.target.table(stacks.aws.recordings.name)
    planned = plan_migration(stacks.target, OLD, days=7, now=stacks.clock()).ledger
    part = replace(planned, ledger=Ledger(table, stacks.clock))
    with during_first_write("UpdateItem", table, lambda: is_taken_again(stacks)):
        (tally,) = migrate_all((part,), dry_run=False)
    assert (tally.copied, tally.kept) == (0, 1)
    request = stacks.ledger.get(UUID).request(ZIP_ID)
    assert (request.is_sent, request.is_taken_over) == (True, False)


def test_migrate_skips_and_names_a_record_that_changes_at_each_attempt(stacks: Stacks) -> None:
    stacks.add_row(UUID, "SENT_TO_DOWNLOADER")

    class Busy(Ledger):
        def replace(self, old: Record, new: Record) -> None:
            del old, new

    planned = plan_migration(stacks.target, OLD, days=7, now=stacks.clock()).ledger
    (tally,) = migrate_all(
        (replace(planned, ledger=Busy(stacks.aws.recordings, stacks.clock)),), dry_run=False
    )
    assert tally.named == [f"{ZIP_ID} changed here all the time: run it again"]
    assert (tally.copied, tally.skipped) == (0, {"changed here all the time": 1})


@pytest.mark.parametrize("is_dry", [True, False])
def test_an_unreadable_record_does_not_stop_the_migration(stacks: Stacks, is_dry: bool) -> None:
    broken = {"uuid": "u1", "version": 1, "requests": "nonsense"}
    stacks.aws.recordings.put_item(Item=broken)
    for uuid in ("u1", UUID):
        stacks.add_row(uuid, "SENT_TO_OPENCAST")
    tallies = stacks.migrate(dry_run=is_dry)
    assert tallies["ledger"].named == ["auto-ingest-u1 can't be read: the ledger's record of u1"]
    assert [tallies[thing].copied for thing in ("ledger", "status")] == [1, 1]
    assert stacks.ledger.get(UUID).request(ZIP_ID).is_sent is not is_dry
    assert "auto-ingest-u1" not in stacks.aws.rows()


def test_a_new_on_demand_request_is_accepted_beside_a_migrated_request(stacks: Stacks) -> None:
    stacks.migrate_row(UUID, "SENT_TO_OPENCAST", zip_id=OTHER_ID, origin="on_demand")
    deps = webhook_dependencies(stacks.aws, stacks.clock)
    assert post_webhook(deps, on_demand(zip_id="on-demand-new")).status == 200
    assert stacks.ledger.get(UUID).request("on-demand-new").is_sent
    assert len(stacks.aws.sent_to(stacks.aws.download_queue)) == 1
