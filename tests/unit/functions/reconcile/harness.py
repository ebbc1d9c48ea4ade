"""The reconcile function between Zoom's stand-in and a webhook endpoint, over HTTPS."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import reconcile
from ingester.ledger.record import with_files, with_sent
from ingester.reconcile.state_table import KEY, ReconcileState
from ingester.settings import ReconcileSettings
from local.neighbours.zoom_recordings import Recording
from tests.cloud import plain
from tests.unit.functions.requesting import RequestingHarness
from tests.unit.zoom_account import file, recording

SECONDS = 800.0
EVERY_HOUR = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


def named(uuid: str, **changes: Any) -> Recording:
    """Return a recording, by default of one hour from 15:00 UTC on the day of the tests' clock."""
    return replace(recording(file(f"file-{uuid}"), uuid=uuid), **changes)


@dataclass
class Harness(RequestingHarness):
    """A reconcile function and its neighbours."""

    deps: reconcile.Dependencies = field(init=False)

    def set_up(self, **settings: Any) -> None:
        self.deps = reconcile.Dependencies(
            state=ReconcileState(self.aws.recordings),
            **self.dependencies(ReconcileSettings(**self.settings(**settings))),
        )

    def begin(self, baseline: str = "2026-10-12T18:30:00Z") -> None:
        """Write a state that has only a baseline."""
        self.aws.recordings.put_item(Item={"uuid": KEY, "baseline": baseline, "version": 1})

    def run(
        self,
        event: dict[str, Any] | None = None,
        seconds: float = SECONDS,
        *,
        is_found: bool = True,
    ) -> dict[str, Any]:
        """Run once, and return the answer.

        Args:
            event: The event of the run; None for the event of the EventBridge rule.
            seconds: The time that the run may take.
            is_found: Whether an earlier run has found all of Zoom's recordings. The argument has an
                effect only if `event` is None and the state was written before.
        """
        if is_found and event is None and "Item" in self.aws.recordings.get_item(Key={"uuid": KEY}):
            self.aws.recordings.update_item(
                Key={"uuid": KEY},
                UpdateExpression="SET #found = :found",
                ExpressionAttributeNames={"#found": "found"},
                ExpressionAttributeValues={
                    ":found": [found.uuid for found in self.zoom.recordings]
                },
            )
        return reconcile.answer(EVERY_HOUR if event is None else event, self.deps, seconds)

    def state(self) -> dict[str, Any]:
        """Return reconcile's item in the recordings table."""
        item = self.aws.recordings.get_item(Key={"uuid": KEY})["Item"]
        return dict(plain(item))

    def posted(self) -> list[dict[str, Any]]:
        """Return the bodies of the requests that the webhook got."""
        return [json.loads(request.body) for request in self.hook.requests]

    def requested_uuids(self) -> list[str]:
        """Return the uuids in the requests that the webhook got."""
        return [event["payload"]["object"]["uuid"] for event in self.posted()]

    def note_request(self, uuid: str) -> None:
        """Note in the ledger a request for a recording, with the recording's file."""
        zip_id, file_id = f"auto-ingest-{uuid}", f"file-{uuid}"
        now = self.clock()
        self.deps.ledger.change(
            uuid,
            lambda record: with_sent(with_files(record, {file_id: "x"}, now), zip_id, [file_id]),
        )
