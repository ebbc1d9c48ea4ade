"""Secrets that change while containers have the old secrets, or that can't be read."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

import webhook
from ingester.runtime.api_gateway import Answer
from ingester.runtime.container import Container
from ingester.zoom import signature
from tests.cloud import Clock, Cloud
from tests.function_harness import webhook_dependencies
from tests.unit.functions.webhook.notifications import (
    completed,
    on_demand,
    raw,
    sent,
    status_event,
    untouched,
)


class Warm:
    """A warm container of the webhook.

    The container starts with Zoom's secret token `known` and the pipeline's signing key `own`. SSM
    has the values in `there`. `looks` counts the reads of SSM, including failures.
    """

    def __init__(
        self, aws: Cloud, clock: Clock, known: str, own: str, *, unsigned: bool = False
    ) -> None:
        self.aws, self.clock, self.unsigned = aws, clock, unsigned
        self.there = (known, own)
        self.is_ssm_down = False
        self.looks = 0
        self.seconds = 0.0
        self.deps = Container(self.build, clock=lambda: self.seconds)
        self.deps()

    def build(self) -> webhook.Dependencies:
        self.looks += 1
        if self.is_ssm_down:
            raise EndpointConnectionError(endpoint_url="https://ssm")
        tokens, own = self.there
        return webhook_dependencies(
            self.aws, self.clock, secrets=tokens, own=own, unsigned=self.unsigned
        )

    def answer(self, content: Any, key: str = "", *, late: int = 0) -> Answer:
        """Return the answer to a request that is signed with `key`, or unsigned if `key` is "".

        `late` is the age of the signature in seconds.
        """
        event = raw(content)
        now = self.clock().timestamp() - late
        if key:
            event["headers"] = signature.signed_headers(key, now, event["body"].encode())
        return webhook.respond(event, self.deps(), self.deps.rebuild_or_none)

    def post(self, content: Any, key: str = "", *, late: int = 0) -> int:
        return self.answer(content, key, late=late).status


def test_webhook_events_are_accepted_when_they_are_signed_with_a_new_webhook_token(
    aws: Cloud, clock: Clock
) -> None:
    warm = Warm(aws, clock, "old", "own")
    warm.there = ("new,old", "own")
    assert warm.post(status_event(), "new") == 204
    assert warm.post(status_event(), "old") == 204
    assert warm.looks == 2


def test_webhook_accepts_on_demand_requests_when_they_are_signed_with_a_new_signing_key(
    aws: Cloud, clock: Clock
) -> None:
    warm = Warm(aws, clock, "token", "old")
    warm.there = ("token", "new")
    assert warm.post(on_demand(), "new") == 200
    assert warm.post(on_demand(zip_id="on-demand-2"), "old") == 401
    assert warm.post(on_demand(zip_id="on-demand-2"), "token") == 401


def test_new_webhook_token_is_used_a_second_after_a_forged_request(
    aws: Cloud, clock: Clock
) -> None:
    warm = Warm(aws, clock, "old", "own")
    assert warm.post(completed(), "forged") == 401
    warm.there = ("new", "own")
    warm.seconds = 1
    assert warm.post(completed(), "new") == 200
    assert warm.post(completed(uuid="another=="), "old") == 401
    assert len(sent(aws)) == 1


def test_webhook_event_signed_with_a_new_token_gets_503_until_the_secrets_can_be_read(
    aws: Cloud, clock: Clock
) -> None:
    # Zoom repeats a webhook event after a 503, but perhaps not after a 401 (`docs/zoom.md`).
    warm = Warm(aws, clock, "old", "own")
    warm.there, warm.is_ssm_down = ("new", "own"), True
    answer = warm.answer(completed(), "new")
    assert (answer.status, str(webhook.SignatureUnchecked()) in answer.body) == (503, True)
    assert warm.post(completed(), "forged") == 503
    assert untouched(aws)
    assert warm.post(status_event(), "old") == 204
    warm.is_ssm_down = False
    assert warm.post(completed(), "new") == 200
    assert warm.post(completed(), "forged") == 401
    assert len(sent(aws)) == 1


def test_webhook_answers_503_and_reads_no_secrets_when_too_many_requests_are_forged(
    aws: Cloud, clock: Clock
) -> None:
    warm = Warm(aws, clock, "token", "own")
    statuses = []
    for second in range(60):
        warm.seconds = second
        statuses.append(warm.post(completed(), "forged"))
    assert statuses == [401] * 10 + [503] * 50
    assert warm.looks == 1 + 10
    assert untouched(aws)
    # A signature with a known secret needs no new read of the secrets.
    assert warm.post(completed(), "token") == 200
    warm.seconds = 60
    assert warm.post(completed(), "forged") == 401


def test_secrets_are_not_read_again_when_a_request_is_unsigned_or_too_old(
    aws: Cloud, clock: Clock
) -> None:
    warm = Warm(aws, clock, "token", "own")
    warm.is_ssm_down = True
    assert warm.post(completed(), "token", late=301) == 401
    assert warm.post(completed()) == 401
    assert warm.looks == 1


def test_zoom_challenge_is_answered_when_it_is_signed_with_a_new_secret(
    aws: Cloud, clock: Clock
) -> None:
    warm = Warm(aws, clock, "old", "own")
    warm.there = ("new", "own")
    content = {"event": "endpoint.url_validation", "payload": {"plainToken": "t"}}
    answer = warm.answer(content, "new")
    assert (answer.status, "encryptedToken" in answer.body) == (200, True)


def test_new_signing_key_is_used_when_unsigned_webhook_events_are_allowed(
    aws: Cloud, clock: Clock
) -> None:
    warm = Warm(aws, clock, "", "old", unsigned=True)
    warm.there = ("", "new")
    assert warm.post(on_demand(), "new") == 200
    assert warm.post(on_demand(zip_id="on-demand-2"), "old") == 401


@pytest.mark.parametrize("is_ssm_down", [False, True])
def test_signed_webhook_event_is_accepted_when_unsigned_ones_are_allowed_and_no_token_is_set(
    is_ssm_down: bool, aws: Cloud, clock: Clock
) -> None:
    # Zoom signs every webhook event. Without a secret, the webhook can't verify the signature.
    warm = Warm(aws, clock, "", "own", unsigned=True)
    warm.is_ssm_down = is_ssm_down
    for number in range(12):
        assert warm.post(completed(uuid=f"{number}=="), "zooms") == 200
    assert len(sent(aws)) == 12


def test_unsigned_webhook_event_gets_401_once_the_container_has_read_a_new_secret(
    aws: Cloud, clock: Clock
) -> None:
    # The container accepts an unsigned webhook event until the container reads new secrets.
    warm = Warm(aws, clock, "", "own", unsigned=True)
    warm.there = ("token", "own")
    assert warm.post(completed()) == 200
    assert warm.post(completed(uuid="another=="), "forged") == 401
    assert warm.post(completed(uuid="another==")) == 401
    assert warm.post(completed(uuid="another=="), "token") == 200
