"""Slack and Google beside the stack: they run, and the stack has what opens them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import requests
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2 import service_account

from cdk.names import GOOGLE_CREDENTIALS
from local.driver import Driver
from local.neighbours.sheets_account import SCOPE
from local.state import State
from tests.e2e.operator import Operator


@pytest.fixture
def driver(state: State) -> Iterator[Driver]:
    made = Driver(state)
    yield made
    made.close()


@pytest.fixture
def session(state: State) -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env, made.verify = False, state.ca_bundle
        yield made


def test_the_key_in_ssm_opens_the_schedule_s_sheet(
    state: State, driver: Driver, session: requests.Session, operator: Operator
) -> None:
    parameter = driver.client("ssm").get_parameter(Name=GOOGLE_CREDENTIALS, WithDecryption=True)
    credentials = service_account.Credentials.from_service_account_info(
        json.loads(parameter["Parameter"]["Value"]), scopes=[SCOPE]
    )
    settings = operator.environment
    tabs = settings["GSHEETS_SHEET_NAMES"].split(",")
    with AuthorizedSession(credentials, auth_request=Request(session)) as google:
        google.trust_env, google.verify = False, state.ca_bundle
        url = f"{state.sheets_url}/v4/spreadsheets/{settings['GSHEETS_DOC_ID']}/values:batchGet"
        answer = google.get(url, params={"ranges": tabs}, timeout=10)
    assert answer.status_code == 200
    told = [each["range"].partition("!")[0].strip("'") for each in answer.json()["valueRanges"]]
    assert told == tabs


def test_the_token_opens_slack_and_its_people_are_heard(
    state: State, driver: Driver, session: requests.Session, operator: Operator
) -> None:
    settings = operator.environment
    headers = {"Authorization": f"Bearer {settings['SLACK_API_TOKEN']}"}
    answer = session.post(f"{state.slack_url}/api/usergroups.list", headers=headers, timeout=10)
    handles = [group["handle"] for group in answer.json()["usergroups"]]
    assert set(settings["SLACK_ALLOWED_GROUPS"].split(",")) <= set(handles)
    assert state.slack_signing_secret == settings["SLACK_SIGNING_SECRET"]
    for user, said in (("producer", "/zip 123 456 7890"), ("stranger", "You may not use")):
        outcome = driver.type("help", user=user)
        (shown,) = [each for each in driver.shown(user) if each["ts"] == outcome["ts"]]
        assert said in shown["text"]
        assert (shown["only_for"] is not None, shown["problems"]) == (True, [])
    assert driver.type("help", forge="old_timestamp")["status"] == 401
