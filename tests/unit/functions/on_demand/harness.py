"""The on-demand function between Zoom's stand-in and a webhook endpoint, over HTTPS."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import on_demand
from ingester.settings import OnDemandSettings
from ingester.status.table import StatusTable
from tests.unit.functions.requesting import RequestingHarness
from tests.unit.zoom_account import UUID, recording

LINK = "https://harvard.zoom.us/recording/detail?meeting_id="
CLOSED = "https://127.0.0.1:9"


@dataclass
class Harness(RequestingHarness):
    """An on-demand function and its neighbours. At first, Zoom has one recording."""

    deps: on_demand.Dependencies = field(init=False)

    def set_up(self, **settings: Any) -> None:
        self.zoom.add(recording())
        chosen = self.settings(status_table=self.aws.status.name, **settings)
        self.deps = on_demand.Dependencies(
            status=StatusTable(self.aws.status, self.clock),
            **self.dependencies(OnDemandSettings(**chosen)),
        )

    def ask(self, content: Any = None, **event: Any) -> tuple[int, str]:
        """Send a request, check the answer's fields and header, and return status and message."""
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
