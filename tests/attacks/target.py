"""The stack under attack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from local.driver import Driver
from tests.attacks.evidence import holdings, leaked, traces
from tests.attacks.probes import Answer, Attack, Probe, Sender
from tests.e2e.stack import Stack


@dataclass(frozen=True)
class Target:
    """A stack with its secrets, by the names of their settings."""

    stack: Stack
    sender: Sender
    secrets: Mapping[str, str]

    @property
    def driver(self) -> Driver:
        return self.stack.driver

    @property
    def zoom_secret(self) -> str:
        """The secret that Zoom signs with."""
        return self.secrets["WEBHOOK_VALIDATION_SECRET_TOKEN"]

    @property
    def pipeline_key(self) -> str:
        """The key that the pipeline signs its own events with."""
        return self.secrets["PIPELINE_SIGNING_KEY"]

    @property
    def slack_secret(self) -> str:
        """The secret that Slack signs with."""
        return self.secrets["SLACK_SIGNING_SECRET"]

    def send(self, probe: Probe) -> Answer:
        """Send a request, whose answer must leak nothing."""
        answer = self.sender.send(probe)
        assert leaked(answer.text, self.secrets.values()) == []
        assert traces(answer.text) == []
        return answer

    def fails(self, probe: Probe, *statuses: int) -> Answer:
        """Send a request that has to get one of the statuses, write nothing and leak nothing."""
        before = holdings(self.driver)
        answer = self.send(probe)
        assert answer.status in statuses, answer
        assert holdings(self.driver) == before
        return answer

    def withstands(self, attack: Attack, honest: Probe) -> None:
        """Make an attack, which has to fail."""
        self.fails(attack.change(honest), attack.status)

    def row_of(self, uuid: str) -> Mapping[str, object]:
        """Return the row of a recording in the status table, {} if there is none."""
        key = {"zip_id": f"auto-ingest-{uuid}"}
        found = self.driver.table("pipeline-status").get_item(Key=key, ConsistentRead=True)
        row: Mapping[str, object] = found.get("Item", {})
        return row
