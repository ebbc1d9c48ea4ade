"""The schedule's lock, which keeps the sheet's update and the commands apart."""

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
from tests.unit.functions.schedule_update.harness import SheetUser

ZOOM = "https://zoom.us/j/"
CLASS = ParsedClass(
    2,
    "333",
    ScheduledClass(day="R", time="9:30", title="L", opencast_series_id="1", source="json:a"),
)


@pytest.fixture
def now(user: SheetUser) -> datetime:
    """Set the clock to the machine's time, which the commands use, and return that time."""
    user.clock.now = datetime.now(UTC)
    return user.clock.now


@contextmanager
def before_the_write(user: SheetUser, do: Callable[[], object]) -> Iterator[None]:
    """Call `do` once in the `with` block, between the read and the write of the table."""
    waiting = [do]

    def come_between(**_: object) -> None:
        if waiting:
            waiting.pop()()

    events = user.aws.schedule.meta.client.meta.events
    events.register("provide-client-params.dynamodb.BatchWriteItem", come_between)
    try:
        yield
    finally:
        events.unregister("provide-client-params.dynamodb.BatchWriteItem", come_between)


def by_csv(user: SheetUser, *, dry_run: bool = False) -> object:
    rows = [HEADER, row("FILE", link=f"{ZOOM}333", day="R")]
    return import_csv(user.aws.schedule, Sheet("c.csv", "csv:c.csv", rows), dry_run=dry_run)


def by_json(user: SheetUser, *, dry_run: bool = False) -> object:
    parsed = ParsedSheet(name="a", source="json:a", classes=(CLASS,))
    return import_classes(user.aws.schedule, parsed, dry_run=dry_run)


@pytest.mark.parametrize("command", [by_csv, by_json])
@pytest.mark.usefixtures("now")
def test_schedule_update_is_refused_while_a_command_imports(
    user: SheetUser, command: Callable[[SheetUser], object]
) -> None:
    user.sheet(row("LATE", link=f"{ZOOM}333", day="T"))
    answers: list[tuple[int, str]] = []
    with before_the_write(user, lambda: answers.append(user.update())):
        command(user)
    assert [(status, "or by a command" in text) for status, text in answers] == [(409, True)]
    assert user.update()[0] == 200
    assert {event["day"] for event in user.stored()["333"]} == {"T", "R"}


@pytest.mark.parametrize("command", [by_csv, by_json])
@pytest.mark.usefixtures("now")
def test_only_a_dry_run_of_an_import_command_is_accepted_during_an_update(
    user: SheetUser, command: Callable[..., object]
) -> None:
    with user.deps.lock.held():
        with pytest.raises(OpsError, match=r"just being updated.* Nothing was changed by this"):
            command(user)
        command(user, dry_run=True)
        assert set(user.stored()) == {IMPORT_LOCK}
    command(user)
    assert set(user.stored()) == {"333"}


@pytest.mark.usefixtures("now")
def test_import_command_holds_the_lock_long_enough_for_a_slow_connection(user: SheetUser) -> None:
    user.sheet(row())
    later: list[int] = []

    def update_later() -> None:
        user.clock.forward(seconds=COMMAND_SECONDS - 10)
        later.append(user.update()[0])
        user.clock.forward(seconds=20)
        later.append(user.update()[0])

    with before_the_write(user, update_later):
        by_csv(user)
    assert later == [409, 200]
