"""Answers of the running stack, compared with docs/openapi.yaml."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from ingester.zoom.signature import signed_headers
from local.state import State
from tests import openapi
from tests.e2e.spreadsheet import HEADER, Spreadsheet, row
from tests.e2e.stack import Stack, recent_start

Ask = Callable[..., int]


@pytest.fixture
def ask(state: State, session: requests.Session) -> Ask:
    """Return a function that sends a request, checks the answer and returns the status."""

    def request(method: str, path: str, **options: Any) -> int:
        answer = session.request(method, f"{state.api_url}/{path}", timeout=120, **options)
        contents = openapi.contents(method, path, answer.status_code)
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        if answer.content:
            content = answer.json() if kind == "application/json" else answer.text
            openapi.check(contents[kind]["schema"], content)
        else:
            assert answer.status_code == 204 or (path, answer.status_code) == ("slack", 200)
        documented = openapi.operations()[method, path]["responses"][str(answer.status_code)]
        for header in openapi.resolved(documented).get("headers", {}):
            assert header in answer.headers
        return answer.status_code

    return request


def test_the_answers_of_the_route_new_recording_are_as_documented(
    ask: Ask, state: State, stack: Stack
) -> None:
    def send(body: bytes, secret: str = "") -> int:
        headers = signed_headers(secret or str(state.webhook_secret), time.time(), body)
        return ask("POST", "new_recording", data=body, headers=headers)

    assert send(b'{"event": "endpoint.url_validation", "payload": {"plainToken": "t"}}') == 200
    assert send(b'{"event": "meeting.created", "payload": {"object": {}}}') == 204
    assert send(b"{") == 400
    assert send(b"{}", secret="wrong") == 401
    answer = stack.driver.send("recording.completed", stack.lecture(scheduled=False).uuid)
    assert (answer.status, answer.body) == (200, "Success")
    openapi.check(openapi.contents("POST", "new_recording", 200)["text/plain"]["schema"], "Success")


def test_the_answers_of_the_route_ingest_are_as_documented(ask: Ask, stack: Stack) -> None:
    recording = stack.lecture(scheduled=False)
    assert ask("POST", "ingest", json={"uuid": recording.uuid}) == 200
    assert ask("POST", "ingest", data="{") == 400
    assert ask("POST", "ingest", json={"uuid": "https://zoom.us/recording/detail"}) == 404
    assert ask("OPTIONS", "ingest", headers={"Origin": "https://oc.example.edu"}) == 204


def test_the_answers_of_the_route_status_are_as_documented(ask: Ask, stack: Stack) -> None:
    recording = stack.lecture(scheduled=False)
    stack.send_completed(recording)
    assert ask("GET", "status", params={"meeting_id": str(recording.meeting_id)}) == 200
    assert ask("GET", "status", params={"meeting_id": "1"}) == 200
    assert ask("GET", "status", params={"seconds": "3600"}) == 200
    assert ask("GET", "status") == 400
    details = {"meeting_id": str(recording.meeting_id), "details": "true"}
    assert ask("GET", "status", params=details) == 200
    since = f"{recent_start(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    assert ask("GET", "status", params={"since": since}) == 200
    assert ask("GET", "status", params={"queues": "true"}) == 200
    assert ask("GET", "status", params={"since": "yesterday"}) == 400
    assert ask("GET", "") == 200


def test_the_answers_of_the_route_schedule_update_are_as_documented(ask: Ask, stack: Stack) -> None:
    sheet = Spreadsheet(stack.driver)
    sheet.fill([HEADER, row()], [HEADER])
    assert ask("POST", "schedule_update") == 200
    sheet.fill([["nothing"]], [HEADER])
    assert ask("POST", "schedule_update") == 422
    stack.driver.inject_sheets_fault(kind="status", where="values", status=404)
    assert ask("POST", "schedule_update") == 502
    stack.driver.inject_sheets_fault(kind="status", where="values", status=503, times=4)
    assert ask("POST", "schedule_update") == 503


def test_the_answers_of_the_route_slack_are_as_documented(ask: Ask, state: State) -> None:
    def send(secret: str, **form: str) -> int:
        now, body = str(int(time.time())), urlencode(form)
        base = f"v0:{now}:{body}".encode()
        signature = hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": now,
            "X-Slack-Signature": f"v0={signature}",
        }
        return ask("POST", "slack", data=body, headers=headers)

    secret = str(state.slack_signing_secret)
    about = {"user_id": "U1", "channel_id": "D1", "channel_name": "directmessage"}
    about |= {"response_url": "https://127.0.0.1:9/"}
    assert send(secret, command="/zip", text="help", **about) == 200
    assert send("wrong", command="/zip", text="help", **about) == 401
    assert send(secret, payload="{") == 400
