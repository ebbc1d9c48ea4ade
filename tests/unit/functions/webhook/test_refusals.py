"""Requests that the webhook refuses or doesn't use, and Zoom's challenge."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

import webhook
from ingester.runtime.api_gateway import Answer
from ingester.zoom import signature
from ingester.zoom.webhook_events import RECOVERY_EVENTS, REMOVAL_EVENTS
from tests.cloud import Clock, Cloud
from tests.function_harness import OWN_KEY, ZOOM_SECRET, post_webhook, webhook_dependencies
from tests.unit.functions.webhook.notifications import (
    Json,
    Post,
    completed,
    mp4,
    on_demand,
    raw,
    status_event,
    untouched,
    without,
)


def test_webhook_request_gets_400_when_its_body_is_no_json_object_that_names_the_webhook_event(
    aws: Cloud, post: Post
) -> None:
    for body in (b"", b"{", b"[]", b'"x"', b"5", b"{}", b'{"event": ""}', b'{"event": 5}'):
        assert post(body) == 400, body
    assert untouched(aws)


def test_webhook_event_gets_400_when_its_uuid_is_a_reserved_key_of_the_ledger(
    aws: Cloud, post: Post
) -> None:
    for key in ("#reconcile", "#zoom-pause"):
        assert post(completed(uuid=key)) == 400
    assert untouched(aws)


@pytest.mark.parametrize("body", [b"\xff", b'{"event": "\xff"}', b"[" * 100_000])
def test_webhook_request_gets_400_when_its_body_cannot_be_parsed(
    body: bytes, deps: webhook.Dependencies, clock: Clock
) -> None:
    headers = signature.signed_headers(ZOOM_SECRET, clock().timestamp(), body)
    event = {
        "headers": headers,
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
    assert webhook.respond(event, deps).status == 400


@pytest.mark.parametrize("forged", ["missing", "wrong", "old", "early", "other body"])
def test_webhook_request_gets_401_before_its_body_is_parsed_when_it_has_no_valid_signature(
    forged: str, aws: Cloud, deps: webhook.Dependencies, clock: Clock
) -> None:
    unknown = {"event": "user.created"}
    for content in (completed(), status_event(), on_demand(), unknown, "", "{", "[]", {}):
        event = raw(content)
        now = clock().timestamp() + {"old": -301, "early": 301}.get(forged, 0)
        key = "wrong" if forged == "wrong" else ZOOM_SECRET
        body = event["body"].encode() + (b" " if forged == "other body" else b"")
        if forged != "missing":
            event["headers"] = signature.signed_headers(key, now, body)
        assert webhook.respond(event, deps).status == 401
    assert untouched(aws)


def test_on_demand_request_is_accepted_only_when_it_is_signed_with_the_pipeline_signing_key(
    aws: Cloud, post: Post
) -> None:
    assert post(on_demand(), key=ZOOM_SECRET) == 401
    assert post(without(on_demand(), "payload"), key=ZOOM_SECRET) == 400
    assert post(on_demand() | {"download_token": ""}, key=ZOOM_SECRET) == 400
    assert post(on_demand(without(mp4(), "id")), key=ZOOM_SECRET) == 401
    assert untouched(aws)
    assert post(on_demand(), key=OWN_KEY) == 200


@pytest.mark.parametrize(
    ("secrets", "unsigned", "status"),
    [("", True, 204), ("", False, 401), (ZOOM_SECRET, True, 401), (ZOOM_SECRET, False, 401)],
)
def test_unsigned_webhook_event_is_accepted_only_when_it_is_allowed_and_no_webhook_token_is_set(
    secrets: str, unsigned: bool, status: int, aws: Cloud, clock: Clock
) -> None:
    deps = webhook_dependencies(aws, clock, secrets=secrets, unsigned=unsigned)
    assert webhook.respond(raw(status_event()), deps).status == status
    assert bool(aws.rows()) is (status == 204)


def test_on_demand_request_needs_a_signature_when_unsigned_webhook_events_are_allowed(
    aws: Cloud, clock: Clock
) -> None:
    deps = webhook_dependencies(aws, clock, secrets="", unsigned=True)
    assert webhook.respond(raw(on_demand()), deps).status == 401
    assert untouched(aws)
    assert post_webhook(deps, on_demand()).status == 200


@pytest.mark.parametrize("event", ["recording.renamed", "user.created"])
def test_webhook_event_gets_204_when_the_pipeline_does_not_use_its_kind(
    event: str, aws: Cloud, post: Post
) -> None:
    assert post({"event": event}) == 204
    assert post(completed() | {"event": event}) == 204
    assert untouched(aws)


@pytest.mark.parametrize(
    "event",
    [
        "recording.completed",
        "on.demand.ingest",
        "recording.started",
        "meeting.ended",
        *REMOVAL_EVENTS,
        *sorted(RECOVERY_EVENTS),
        "endpoint.url_validation",
    ],
)
def test_webhook_request_gets_400_when_its_payload_is_missing_or_invalid(
    event: str, aws: Cloud, post: Post
) -> None:
    objects: list[Any] = [None, [], "x", {}, {"id": 1, "uuid": ""}, {"uuid": 5}]
    objects += [{"meeting_uuids": ["", 5]}, {"meetings": [{}, {"meeting_uuid": ""}, "x"]}]
    payloads: list[Any] = [None, [], "x", {}, *({"object": about} for about in objects)]
    for payload in payloads:
        assert post({"event": event, "payload": payload, "download_token": "t"}) == 400
    assert post({"event": event, "download_token": "t"}) == 400
    assert untouched(aws)


def test_on_demand_request_gets_400_when_it_has_no_valid_download_token(
    aws: Cloud, post: Post
) -> None:
    for token in (None, "", 5):
        assert post(on_demand() | {"download_token": token}) == 400
    assert post(without(on_demand(), "download_token")) == 400
    assert untouched(aws)


def challenge() -> Json:
    return {"event": "endpoint.url_validation", "payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"}}


def answered(answer: Answer, secret: str) -> bool:
    digest = hmac.new(secret.encode(), b"qgg8vlvZRS6UYooatFL8Aw", hashlib.sha256).hexdigest()
    return answer.status == 200 and json.loads(answer.body) == {
        "plainToken": "qgg8vlvZRS6UYooatFL8Aw",
        "encryptedToken": digest,
    }


@pytest.mark.parametrize("secret", ["one", "two"])
def test_answer_to_a_zoom_challenge_is_signed_with_the_secret_that_signed_the_challenge(
    secret: str, aws: Cloud, clock: Clock
) -> None:
    deps = webhook_dependencies(aws, clock, secrets="one,two")
    assert answered(post_webhook(deps, challenge(), key=secret), secret)
    assert untouched(aws)


@pytest.mark.parametrize(
    "token", ["v0:1760466600:{}", "a b", "", "x" * 129, 'a"', "é", None, ["a"], 7]
)
def test_zoom_challenge_is_refused_when_its_token_does_not_look_like_a_token_of_zoom(
    token: object, post: Post, aws: Cloud
) -> None:
    # The answer contains a signature of the token, so the token must not have the form of a
    # text that Zoom signs.
    body = {"event": "endpoint.url_validation", "payload": {"plainToken": token}}
    assert post(body) == 400
    assert untouched(aws)


def test_zoom_challenge_gets_204_when_no_webhook_token_is_set(aws: Cloud, clock: Clock) -> None:
    deps = webhook_dependencies(aws, clock, secrets="", unsigned=True)
    assert webhook.respond(raw(challenge()), deps).status == 204


def test_zoom_challenge_gets_204_when_it_is_signed_with_the_pipeline_signing_key(
    deps: webhook.Dependencies,
) -> None:
    answer = post_webhook(deps, challenge(), key=OWN_KEY)
    assert (answer.status, answer.body) == (204, "")
