"""The old stack's requests in this stack's ledger, and how the pipeline then decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ingester.ledger import record as rules
from ingester.ledger.record import End, Ingest, Outcome, Post, Record, Request
from ingester.ledger.table import Ledger
from ingester.pipeline.states import State
from ingester.status.row import Asked
from ops.migration.commands import migrate_all, plan_migration
from tests.cloud import Cloud, plain
from tests.function_harness import post_webhook, webhook_dependencies
from tests.ops.old_stack import OLD, Sites, before_the_first, status_row
from tests.unit.functions.webhook.notifications import (
    UUID,
    ZIP_ID,
    chat,
    completed,
    mp4,
    on_demand,
)

SENT = [
    "SENT_TO_DOWNLOADER",
    "OC_SERIES_FOUND",
    "SENT_TO_UPLOADER",
    "UPLOADER_RECEIVED",
    "SENT_TO_OPENCAST",
]
FAILED = ["WEBHOOK_FAILED", "DOWNLOADER_FAILED", "UPLOADER_FAILED"]
EARLY = [
    "RECORDING_IN_PROGRESS",
    "RECORDING_PAUSED",
    "RECORDING_STOPPED",
    "RECORDING_PROCESSING",
    "ON_DEMAND_RECEIVED",
    "WEBHOOK_RECEIVED",
]
OTHER_ID = "on-demand-5c0f"
NOW = "2026-10-14T18:30:00Z"


@pytest.fixture
def ledger(aws: Cloud, sites: Sites) -> Ledger:
    return Ledger(aws.recordings, sites.clock)


def is_taken_again(aws: Cloud, sites: Sites, *files: dict[str, Any]) -> bool:
    """Whether a notification of Zoom's begins an ingest here."""
    answer = post_webhook(
        webhook_dependencies(aws, sites.clock), completed(*(files or (mp4(), chat())))
    )
    assert answer.status == 200
    return bool(aws.sent_to(aws.download_queue))


def test_the_lists_of_states_are_complete() -> None:
    assert sorted([*SENT, *FAILED, *EARLY, "IGNORED"]) == sorted(State)


@pytest.mark.parametrize("state", SENT)
def test_a_repeat_is_a_duplicate_when_the_migrated_request_was_sent(
    aws: Cloud, sites: Sites, ledger: Ledger, state: str
) -> None:
    sites.status.put_item(Item=status_row(UUID, state, sites.clock()))
    sites.migrate()
    request = Request(at="2026-10-14T17:00:00Z", is_sent=True, is_taken_over=True)
    assert ledger.get(UUID).requests == {ZIP_ID: request}
    assert not is_taken_again(aws, sites)
    assert not is_taken_again(aws, sites, mp4(), chat(), mp4("late"))
    assert aws.rows()[ZIP_ID]["pipeline_state"] == state


@pytest.mark.parametrize("state", [*FAILED, "IGNORED", *EARLY])
def test_a_repeat_is_accepted_when_the_migrated_request_ended_or_was_never_sent(
    aws: Cloud, sites: Sites, ledger: Ledger, state: str
) -> None:
    sites.status.put_item(Item=status_row(UUID, state, sites.clock()))
    sites.migrate()
    assert is_taken_again(aws, sites)
    request = ledger.get(UUID).request(ZIP_ID)
    assert (request.is_sent, request.is_taken_over, request.end) == (True, False, None)
    assert aws.rows()[ZIP_ID]["pipeline_state"] == "SENT_TO_DOWNLOADER"


@pytest.mark.parametrize(
    ("state", "end"), [*((state, End.FAILED) for state in FAILED), ("IGNORED", End.IGNORED)]
)
def test_a_migrated_request_has_its_end(sites: Sites, ledger: Ledger, state: str, end: End) -> None:
    sites.status.put_item(Item=status_row(UUID, state, sites.clock()))
    sites.migrate()
    request = Request(at="2026-10-14T17:00:00Z", is_taken_over=True, end=end)
    assert ledger.get(UUID).requests == {ZIP_ID: request}
    assert ledger.get(UUID).was_asked_for is (end is End.FAILED)


@pytest.mark.parametrize("state", EARLY)
def test_a_recording_that_zoom_only_announced_is_not_migrated(
    sites: Sites, ledger: Ledger, state: str
) -> None:
    sites.status.put_item(Item=status_row(UUID, state, sites.clock()))
    tally = sites.migrate()["ledger"]
    assert (tally.copied, tally.kept) == (0, 0)
    assert ledger.get(UUID) == Record(uuid=UUID)


