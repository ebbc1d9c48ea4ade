"""Taking over from a stack of the first system, whose tables are filled as that one fills them."""

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
from tests.ops.old_stack import OLD, Sites, before_the_first, events_row, status_row

REQUESTS = len(SENT) + 3 + 1
"""States that say that a request was worked off: sent, failed, ignored."""


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


def fill(sites: Sites) -> None:
    now = sites.clock()
    sites.schedule.put_item(Item=MEETING)
    without_events = {**MEETING, "zoom_series_id": "2002"}
    del without_events["events"]
    sites.schedule.put_item(Item=without_events)
    sites.schedule.put_item(Item={**MEETING, "zoom_series_id": "2003", "events": "nonsense"})
    sites.events.put_item(Item=events_row("u1", now, ("started", 10), ("paused", 20)))
    expired = events_row("u2", now - timedelta(days=121), ("started", 10))
    sites.events.put_item(Item=expired)
    for hours, state in enumerate(State, start=1):
        row = status_row(f"u-{state}", state, now - timedelta(hours=hours), reason="a reason")
        sites.status.put_item(Item=row)
    sites.status.put_item(
        Item={
            **status_row("u9", "IGNORED", now - timedelta(days=1)),
            "zip_id": "on-demand-5c0f",
            "origin": "on_demand",
        }
    )
    sites.status.put_item(Item=status_row("u6", "SENT_TO_OPENCAST", now - timedelta(days=6)))
    gone = status_row("u8", "SENT_TO_OPENCAST", now - timedelta(days=8))
    sites.status.put_item(Item=gone)
    sites.status.put_item(Item={"zip_id": "half", "pipeline_state": "IGNORED"})


def tables_of(sites: Sites) -> list[Any]:
    return [sites.schedule, sites.events, sites.status]


def everything(*tables: Any) -> list[list[Any]]:
    return [sorted((plain(item) for item in table.scan()["Items"]), key=str) for table in tables]


def test_migrate_copies_every_table_unchanged_and_once(aws: Cloud, sites: Sites) -> None:
    fill(sites)
    there = everything(*tables_of(sites))
    dry = sites.migrate(dry_run=True)
    assert everything(aws.schedule, aws.events, aws.status, aws.recordings) == [[], [], [], []]
    states = len(State)
    first = sites.migrate()
    assert counts(first) == counts(dry)
    assert counts(first) == {
        "schedule": (2, 0, {"can't be read as a meeting of the schedule": 1}),
        "recording events": (1, 0, {"expired": 1}),
        "ledger": (REQUESTS + 2, 0, {}),
        "status": (
            states + 2,
            0,
            {"expired": 1, "can't be read as a recording's state": 1},
        ),
    }
    assert first["schedule"].named == ["2003 can't be read as a meeting of the schedule"]
    here = everything(aws.schedule, aws.events, aws.status)
    assert here == _without(there, {"2003", "u2", "auto-ingest-u8", "half"})
    records = everything(aws.recordings)
    again = counts(sites.migrate())
    assert {thing: (copied, here) for thing, (copied, here, _) in again.items()} == {
        "schedule": (0, 2),
        "recording events": (0, 1),
        "ledger": (0, REQUESTS + 2),
        "status": (0, states + 2),
    }
    assert everything(aws.schedule, aws.events, aws.status) == here
    assert everything(aws.recordings) == records
    assert everything(*tables_of(sites)) == there


def _without(tables: list[list[Any]], out: set[str]) -> list[list[Any]]:
    keys = ("zoom_series_id", "zoom_uuid", "zip_id")
    return [[row for row in rows if not out & {row.get(key) for key in keys}] for rows in tables]


def test_migrate_copies_status_rows_of_the_last_days_only(sites: Sites) -> None:
    fill(sites)
    tallies = sites.migrate(days=3)
    assert tallies["status"].skipped["older than 3 days"] == 1
    assert tallies["ledger"].copied == REQUESTS + 1


