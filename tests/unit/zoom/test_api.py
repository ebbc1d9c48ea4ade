"""Unit tests of the client of Zoom's API, over HTTPS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextvars import copy_context
from datetime import timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote, unquote

import jwt
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from ingester import log
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
    with TimedSession(tls.ca_bundle, watch) as timed_session:
        yield timed_session


@pytest.fixture
def zoom(
    tls: Authority, tmp_path_factory: pytest.TempPathFactory, clock: Clock
) -> Iterator[ZoomStandIn]:
    with zoom_stand_in(tls, tmp_path_factory.mktemp("zoom"), clock) as stand_in:
        stand_in.add(recording())
        yield stand_in


@pytest.fixture
def gateway(tls: Authority) -> Iterator[Endpoint]:
    """Yield a gateway in front of Zoom, such as Apigee, that accepts every request."""
    with endpoint(tls) as server:
        server.answers.append(json_answer(200, KNOWN))
        yield server


class Clients:
    """A factory of clients of Zoom's API, with given settings and secrets."""

    def __init__(self, session: requests.Session, watch: Stopwatch, clock: Clock) -> None:
        self.parts: dict[str, Any] = {"session": session, "clock": clock}
        self.parts |= {"sleep": watch.sleep, "monotonic": watch}

    def api(self, base: str, settings: dict[str, str], secrets: dict[str, str]) -> ZoomApi:
        known = {"stack_name": "test", "secrets_path": "/p", "zoom_api_base_url": base}
        return ZoomApi(ZoomSettings(**known, **settings), ZoomSecrets(**secrets), **self.parts)

    def oauth(self, zoom: ZoomStandIn) -> ZoomApi:
        settings = OAUTH | {"zoom_oauth_url": zoom.oauth_url}
        return self.api(f"{zoom.api_base_url}/", settings, OAUTH_SECRET)


@pytest.fixture
def clients(session: TimedSession, watch: Stopwatch, clock: Clock) -> Clients:
    return Clients(session, watch, clock)


def header(gateway: Endpoint, name: str) -> str | None:
    return gateway.requests[-1].headers.get(name)


def test_apigee_key_is_preferred_to_oauth_credentials_and_oauth_credentials_to_a_jwt(
    gateway: Endpoint, zoom: ZoomStandIn, clients: Clients
) -> None:
    settings = OAUTH | {"zoom_oauth_url": zoom.oauth_url, "zoom_api_key": "key"}
    secrets = OAUTH_SECRET | {"zoom_api_secret": JWT_SECRET}
    clients.api(gateway.url, settings, secrets | {"apigee_key": "apigee"}).recordings(
        UUID, seconds=9
    )
    assert header(gateway, "X-Api-Key") == "apigee"
    assert header(gateway, "Authorization") is None
    assert not zoom.requests
    clients.api(gateway.url, settings, secrets).recordings(UUID, seconds=9)
    assert header(gateway, "X-Api-Key") is None
    assert asked(zoom, "/oauth/token") == 1
    (scheme,) = (header(gateway, "Authorization") or "").split()[:1]
    assert scheme == "Bearer"
    clients.api(gateway.url, {"zoom_api_key": "key"}, secrets).recordings(UUID, seconds=9)
    assert asked(zoom, "/oauth/token") == 1


def test_jwt_has_the_api_key_and_expires_after_60_seconds(
    gateway: Endpoint, clients: Clients, clock: Clock
) -> None:
    api = clients.api(gateway.url, {"zoom_api_key": "key"}, {"zoom_api_secret": JWT_SECRET})
    assert api.recordings(UUID, seconds=9)
    token = (header(gateway, "Authorization") or "").removeprefix("Bearer ")
    claims = jwt.decode(token, JWT_SECRET, algorithms=["HS256"], options={"verify_exp": False})
    assert claims == {"iss": "key", "exp": int(clock().timestamp()) + 60}


