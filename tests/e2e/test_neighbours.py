"""The stack's credentials give access to the stand-ins of Google and Slack."""

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
from tests.e2e.slack import await_process
from tests.e2e.stack import Stack

SECONDS = 60.0
"""Longest time that a stand-in may take to answer, on a busy machine too."""


@pytest.fixture
def session(state: State) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env, session.verify = False, state.ca_bundle
        yield session


def test_the_google_key_in_ssm_gives_access_to_the_schedule_s_sheet(
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
        answer = google.get(url, params={"ranges": tabs}, timeout=SECONDS)
    assert answer.status_code == 200
    ranges = [found["range"] for found in answer.json()["valueRanges"]]
    assert [name.partition("!")[0].strip("'") for name in ranges] == tabs


def test_slack_accepts_the_stack_s_token_and_the_stack_answers_slack_s_users(
    state: State, stack: Stack, session: requests.Session, operator: Operator
) -> None:
    settings, driver = operator.environment, stack.driver
    headers = {"Authorization": f"Bearer {settings['SLACK_API_TOKEN']}"}
    url = f"{state.slack_url}/api/usergroups.list"
    answer = session.post(url, headers=headers, timeout=SECONDS)
    handles = [group["handle"] for group in answer.json()["usergroups"]]
    assert set(settings["SLACK_ALLOWED_GROUPS"].split(",")) <= set(handles)
    assert state.slack_signing_secret == settings["SLACK_SIGNING_SECRET"]
    await_process(stack)
    for user, text in (("producer", "/zip 123 456 7890"), ("stranger", "You may not use")):
        outcome = driver.type("help", user=user)
        (shown,) = [message for message in driver.shown(user) if message["ts"] == outcome["ts"]]
        assert text in shown["text"]
        assert (shown["only_for"] is not None, shown["problems"]) == (True, [])
    assert driver.type("help", forge="old_timestamp")["status"] == 401
