"""Attacks from an address that the API's policy, made from `INGEST_ALLOWED_IPS`, doesn't allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.attacks.probes import (
    STAGE,
    Attack,
    Probe,
    encoded,
    new_uuid,
    started,
    to_ingest,
    to_status,
    to_webhook,
)
from tests.attacks.target import Target
from tests.e2e.deployed import address_refused

pytestmark = pytest.mark.usefixtures("no_error_mail")

ALLOWED = "203.0.113.9"
"""The only address that the API's policy allows during an attack."""

HONEST = to_status("meeting_id=86168921331")
INGEST = to_ingest({"uuid": "ajXp112QmuoKj4854875==", "oc_series_id": "20260112345"})
UNKNOWN = "Zoom knows no recording ajXp112QmuoKj4854875==."
"""The message of the `on-demand` function's answer to INGEST."""


def from_elsewhere(name: str) -> Callable[[Probe], Probe]:
    """Return a change by which a request's header `name` claims the allowed address."""
    values = {"forwarded": f"for={ALLOWED};proto=https"}
    return lambda probe: probe.having(**{name: values.get(name, ALLOWED)})


def at(path: str) -> Callable[[Probe], Probe]:
    """Return a change of a request's path, which keeps the query."""
    return lambda probe: probe.at(f"{path}?{probe.path.partition('?')[2]}")


def asked_by(method: str) -> Callable[[Probe], Probe]:
    """Return a change of a request's method."""
    return lambda probe: probe.by(method)


CLAIMS = (
    "x_forwarded_for",
    "forwarded",
    "x_real_ip",
    "x_client_ip",
    "x_originating_ip",
    "x_remote_addr",
    "true_client_ip",
    "cf_connecting_ip",
    "x_amzn_source_ip",
)
SPELLINGS = {
    "as it is": f"{STAGE}/status",
    "with a slash at the end": f"{STAGE}/status/",
    "with two slashes at the end": f"{STAGE}/status//",
    "with two slashes in front": f"{STAGE}//status",
    "in capitals": f"{STAGE}/STATUS",
    "with an encoded letter": f"{STAGE}/%73tatus",
    "with all letters encoded": f"{STAGE}/%73%74%61%74%75%73",
    "with an encoded slash": f"{STAGE}/status%2F",
    "with an encoded slash in front": f"{STAGE}%2Fstatus",
    "with a dot segment": f"{STAGE}/./status",
    "through an open route": f"{STAGE}/new_recording/../status",
    "through an open route with encoded dots": f"{STAGE}/new_recording/%2e%2e/status",
    "with a matrix parameter": f"{STAGE}/status;a=b",
    "with an encoded question mark": f"{STAGE}/status%3Fmeeting_id=1",
    "with an encoded zero": f"{STAGE}/status%00",
    "with an extension": f"{STAGE}/status.json",
    "below an open route": f"{STAGE}/new_recording/status",
    "on the stage prod": "/prod/status",
    "on the default stage": "/$default/status",
    "on a stage in capitals": "/LIVE/status",
    "without a stage": "/status",
}
METHODS = ("POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "get", "GETS")
REFUSED = (403,)

ATTACKS = [
    *(Attack(f"claimed in {name}", from_elsewhere(name), REFUSED) for name in CLAIMS),
    *(Attack(f"spelt {name}", at(path), REFUSED) for name, path in SPELLINGS.items()),
    *(Attack(f"asked by {method}", asked_by(method), REFUSED) for method in METHODS),
    Attack(
        "asked by an override",
        lambda probe: Probe(
            path=probe.path, method="OPTIONS", headers={"x-http-method-override": "GET"}
        ),
        REFUSED,
    ),
    Attack(
        "asked by another URL",
        lambda probe: probe.having(x_original_url=probe.path, x_rewrite_url=probe.path),
        REFUSED,
    ),
    Attack("asked of another host", lambda probe: probe.having(host="localhost"), REFUSED),
    Attack("asked from Opencast's page", lambda p: p.having(origin="https://oc"), REFUSED),
    Attack("asked of the page", lambda _: Probe(path=f"{STAGE}/", method="GET"), REFUSED),
    Attack("asked of the page without a slash", lambda _: Probe(path=STAGE, method="GET"), REFUSED),
]


@pytest.fixture(scope="module")
def refused(target: Target) -> Iterator[None]:
    """Let the API's policy allow only ALLOWED, not this machine's address, during the tests."""
    with address_refused(target.driver):
        yield


@pytest.fixture(scope="module", autouse=True)
def _allowed_before_and_after(target: Target) -> Iterator[None]:
    """Assert that API Gateway lets the honest requests through while the address is allowed."""
    assert target.send(HONEST).status == 200
    assert target.send(INGEST).json() == {"message": UNKNOWN}
    yield
    assert target.send(HONEST).status == 200
    assert target.send(INGEST).json() == {"message": UNKNOWN}


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
@pytest.mark.usefixtures("refused")
def test_requests_for_status_and_page_are_refused_when_the_address_is_not_allowed(
    attack: Attack, target: Target
) -> None:
    target.assert_attack_refused(attack, HONEST)


@pytest.mark.parametrize(
    "attack",
    [
        Attack("as it is", lambda probe: probe, REFUSED),
        Attack("with a slash at the end", lambda probe: probe.at(f"{STAGE}/ingest/"), REFUSED),
        Attack("in capitals", lambda probe: probe.at(f"{STAGE}/INGEST"), REFUSED),
        Attack(
            "through an open route",
            lambda probe: probe.at(f"{STAGE}/new_recording/../ingest"),
            REFUSED,
        ),
        Attack("from Opencast's page", lambda p: p.having(origin="https://oc"), REFUSED),
        Attack("from a claimed address", from_elsewhere("x_forwarded_for"), REFUSED),
    ],
    ids=str,
)
@pytest.mark.usefixtures("refused")
def test_requests_to_the_ingest_route_are_refused_when_the_address_is_not_allowed(
    attack: Attack, target: Target
) -> None:
    target.assert_attack_refused(attack, INGEST)


@pytest.mark.usefixtures("refused")
def test_webhook_ignores_headers_that_claim_another_method_and_path(
    target: Target,
) -> None:
    honest = to_webhook(encoded(started(uid := new_uuid())), target.zoom_secret)
    claims = {"x_http_method_override": "GET", "x_original_url": HONEST.path}
    target.assert_refused(honest.having(x_zm_signature=None, **claims), 401)
    assert target.send(honest.having(**claims)).status == 204
    assert target.row_of(uid)