@pytest.mark.parametrize(
    ("settings", "secrets"),
    [({}, {}), (OAUTH, {}), ({}, OAUTH_SECRET), ({"zoom_api_key": "key"}, {})],
)
def test_zoom_refused_is_raised_when_credentials_are_missing_or_incomplete(
    settings: dict[str, str], secrets: dict[str, str], gateway: Endpoint, clients: Clients
) -> None:
    with pytest.raises(ZoomRefused, match="ZOOM_CLIENT_ID"):
        clients.api(gateway.url, settings, secrets).recordings(UUID, seconds=9)
    assert not gateway.requests


def test_oauth_token_is_reused_until_a_minute_before_it_expires(
    zoom: ZoomStandIn, clients: Clients, clock: Clock
) -> None:
    api = clients.oauth(zoom)
    for _ in range(3):
        assert api.recordings(UUID, seconds=9)
    clock.forward(seconds=3600 - 61)
    api.recordings(UUID, seconds=9)
    assert asked(zoom, "/oauth/token") == 1
    clock.forward(seconds=2)
    assert api.recordings(UUID, seconds=9)
    assert asked(zoom, "/oauth/token") == 2


def test_new_oauth_token_is_fetched_when_zoom_answers_401(
    zoom: ZoomStandIn, clients: Clients
) -> None:
    api = clients.oauth(zoom)
    api.recordings(UUID, seconds=9)
    zoom.expire_access_tokens()
    assert api.recordings(UUID, seconds=9)
    assert asked(zoom, "/oauth/token") == 2
    statuses = [request.status for request in zoom.requests if "/meetings/" in request.path]
    assert statuses == [200, 401, 200]


def test_zoom_refused_is_raised_when_zoom_answers_401_to_a_new_token(
    zoom: ZoomStandIn, clients: Clients
) -> None:
    zoom.fail(Fault("status", "api", times=9, status=401))
    with pytest.raises(ZoomRefused, match="401"):
        clients.oauth(zoom).recordings(UUID, seconds=9)
    assert asked(zoom, "/meetings/") == 2


@pytest.mark.parametrize("status", [400, 401])
def test_error_of_the_zoom_api_client_has_the_reason_of_zoom_when_the_client_secret_is_wrong(
    status: int, zoom: ZoomStandIn, clients: Clients
) -> None:
    zoom.set(bad_client_status=status)
    settings = OAUTH | {"zoom_oauth_url": zoom.oauth_url}
    api = clients.api(zoom.api_base_url, settings, {"zoom_client_secret": "wrong-one"})
    with pytest.raises(ZoomRefused, match="Invalid client_id") as refused:
        api.recordings(UUID, seconds=9)
    assert "credentials" in str(refused.value)
    assert "wrong-one" not in str(refused.value)


@pytest.mark.parametrize("status", [400, 401])
def test_error_of_the_zoom_api_client_names_the_missing_scope_when_the_app_lacks_the_scope(
    status: int,
    tls: Authority,
    tmp_path_factory: pytest.TempPathFactory,
    clients: Clients,
    clock: Clock,
) -> None:
    app = ZoomApp(**(vars(APP) | {"scopes": ("user:read:user:admin",)}))
    folder = tmp_path_factory.mktemp("scopes")
    with ZoomStandIn(tls=tls, folder=folder, app=app, clock=lambda: clock().timestamp()) as zoom:
        zoom.set(missing_scope_status=status)
        with pytest.raises(ZoomRefused) as refused:
            clients.oauth(zoom).recordings(UUID, seconds=9)
    assert "4711" in str(refused.value)
    assert "cloud_recording:read:list_recording_files:admin" in str(refused.value)
    assert "lacks a scope" in str(refused.value)


def test_client_of_the_zoom_api_requests_the_encoded_uuid_and_returns_the_files_of_zoom(
    zoom: ZoomStandIn, clients: Clients
) -> None:
    answer = clients.oauth(zoom).recordings(UUID, seconds=9)
    assert answer
    assert (answer.uuid, answer.id, answer.duration) == (UUID, 95846636714, 60)
    assert [file["id"] for file in answer.recording_files] == ["file-1", "chat-1"]
    assert answer.download_access_token
    request = zoom.requests[-1]
    assert quote(quote(UUID, safe=""), safe="") in request.path
    assert "%252F4Mhc%252Babc%252F%252Fdef%253D%253D" in request.path
    assert request.query == {"include_fields": "download_access_token", "ttl": "3600"}