def test_the_pipeline_reads_migrated_rows(aws: Cloud, sites: Sites) -> None:
    fill(sites)
    sites.migrate()
    meeting = ScheduleTable(aws.schedule).get(86168921331)
    assert meeting is not None
    assert meeting.series_of(meeting.events[0]) == "20260112345"
    row = StatusTable(aws.status, sites.clock).get("auto-ingest-u-SENT_TO_OPENCAST")
    assert row is not None
    assert (row.state, row.origin) == (State.SENT_TO_OPENCAST, Origin.WEBHOOK)
    assert [event.timestamp for event in EventsTable(aws.events, sites.clock).of("u1")] == [10, 20]


def of_status(sites: Sites) -> Any:
    return plan_migration(sites.target, OLD, days=7, now=sites.clock()).status


def test_a_row_that_changes_during_the_migration_stays(aws: Cloud, sites: Sites) -> None:
    now = sites.clock()
    sites.status.put_item(Item=status_row("u1", "SENT_TO_OPENCAST", now - timedelta(hours=1)))
    ours = {**status_row("u1", "SENT_TO_DOWNLOADER", now), "file_ids": {"f1"}}
    pair = of_status(sites)

    def work() -> None:
        aws.status.put_item(Item=ours)

    with before_the_first("PutItem", pair.new, work):
        (tally,) = migrate_all((pair,), dry_run=False)
    assert (tally.copied, tally.kept) == (0, 1)
    assert aws.rows()["auto-ingest-u1"] == plain(ours)


EARLIER, LATER = timedelta(hours=2), timedelta(hours=1)


@pytest.mark.parametrize(
    ("there", "here", "copied"),
    [
        # Taken over before, and the old stack has gone on since.
        (("SENT_TO_OPENCAST", LATER, {}), ("SENT_TO_DOWNLOADER", EARLIER, {}), True),
        (("SENT_TO_DOWNLOADER", EARLIER, {}), ("SENT_TO_OPENCAST", LATER, {}), False),
        # This pipeline has worked on it.
        (
            ("SENT_TO_OPENCAST", LATER, {}),
            ("SENT_TO_DOWNLOADER", EARLIER, {"file_ids": {"f"}}),
            False,
        ),
        # The switch was in the middle of the meeting: what Zoom did is less than what was done.
        (("SENT_TO_OPENCAST", EARLIER, {}), ("RECORDING_STOPPED", LATER, {}), True),
        (("RECORDING_IN_PROGRESS", LATER, {}), ("IGNORED", EARLIER, {}), False),
        (("RECORDING_STOPPED", LATER, {}), ("RECORDING_IN_PROGRESS", EARLIER, {}), True),
        (("RECORDING_IN_PROGRESS", EARLIER, {}), ("RECORDING_STOPPED", LATER, {}), False),
    ],
)
def test_migrate_copies_a_status_row_only_when_it_says_more(
    aws: Cloud,
    sites: Sites,
    there: tuple[str, timedelta, dict[str, Any]],
    here: tuple[str, timedelta, dict[str, Any]],
    copied: bool,
) -> None:
    now = sites.clock()
    theirs, ours = (
        status_row("u1", state, now - ago, **more) for state, ago, more in (there, here)
    )
    sites.status.put_item(Item=theirs)
    aws.status.put_item(Item=ours)
    assert sites.migrate()["status"].copied == copied
    assert aws.rows()["auto-ingest-u1"] == plain(theirs if copied else ours)
    assert sites.migrate()["status"].copied == 0


def test_events_of_a_recording_that_ran_during_the_switch_are_merged(
    aws: Cloud, sites: Sites
) -> None:
    now = sites.clock()
    sites.events.put_item(Item=events_row("u1", now, ("started", 10), ("paused", 20)))
    aws.events.put_item(Item=events_row("u1", now, ("resumed", 30), ("stopped", 40)))
    pair = plan_migration(sites.target, OLD, days=7, now=now).events

    def work() -> None:
        late = events_row("u1", now, ("resumed", 30), ("stopped", 40), ("started", 50))
        aws.events.put_item(Item=late)

    with before_the_first("PutItem", pair.new, work):
        (tally,) = migrate_all((pair,), dry_run=False)
    assert tally.copied == 1
    times = [event.timestamp for event in EventsTable(aws.events, sites.clock).of("u1")]
    assert times == [10, 20, 30, 40, 50]
    assert sites.migrate()["recording events"].copied == 0