def test_a_migrated_request_counts_as_sent_when_a_retry_is_due(
    aws: Cloud, sites: Sites, ledger: Ledger
) -> None:
    """Only a stack of this system notes when: its message is still on its queue."""
    row = status_row(UUID, "DOWNLOADER_FAILED", sites.clock(), retry_due=NOW)
    sites.status.put_item(Item={**row, "asked": {"oc_workflow": "w"}})
    sites.migrate()
    request = ledger.get(UUID).request(ZIP_ID)
    assert (request.is_sent, request.asked) == (True, Asked(oc_workflow="w"))
    assert not is_taken_again(aws, sites)


@pytest.mark.parametrize("asked_at", [None, "yesterday", ""])
def test_a_migrated_request_has_its_rows_time_when_it_has_none(
    sites: Sites, ledger: Ledger, asked_at: str | None
) -> None:
    row = status_row(UUID, "IGNORED", sites.clock(), ingest_request_time=asked_at)
    sites.status.put_item(Item=row)
    sites.migrate()
    assert ledger.get(UUID).request(ZIP_ID).at == NOW


def test_each_request_of_a_recording_is_migrated(sites: Sites, ledger: Ledger) -> None:
    now = sites.clock()
    sites.status.put_item(Item=status_row(UUID, "DOWNLOADER_FAILED", now))
    sites.status.put_item(Item=status_row(UUID, "SENT_TO_OPENCAST", now, zip_id=OTHER_ID))
    assert sites.migrate()["ledger"].copied == 2
    requests = ledger.get(UUID).requests
    assert {zip_id: request.is_sent for zip_id, request in requests.items()} == {
        ZIP_ID: False,
        OTHER_ID: True,
    }


def test_a_migrated_row_may_name_its_recording_only_in_its_key(
    sites: Sites, ledger: Ledger
) -> None:
    now = sites.clock()
    for zip_id in (ZIP_ID, OTHER_ID):
        row = status_row(UUID, "IGNORED", now, zip_id=zip_id)
        del row["recording_id"]
        sites.status.put_item(Item=row)
    tally = sites.migrate()["ledger"]
    assert ledger.get(UUID).request(ZIP_ID).end is End.IGNORED
    assert tally.named == [f"{OTHER_ID} can't be read: it names no recording"]


def test_another_run_updates_the_end_of_a_migrated_request(
    aws: Cloud, sites: Sites, ledger: Ledger
) -> None:
    sites.status.put_item(Item=status_row(UUID, "SENT_TO_DOWNLOADER", sites.clock()))
    sites.migrate()
    # A repeat is dropped, but the ledger remembers its files.
    assert not is_taken_again(aws, sites)
    assert set(ledger.get(UUID).files) == {"file-1", "chat-1"}
    sites.clock.forward(hours=1)
    sites.status.put_item(Item=status_row(UUID, "UPLOADER_FAILED", sites.clock()))
    tallies = sites.migrate()
    assert (tallies["ledger"].copied, tallies["status"].copied) == (1, 1)
    assert ledger.get(UUID).request(ZIP_ID).end is End.FAILED
    assert set(ledger.get(UUID).files) == {"file-1", "chat-1"}
    assert is_taken_again(aws, sites)


@pytest.mark.parametrize("state", ["SENT_TO_OPENCAST", "UPLOADER_FAILED", "IGNORED"])
def test_a_request_that_this_pipeline_accepted_stays(
    aws: Cloud, sites: Sites, ledger: Ledger, state: str
) -> None:
    assert is_taken_again(aws, sites)
    before, row = ledger.get(UUID), aws.rows()[ZIP_ID]
    sites.clock.forward(hours=1)
    sites.status.put_item(Item=status_row(UUID, state, sites.clock()))
    tallies = sites.migrate()
    assert [tallies[thing].kept for thing in ("ledger", "status")] == [1, 1]
    assert (ledger.get(UUID), aws.rows()[ZIP_ID]) == (before, row)