@pytest.mark.parametrize("uuid", [".", "..", "../users", "a/../../b"])
def test_client_of_the_zoom_api_requests_a_path_below_meetings_whatever_the_uuid(
    zoom: ZoomStandIn, clients: Clients, uuid: str
) -> None:
    assert clients.oauth(zoom).recordings(uuid, seconds=9) is None
    folder, segment, last = zoom.requests[-1].path.rsplit("/", 2)
    assert (folder.rpartition("/")[2], last) == ("meetings", "recordings")
    assert unquote(unquote(segment)) == uuid


def test_client_of_the_zoom_api_returns_none_when_zoom_does_not_have_the_recording(
    zoom: ZoomStandIn, clients: Clients
) -> None:
    assert clients.oauth(zoom).recordings("unknown==", seconds=9) is None
    zoom.trash(UUID)
    assert clients.oauth(zoom).recordings(UUID, seconds=9) is None


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"uuid": "\xff"}', b'{"uuid": 5}']
)
def test_zoom_unreachable_is_raised_after_retries_when_the_answer_of_zoom_is_invalid(
    body: bytes, gateway: Endpoint, clients: Clients, watch: Stopwatch
) -> None:
    answer = json_answer(200, None)
    gateway.answers[:] = [type(answer)(200, answer.headers, body)]
    with pytest.raises(ZoomUnreachable, match="can't be read"):
        clients.api(gateway.url, {}, {"apigee_key": "k"}).recordings(UUID, seconds=99)
    assert len(watch.slept) == 3


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"code": "x"}', b'{"message": "\xff"}'])
def test_zoom_refused_is_raised_when_zoom_answers_403_with_an_invalid_body(
    body: bytes, gateway: Endpoint, clients: Clients
) -> None:
    gateway.answers[:] = [type(json_answer(200, None))(403, (), body)]
    with pytest.raises(ZoomRefused, match="403"):
        clients.api(gateway.url, {}, {"apigee_key": "k"}).recordings(UUID, seconds=9)


@pytest.mark.parametrize("before", ["Invalid key ", "x" * 490])
@pytest.mark.parametrize("name", ["message", "reason"])
def test_error_of_the_zoom_api_client_contains_nothing_of_the_key_when_a_gateway_repeats_the_key(
    name: str, before: str, gateway: Endpoint, clients: Clients
) -> None:
    def check() -> None:
        log.hide("S3cretGatewayKey")
        gateway.answers[:] = [json_answer(401, {name: f"{before}S3cretGatewayKey"})]
        with pytest.raises(ZoomRefused) as refused:
            clients.api(gateway.url, {}, {"apigee_key": "k"}).recordings(UUID, seconds=9)
        assert f"code 0: {before}***. Check" in str(refused.value)

    copy_context().run(check)


