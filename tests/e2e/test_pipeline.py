"""The scenarios, and answers of the webhook and the API, on the local stack."""

from __future__ import annotations

import json

import pytest
import requests

from local.state import State
from tests.e2e.scenarios import SCENARIOS
from tests.e2e.stack import Stack


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_passes_on_the_local_stack(name: str, stack: Stack) -> None:
    SCENARIOS[name](stack)


@pytest.mark.parametrize("forge", ["wrong_secret", "old_timestamp", "unsigned"])
def test_a_forged_webhook_event_is_refused(stack: Stack, forge: str) -> None:
    recording = stack.lecture()
    assert stack.driver.send("recording.completed", recording.uuid, forge=forge).status == 401
    assert stack.driver.status(recording.meeting_id) == {}


def test_the_webhook_answers_the_validation_request_of_zoom(stack: Stack) -> None:
    answer = stack.driver.send("endpoint.url_validation")
    assert answer.status == 200
    assert set(json.loads(answer.body)) == {"plainToken", "encryptedToken"}


def test_the_api_says_why_it_refuses_a_bad_request(state: State, session: requests.Session) -> None:
    answer = session.post(f"{state.api_url}/ingest", data="{", timeout=120)
    assert answer.status_code == 400
    assert answer.json() == {"message": "The body is not JSON."}
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    answer = session.get(f"{state.api_url}/status", params={"seconds": "1.5"}, timeout=120)
    assert answer.status_code == 400
    assert answer.json()["message"]
