"""Attacks with the secret of another kind of request, or with a secret in a wrong place or form."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from cdk.names import SCHEDULE_UPDATE, Names
from tests.attacks.evidence import secrets_of
from tests.attacks.probes import (
    STAGE,
    Attack,
    Probe,
    encoded,
    new_uuid,
    started,
    to_slack,
    to_webhook,
)
from tests.attacks.target import WRONGLY_SIGNED, Target
from tests.e2e.deployed import cold_start
from tests.e2e.spreadsheet import HEADER, Spreadsheet, row

pytestmark = pytest.mark.usefixtures("no_error_mail")

ZOOM = "WEBHOOK_VALIDATION_SECRET_TOKEN"
PIPELINE = "PIPELINE_SIGNING_KEY"
SLACK = "SLACK_SIGNING_SECRET"
SCHEDULE = "SCHEDULE_UPDATE_TOKEN"
EVERY_SECRET = (
    ZOOM,
    PIPELINE,
    SLACK,
    SCHEDULE,
    "SLACK_API_TOKEN",
    "ZOOM_CLIENT_SECRET",
    "OPENCAST_API_PASSWORD",
)
HELP = {
    "command": "/zip",
    "text": "help",
    "user_id": "U1",
    "channel_id": "D1",
    "channel_name": "directmessage",
    "response_url": "https://127.0.0.1:9/",
}


@pytest.fixture(scope="module")
def target(target: Target) -> Iterator[Target]:
    """Give the stack a token for schedule updates, yield the stack, and remove the token again."""
    driver = target.driver
    names, ssm = Names(driver.state.stack_name), driver.client("ssm")
    path = names.secret(SCHEDULE)
    ssm.put_parameter(Name=path, Value=uuid.uuid4().hex, Type="SecureString")
    try:
        cold_start(driver, names.function(SCHEDULE_UPDATE))
        yield replace(target, secrets=secrets_of(driver), known=None)
    finally:
        ssm.delete_parameter(Name=path)
        cold_start(driver, names.function(SCHEDULE_UPDATE))


def others(*own: str) -> list[str]:
    """Return the names of all secrets except `own`."""
    return [name for name in EVERY_SECRET if name not in own]


@pytest.mark.parametrize("name", others(ZOOM, PIPELINE))
def test_webhook_event_of_zoom_is_refused_when_it_is_signed_with_another_secret(
    name: str, target: Target
) -> None:
    uid = new_uuid()
    body = encoded(started(uid))
    target.assert_refused(to_webhook(body, target.secrets[name]), *WRONGLY_SIGNED)
    assert target.send(to_webhook(body, target.zoom_secret)).status == 204
    assert target.row_of(uid)


@pytest.mark.parametrize("name", others(PIPELINE))
def test_webhook_refuses_a_request_of_the_pipeline_that_is_signed_with_another_secret(
    name: str, target: Target
) -> None:
    # The honest request lacks files, so that it writes only a row and starts no download.
    zip_id = f"on-demand-{new_uuid()}"
    about = started(new_uuid())["payload"]["object"]
    content = {
        "event": "on.demand.ingest",
        "download_token": "download-token",
        "payload": {"zip_id": zip_id, "object": about},
    }
    target.assert_refused(to_webhook(encoded(content), target.secrets[name]), *WRONGLY_SIGNED)
    assert target.send(to_webhook(encoded(content), target.pipeline_key)).status == 400
    assert target.row(zip_id)["pipeline_state"] == "WEBHOOK_FAILED"


@pytest.mark.parametrize("name", others(SLACK))
def test_slack_function_refuses_a_command_that_is_signed_with_another_secret(
    name: str, target: Target
) -> None:
    target.assert_refused(to_slack(HELP, target.secrets[name]), 401)
    assert target.send(to_slack(HELP, target.slack_secret)).status == 200


def test_slack_function_refuses_a_command_that_is_signed_as_zoom_signs(target: Target) -> None:
    honest = to_slack(HELP, target.slack_secret)
    in_zooms_way = to_webhook(honest.body, target.zoom_secret).headers
    target.assert_refused(replace(honest, headers=in_zooms_way), 401)
    assert target.send(honest).status == 200


def test_webhook_event_is_refused_when_it_is_signed_as_slack_signs(target: Target) -> None:
    uid = new_uuid()
    honest = to_webhook(encoded(started(uid)), target.zoom_secret)
    signed = to_slack(honest.body, target.slack_secret).headers
    target.assert_refused(replace(honest, headers=signed), 401)
    names = {"x-slack-signature": "x-zm-signature"}
    names["x-slack-request-timestamp"] = "x-zm-request-timestamp"
    renamed = {names.get(name, name): value for name, value in signed.items()}
    target.assert_refused(replace(honest, headers=renamed), *WRONGLY_SIGNED)
    assert target.send(honest).status == 204
    assert target.row_of(uid)


def update(headers: Mapping[str, str]) -> Probe:
    """Return a request for an update of the schedule."""
    return Probe(path=f"{STAGE}/schedule_update", headers=headers)


CARRIED = [
    Attack(name, change, (401,))
    for name, change in {
        "in an Authorization header": lambda probe: Probe(
            path=probe.path, headers={"authorization": f"Bearer {token(probe)}"}
        ),
        "in a cookie": lambda probe: Probe(
            path=probe.path, headers={"cookie": f"X-Schedule-Token={token(probe)}"}
        ),
        "in the query": lambda probe: Probe(path=f"{probe.path}?X-Schedule-Token={token(probe)}"),
        "in the body": lambda probe: Probe(
            path=probe.path, body=f"X-Schedule-Token={token(probe)}".encode()
        ),
        "in capitals": lambda probe: probe.having(x_schedule_token=token(probe).upper()),
        "without its last letter": lambda probe: probe.having(x_schedule_token=token(probe)[:-1]),
        "twice": lambda probe: probe.having(x_schedule_token=f"{token(probe)}, {token(probe)}"),
        "as nothing": lambda probe: probe.having(x_schedule_token=""),
    }.items()
]


def token(probe: Probe) -> str:
    """Return the token in an honest request for an update."""
    return probe.headers["x-schedule-token"]


@pytest.fixture(scope="module")
def sheet(target: Target) -> Spreadsheet:
    """Write one honest row to a sheet, and return the sheet."""
    sheet = Spreadsheet(target.driver)
    sheet.fill([HEADER, row()], [HEADER])
    return sheet


@pytest.mark.parametrize("attack", CARRIED, ids=str)
def test_schedule_update_is_refused_when_the_schedule_update_token_is_in_a_wrong_place_or_form(
    attack: Attack, target: Target
) -> None:
    target.assert_attack_refused(attack, update({"x-schedule-token": target.secrets[SCHEDULE]}))


@pytest.mark.parametrize("name", others(SCHEDULE))
def test_schedule_update_is_refused_when_another_secret_is_sent_as_the_schedule_update_token(
    name: str, target: Target
) -> None:
    target.assert_refused(update({"x-schedule-token": target.secrets[name]}), 401)


def test_schedule_update_is_accepted_when_it_has_the_schedule_update_token(
    target: Target, sheet: Spreadsheet
) -> None:
    answer = target.send(update({"x-schedule-token": target.secrets[SCHEDULE]}))
    assert (answer.status, answer.body.partition(":")[0]) == (200, "Success")
    assert set(sheet.scheduled()) == {"81000000001"}