def test_redirect_of_the_zoom_api_is_not_followed(gateway: Endpoint, clients: Clients) -> None:
    elsewhere = (("Location", f"{gateway.url}/elsewhere"),)
    gateway.answers[:] = [type(json_answer(200, None))(302, elsewhere, b"")]
    with pytest.raises(ZoomRefused, match="302"):
        clients.api(gateway.url, {}, {"apigee_key": "k"}).recordings(UUID, seconds=9)
    assert len(gateway.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_request_to_the_zoom_api_is_retried_when_zoom_answers_429_or_5xx(
    status: int, zoom: ZoomStandIn, clients: Clients, watch: Stopwatch
) -> None:
    zoom.fail(Fault("status", "api", times=2, status=status))
    assert clients.oauth(zoom).recordings(UUID, seconds=99)
    assert len(watch.slept) == 2
    assert asked(zoom, "/oauth/token") == 1


@pytest.mark.parametrize("where", ["api", "token"])
@pytest.mark.parametrize("kind", ["reset", "early_close"])
def test_request_to_the_zoom_api_is_retried_when_the_connection_breaks(
    where: Any, kind: Any, zoom: ZoomStandIn, clients: Clients
) -> None:
    zoom.fail(Fault(kind, where, after_bytes=0))
    assert clients.oauth(zoom).recordings(UUID, seconds=99)


def test_request_to_the_zoom_api_is_given_up_after_four_attempts(
    zoom: ZoomStandIn, clients: Clients, watch: Stopwatch
) -> None:
    zoom.fail(Fault("status", "api", times=9, status=500))
    with pytest.raises(ZoomUnreachable, match="500"):
        clients.oauth(zoom).recordings(UUID, seconds=99)
    assert asked(zoom, "/meetings/") == 4
    assert len(watch.slept) == 3


@pytest.mark.parametrize("form", ["seconds", "iso", "http"])
def test_retry_of_a_request_to_the_zoom_api_waits_as_long_as_retry_after_says(
    form: str, gateway: Endpoint, clients: Clients, watch: Stopwatch, clock: Clock
) -> None:
    moment = clock() + timedelta(seconds=7)
    value = {
        "seconds": "7",
        "iso": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "http": format_datetime(moment, usegmt=True),
    }[form]
    busy = json_answer(429, {"message": "rate limit"}, ("Retry-After", value))
    gateway.answers[:] = [busy, json_answer(200, KNOWN)]
    assert clients.api(gateway.url, {}, {"apigee_key": "k"}).recordings(UUID, seconds=99)
    assert watch.slept == [7.0]


def test_zoom_unreachable_is_raised_without_waiting_when_retry_after_exceeds_the_limit(
    gateway: Endpoint, clients: Clients, watch: Stopwatch
) -> None:
    gateway.answers[:] = [json_answer(429, {}, ("Retry-After", "100"))]
    with pytest.raises(ZoomUnreachable) as busy:
        clients.api(gateway.url, {}, {"apigee_key": "k"}).recordings(UUID, seconds=99)
    assert busy.value.retry_after == 100
    assert watch.slept == []


def test_no_request_to_the_zoom_api_times_out_after_the_deadline(
    zoom: ZoomStandIn, clients: Clients, session: TimedSession, watch: Stopwatch
) -> None:
    watch.longer = 2.0
    zoom.fail(Fault("status", "token", status=503))
    zoom.fail(Fault("status", "api", times=9, status=503))
    with pytest.raises(ZoomUnreachable):
        clients.oauth(zoom).recordings(UUID, seconds=8)
    begin = watch.now - sum(watch.slept) - 2.0 * len(watch.slept)
    assert len(session.timeouts) >= 4
    assert all(0 < at - begin + seconds <= 8.001 for at, seconds in session.timeouts)


def after(value: str, clock: Clock) -> float | None:
    return retry_after(value, clock())


def test_retry_after_is_read_as_seconds_in_valid_forms_and_as_none_in_invalid_forms(
    clock: Clock,
) -> None:
    assert after("0", clock) == 0
    assert after("2026-10-14T18:30:05", clock) == 5
    assert after("2026-10-14T14:30:05-04:00", clock) == 5
    assert after("2026-10-14T18:29:00Z", clock) == 0
    # A number of 400 digits would be infinite as a float.
    invalid = ("", "soon", "-5", "1.5", "Mon, 01 Jan 99999999999 00:00:00 GMT", "9" * 400)
    assert [after(text, clock) for text in invalid] == [None] * 6


@given(st.text(st.characters(codec="latin-1"), max_size=30))
def test_retry_after_is_never_read_as_negative_seconds_whatever_the_header(value: str) -> None:
    seconds = after(value, Clock())
    assert seconds is None or seconds >= 0


def test_topic_has_a_replacement_character_when_zoom_cuts_it_within_a_character(
    clients: Clients, gateway: Endpoint
) -> None:
    body = json.dumps(KNOWN | {"topic": "Cut \ud83d"}).encode()
    gateway.answers[:] = [type(json_answer(200, None))(200, (), body)]
    answer = clients.api(gateway.url, {}, {"apigee_key": "key"}).recordings("u", seconds=60)
    assert answer is not None
    assert answer.topic == "Cut \ufffd"
