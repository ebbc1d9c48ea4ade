"""The sheet's menu and the commands change the schedule one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from ingester.schedule.importer import Sheet
from ingester.schedule.lock import COMMAND_SECONDS
from ingester.schedule.model import ScheduledClass
from ingester.schedule.parsed import ParsedClass, ParsedSheet
from ingester.schedule.table import IMPORT_LOCK
from ops.command import OpsError
from ops.schedule.commands import import_classes, import_csv
from tests.google_web import HEADER, row
from tests.unit.functions.schedule_update.harness import Desk

ZOOM = "https://zoom.us/j/"
CLASS = ParsedClass(
    2,
    "333",
    ScheduledClass(day="R", time="9:30", title="L", opencast_series_id="1", source="json:a"),
)


@pytest.fixture
def now(desk: Desk) -> datetime:
    """Commands have the machine's clock."""
    desk.clock.now = datetime.now(UTC)
    return desk.clock.now


@contextmanager
def before_the_write(desk: Desk, do: Callable[[], object]) -> Iterator[None]:
    """Once, when the table has been read and is about to be written."""
    waiting = [do]

    def come_between(**_: object) -> None:
        if waiting:
            waiting.pop()()

    events = desk.aws.schedule.meta.client.meta.events
    events.register("provide-client-params.dynamodb.BatchWriteItem", come_between)
    try:
        yield
    finally:
        events.unregister("provide-client-params.dynamodb.BatchWriteItem", come_between)


def by_csv(desk: Desk, *, dry_run: bool = False) -> object:
    rows = [HEADER, row("FILE", link=f"{ZOOM}333", day="R")]
    return import_csv(desk.aws.schedule, Sheet("c.csv", "csv:c.csv", rows), dry_run=dry_run)


def by_json(desk: Desk, *, dry_run: bool = False) -> object:
    parsed = ParsedSheet(name="a", source="json:a", classes=(CLASS,))
    return import_classes(desk.aws.schedule, parsed, dry_run=dry_run)


@pytest.mark.parametrize("command", [by_csv, by_json])
@pytest.mark.usefixtures("now")
def test_a_press_beside_a_command_waits(desk: Desk, command: Callable[[Desk], object]) -> None:
    desk.sheet(row("LATE", link=f"{ZOOM}333", day="T"))
    pressed: list[tuple[int, str]] = []
    with before_the_write(desk, lambda: pressed.append(desk.press())):
        command(desk)
    assert [(status, "or by a command" in text) for status, text in pressed] == [(409, True)]
    assert desk.press()[0] == 200
    assert {event["day"] for event in desk.stored()["333"]} == {"T", "R"}


@pytest.mark.parametrize("command", [by_csv, by_json])
@pytest.mark.usefixtures("now")
def test_a_command_beside_a_press_waits_and_a_dry_run_does_not(
    desk: Desk, command: Callable[..., object]
) -> None:
    with desk.deps.lock.held():
        with pytest.raises(OpsError, match=r"just being updated.* Nothing was changed by this"):
            command(desk)
        command(desk, dry_run=True)
        assert set(desk.stored()) == {IMPORT_LOCK}
    command(desk)
    assert set(desk.stored()) == {"333"}


@pytest.mark.usefixtures("now")
def test_a_command_has_time_for_a_slow_line(desk: Desk) -> None:
    desk.sheet(row())
    later: list[int] = []

    def press_later() -> None:
        desk.clock.forward(seconds=COMMAND_SECONDS - 10)
        later.append(desk.press()[0])
        desk.clock.forward(seconds=20)
        later.append(desk.press()[0])

    with before_the_write(desk, press_later):
        by_csv(desk)
    assert later == [409, 200]
