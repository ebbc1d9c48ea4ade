"""A follow function, and a real uploader that makes the ingests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

import follow
from ingester.ledger.record import Following, Record, with_request
from ingester.ledger.table import Ledger
from ingester.opencast.client import opencast_of
from ingester.opencast.mediapackage import media_package_id
from ingester.settings import FollowSettings, UploaderSecrets
from ingester.status.row import RequestOptions
from ingester.status.table import StatusTable
from local.neighbours.opencast import OpencastStandIn
from local.neighbours.opencast_store import WorkflowChange
from tests.cloud import Clock, Cloud
from tests.unit.functions.uploader.harness import PASSWORD, UUID
from tests.unit.functions.uploader.harness import Harness as Uploader

EVERY_MINUTE = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


@dataclass
class Harness:
    """A follow function, and the uploader whose ingests it follows."""

    aws: Cloud
    clock: Clock
    opencast: OpencastStandIn
    uploader: Uploader
    user: str = "zip"
    is_on: bool = True

    def deps(self) -> follow.Dependencies:
        settings = FollowSettings(
            stack_name="test",
            secrets_path="/zoom-ingester/test",
            status_table=self.aws.status.name,
            recordings_table=self.aws.recordings.name,
            opencast_base_url=self.opencast.url,
            opencast_api_user=self.user,
            follow_ingests=self.is_on,
        )
        password = PASSWORD if self.user == "zip" else self.user
        return follow.Dependencies(
            settings=settings,
            opencast=opencast_of(
                settings, UploaderSecrets(opencast_api_password=password), self.uploader.session
            ),
            ledger=Ledger(self.aws.recordings, self.clock),
            status=StatusTable(self.aws.status, self.clock),
            clock=self.clock,
        )

    def ingest(self, uuid: str = UUID, zip_id: str = "auto-ingest-0001") -> None:
        """Request and ingest a recording now."""
        ledger = self.deps().ledger
        asked, now = RequestOptions(), self.clock()
        ledger.change(uuid, lambda record: with_request(record, zip_id, asked, now))
        self.uploader.put_row(zip_id)
        assert self.uploader.take(self.uploader.message(uuid=uuid, zip_id=zip_id))

    def run(self, uuid: str = "") -> dict[str, Any]:
        """Run once on schedule, or only for the recording `uuid`, and return the answer."""
        return follow.answer({"uuid": uuid} if uuid else EVERY_MINUTE, self.deps())

    def run_after(self, **time: float) -> dict[str, Any]:
        """Move the clock forward, run once, and return the answer."""
        self.clock.now += timedelta(**time)
        return self.run()

    def run_for(self, days: float) -> int:
        """Run follow every hour for `days` days, and return the number of polls."""
        return sum(self.run_after(hours=1).get("asked", 0) for _ in range(round(days * 24)))

    def end_workflow(self, uuid: str = UUID, **change: Any) -> None:
        """End or pause a recording's workflow now. `change` has fields of a `WorkflowChange`."""
        wanted = WorkflowChange(mediapackage_id=media_package_id(uuid), seconds=0, **change)
        self.opencast.store.change_workflows(wanted)

    def delete_event(self, uuid: str = UUID) -> None:
        assert self.opencast.store.delete_event(media_package_id(uuid))

    def record(self, uuid: str = UUID) -> Record:
        return self.deps().ledger.get(uuid)

    def following(self, uuid: str = UUID) -> Following:
        found = self.record(uuid).ingests[media_package_id(uuid)].following
        assert found is not None
        return found

    def outcome(self, zip_id: str = "auto-ingest-0001") -> tuple[str, str]:
        """Return the state and the reason of an ingest's row."""
        return self.uploader.outcome_of(zip_id)

    def asked(self) -> list[str]:
        """Return the paths of the GET requests that Opencast didn't refuse with 401."""
        return [
            request.path
            for request in self.opencast.requests
            if request.method == "GET" and request.status != 401
        ]

    def change_workflow_id(self, workflow: str) -> None:
        """Replace the workflow id of the only ingest in the ledger's record."""

        def change(record: Record) -> Record:
            ((media_package, ingest),) = record.ingests.items()
            changed = msgspec.structs.replace(ingest, workflow=workflow)
            return msgspec.structs.replace(record, ingests={media_package: changed})

        self.deps().ledger.change(UUID, change)
