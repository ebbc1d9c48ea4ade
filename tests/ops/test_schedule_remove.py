"""The removal of the classes of one source."""

from __future__ import annotations

from typing import Any

import pytest

from ingester.schedule.importer import Sheet
from ingester.schedule.lock import ScheduleLock
from ingester.schedule.report import terminal_removal_lines
from ops.command import OpsError
from ops.schedule.commands import import_csv, remove_source
from tests.cloud import Clock, Cloud, plain
from tests.google_web import HEADER, row

ZOOM = "https://zoom.us/j/"


@pytest.fixture
def table(aws: Cloud) -> Any:
    """Two meetings of a file, one of them shared with another file, and a first-system row."""
    for name, *rows in (
        ("a.csv", row("A", day="M"), row("B", link=f"{ZOOM}222", day="T")),
        ("b.csv", row("C", day="F")),
    ):
        import_csv(aws.schedule, Sheet(name, f"csv:{name}", [HEADER, *rows]))
    aws.schedule.put_item(Item={"zoom_series_id": "333", "opencast_series_id": "1"})
    return aws.schedule


def stored(table: Any) -> dict[str, list[str]]:
    rows = [plain(item) for item in table.scan()["Items"]]
    return {item["zoom_series_id"]: [e["day"] for e in item.get("events", [])] for item in rows}


def test_remove_source_deletes_the_classes_of_one_file_only(table: Any) -> None:
    before = stored(table)
    dry = remove_source(table, "csv:a.csv", dry_run=True)
    assert stored(table) == before
    assert terminal_removal_lines(dry, "csv:a.csv", dry_run=True) == [
        "From csv:a.csv: 1 meeting would be removed, 1 keeps classes from elsewhere.",
        "Would be changed, 1 in all:",
        "  86168921331: - A (20260112345) M 9:30 Lecture",
        "Would be removed, 1 in all:",
        "  222: B (20260112345) T 9:30 Lecture",
    ]
    done = remove_source(table, "csv:a.csv")
    assert terminal_removal_lines(done, "csv:a.csv", dry_run=False)[0].startswith(
        "From csv:a.csv: 1 meeting removed, 1 keeps"
    )
    assert stored(table) == {"86168921331": ["F"], "333": []}
    remove_source(table, "first-system")
    assert set(stored(table)) == {"86168921331"}


def test_remove_source_lists_the_sources_when_the_given_one_has_no_class(table: Any) -> None:
    before = stored(table)
    with pytest.raises(OpsError) as error:
        remove_source(table, "a.csv")
    assert str(error.value) == (
        "No class of the schedule is from a.csv, so nothing was changed. There are classes from "
        "first-system (1), csv:a.csv (2), csv:b.csv (1)."
    )
    assert stored(table) == before


def test_remove_source_says_that_the_schedule_is_empty(aws: Cloud) -> None:
    with pytest.raises(OpsError, match=r"nothing was changed\. It is empty"):
        remove_source(aws.schedule, "csv:a.csv")


def test_remove_source_refuses_while_the_schedule_is_locked(table: Any, clock: Clock) -> None:
    with ScheduleLock(table, clock, 10**9).held():
        with pytest.raises(OpsError, match="just being updated"):
            remove_source(table, "csv:a.csv")
        assert len(remove_source(table, "csv:a.csv", dry_run=True).plan.delete) == 1
