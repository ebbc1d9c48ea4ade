"""Tests of messages to response_urls of the Slack stand-in."""

from typing import Any

import pytest

from local.neighbours.faults import Fault
from tests.local.clock import Clock
from tests.local.slack.client import Client, actions, section


def pressed(client: Client) -> tuple[str, str]:
    """Press a message's button, and return the message's ts and the response_url."""
    message = client.button()
    client.presses(message.ts)
    return message.ts, client.app.payload["response_url"]


def test_slack_stand_in_shows_a_message_to_the_channel_only_when_its_type_is_in_channel(
    client: Client,
) -> None:
    url = client.response_url()
    answer = client.respond(url, text="for you")
    assert (answer.status_code, answer.text) == (200, "ok")
    client.respond(url, text="for all", response_type="in_channel")
    assert client.seen_by("producer") == ["for you", "for all"]
    assert client.seen_by("stranger") == ["for all"]


@pytest.mark.parametrize("yes", [True, "true"])
def test_slack_stand_in_replaces_the_message_of_the_button_when_replace_original_is_true(
    client: Client, yes: Any
) -> None:
    ts, url = pressed(client)
    later = client.button()
    client.respond(url, replace_original=yes, text="more", blocks=[section("more")])
    messages = client.slack.messages("stranger")
    assert [message.ts for message in messages] == [ts, later.ts]
    assert (messages[0].text, messages[0].edited, messages[0].problems) == ("more", 1, ())
    assert (
        client.control(
            "POST", "press", json={"user": "producer", "ts": ts, "action_id": "next"}
        ).status_code
        == 404
    )


def test_slack_message_is_hidden_from_other_users_when_it_is_in_direct_messages(
    client: Client,
) -> None:
    client.app.says(response_type="in_channel", text="for one")
    client.types(channel="direct")
    assert (client.seen_by("producer"), client.seen_by("stranger")) == (["for one"], [])


def test_slack_stand_in_refuses_the_press_of_a_button_in_direct_messages_of_another_user(
    client: Client,
) -> None:
    client.app.says(response_type="in_channel", blocks=[actions("next")])
    ts = client.types(channel="direct").ts
    assert ts
    with pytest.raises(KeyError, match="sees no message"):
        client.presses(ts, user="stranger")


def test_slack_message_stays_private_when_its_replacement_has_the_type_in_channel(
    client: Client,
) -> None:
    client.app.says(blocks=[actions("next")])
    ts = client.types().ts
    assert ts
    client.presses(ts)
    url = client.app.payload["response_url"]
    client.respond(url, replace_original=True, response_type="in_channel", text="wider?")
    assert (client.seen_by("producer"), client.seen_by("stranger")) == (["wider?"], [])


def test_slack_stand_in_adds_a_message_when_replace_original_is_false(client: Client) -> None:
    ts, url = pressed(client)
    body = {"replace_original": False, "response_type": "in_channel", "text": "next"}
    client.respond(url, **body)
    first, second = client.slack.messages("stranger")
    assert (first.ts, second.text, second.problems) == (ts, "next", ())


def test_slack_message_has_a_problem_when_replace_original_is_missing(client: Client) -> None:
    _, url = pressed(client)
    client.respond(url, text="well?")
    assert "replace_original" in client.slack.messages("producer")[-1].problems[0]


def test_slack_stand_in_shows_no_replacement_when_the_message_of_the_button_was_removed(
    client: Client,
) -> None:
    _, url = pressed(client)
    client.slack.workspace.messages.clear()
    client.respond(url, replace_original=True, text="again")
    assert client.slack.messages("producer") == []


def test_slack_message_has_a_problem_when_it_replaces_a_command(client: Client) -> None:
    client.respond(client.response_url(), replace_original=True, text="a")
    (message,) = client.slack.messages("producer")
    assert "command" in message.problems[0]


def test_slack_response_url_is_refused_after_five_uses_including_refused_uses(
    client: Client,
) -> None:
    url = client.response_url()
    assert client.respond(url).json()["error"] == "no_text"
    assert [client.respond(url, text=str(use)).status_code for use in range(5)] == [
        *[200] * 4,
        404,
    ]
    assert client.respond(url, text="more").json() == {"ok": False, "error": "used_url"}
    assert client.seen_by("producer") == ["0", "1", "2", "3"]


def test_slack_response_url_expires_after_thirty_minutes(client: Client, clock: Clock) -> None:
    url = client.response_url()
    clock.now += 1800
    assert client.respond(url, text="just").status_code == 200
    clock.now += 1
    answer = client.respond(url, text="late")
    assert (answer.status_code, answer.json()["error"]) == (404, "expired_url")
    assert client.seen_by("producer") == ["just"]


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ({"json": {}}, "no_text"),
        ({"json": {"text": ""}}, "no_text"),
        ({"json": {"replace_original": True, "blocks": []}}, "no_text"),
        ({"json": {"blocks": [{"type": "heading"}]}}, "invalid_blocks"),
        ({"json": {"blocks": {}}}, "invalid_blocks_format"),
        ({"json": {"text": "a", "replace_original": 1}}, "invalid_arguments"),
        ({"json": "text"}, "invalid_payload"),
        ({"data": b'"\xff"', "headers": {"Content-Type": "application/json"}}, "invalid_payload"),
        ({"data": b"{", "headers": {"Content-Type": "application/json"}}, "invalid_payload"),
        ({"data": b'{"text": "a"}', "headers": {"Content-Type": "text/plain"}}, "invalid_payload"),
    ],
)
def test_slack_response_url_refuses_a_message_when_its_content_or_format_is_wrong(
    client: Client, sent: dict[str, Any], error: str
) -> None:
    answer = client.session.post(client.response_url(), timeout=10, **sent)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert client.slack.messages("producer") == []
    (refusal,) = client.control("GET", "refused").json()
    assert (refusal["how"], refusal["error"]) == ("response_url", error)
    if error == "invalid_blocks":
        messages = answer.json()["response_metadata"]["messages"]
        assert messages == ["[ERROR] unsupported type: heading [json-pointer:/blocks/0/type]"]


def test_slack_stand_in_answers_404_to_an_unknown_response_url_and_405_to_a_get(
    client: Client,
) -> None:
    url = client.response_url()
    assert client.respond(url + "0", text="a").status_code == 404
    assert client.session.get(url, timeout=10).status_code == 405


def test_slack_message_has_a_problem_when_a_field_is_unknown(client: Client) -> None:
    client.respond(client.response_url(), text="a", respons_type="in_channel")
    (message,) = client.slack.messages("producer")
    assert (message.only_for, "respons_type" in message.problems[0]) == ("U0PRODUCER", True)


def test_slack_stand_in_returns_an_ampersand_escaped(client: Client) -> None:
    blocks = [section("Q & A &amp; more"), actions("next")]
    client.app.says(response_type="in_channel", blocks=blocks)
    ts = client.types().ts
    assert ts
    client.presses(ts)
    text = client.app.payload["message"]["blocks"][0]["text"]["text"]
    assert text == "Q &amp; A &amp; more"


def test_slack_fault_at_response_urls_affects_one_message(client: Client) -> None:
    url = client.response_url()
    client.slack.fail(Fault(kind="status", status=500, where="response_url"))
    assert client.respond(url, text="a").status_code == 500
    assert client.respond(url, text="a").status_code == 200
    assert [seen.where for seen in client.slack.requests] == ["response_url"] * 2
