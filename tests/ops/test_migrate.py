"""Tests of `invoke migrate`, from an old stack's tables with the first system's rows."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingester.pipeline.states import Origin, State
from ingester.recording.events_table import EventsTable
from ingester.schedule.table import IMPORT_LOCK, ScheduleTable
from ingester.status.table import StatusTable
from ops.command import OpsError
from ops.migration.commands import migrate_all, plan_migration, show
from ops.migration.copy_tables import Tally
from ops.migration.ledger import SENT
from tests.cloud import Cloud, plain
from tests.ops.migration_harness import OLD, Stacks, during_first_write, events_row, status_row

REQUESTS = len(SENT) + 3 + 1
"""Number of states of a processed request: those in SENT, three failures, and ignored."""


def counts(tallies: dict[str, Tally]) -> dict[str, tuple[int, int, dict[str, int]]]:
    return {
        thing: (tally.copied, tally.kept, dict(tally.skipped)) for thing, tally in tallies.items()
    }


MEETING = {
    "zoom_series_id": "86168921331",
    "opencast_series_id": "20260112345",
    "course_code": "HIST E-1010",
    "events": [{"day": "M", "time": "9:30", "title": "Lecture"}],
}


def fill(stacks: Stacks) -> None:
    now = stacks.clock()
    stacks.schedule.put_item(Item=MEETING)
    without_events = {**MEETING, "zoom_series_id": "2002"}
    del without_events["events"]
    stacks.schedule.put_item(Item=without_events)
    stacks.schedule.put_item(Item={**MEETING, "zoom_series_id": "2003", "events": "nonsense"})
    stacks.events.put_item(Item=events_row("u1", now, ("started", 10), ("paused", 20)))
    expired = events_row("u2", now - timedelta(days=121), ("started", 10))
    stacks.events.put_item(Item=expired)
    for hours, state in enumerate(State, start=1):
        row = status_row(f"u-{state}", state, now - timedelta(hours=hours), reason="a reason")
        stacks.status.put_item(Item=row)
    stacks.status.put_item(
        Item={
            **status_row("u9", "IGNORED", now - timedelta(days=1)),
            "zip_id": "on-demand-5c0f",
            "origin": "on_demand",
        }
    )
    stacks.status.put_item(Item=status_row("u6", "SENT_TO_OPENCAST", now - timedelta(days=6)))
    gone = status_row("u8", "SENT_TO_OPENCAST", now - timedelta(days=8))
    stacks.status.put_item(Item=gone)
    stacks.status.put_item(Item={"zip_id": "half", "pipeline_state": "IGNORED"})


def tables_of(stacks: Stacks) -> list[Any]:
    return [stacks.schedule, stacks.events, stacks.status]


def everything(*tables: Any) -> list[list[Any]]:
    return [sorted((plain(item) for item in table.scan()["Items"]), key=str) for table in tables]


def test_migrate_copies_the_readable_unexpired_rows_of_every_table_unchanged_and_once(
    aws: Cloud, stacks: Stacks
) -> None:
    fill(stacks)
    there = everything(*tables_of(stacks))
    dry = stacks.migrate(dry_run=True)
    assert everything(aws.schedule, aws.events, aws.status, aws.recordings) == [[], [], [], []]
    states = len(State)
    first = stacks.migrate()
    assert counts(first) == counts(dry)
    assert counts(first) == {
        "schedule": (2, 0, {"can't be read as a meeting of the schedule": 1}),
        "recording events": (1, 0, {"expired": 1}),
        "ledger": (REQUESTS + 2, 0, {}),
        "status": (states + 2, 0, {"expired": 1, "can't be read as a recording's state": 1}),
    }
    assert first["schedule"].named == ["2003 can't be read as a meeting of the schedule"]
    here = everything(aws.schedule, aws.events, aws.status)
    assert here == _without(there, {"2003", "u2", "auto-ingest-u8", "half"})
    records = everything(aws.recordings)
    again = counts(stacks.migrate())
    assert {thing: (copied, here) for thing, (copied, here, _) in again.items()} == {
        "schedule": (0, 2),
        "recording events": (0, 1),
        "ledger": (0, REQUESTS + 2),
        "status": (0, states + 2),
    }
    assert everything(aws.schedule, aws.events, aws.status) == here
    assert everything(aws.recordings) == records
    assert everything(*tables_of(stacks)) == there


def _without(tables: list[list[Any]], out: set[str]) -> list[list[Any]]:
    keys = ("zoom_series_id", "zoom_uuid", "zip_id")
    return [[row for row in rows if not out & {row.get(key) for key in keys}] for rows in tables]


def test_migrate_skips_status_rows_that_are_older_than_the_given_number_of_days(
    stacks: Stacks,
) -> None:
    fill(stacks)
    tallies = stacks.migrate(days=3)
    assert tallies["status"].skipped["older than 3 days"] == 1
    assert tallies["ledger"].copied == REQUESTS + 1


def test_the_pipeline_reads_the_rows_that_migrate_copied(aws: Cloud, stacks: Stacks) -> None:
    fill(stacks)
    stacks.migrate()
    meeting = ScheduleTable(aws.schedule).get(86168921331)
    assert meeting is not None
    assert meeting.series_of(meeting.events[0]) == "20260112345"
    row = StatusTable(aws.status, stacks.clock).get("auto-ingest-u-SENT_TO_OPENCAST")
    assert row is not None
    assert (row.state, row.origin) == (State.SENT_TO_OPENCAST, Origin.WEBHOOK)
    assert [event.timestamp for event in EventsTable(aws.events, stacks.clock).of("u1")] == [10, 20]


def of_status(stacks: Stacks) -> Any:
    return plan_migration(stacks.target, OLD, days=7, now=stacks.clock()).status


def test_migrate_keeps_a_row_that_changes_during_the_copy(aws: Cloud, stacks: Stacks) -> None:
    now = stacks.clock()
    stacks.status.put_item(Item=status_row("u1", "SENT_TO_OPENCAST", now - timedelta(hours=1)))
    ours = {**status_row("u1", "SENT_TO_DOWNLOADER", now), "file_ids": {"f1"}}
    pair = of_status(stacks)

    def work() -> None:
        aws.status.put_item(Item=ours)

    with during_first_write("PutItem", pair.new, work):
        (tally,) = migrate_all((pair,), dry_run=False)
    assert (tally.copied, tally.kept) == (0, 1)
    assert aws.rows()["auto-ingest-u1"] == plain(ours)


EARLIER, LATER = timedelta(hours=2), timedelta(hours=1)


@pytest.mark.parametrize(
    ("there", "here", "copied"),
    [
        # The row was copied earlier, and the old stack has continued the ingest since then.
        (("SENT_TO_OPENCAST", LATER, {}), ("SENT_TO_DOWNLOADER", EARLIER, {}), True),
        (("SENT_TO_DOWNLOADER", EARLIER, {}), ("SENT_TO_OPENCAST", LATER, {}), False),
        # Only this pipeline writes file ids, so this pipeline has processed the request.
        (
            ("SENT_TO_OPENCAST", LATER, {}),
            ("SENT_TO_DOWNLOADER", EARLIER, {"file_ids": {"f"}}),
            False,
        ),
        # Every state of an ingest is further than the states that recording events set.
        (("SENT_TO_OPENCAST", EARLIER, {}), ("RECORDING_STOPPED", LATER, {}), True),
        (("RECORDING_IN_PROGRESS", LATER, {}), ("IGNORED", EARLIER, {}), False),
        (("RECORDING_STOPPED", LATER, {}), ("RECORDING_IN_PROGRESS", EARLIER, {}), True),
        (("RECORDING_IN_PROGRESS", EARLIER, {}), ("RECORDING_STOPPED", LATER, {}), False),
    ],
)
def test_migrate_replaces_a_status_row_only_when_the_ingest_is_further_in_the_old_stack(
    aws: Cloud,
    stacks: Stacks,
    there: tuple[str, timedelta, dict[str, Any]],
    here: tuple[str, timedelta, dict[str, Any]],
    copied: bool,
) -> None:
    now = stacks.clock()
    theirs, ours = (
        status_row("u1", state, now - ago, **more) for state, ago, more in (there, here)
    )
    stacks.status.put_item(Item=theirs)
    aws.status.put_item(Item=ours)
    assert stacks.migrate()["status"].copied == copied
    assert aws.rows()["auto-ingest-u1"] == plain(theirs if copied else ours)
    assert stacks.migrate()["status"].copied == 0


def test_migrate_merges_recording_events_of_both_stacks(aws: Cloud, stacks: Stacks) -> None:
    now = stacks.clock()
    stacks.events.put_item(Item=events_row("u1", now, ("started", 10), ("paused", 20)))
    aws.events.put_item(Item=events_row("u1", now, ("resumed", 30), ("stopped", 40)))
    pair = plan_migration(stacks.target, OLD, days=7, now=now).events

    def work() -> None:
        late = events_row("u1", now, ("resumed", 30), ("stopped", 40), ("started", 50))
        aws.events.put_item(Item=late)

    with during_first_write("PutItem", pair.new, work):
        (tally,) = migrate_all((pair,), dry_run=False)
    assert tally.copied == 1
    times = [event.timestamp for event in EventsTable(aws.events, stacks.clock).of("u1")]
    assert times == [10, 20, 30, 40, 50]
    assert stacks.migrate()["recording events"].copied == 0


def test_migrate_keeps_a_meeting_of_the_new_stack_and_names_it_when_it_differs(
    aws: Cloud, stacks: Stacks
) -> None:
    stacks.schedule.put_item(Item=MEETING)
    stacks.schedule.put_item(Item={**MEETING, "zoom_series_id": "2002"})
    same: dict[str, Any] = copy.deepcopy(MEETING)
    same["events"][0] |= {"source": "csv:a.csv", "course_code": "HIST E-1010"}
    other = {**copy.deepcopy(same), "zoom_series_id": "2002", "opencast_series_id": "2027"}
    for row in (same, other):
        aws.schedule.put_item(Item=row)
    tally = stacks.migrate()["schedule"]
    assert (tally.copied, tally.kept) == (0, 2)
    assert tally.named == ["2002 is here with something else, and stays so"]
    assert everything(aws.schedule) == [sorted([same, other], key=str)]


def test_migrate_does_not_copy_the_import_lock_of_the_old_stack(aws: Cloud, stacks: Stacks) -> None:
    stacks.schedule.put_item(Item={"zoom_series_id": IMPORT_LOCK, "owner": "x", "ends": 1})
    stacks.schedule.put_item(Item=MEETING)
    tally = stacks.migrate()["schedule"]
    assert (tally.copied, tally.kept, tally.skipped, tally.named) == (1, 0, {}, [])
    assert everything(aws.schedule) == [[MEETING]]


def test_migrate_copies_every_page_of_a_table(stacks: Stacks) -> None:
    with stacks.events.batch_writer() as batch:
        for number in range(60):
            row = events_row(f"u{number}", stacks.clock(), ("started", number))
            batch.put_item(Item={**row, "filler": "x" * 30_000})
    assert stacks.migrate()["recording events"].copied == 60
    assert stacks.migrate()["recording events"].kept == 60


def test_migrate_writes_nothing_when_an_old_table_is_missing(aws: Cloud, stacks: Stacks) -> None:
    fill(stacks)
    stacks.events.delete()
    with pytest.raises(OpsError, match=r"There is no table old-zip-recording-events in us-east-1"):
        stacks.migrate()
    assert everything(aws.schedule, aws.status, aws.recordings) == [[], [], []]


def test_migrate_writes_nothing_when_the_ledger_is_missing(aws: Cloud, stacks: Stacks) -> None:
    # The stack may be older than the checkout, and have no ledger yet.
    fill(stacks)
    aws.recordings.delete()
    with pytest.raises(
        OpsError, match=r"no table test-recordings in .*`invoke stack.update` makes"
    ):
        stacks.migrate()
    assert everything(aws.schedule, aws.status) == [[], []]


@pytest.mark.parametrize("name", ["test", "no/name"])
def test_migrate_refuses_a_wrong_name_of_the_old_stack(stacks: Stacks, name: str) -> None:
    with pytest.raises(OpsError, match="--from"):
        plan_migration(stacks.target, name, days=7, now=datetime.now(UTC))


def test_migrate_prints_counts_and_unreadable_rows(
    stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(stacks)
    show(list(stacks.migrate().values()), OLD, dry_run=False)
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert said == [
        "From old-zip",
        "table copied here already skipped",
        "schedule 2 0 1 can't be read as a meeting of the schedule",
        "recording events 1 0 1 expired",
        f"ledger {REQUESTS + 2} 0 0",
        "status 20 0 1 expired, 1 can't be read as a recording's state",
        "schedule: 2003 can't be read as a meeting of the schedule",
        "status: half can't be read as a recording's state",
    ]
