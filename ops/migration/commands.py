"""`invoke migrate`: copy schedule, recording events, requests and status rows of an old stack."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import ClientError
from invoke import Context
from rich.progress import Progress

from cdk.names import Names
from ingester.errors import LedgerUnreadable
from ingester.ledger.table import Ledger
from ingester.status.table import row_of
from ops import terminal
from ops.command import OpsError, command
from ops.migration.copy_tables import (
    Item,
    Rules,
    Tally,
    copy_table,
    event_rules,
    schedule_rules,
    status_rules,
)
from ops.migration.ledger import RequestMigration, is_ours, uuid_of
from ops.target import Target, existing_target, target_to_change

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

DAYS = 7
MOST_DAYS = 3660
"""Upper limit of `--days`."""

MAX_NAMED = 20


class Migration(Protocol):
    """A migration of one kind of data. `thing` is the name of the data for people."""

    @property
    def thing(self) -> str: ...

    def copy(self, *, dry_run: bool, on_progress: Callable[[int, int], None]) -> Tally:
        """Copy the data, or only count the rows if `dry_run`, and return the counts.

        `on_progress` gets the numbers of processed rows and of all rows.
        """


@dataclass(frozen=True)
class TableCopy:
    """A table of the old stack, the same table of the new stack, and the rules of the copy."""

    old: Table
    new: Table
    rules: Rules

    @property
    def thing(self) -> str:
        return self.rules.thing

    def copy(self, *, dry_run: bool, on_progress: Callable[[int, int], None]) -> Tally:
        return copy_table(self.old, self.new, self.rules, dry_run=dry_run, on_progress=on_progress)


@dataclass(frozen=True)
class MigrationPlan:
    """The migrations in their order.

    The ledger comes before the status table, because the pipeline decides by the ledger.
    """

    schedule: TableCopy
    events: TableCopy
    ledger: RequestMigration
    status: TableCopy

    @property
    def migrations(self) -> tuple[Migration, ...]:
        return (self.schedule, self.events, self.ledger, self.status)


def plan_migration(target: Target, old_stack: str, *, days: int, now: datetime) -> MigrationPlan:
    """Return the migrations from `old_stack` to the target.

    Status rows of the last `days` days are migrated.

    Raises:
        OpsError: `old_stack` is the target, or can't be a stack's name, or a table doesn't exist.
        ClientError: DynamoDB refuses a request.
    """
    if old_stack == target.place.stack_name:
        raise OpsError(
            f"{old_stack} is the stack that is to take over: set STACK_NAME to the new one, and "
            "--from to the old one."
        )
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", old_stack):
        raise OpsError("--from has to be a stack's name.")
    there, here = Names(old_stack), target.names
    names = [
        name
        for of in (there, here)
        for name in (of.schedule_table, of.events_table, of.status_table)
    ]
    missing = [name for name in (*names, here.recordings_table) if not _exists(target, name)]
    if missing:
        lacks = " `invoke stack.update` makes the table of recordings."
        raise OpsError(
            f"There is no table {', '.join(missing)} in {target.place.region}: nothing was copied. "
            "Check --from, AWS_REGION and AWS_PROFILE."
            f"{lacks if here.recordings_table in missing else ''}"
        )
    ledger = Ledger(target.table(here.recordings_table), lambda: now)
    status = status_rules(now, days, lambda item: _is_ours(item, ledger))

    def pair(old: str, new: str, rules: Rules) -> TableCopy:
        return TableCopy(target.table(old), target.table(new), rules)

    return MigrationPlan(
        schedule=pair(there.schedule_table, here.schedule_table, schedule_rules()),
        events=pair(there.events_table, here.events_table, event_rules(now)),
        ledger=RequestMigration(target.table(there.status_table), ledger, status.reason_to_skip),
        status=pair(there.status_table, here.status_table, status),
    )


def _is_ours(item: Item, ledger: Ledger) -> bool:
    """Return whether this pipeline accepted a row's request.

    The result is True if the ledger's record can't be read.
    """
    row = row_of(item)
    uuid = uuid_of(row)
    try:
        return bool(uuid) and is_ours(ledger.get(uuid), row.zip_id)
    except LedgerUnreadable:
        return True


def _exists(target: Target, table: str) -> bool:
    try:
        target.client("dynamodb").describe_table(TableName=table)
    except ClientError as error:
        if error.response["Error"].get("Code") == "ResourceNotFoundException":
            return False
        raise
    return True


def migrate_all(migrations: Iterable[Migration], *, dry_run: bool) -> list[Tally]:
    """Migrate one kind of data after the other, show a bar for each, and return the counts.

    Raises:
        ClientError: DynamoDB refuses a request.
    """
    with terminal.progress() as bar:
        return [
            migration.copy(dry_run=dry_run, on_progress=_progress(bar, migration.thing))
            for migration in migrations
        ]


def _progress(bar: Progress, thing: str) -> Callable[[int, int], None]:
    task = bar.add_task(thing, total=None)
    return lambda done, total: bar.update(task, completed=done, total=total)


def show(tallies: list[Tally], old_stack: str, *, dry_run: bool) -> None:
    """Print the counts of each table, and rows that an operator should look at.

    At most MAX_NAMED rows of each table are printed.
    """
    head = "would be copied" if dry_run else "copied"
    terminal.show(
        f"From {old_stack}",
        ("table", head, "here already", "skipped"),
        [
            (tally.thing, str(tally.copied), str(tally.kept), _reasons(tally.skipped))
            for tally in tallies
        ],
    )
    for tally in tallies:
        for line in tally.named[:MAX_NAMED]:
            terminal.say(f"{tally.thing}: {line}")
        if len(tally.named) > MAX_NAMED:
            terminal.say(f"{tally.thing}: … and {len(tally.named) - MAX_NAMED} more")


def _reasons(skipped: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in skipped.items()) or "0"


@command(
    help={
        "from": "the name of the old stack, whose tables are only read",
        "days": f"how many days of status rows, {DAYS} by default",
        "dry-run": "say only what would be copied",
    }
)
def migrate(_context: Context, from_: str, days: int = DAYS, dry_run: bool = False) -> None:
    """Copy an old stack's data into this stack."""
    if not 0 <= days <= MOST_DAYS:
        raise OpsError(f"--days has to be a number from 0 to {MOST_DAYS}.")
    target = existing_target() if dry_run else target_to_change()
    with terminal.working(f"Looking at {from_}"):
        migrations = plan_migration(target, from_, days=days, now=datetime.now(UTC)).migrations
    show(migrate_all(migrations, dry_run=dry_run), from_, dry_run=dry_run)
