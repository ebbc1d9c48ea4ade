"""Requests and commands that the slack function accepts or refuses."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from slack_sdk.signature import SignatureVerifier

import slack
from ingester.slack.command import VERSION
from local.neighbours.https_server import Answer, json_answer
from tests.cloud import Clock
from tests.unit.functions.slack.conftest import Put
from tests.unit.functions.slack.workspace import (
    MEETING,
    SIGNING_SECRET,
    STRANGER,
    Harness,
    Workspace,
)

BODY = b"user_id=U111&channel_id=C&channel_name=zip&response_url=https%3A%2F%2F127.0.0.1%2Fx&text="


def refused(answer: dict[str, Any]) -> str:
    """Return the text of an answer, and check that only the user sees the answer."""
    assert set(answer) == {"response_type", "replace_original", "text"}
    assert (answer["response_type"], answer["replace_original"]) == ("ephemeral", False)
    return str(answer["text"])


@pytest.mark.parametrize("minutes", [-5.1, 5.1])
def test_slack_request_gets_401_when_its_time_is_more_than_five_minutes_off(
    harness: Harness, clock: Clock, minutes: float
) -> None:
    headers = signed(harness)
    clock.forward(minutes=minutes)
    assert slack.respond({"headers": headers, "body": BODY.decode()}, harness.deps).status == 401


def signed(harness: Harness, secret: str = SIGNING_SECRET) -> dict[str, str]:
    stamp = str(int(harness.clock().timestamp()))
    signature = SignatureVerifier(secret).generate_signature(timestamp=stamp, body=BODY)
    return {"x-slack-request-timestamp": stamp, "x-slack-signature": str(signature)}


@pytest.mark.parametrize(
    "change",
    [
        {"x-slack-signature": ""},
        {"x-slack-signature": "v0=" + "0" * 64},
        {"x-slack-signature": "v0=\u00e9"},
        {"x-slack-request-timestamp": ""},
        {"x-slack-request-timestamp": "now"},
        {"x-slack-request-timestamp": "\u0661"},
        {"x-slack-request-timestamp": "9" * 40},
    ],
)
def test_slack_request_gets_401_when_slack_did_not_sign_it(
    harness: Harness, workspace: Workspace, change: dict[str, str]
) -> None:
    headers = {**signed(harness), **change}
    assert slack.respond({"headers": headers, "body": BODY.decode()}, harness.deps).status == 401
    assert workspace.asked == []


def test_slack_request_gets_401_when_its_body_was_changed(harness: Harness) -> None:
    body = BODY.decode() + "1"
    assert slack.respond({"headers": signed(harness), "body": body}, harness.deps).status == 401
    assert (
        slack.respond({"headers": signed(harness), "body": BODY.decode()}, harness.deps).status
        == 200
    )


def test_slack_request_gets_401_when_its_body_is_not_text_and_its_signature_is_wrong(
    harness: Harness,
) -> None:
    event = {"headers": signed(harness), "body": "//79", "isBase64Encoded": True}
    assert slack.respond(event, harness.deps).status == 401


def test_slack_request_is_answered_when_the_secret_was_set_after_the_cold_start(
    harness: Harness,
) -> None:
    old, new = harness.set_up(secret="old"), harness.set_up()
    event = {"headers": signed(harness), "body": BODY.decode()}
    assert slack.respond(event, old).status == 401
    assert slack.respond(event, old, lambda: new).status == 200
    assert json.loads(slack.respond(event, harness.set_up(secret="")).body)["text"].startswith(
        "The Z"
    )
    assert "shows where" in json.loads(slack.respond(event, harness.deps, lambda: new).body)["text"]


def test_slack_request_is_not_parsed_when_there_is_no_signing_secret(
    harness: Harness, workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    harness.set_up(secret="")
    for body in (BODY, b"", b"payload=%7B%7D", b"\xff"):
        answer = slack.respond(
            {"headers": {}, "body": body.decode("latin-1")}, harness.deps, lambda: harness.deps
        )
        assert answer.status == 200
        assert "is not set up" in refused(json.loads(answer.body))
    assert workspace.asked == []
    assert harness.invoked == []
    assert "SLACK_SIGNING_SECRET is missing" in caplog.text
    # The pipeline mails errors, so a request that anybody may send must not log an error.
    assert all(record.levelno < logging.ERROR for record in caplog.records)


@pytest.mark.parametrize("missing", [{"token": ""}, {"slack_allowed_groups": " , "}])
def test_slack_answer_says_that_slack_is_not_set_up_when_a_setting_is_missing(
    harness: Harness, missing: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    harness.set_up(**missing)
    assert "is not set up" in refused(harness.command("help"))
    assert "missing" in caplog.text


def test_slash_command_and_button_press_are_refused_when_the_user_is_in_no_allowed_group(
    harness: Harness, put: Put
) -> None:
    put("u1")
    for text in ("", "help", "12345678901", "nonsense"):
        refusal = refused(harness.command(text, user_id=STRANGER))
        assert refusal.startswith("You may not use this command")
        assert "@Producers, @staff" in refusal
    (message,) = harness.press(value(), user={"id": STRANGER})
    assert refused(message).startswith("You may not use this command")


def value() -> str:
    return json.dumps(
        {
            "version": VERSION,
            "mid": MEETING,
            "newest_start_time": "2026-10-14T15:00:00Z",
            "start_index": 0,
            "count": 2,
        }
    )


def test_slash_command_and_button_press_are_refused_outside_the_allowed_channel_and_direct_messages(
    harness: Harness,
) -> None:
    elsewhere = harness.command("help", channel_name="random", channel_id="C2")
    assert refused(elsewhere) == "This command works only in #zip and in direct messages."
    (pressed,) = harness.press(value(), channel={"id": "C2", "name": "random"})
    assert refused(pressed) == refused(elsewhere)
    for allowed in ({"channel_name": "directmessage", "channel_id": "D1"}, {"channel_id": "C7"}):
        assert "shows where" in harness.command("help", **allowed)["text"]


def test_private_slack_channel_is_recognized_by_its_id(harness: Harness) -> None:
    harness.set_up(slack_zip_channel="C0123ABCD")
    private = {"channel_name": "privategroup", "channel_id": "C0123ABCD"}
    assert "shows where" in harness.command("help", **private)["text"]
    text = refused(harness.command("help", channel_name="privategroup"))
    assert text == "This command works only in <#C0123ABCD> and in direct messages."


def test_slash_command_is_accepted_only_in_direct_messages_when_no_channel_is_set(
    harness: Harness,
) -> None:
    harness.set_up(slack_zip_channel="")
    for name in ("zip", ""):
        text = refused(harness.command("help", channel_name=name, channel_id=""))
        assert text == "This command works only in direct messages."
    direct = {"channel_name": "directmessage", "channel_id": "D1"}
    assert "shows where" in harness.command("help", **direct)["text"]
    assert "works only" in refused(harness.command("help", **{**direct, "channel_id": "C1"}))


@pytest.mark.parametrize(
    "text", ["1", "12345678", "123456789012", "12345x78901", "help me", "٣" * 10]
)
def test_slack_answer_explains_meeting_numbers_when_the_number_is_invalid(
    harness: Harness, text: str
) -> None:
    assert "9 to 11 digits" in refused(harness.command(text))


@pytest.mark.parametrize(
    "changed", ["", "{}", "null", '{"version": 1', value().replace(str(VERSION), "1", 1)]
)
def test_slack_answer_says_that_a_button_is_of_another_version_when_the_value_is_invalid(
    harness: Harness, changed: str
) -> None:
    (message,) = harness.press(changed)
    assert "another version" in refused(message)


def test_slack_answer_says_that_the_user_cannot_be_checked_when_slack_refuses_to_list_groups(
    harness: Harness, workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    problem = {"ok": False, "error": "missing_scope", "needed": "usergroups:read"}
    workspace.answer("/api/usergroups.list", json_answer(200, problem))
    assert "whether you may use this command" in refused(harness.command("12345678901"))
    assert "usergroups:read" in caplog.text
    assert "xoxb" not in caplog.text
    (record,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert vars(record)["outlook"] == "The user reads that the groups can't be read now."
    assert "secrets.rotate SLACK_API_TOKEN" in vars(record)["advice"]


def test_slack_answer_says_that_the_status_cannot_be_read_when_the_status_table_fails(
    harness: Harness,
) -> None:
    harness.aws.status.delete()
    assert "can't be read now" in refused(harness.command("12345678901"))


def test_answer_of_slack_is_logged_as_an_error_when_slack_refuses_a_message(
    harness: Harness, workspace: Workspace, put: Put, caplog: pytest.LogCaptureFixture
) -> None:
    put("u1")
    workspace.answer("/respond", Answer(404, body=b"used_url"))
    assert harness.press(value()) == []
    (record,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert record.exc_info
    assert "used_url" in str(record.exc_info[1])


def test_slack_request_gets_200_when_it_needs_no_answer(harness: Harness) -> None:
    assert harness.post(b"ssl_check=1&token=x").status == 200
    assert harness.post(b"payload=" + b"%7B%22type%22%3A%22view_closed%22%7D").status == 200


def test_slack_request_gets_400_when_it_is_malformed_or_its_response_url_is_not_https(
    harness: Harness,
) -> None:
    for body in (b"", b"user_id=U111", b"payload=x", BODY.replace(b"https", b"http")):
        assert harness.post(body).status == 400
