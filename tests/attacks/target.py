"""The stack under attack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ingester.recording.files import automated_zip_id
from local.driver import Driver
from tests.attacks.evidence import Holdings, holdings, leaked, traces
from tests.attacks.probes import Answer, Attack, Probe, Sender
from tests.e2e.stack import Stack

WRONGLY_SIGNED = (401, 503)
"""Statuses of the webhook for a wrong signature.

After a wrong signature, the webhook reads its secrets again, at most ten times a minute. The
webhook answers 503 to a wrong signature when it may not read its secrets again.
"""


@dataclass
class Target:
    """A stack with its secrets, by the names of their settings.

    `known` are the stack's holdings after the last attack, or None if they may have changed.
    """

    stack: Stack
    sender: Sender
    secrets: Mapping[str, str]
    known: Holdings | None = None

    @property
    def driver(self) -> Driver:
        return self.stack.driver

    @property
    def zoom_secret(self) -> str:
        """The secret that Zoom signs with."""
        return self.secrets["WEBHOOK_VALIDATION_SECRET_TOKEN"]

    @property
    def pipeline_key(self) -> str:
        """The key that the pipeline signs its own requests to the webhook with."""
        return self.secrets["PIPELINE_SIGNING_KEY"]

    @property
    def slack_secret(self) -> str:
        """The secret that Slack signs with."""
        return self.secrets["SLACK_SIGNING_SECRET"]

    def send(self, probe: Probe) -> Answer:
        """Send a request, assert that no secret or stack trace leaks, and return the answer."""
        self.known = None
        answer = self.sender.send(probe)
        assert leaked(answer.text, self.secrets.values()) == []
        assert traces(answer.text) == []
        return answer

    def assert_refused(self, probe: Probe, *statuses: int) -> Answer:
        """Send a request, assert the answer's status and unchanged holdings. Return the answer."""
        before = self.known or holdings(self.driver)
        answer = self.send(probe)
        assert answer.status in statuses, answer
        after = holdings(self.driver)
        assert after == before
        self.known = after
        return answer

    def assert_attack_refused(self, attack: Attack, honest: Probe) -> None:
        """Send an honest request with the attack's changes, and assert a refusal."""
        self.assert_refused(attack.change(honest), *attack.statuses)

    def row(self, zip_id: str) -> Mapping[str, object]:
        """Return a row of the status table, or {} if there is none."""
        table = self.driver.table("pipeline-status")
        found: dict[str, dict[str, object]]
        found = table.get_item(Key={"zip_id": zip_id}, ConsistentRead=True)
        return found.get("Item", {})

    def row_of(self, uuid: str) -> Mapping[str, object]:
        """Return the status row of a recording's automated ingest, or {} if there is none."""
        return self.row(automated_zip_id(uuid))
