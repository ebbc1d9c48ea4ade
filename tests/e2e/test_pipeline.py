"""Recordings through the real template on the local stack."""

from __future__ import annotations

import json

import pytest
import requests

from local.state import State
from tests.e2e.scenarios import SCENARIOS
from tests.e2e.scene import Scene


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str, scene: Scene) -> None:
    SCENARIOS[name](scene)


@pytest.mark.parametrize("forge", ["wrong_secret", "old_timestamp", "unsigned"])
def test_nobody_else_gets_in(scene: Scene, forge: str) -> None:
    recording = scene.lecture()
    assert scene.driver.send("recording.completed", recording.uuid, forge=forge).status == 401
    assert scene.driver.status(recording.meeting_id) == {}


def test_the_challenge_is_answered(scene: Scene) -> None:
    answer = scene.driver.send("endpoint.url_validation")
    assert answer.status == 200
    assert set(json.loads(answer.body)) == {"plainToken", "encryptedToken"}


def test_bad_requests_get_sentences(state: State) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.verify = state.ca_bundle
        answer = session.post(f"{state.api_url}/ingest", data="{", timeout=30)
        assert answer.status_code == 400
        assert answer.json() == {"message": "The body is not JSON."}
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        answer = session.get(f"{state.api_url}/status", params={"seconds": "1.5"}, timeout=30)
        assert answer.status_code == 400
        assert answer.json()["message"]
