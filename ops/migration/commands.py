"""`invoke migrate`: what must not be forgotten when one stack takes the place of another."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from invoke import Context
from rich.progress import Progress

from cdk.names import Names
from ops import terminal
from ops.command import OpsError, command
from ops.migration.takeover import (
    Rules,
    Tally,
    event_rules,
    schedule_rules,
    status_rules,
    take_over,
)
from ops.target import Target, changing, looking

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

DAYS = 7
MOST_DAYS = 3660
"""Status rows live no longer."""

MOST_NAMED = 20


@dataclass(frozen=True)
class Pair:
    """A table there and the same one here, and how the one is taken over into the other."""

    old: Table
    new: Table
    rules: Rules


def pairs(target: Target, old_stack: str, *, days: int, now: datetime) -> tuple[Pair, Pair, Pair]:
    """The three tables. OpsError, before anything is written, if one isn't there."""
    if old_stack == target.place.stack_name:
        raise OpsError(
            f"{old_stack} is the stack that is to take over: set STACK_NAME to the new one, and "
            "--from to the old one."
        )
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", old_stack):
        raise OpsError("--from has to be a stack's name.")
    there, here = Names(old_stack), target.names
    made = (
        (there.schedule_table, here.schedule_table, schedule_rules()),
        (there.events_table, here.events_table, event_rules(now)),
        (there.status_table, here.status_table, status_rules(now, days)),
    )
    missing = [name for old, new, _ in made for name in (old, new) if not _exists(target, name)]
    if missing:
        raise OpsError(
            f"There is no table {', '.join(missing)} in {target.place.region}: nothing was taken "
            "over. Check --from, AWS_REGION and AWS_PROFILE."
        )
    first, second, third = (
        Pair(target.table(old), target.table(new), rules) for old, new, rules in made
    )
    return first, second, third


def _exists(target: Target, table: str) -> bool:
    try:
        target.client("dynamodb").describe_table(TableName=table)
    except ClientError as error:
        if error.response["Error"].get("Code") == "ResourceNotFoundException":
            return False
        raise
    return True


def run(tables: tuple[Pair, ...], *, dry_run: bool) -> list[Tally]:
    """Take the tables over one after the other, with a bar for each."""
    with terminal.progress() as bar:
        return [
            take_over(
                pair.old,
                pair.new,
                pair.rules,
                dry_run=dry_run,
                seen=_shown(bar, pair.rules.thing),
            )
            for pair in tables
        ]


def _shown(bar: Progress, thing: str) -> Callable[[int, int], None]:
    task = bar.add_task(thing, total=None)
    return lambda done, total: bar.update(task, completed=done, total=total)


def show(tallies: list[Tally], old_stack: str, *, dry_run: bool) -> None:
    """Print what was taken over, table by table, and the rows that somebody should look at."""
    head = "would be taken over" if dry_run else "taken over"
    terminal.show(
        f"From {old_stack}",
        ("table", head, "here already", "skipped"),
        [
            (tally.thing, str(tally.taken), str(tally.there), _reasons(tally.skipped))
            for tally in tallies
        ],
    )
    for tally in tallies:
        for one in tally.named[:MOST_NAMED]:
            terminal.say(f"{tally.thing}: {one}")
        if len(tally.named) > MOST_NAMED:
            terminal.say(f"{tally.thing}: … and {len(tally.named) - MOST_NAMED} more")


def _reasons(skipped: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in skipped.items()) or "0"


@command(
    help={
        "from": "the name of the old stack, whose tables are only read",
        "days": f"how many days of status rows, {DAYS} by default",
        "dry-run": "only say what would be taken over",
    }
)
def migrate(_context: Context, from_: str, days: int = DAYS, dry_run: bool = False) -> None:
    """Take over what an old stack must not forget."""
    if not 0 <= days <= MOST_DAYS:
        raise OpsError(f"--days has to be a number from 0 to {MOST_DAYS}.")
    target = looking() if dry_run else changing()
    tables = pairs(target, from_, days=days, now=datetime.now(UTC))
    show(run(tables, dry_run=dry_run), from_, dry_run=dry_run)
