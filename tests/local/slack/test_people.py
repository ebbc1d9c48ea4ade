"""Tests of commands and button presses in the Slack stand-in, and of the messages that follow."""

import hashlib
import hmac
import threading
from dataclasses import replace

import pytest

from local.neighbours.https_server import Answer, Disruption, json_answer, text_answer
from tests.local.clock import NOW
from tests.local.slack.client import SECRET, App, Client, actions, section

TIMEOUT = '/zip failed with the error "operation_timeout"'
FAILED = '/zip failed with the error "dispatch_failed"'


def signed(app: App) -> bool:
    request = app.seen[-1]
    stamp = request.headers["X-Slack-Request-Timestamp"]
    raw = f"v0:{stamp}:".encode() + request.body
    right = "v0=" + hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
    return bool(request.headers["X-Slack-Signature"] == right)


def test_slack_stand_in_sends_a_command_with_every_field_and_the_signature_of_slack(
    client: Client,
) -> None:
    client.types("  123 456*7890 ", channel="#zip")
    form = client.app.form
    assert form.pop("response_url").startswith(f"{client.slack.url}/commands/T0LOCALZIP/")
    assert len(form.pop("trigger_id").split(".")) == 3
    assert form.pop("token")
    assert form == {
        "team_id": "T0LOCALZIP",
        "team_domain": "local",
        "channel_id": "C0ZIPCHAN",
        "channel_name": "zip",
        "user_id": "U0PRODUCER",
        "user_name": "producer",
        "command": "/zip",
        "text": "123 456*7890",
        "api_app_id": "A0LOCALZIP",
        "is_enterprise_install": "false",
    }
    assert signed(client.app)
    assert client.app.seen[-1].headers["X-Slack-Request-Timestamp"] == str(int(NOW))


@pytest.mark.parametrize(
    ("channel", "name"), [("direct", "directmessage"), ("secret", "privategroup")]
)
def test_slack_stand_in_sends_the_kind_in_place_of_the_name_when_a_channel_is_not_public(
    client: Client, channel: str, name: str
) -> None:
    client.types(channel=channel)
    assert client.app.form["channel_name"] == name
    assert client.app.form["text"] == ""


@pytest.mark.parametrize("forge", ["wrong_secret", "unsigned", "other_body", "old_timestamp"])
def test_slack_stand_in_forges_a_command_in_the_chosen_way(client: Client, forge: str) -> None:
    client.types(forge=forge)
    headers = client.app.seen[-1].headers
    if forge == "unsigned":
        assert "X-Slack-Signature" not in headers
    elif forge == "old_timestamp":
        assert (signed(client.app), headers["X-Slack-Request-Timestamp"]) == (
            True,
            str(int(NOW) - 360),
        )
    else:
        assert not signed(client.app)


def test_slack_stand_in_shows_an_answer_to_everybody_when_its_type_is_in_channel(
    client: Client,
) -> None:
    client.app.says(response_type="in_channel", text="here", blocks=[section("*here*")])
    outcome = client.types("1")
    assert (outcome.status, outcome.error) == (200, None)
    (message,) = client.slack.messages("stranger")
    assert (message.ts, message.asked, message.only_for) == (outcome.ts, "/zip 1", None)
    assert message.blocks[0]["text"] == {"type": "mrkdwn", "text": "*here*", "verbatim": False}
    assert message.blocks[0]["block_id"]


@pytest.mark.parametrize("kind", [{}, {"response_type": "ephemeral"}, {"response_type": "odd"}])
def test_slack_stand_in_shows_an_answer_only_to_the_user_when_its_type_is_not_in_channel(
    client: Client, kind: dict[str, str]
) -> None:
    client.app.says(text="for you", **kind)
    client.types()
    assert (client.seen_by("producer"), client.seen_by("stranger")) == (["for you"], [])


def test_slack_stand_in_shows_plain_text_but_no_empty_answer(client: Client) -> None:
    client.app.reply = lambda _: text_answer(200, "text/plain", b"It's 80 degrees")
    client.types()
    client.app.reply = lambda _: Answer(200)
    assert client.types().ts is None
    client.app.says(response_type="in_channel")
    assert client.types().ts is None
    assert client.seen_by("producer") == ["It's 80 degrees"]


def test_slack_stand_in_shows_a_timeout_when_the_answer_of_the_app_takes_too_long(
    client: Client,
) -> None:
    assert client.slack.timeout == 3.0
    client.slack.timeout = 0.2
    late = Answer(200, (("Content-Type", "text/plain"),), b"late", disruption=Disruption(wait=30))
    client.app.reply = lambda _: late
    outcome = client.types()
    assert (outcome.status, outcome.error) == (None, "operation_timeout")
    assert 0.2 <= outcome.seconds < 5
    assert client.seen_by("producer") == [TIMEOUT]
    assert client.seen_by("stranger") == []


