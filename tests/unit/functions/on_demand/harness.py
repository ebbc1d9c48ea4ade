"""The on-demand function between a real HTTPS Zoom and a real HTTPS webhook endpoint."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import on_demand
from ingester.ledger.table import Ledger
from ingester.settings import OnDemandSecrets, OnDemandSettings
from ingester.status.table import StatusTable
from ingester.zoom.api import ZoomApi
from local.neighbours.https_server import text_answer
from local.neighbours.zoom import ZoomStandIn
from tests.cloud import Clock, Cloud
from tests.function_harness import OWN_KEY
from tests.unit.zoom_account import APP, UUID, Endpoint, TimedSession
from tests.waits import Stopwatch

OK = text_answer(200, "text/plain", b"Success")
LINK = "https://harvard.zoom.us/recording/detail?meeting_id="
CLOSED = "https://127.0.0.1:9"


@dataclass
class Harness:
    """One on-demand function and its neighbours."""

    aws: Cloud
    clock: Clock
    zoom: ZoomStandIn
    hook: Endpoint
    session: TimedSession
    watch: Stopwatch
    deps: on_demand.Dependencies

    def ask(self, content: Any = None, **event: Any) -> tuple[int, str]:
        """Status and message; whatever they are, any page may read them."""
        body = content if isinstance(content, str) else json.dumps(content or {"uuid": UUID})
        answer = on_demand.respond({"body": body, **event}, self.deps)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        message = json.loads(answer.body)
        assert list(message) == ["message"]
        return answer.status, message["message"]

    def row(self) -> dict[str, Any]:
        (row,) = self.aws.rows().values()
        return row

    def posted(self) -> dict[str, Any]:
        (request,) = self.hook.requests
        return dict(json.loads(request.body))

    def set_up(self, **settings: str) -> None:
        chosen = OnDemandSettings(
            **{
                "stack_name": "test",
                "secrets_path": "/zoom-ingester/test",
                "zoom_api_base_url": self.zoom.api_base_url,
                "zoom_oauth_url": self.zoom.oauth_url,
                "zoom_account_id": APP.account_id,
                "zoom_client_id": APP.client_id,
                "status_table": self.aws.status.name,
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
        self.deps = on_demand.Dependencies(
            settings=chosen,
            secrets=secrets,
            zoom=ZoomApi(chosen, secrets, **common),
            ledger=Ledger(self.aws.recordings, self.clock),
            status=StatusTable(self.aws.status, self.clock),
            **common,
        )
