"""The reconcile function between a real HTTPS Zoom and a real HTTPS webhook endpoint."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import reconcile
from ingester.ledger.record import with_files, with_sent
from ingester.ledger.table import Ledger
from ingester.reconcile.state_table import KEY, ReconcileState
from ingester.settings import OnDemandSecrets, ReconcileSettings
from ingester.zoom.api import ZoomApi
from local.neighbours.https_server import text_answer
from local.neighbours.zoom import ZoomStandIn
from local.neighbours.zoom_recordings import Recording
from tests.cloud import Clock, Cloud, plain
from tests.function_harness import OWN_KEY
from tests.unit.zoom_account import APP, Endpoint, TimedSession, file, recording
from tests.waits import Stopwatch

OK = text_answer(200, "text/plain", b"Success")
SECONDS = 800.0
EVERY_HOUR = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


def named(uuid: str, **changes: Any) -> Recording:
    """A recording of an hour, from 15:00 on the day of the tests' clock."""
    return replace(recording(file(f"file-{uuid}"), uuid=uuid), **changes)


@dataclass
class Harness:
    """One reconcile function and its neighbours. Its baseline is two days before the clock."""

    aws: Cloud
    clock: Clock
    zoom: ZoomStandIn
    hook: Endpoint
    session: TimedSession
    watch: Stopwatch
    deps: reconcile.Dependencies = field(init=False)

    def __post_init__(self) -> None:
        self.set_up()

    def set_up(self, **settings: Any) -> None:
        chosen = ReconcileSettings(
            **{
                "stack_name": "test",
                "secrets_path": "/zoom-ingester/test",
                "zoom_api_base_url": self.zoom.api_base_url,
                "zoom_oauth_url": self.zoom.oauth_url,
                "zoom_account_id": APP.account_id,
                "zoom_client_id": APP.client_id,
                "recordings_table": self.aws.recordings.name,
                "webhook_url": self.hook.url,
                **settings,
            }
        )
        secrets = OnDemandSecrets(
            zoom_client_secret=APP.client_secret, pipeline_signing_key=OWN_KEY
        )
        common: dict[str, Any] = {"session": self.session, "sleep": self.watch.sleep}
        common |= {"clock": self.clock, "monotonic": self.watch}
        self.deps = reconcile.Dependencies(
            settings=chosen,
            secrets=secrets,
            zoom=ZoomApi(chosen, secrets, **common),
            ledger=Ledger(self.aws.recordings, self.clock),
            state=ReconcileState(self.aws.recordings),
            **common,
        )

    def begin(self, baseline: str = "2026-10-12T18:30:00Z") -> None:
        """Let the first run have been at this time."""
        self.aws.recordings.put_item(Item={"uuid": KEY, "baseline": baseline, "version": 1})

    def run(self, event: dict[str, Any] | None = None, seconds: float = SECONDS) -> dict[str, Any]:
        """One run; it says what the EventBridge rule's event, or `event`, is answered."""
        return reconcile.answer(EVERY_HOUR if event is None else event, self.deps, seconds)

    def state(self) -> dict[str, Any]:
        """The item that is remembered."""
        item = self.aws.recordings.get_item(Key={"uuid": KEY})["Item"]
        return dict(plain(item))

    def posted(self) -> list[dict[str, Any]]:
        """The events that the webhook was sent."""
        return [json.loads(request.body) for request in self.hook.requests]

    def handed_in(self) -> list[str]:
        """The uuids of the recordings that the webhook was sent."""
        return [event["payload"]["object"]["uuid"] for event in self.posted()]

    def note_request(self, uuid: str) -> None:
        """Let the ledger know that an ingest of a recording was requested, with its file."""
        zip_id, file_id = f"auto-ingest-{uuid}", f"file-{uuid}"
        now = self.clock()
        self.deps.ledger.change(
            uuid,
            lambda record: with_sent(with_files(record, {file_id: "x"}, now), zip_id, [file_id]),
        )