def test_a_meeting_that_was_imported_here_stays_and_is_named_when_it_differs(
    aws: Cloud, sites: Sites
) -> None:
    sites.schedule.put_item(Item=MEETING)
    sites.schedule.put_item(Item={**MEETING, "zoom_series_id": "2002"})
    same: dict[str, Any] = copy.deepcopy(MEETING)
    same["events"][0] |= {"source": "csv:a.csv", "course_code": "HIST E-1010"}
    other = {**copy.deepcopy(same), "zoom_series_id": "2002", "opencast_series_id": "2027"}
    for row in (same, other):
        aws.schedule.put_item(Item=row)
    tally = sites.migrate()["schedule"]
    assert (tally.copied, tally.kept) == (0, 2)
    assert tally.named == ["2002 is here with something else, and stays so"]
    assert everything(aws.schedule) == [sorted([same, other], key=str)]


def test_the_old_stacks_import_lock_is_no_meeting(aws: Cloud, sites: Sites) -> None:
    sites.schedule.put_item(Item={"zoom_series_id": IMPORT_LOCK, "owner": "x", "ends": 1})
    sites.schedule.put_item(Item=MEETING)
    tally = sites.migrate()["schedule"]
    assert (tally.copied, tally.kept, tally.skipped, tally.named) == (1, 0, {}, [])
    assert everything(aws.schedule) == [[MEETING]]


def test_migrate_copies_every_page_of_a_table(sites: Sites) -> None:
    with sites.events.batch_writer() as batch:
        for number in range(60):
            row = events_row(f"u{number}", sites.clock(), ("started", number))
            batch.put_item(Item={**row, "filler": "x" * 30_000})
    assert sites.migrate()["recording events"].copied == 60
    assert sites.migrate()["recording events"].kept == 60


def test_migrate_writes_nothing_when_an_old_table_is_missing(aws: Cloud, sites: Sites) -> None:
    fill(sites)
    sites.events.delete()
    with pytest.raises(OpsError, match=r"There is no table old-zip-recording-events in us-east-1"):
        sites.migrate()
    assert everything(aws.schedule, aws.status, aws.recordings) == [[], [], []]


def test_migrate_writes_nothing_when_the_ledgers_table_is_missing(aws: Cloud, sites: Sites) -> None:
    """A stack of a version that had none: the checkout is newer than the stack."""
    fill(sites)
    aws.recordings.delete()
    with pytest.raises(
        OpsError, match=r"no table test-recordings in .*`invoke stack.update` makes"
    ):
        sites.migrate()
    assert everything(aws.schedule, aws.status) == [[], []]


@pytest.mark.parametrize("name", ["test", "no/name"])
def test_migrate_refuses_a_wrong_name_of_the_old_stack(sites: Sites, name: str) -> None:
    with pytest.raises(OpsError, match="--from"):
        plan_migration(sites.target, name, days=7, now=datetime.now(UTC))


def test_migrate_prints_counts_and_named_rows(
    sites: Sites, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(sites)
    show(list(sites.migrate().values()), OLD, dry_run=False)
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert said == [
        "From old-zip",
        "table taken over here already skipped",
        "schedule 2 0 1 can't be read as a meeting of the schedule",
        "recording events 1 0 1 expired",
        f"ledger {REQUESTS + 2} 0 0",
        "status 17 0 1 expired, 1 can't be read as a recording's state",
        "schedule: 2003 can't be read as a meeting of the schedule",
        "status: half can't be read as a recording's state",
    ]
