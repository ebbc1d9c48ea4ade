"""Zoom's API over real HTTPS: three ways in, tokens, refusals, and waiting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

import jwt
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from ingester.errors import ZoomRefused, ZoomUnreachable
from ingester.retry import retry_after
from ingester.settings import ZoomSecrets, ZoomSettings
from ingester.zoom.api import ZoomApi
from local.authority import Authority
from local.neighbours.https_server import json_answer
from local.neighbours.zoom import ZoomStandIn
from local.neighbours.zoom_account import ZoomApp
from local.neighbours.zoom_faults import Fault
from tests.cloud import Clock
from tests.unit.zoom_account import (
    APP,
    UUID,
    Endpoint,
    TimedSession,
    asked,
    endpoint,
    recording,
    zoom_stand_in,
)
from tests.waits import Stopwatch

OAUTH = {"zoom_account_id": APP.account_id, "zoom_client_id": APP.client_id}
OAUTH_SECRET = {"zoom_client_secret": APP.client_secret}
JWT_SECRET = "a-secret-of-32-bytes-or-more-for-HS256"
KNOWN = {
    "uuid": UUID,
    "id": "95846636714",
    "topic": "HIST",
    "start_time": "2026-10-14T15:00:00Z",
    "host_id": "h",
    "duration": 60,
}


@pytest.fixture
def watch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def session(tls: Authority, watch: Stopwatch) -> Iterator[TimedSession]:
    with TimedSession(tls.ca_bundle, watch) as made:
        yield made


@pytest.fixture
def zoom(
    tls: Authority, tmp_path_factory: pytest.TempPathFactory, clock: Clock
) -> Iterator[ZoomStandIn]:
    with zoom_stand_in(tls, tmp_path_factory.mktemp("zoom"), clock) as made:
        made.add(recording())
        yield made


@pytest.fixture
def gateway(tls: Authority) -> Iterator[Endpoint]:
    """A gateway before Zoom, such as Apigee, that takes whatever comes."""
    with endpoint(tls) as made:
        made.answers.append(json_answer(200, KNOWN))
        yield made


class Ask:
    """An API made of settings and secrets, and asked."""

    def __init__(self, session: requests.Session, watch: Stopwatch, clock: Clock) -> None:
        self.parts: dict[str, Any] = {"session": session, "clock": clock}
        self.parts |= {"sleep": watch.sleep, "monotonic": watch}

    def api(self, base: str, settings: dict[str, str], secrets: dict[str, str]) -> ZoomApi:
        known = {"stack_name": "test", "secrets_path": "/p", "zoom_api_base_url": base}
        return ZoomApi(ZoomSettings(**known, **settings), ZoomSecrets(**secrets), **self.parts)

    def oauth(self, zoom: ZoomStandIn) -> ZoomApi:
        where = {"zoom_oauth_url": zoom.oauth_url}
        return self.api(f"{zoom.api_base_url}/", OAUTH | where, OAUTH_SECRET)


@pytest.fixture
def ask(session: TimedSession, watch: Stopwatch, clock: Clock) -> Ask:
    return Ask(session, watch, clock)


# Three ways in


def header(gateway: Endpoint, name: str) -> str | None:
    return gateway.requests[-1].headers.get(name)


def test_the_first_way_that_is_configured_wins(
    gateway: Endpoint, zoom: ZoomStandIn, ask: Ask
) -> None:
    settings = OAUTH | {"zoom_oauth_url": zoom.oauth_url, "zoom_api_key": "key"}
    secrets = OAUTH_SECRET | {"zoom_api_secret": JWT_SECRET}
    ask.api(gateway.url, settings, secrets | {"apigee_key": "apigee"}).recordings(UUID, seconds=9)
    assert header(gateway, "X-Api-Key") == "apigee"
    assert header(gateway, "Authorization") is None
    assert not zoom.requests
    ask.api(gateway.url, settings, secrets).recordings(UUID, seconds=9)
    assert header(gateway, "X-Api-Key") is None
    assert asked(zoom, "/oauth/token") == 1
    (way,) = (header(gateway, "Authorization") or "").split()[:1]
    assert way == "Bearer"
    ask.api(gateway.url, {"zoom_api_key": "key"}, secrets).recordings(UUID, seconds=9)
    assert asked(zoom, "/oauth/token") == 1


def test_the_jwt(gateway: Endpoint, ask: Ask, clock: Clock) -> None:
    api = ask.api(gateway.url, {"zoom_api_key": "key"}, {"zoom_api_secret": JWT_SECRET})
    assert api.recordings(UUID, seconds=9)
    token = (header(gateway, "Authorization") or "").removeprefix("Bearer ")
    claims = jwt.decode(token, JWT_SECRET, algorithms=["HS256"], options={"verify_exp": False})
    assert claims == {"iss": "key", "exp": int(clock().timestamp()) + 60}


@pytest.mark.parametrize(
    ("settings", "secrets"),
    [({}, {}), (OAUTH, {}), ({}, OAUTH_SECRET), ({"zoom_api_key": "key"}, {})],
)
def test_no_way_in(
    settings: dict[str, str], secrets: dict[str, str], gateway: Endpoint, ask: Ask
) -> None:
    with pytest.raises(ZoomRefused, match="ZOOM_CLIENT_ID"):
        ask.api(gateway.url, settings, secrets).recordings(UUID, seconds=9)
    assert not gateway.requests


# The OAuth token


def test_one_token_until_shortly_before_it_expires(
    zoom: ZoomStandIn, ask: Ask, clock: Clock
) -> None:
    api = ask.oauth(zoom)
    for _ in range(3):
        assert api.recordings(UUID, seconds=9)
    clock.forward(seconds=3600 - 61)
    api.recordings(UUID, seconds=9)
    assert asked(zoom, "/oauth/token") == 1
    clock.forward(seconds=2)
    assert api.recordings(UUID, seconds=9)
    assert asked(zoom, "/oauth/token") == 2


def test_a_token_that_zoom_no_longer_takes_is_fetched_anew(zoom: ZoomStandIn, ask: Ask) -> None:
    api = ask.oauth(zoom)
    api.recordings(UUID, seconds=9)
    zoom.expire_access_tokens()
    assert api.recordings(UUID, seconds=9)
    assert asked(zoom, "/oauth/token") == 2
    assert [one.status for one in zoom.requests if "/meetings/" in one.path] == [200, 401, 200]


def test_a_401_that_stays_is_a_refusal(zoom: ZoomStandIn, ask: Ask) -> None:
    zoom.fail(Fault("status", "api", times=9, status=401))
    with pytest.raises(ZoomRefused, match="401"):
        ask.oauth(zoom).recordings(UUID, seconds=9)
    assert asked(zoom, "/meetings/") == 2


@pytest.mark.parametrize("status", [400, 401])
def test_a_wrong_client_says_what_zoom_says(status: int, zoom: ZoomStandIn, ask: Ask) -> None:
    zoom.set(bad_client_status=status)
    where = OAUTH | {"zoom_oauth_url": zoom.oauth_url}
    api = ask.api(zoom.api_base_url, where, {"zoom_client_secret": "wrong-one"})
    with pytest.raises(ZoomRefused, match="Invalid client_id") as refused:
        api.recordings(UUID, seconds=9)
    assert "credentials" in str(refused.value)
    assert "wrong-one" not in str(refused.value)


@pytest.mark.parametrize("status", [400, 401])
def test_a_missing_scope_is_named(
    status: int, tls: Authority, tmp_path_factory: pytest.TempPathFactory, ask: Ask, clock: Clock
) -> None:
    app = ZoomApp(**(vars(APP) | {"scopes": ("user:read:user:admin",)}))
    folder = tmp_path_factory.mktemp("scopes")
    with ZoomStandIn(tls=tls, folder=folder, app=app, clock=lambda: clock().timestamp()) as zoom:
        zoom.set(missing_scope_status=status)
        with pytest.raises(ZoomRefused) as refused:
            ask.oauth(zoom).recordings(UUID, seconds=9)
    assert "4711" in str(refused.value)
    assert "cloud_recording:read:list_recording_files:admin" in str(refused.value)
    assert "lacks a scope" in str(refused.value)


# Answers


def test_what_is_asked_and_answered(zoom: ZoomStandIn, ask: Ask) -> None:
    found = ask.oauth(zoom).recordings(UUID, seconds=9)
    assert found
    assert (found.uuid, found.id, found.duration) == (UUID, 95846636714, 60)
    assert [file["id"] for file in found.recording_files] == ["file-1", "chat-1"]
    assert found.download_access_token
    request = zoom.requests[-1]
    assert quote(quote(UUID, safe=""), safe="") in request.path
    assert "%252F4Mhc%252Babc%252F%252Fdef%253D%253D" in request.path
    assert request.query == {"include_fields": "download_access_token", "ttl": "3600"}


def test_none_for_what_zoom_doesnt_know(zoom: ZoomStandIn, ask: Ask) -> None:
    assert ask.oauth(zoom).recordings("unknown==", seconds=9) is None
    zoom.trash(UUID)
    assert ask.oauth(zoom).recordings(UUID, seconds=9) is None


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"uuid": "\xff"}', b'{"uuid": 5}']
)
def test_an_answer_that_makes_no_sense(
    body: bytes, gateway: Endpoint, ask: Ask, watch: Stopwatch
) -> None:
    answer = json_answer(200, None)
    gateway.answers[:] = [type(answer)(200, answer.headers, body)]
    with pytest.raises(ZoomUnreachable, match="can't be read"):
        ask.api(gateway.url, {}, {"apigee_key": "k"}).recordings(UUID, seconds=99)
    assert len(watch.slept) == 3


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"code": "x"}', b'{"message": "\xff"}'])
def test_a_refusal_that_makes_no_sense(body: bytes, gateway: Endpoint, ask: Ask) -> None:
    gateway.answers[:] = [type(json_answer(200, None))(403, (), body)]
    with pytest.raises(ZoomRefused, match="403"):
        ask.api(gateway.url, {}, {"apigee_key": "k"}).recordings(UUID, seconds=9)


def test_no_redirect_takes_a_key_elsewhere(gateway: Endpoint, ask: Ask) -> None:
    elsewhere = (("Location", f"{gateway.url}/elsewhere"),)
    gateway.answers[:] = [type(json_answer(200, None))(302, elsewhere, b"")]
    with pytest.raises(ZoomRefused, match="302"):
        ask.api(gateway.url, {}, {"apigee_key": "k"}).recordings(UUID, seconds=9)
    assert len(gateway.requests) == 1


# Trying again


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_may_pass_is_tried_again(
    status: int, zoom: ZoomStandIn, ask: Ask, watch: Stopwatch
) -> None:
    zoom.fail(Fault("status", "api", times=2, status=status))
    assert ask.oauth(zoom).recordings(UUID, seconds=99)
    assert len(watch.slept) == 2
    assert asked(zoom, "/oauth/token") == 1


@pytest.mark.parametrize("where", ["api", "token"])
@pytest.mark.parametrize("kind", ["reset", "early_close"])
def test_connections_that_break_are_tried_again(
    where: Any, kind: Any, zoom: ZoomStandIn, ask: Ask
) -> None:
    zoom.fail(Fault(kind, where, after_bytes=0))
    assert ask.oauth(zoom).recordings(UUID, seconds=99)


def test_four_tries_and_no_more(zoom: ZoomStandIn, ask: Ask, watch: Stopwatch) -> None:
    zoom.fail(Fault("status", "api", times=9, status=500))
    with pytest.raises(ZoomUnreachable, match="500"):
        ask.oauth(zoom).recordings(UUID, seconds=99)
    assert asked(zoom, "/meetings/") == 4
    assert len(watch.slept) == 3


@pytest.mark.parametrize("form", ["seconds", "iso", "http"])
def test_retry_after_is_honoured(
    form: str, gateway: Endpoint, ask: Ask, watch: Stopwatch, clock: Clock
) -> None:
    moment = clock() + timedelta(seconds=7)
    value = {
        "seconds": "7",
        "iso": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "http": format_datetime(moment, usegmt=True),
    }[form]
    busy = json_answer(429, {"message": "rate limit"}, ("Retry-After", value))
    gateway.answers[:] = [busy, json_answer(200, KNOWN)]
    assert ask.api(gateway.url, {}, {"apigee_key": "k"}).recordings(UUID, seconds=99)
    assert watch.slept == [7.0]


def test_a_wait_beyond_the_budget_isnt_begun(gateway: Endpoint, ask: Ask, watch: Stopwatch) -> None:
    gateway.answers[:] = [json_answer(429, {}, ("Retry-After", "100"))]
    with pytest.raises(ZoomUnreachable) as busy:
        ask.api(gateway.url, {}, {"apigee_key": "k"}).recordings(UUID, seconds=99)
    assert busy.value.retry_after == 100
    assert watch.slept == []


def test_every_request_has_a_time_out_within_the_budget(
    zoom: ZoomStandIn, ask: Ask, session: TimedSession, watch: Stopwatch
) -> None:
    watch.longer = 2.0
    zoom.fail(Fault("status", "token", status=503))
    zoom.fail(Fault("status", "api", times=9, status=503))
    with pytest.raises(ZoomUnreachable):
        ask.oauth(zoom).recordings(UUID, seconds=8)
    begin = watch.now - sum(watch.slept) - 2.0 * len(watch.slept)
    assert len(session.timeouts) >= 4
    assert all(0 < at - begin + seconds <= 8.001 for at, seconds in session.timeouts)


def after(value: str, clock: Clock) -> float | None:
    return retry_after(value, clock())


def test_forms_of_retry_after(clock: Clock) -> None:
    assert after("0", clock) == 0
    assert after("2026-10-14T18:30:05", clock) == 5
    assert after("2026-10-14T14:30:05-04:00", clock) == 5
    assert after("2026-10-14T18:29:00Z", clock) == 0
    no_times = ("", "soon", "-5", "1.5", "Mon, 01 Jan 99999999999 00:00:00 GMT")
    assert [after(text, clock) for text in no_times] == [None] * 5


@given(st.text(st.characters(codec="latin-1"), max_size=30))
def test_no_retry_after_breaks_anything(value: str) -> None:
    seconds = after(value, Clock())
    assert seconds is None or seconds >= 0


def test_a_topic_cut_in_the_middle_of_a_character(ask: Ask, gateway: Endpoint) -> None:
    body = json.dumps(KNOWN | {"topic": "Cut \ud83d"}).encode()
    gateway.answers[:] = [type(json_answer(200, None))(200, (), body)]
    found = ask.api(gateway.url, {}, {"apigee_key": "key"}).recordings("u", seconds=60)
    assert found is not None
    assert found.topic == "Cut \ufffd"
