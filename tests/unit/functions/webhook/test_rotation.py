"""Secrets that change while containers still know the old ones."""

from __future__ import annotations

from typing import Any

import webhook
from ingester import signature
from ingester.container import Container
from tests.cloud import Clock, Cloud
from tests.kits import webhook_tools
from tests.unit.functions.webhook.notifications import completed, on_demand, raw, status_event


class Warm:
    """A warm container of the webhook: `known` are its secrets, `there` those in SSM now."""

    def __init__(self, aws: Cloud, clock: Clock, known: str, own: str) -> None:
        self.aws, self.clock = aws, clock
        self.there = (known, own)
        self.looks = 0
        self.seconds = 0.0
        self.tools = Container(self.build, clock=lambda: self.seconds)
        self.tools()

    def build(self) -> webhook.Tools:
        self.looks += 1
        tokens, own = self.there
        return webhook_tools(self.aws, self.clock, secrets=tokens, own=own)

    def post(self, content: Any, key: str, *, late: int = 0) -> int:
        event = raw(content)
        now = self.clock().timestamp() - late
        event["headers"] = signature.signed_headers(key, now, event["body"].encode())
        return webhook.respond(event, self.tools(), self.tools.renewed).status


def test_a_new_token_is_taken_up_at_once(aws: Cloud, clock: Clock) -> None:
    warm = Warm(aws, clock, "old", "own")
    warm.there = ("new,old", "own")
    assert warm.post(status_event(), "new") == 204
    assert warm.post(status_event(), "old") == 204
    assert warm.looks == 2


def test_a_new_signing_key_is_taken_up_at_once(aws: Cloud, clock: Clock) -> None:
    warm = Warm(aws, clock, "token", "old")
    warm.there = ("token", "new")
    assert warm.post(on_demand(), "new") == 200
    assert warm.post(on_demand(zip_id="on-demand-2"), "old") == 401
    assert warm.post(on_demand(zip_id="on-demand-2"), "token") == 401


def test_forged_requests_dont_read_secrets_all_the_time(aws: Cloud, clock: Clock) -> None:
    warm = Warm(aws, clock, "token", "own")
    for second in range(100):
        warm.seconds = second / 4
        assert warm.post(completed(), "forged") == 401
    assert warm.looks == 1 + 3
    assert not aws.rows()


def test_only_a_wrong_signature_is_a_reason_to_look(aws: Cloud, clock: Clock) -> None:
    warm = Warm(aws, clock, "token", "own")
    assert warm.post(completed(), "token", late=301) == 401
    assert webhook.respond(raw(completed()), warm.tools(), warm.tools.renewed).status == 401
    assert warm.looks == 1


def test_a_rotation_is_seen_where_unsigned_events_are_let_in(aws: Cloud, clock: Clock) -> None:
    old = webhook_tools(aws, clock, secrets="", own="old", unsigned=True)
    new = webhook_tools(aws, clock, secrets="", own="new", unsigned=True)
    event = raw(on_demand())
    now = clock().timestamp()
    event["headers"] = signature.signed_headers("new", now, event["body"].encode())
    assert webhook.respond(event, old, lambda: new).status == 200
    assert webhook.respond(event, old).status == 401