def test_a_row_stays_when_only_the_ledger_has_its_request(
    aws: Cloud, sites: Sites, ledger: Ledger
) -> None:
    """Zoom's notification named no files, so the row names none."""
    ledger.change(UUID, lambda old: rules.with_request(old, ZIP_ID, Asked(), sites.clock()))
    ours = status_row(UUID, "WEBHOOK_RECEIVED", sites.clock())
    aws.status.put_item(Item=ours)
    sites.clock.forward(hours=1)
    sites.status.put_item(Item=status_row(UUID, "SENT_TO_OPENCAST", sites.clock()))
    assert sites.migrate()["status"].kept == 1
    assert aws.rows()[ZIP_ID] == plain(ours)


def test_an_ingest_of_another_request_stays_in_a_migrated_record(
    sites: Sites, ledger: Ledger
) -> None:
    posts = (Post(attempt="a", at=NOW, outcome=Outcome.TAKEN),)
    ingest = Ingest(zip_id=OTHER_ID, series="S", files={"f": "a file"}, posts=posts)

    def ingested(record: Record) -> Record:
        record = rules.with_request(record, OTHER_ID, Asked(), sites.clock())
        return rules.with_claim(record, "mp", ingest)

    before = ledger.change(UUID, ingested)
    sites.status.put_item(Item=status_row(UUID, "SENT_TO_UPLOADER", sites.clock()))
    sites.migrate()
    after = ledger.get(UUID)
    assert after.ingests == before.ingests
    assert after.request(OTHER_ID) == before.request(OTHER_ID)
    assert after.request(ZIP_ID).is_taken_over


def test_a_webhook_event_during_the_migration_wins(
    aws: Cloud, sites: Sites, ledger: Ledger
) -> None:
    sites.status.put_item(Item=status_row(UUID, "SENT_TO_DOWNLOADER", sites.clock()))
    table = sites.target.table(aws.recordings.name)
    planned = plan_migration(sites.target, OLD, days=7, now=sites.clock()).ledger
    part = replace(planned, ledger=Ledger(table, sites.clock))
    with before_the_first("UpdateItem", table, lambda: is_taken_again(aws, sites)):
        (tally,) = migrate_all((part,), dry_run=False)
    assert (tally.copied, tally.kept) == (0, 1)
    request = ledger.get(UUID).request(ZIP_ID)
    assert (request.is_sent, request.is_taken_over) == (True, False)


def test_a_record_that_changes_all_the_time_is_left_and_named(aws: Cloud, sites: Sites) -> None:
    sites.status.put_item(Item=status_row(UUID, "SENT_TO_DOWNLOADER", sites.clock()))

    class Busy(Ledger):
        def replace(self, old: Record, new: Record) -> None:
            del old, new

    planned = plan_migration(sites.target, OLD, days=7, now=sites.clock()).ledger
    (tally,) = migrate_all(
        (replace(planned, ledger=Busy(aws.recordings, sites.clock)),), dry_run=False
    )
    assert tally.named == [f"{ZIP_ID} changed here all the time: run it again"]
    assert (tally.copied, tally.skipped) == (0, {"changed here all the time": 1})


@pytest.mark.parametrize("is_dry", [True, False])
def test_an_unreadable_record_doesnt_stop_the_migration(
    aws: Cloud, sites: Sites, ledger: Ledger, is_dry: bool
) -> None:
    now = sites.clock()
    broken = {"uuid": "u1", "version": 1, "requests": "nonsense"}
    aws.recordings.put_item(Item=broken)
    for uuid in ("u1", UUID):
        sites.status.put_item(Item=status_row(uuid, "SENT_TO_OPENCAST", now))
    tallies = sites.migrate(dry_run=is_dry)
    assert tallies["ledger"].named == ["auto-ingest-u1 can't be read: the ledger's record of u1"]
    assert [tallies[thing].copied for thing in ("ledger", "status")] == [1, 1]
    assert ledger.get(UUID).request(ZIP_ID).is_sent is not is_dry
    assert "auto-ingest-u1" not in aws.rows()


def test_a_new_on_demand_request_is_accepted_beside_a_migrated_one(
    aws: Cloud, sites: Sites, ledger: Ledger
) -> None:
    row = status_row(UUID, "SENT_TO_OPENCAST", sites.clock(), zip_id=OTHER_ID)
    sites.status.put_item(Item={**row, "origin": "on_demand"})
    sites.migrate()
    deps = webhook_dependencies(aws, sites.clock)
    assert post_webhook(deps, on_demand(zip_id="on-demand-new")).status == 200
    assert ledger.get(UUID).request("on-demand-new").is_sent
    assert len(aws.sent_to(aws.download_queue)) == 1
