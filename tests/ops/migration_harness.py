"""The harness of `invoke migrate`: an old stack and a new stack in the in-process AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import boto3

from cdk.stack_location import Place
from ingester.ledger.table import Ledger
from ops.migration.commands import migrate_all, plan_migration
from ops.migration.copy_tables import Tally
from ops.target import Target
from tests.cloud import REGION, Clock, Cloud

OLD = "old-zip"


@dataclass
class Stacks:
    """The tables of the old stack, and the new stack (`target` and `aws`)."""

    aws: Cloud
    target: Target
    schedule: Any
    events: Any
    status: Any
    clock: Clock

    @property
    def ledger(self) -> Ledger:
        """The ledger of the new stack."""
        return Ledger(self.aws.recordings, self.clock)

    def migrate(self, *, days: int = 7, dry_run: bool = False) -> dict[str, Tally]:
        migrations = plan_migration(self.target, OLD, days=days, now=self.clock()).migrations
        return {tally.thing: tally for tally in migrate_all(migrations, dry_run=dry_run)}

    def add_row(self, uuid: str, state: str, **more: Any) -> None:
        """Write a row of the old stack's status table."""
        self.status.put_item(Item=status_row(uuid, state, self.clock(), **more))

    def migrate_row(self, uuid: str, state: str, **more: Any) -> dict[str, Tally]:
        self.add_row(uuid, state, **more)
        return self.migrate()


def _table(name: str, key: str) -> Any:
    return boto3.resource("dynamodb", REGION).create_table(
        TableName=f"{OLD}-{name}",
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def stacks_of(aws: Cloud, clock: Clock) -> Stacks:
    """Return an empty old stack, with `aws` as the new stack."""
    here = Place(aws.status.name.removesuffix("-pipeline-status"), "code", "live", REGION, "")
    return Stacks(
        aws=aws,
        target=Target(here, boto3.Session(region_name=REGION)),
        schedule=_table("schedule", "zoom_series_id"),
        events=_table("recording-events", "zoom_uuid"),
        status=_table("pipeline-status", "zip_id"),
        clock=clock,
    )


def status_row(uuid: str, state: str, updated: datetime, **more: Any) -> dict[str, Any]:
    """Return a status row in the first system's form, without file ids and steps."""
    midnight = updated.replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "zip_id": f"auto-ingest-{uuid}",
        "meeting_id": 86168921331,
        "recording_id": uuid,
        "topic": "HIST E-1010",
        "recording_start_time": "2026-10-14T15:00:00Z",
        "origin": "webhook_notification",
        "pipeline_state": state,
        "ingest_request_time": "2026-10-14T17:00:00Z",
        "update_date": f"{updated:%Y-%m-%d}",
        "update_time": int((updated - midnight).total_seconds()),
        "expiration": int((updated + timedelta(days=7)).timestamp()),
        **more,
    }


def events_row(uuid: str, now: datetime, *events: tuple[str, int]) -> dict[str, Any]:
    return {
        "zoom_uuid": uuid,
        "recording_event_times": [
            {"event": f"recording.{event}", "timestamp": at} for event, at in events
        ],
        "expiration": int((now + timedelta(days=120)).timestamp()),
    }


@contextmanager
def during_first_write(operation: str, table: Any, do: Callable[[], object]) -> Iterator[None]:
    """Call `do` in the `with` block, before the first call of `operation` by the table's client.

    `operation` is DynamoDB's name, such as "PutItem".
    """
    waiting = [do]

    def come_between(**_: object) -> None:
        if waiting:
            waiting.pop()()

    events, event = table.meta.client.meta.events, f"provide-client-params.dynamodb.{operation}"
    events.register(event, come_between)
    try:
        yield
    finally:
        events.unregister(event, come_between)