def test_slack_stand_in_shows_an_error_when_the_app_does_not_answer_200(client: Client) -> None:
    client.app.reply = lambda _: json_answer(401, {"text": "no"})
    outcome = client.types()
    assert (outcome.status, outcome.error) == (401, "dispatch_failed")
    assert client.seen_by("producer") == [FAILED]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (json_answer(200, {"blocks": [section("x" * 3001)]}), "invalid_blocks"),
        (json_answer(200, {"blocks": "[]"}), "invalid_blocks_format"),
        (json_answer(200, ["text"]), "invalid_payload"),
        (json_answer(200, {"text": 5}), "invalid_arguments"),
        (text_answer(200, "application/json", b"{"), "invalid_command_response"),
    ],
)
def test_slack_stand_in_shows_an_error_in_place_of_a_message_that_slack_refuses(
    client: Client, answer: Answer, error: str
) -> None:
    client.app.reply = lambda _: answer
    assert client.types().error == error
    assert client.seen_by("producer") == [f'/zip failed with the error "{error}"']
    (refusal,) = client.control("GET", "refused").json()
    assert (refusal["how"], refusal["error"]) == ("answer", error)
    if error == "invalid_blocks":
        assert "3001" in refusal["messages"][0]


def test_slack_stand_in_sends_a_press_with_the_payload_of_slack(client: Client) -> None:
    message = client.button()
    assert client.presses(message.ts).error is None
    payload = client.app.payload
    assert payload["type"] == "block_actions"
    assert payload["container"] == {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": "C0ZIPCHAN",
        "is_ephemeral": False,
    }
    assert payload["channel"] == {"id": "C0ZIPCHAN", "name": "zip"}
    assert payload["user"] == {
        "id": "U0PRODUCER",
        "username": "producer",
        "name": "producer",
        "team_id": "T0LOCALZIP",
    }
    assert payload["team"] == {"id": "T0LOCALZIP", "domain": "local"}
    assert payload["message"]["blocks"] == message.blocks
    (action,) = payload["actions"]
    assert action.pop("action_ts")
    assert action == {
        "type": "button",
        "action_id": "next",
        "block_id": message.blocks[1]["block_id"],
        "text": {"type": "plain_text", "text": "Next", "emoji": True},
        "value": "v",
    }
    assert payload["response_url"].startswith(f"{client.slack.url}/actions/")
    assert set(payload) >= {"api_app_id", "token", "trigger_id", "enterprise", "state"}
    assert signed(client.app)


def test_payload_of_a_press_has_no_message_field_when_the_message_is_ephemeral(
    client: Client,
) -> None:
    client.app.says(blocks=[actions("next")])
    outcome = client.types()
    assert outcome.ts
    client.presses(outcome.ts)
    assert "message" not in client.app.payload
    assert client.app.payload["container"]["is_ephemeral"] is True


def test_slack_stand_in_does_not_show_the_body_of_an_answer_to_a_press(client: Client) -> None:
    message = client.button()
    client.app.says(text="ignored", replace_original=True)
    assert client.presses(message.ts).ts is None
    assert client.seen_by("producer") == [""]
    client.app.reply = lambda _: Answer(500)
    assert client.presses(message.ts).error == "dispatch_failed"


@pytest.mark.parametrize(("user", "action_id"), [("stranger", "next"), ("producer", "other")])
def test_slack_stand_in_refuses_a_press_when_the_user_does_not_see_the_button(
    client: Client, user: str, action_id: str
) -> None:
    client.app.says(blocks=[actions("next")])
    ts = client.types().ts
    body = {"user": user, "ts": ts, "action_id": action_id}
    assert client.control("POST", "press", json=body).status_code == 404


def test_slack_stand_in_serves_two_users_who_type_at_the_same_time(client: Client) -> None:
    both = threading.Barrier(2, timeout=10)

    def wait(_: object) -> Answer:
        both.wait()
        return json_answer(200, {"text": "yours"})

    client.app.reply = wait
    threads = [
        threading.Thread(target=client.types, kwargs={"user": user})
        for user in ("producer", "stranger")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.seen_by("producer") == client.seen_by("stranger") == ["yours"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("command", {"user": "nobody", "channel": "zip"}, 404),
        ("command", {"user": "producer", "channel": "nowhere"}, 404),
        ("command", {"user": "producer"}, 400),
        ("command", {"user": "producer", "channel": "zip", "txt": "1"}, 400),
    ],
)
def test_slack_stand_in_refuses_a_wrong_control_body_with_a_sentence(
    client: Client, path: str, body: dict[str, str], status: int
) -> None:
    answer = client.control("POST", path, json=body)
    assert answer.status_code == status
    assert answer.json()["message"]


def test_slack_stand_in_returns_an_error_when_the_app_is_unreachable(client: Client) -> None:
    app = client.slack.workspace.app
    client.slack.workspace.app = replace(app, request_url="https://127.0.0.1:1/slack")
    outcome = client.types()
    assert (outcome.status, outcome.error) == (None, "dispatch_failed")


def test_slack_stand_in_lists_a_problem_when_a_message_has_unescaped_markup(
    client: Client,
) -> None:
    client.app.says(blocks=[section("Topic: <Biology> <!channel>")])
    ts = client.types().ts
    (shown,) = client.control("GET", "messages", params={"user": "producer"}).json()
    assert shown["ts"] == ts
    assert "<Biology>" in shown["problems"][0]
    assert shown["controls"] == ["<!channel>"]
