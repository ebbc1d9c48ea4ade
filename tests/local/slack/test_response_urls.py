"""Answers that come later, by a response_url."""

from typing import Any

import pytest

from local.neighbours.host import Fault
from tests.local.clock import Clock
from tests.local.slack.client import Client, actions, section

DAY = 86_400


def pressed(client: Client) -> tuple[str, str]:
    """A message with a button that was pressed: its ts, and the response_url."""
    message = client.button()
    client.presses(message.ts)
    return message.ts, client.app.payload["response_url"]


def test_a_message_for_the_one_who_asked_or_for_all(client: Client) -> None:
    url = client.asked()
    answer = client.respond(url, text="for you")
    assert (answer.status_code, answer.text) == (200, "ok")
    client.respond(url, text="for all", response_type="in_channel")
    assert client.seen_by("producer") == ["for you", "for all"]
    assert client.seen_by("stranger") == ["for all"]


@pytest.mark.parametrize("yes", [True, "true"])
def test_the_source_is_replaced_in_its_place(client: Client, yes: Any) -> None:
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


def test_a_replaced_message_stays_as_public_as_it_was(client: Client) -> None:
    client.app.says(blocks=[actions("next")])
    ts = client.types().ts
    assert ts
    client.presses(ts)
    url = client.app.payload["response_url"]
    client.respond(url, replace_original=True, response_type="in_channel", text="wider?")
    assert (client.seen_by("producer"), client.seen_by("stranger")) == (["wider?"], [])


def test_a_new_message_beside_the_source(client: Client) -> None:
    ts, url = pressed(client)
    body = {"replace_original": False, "response_type": "in_channel", "text": "next"}
    client.respond(url, **body)
    first, second = client.slack.messages("stranger")
    assert (first.ts, second.text, second.problems) == (ts, "next", ())


def test_whether_to_replace_has_to_be_said(client: Client) -> None:
    _, url = pressed(client)
    client.respond(url, text="well?")
    assert "replace_original" in client.slack.messages("producer")[-1].problems[0]


def test_the_source_is_deleted(client: Client) -> None:
    _, url = pressed(client)
    assert client.respond(url, delete_original=True).text == "ok"
    assert client.slack.messages("producer") == []


def test_a_source_that_is_gone_is_not_replaced(client: Client) -> None:
    _, url = pressed(client)
    client.respond(url, delete_original=True)
    client.respond(url, replace_original=True, text="again")
    assert client.slack.messages("producer") == []


def test_a_user_s_command_can_not_be_replaced(client: Client) -> None:
    client.respond(client.asked(), replace_original=True, text="a")
    (message,) = client.slack.messages("producer")
    assert "command" in message.problems[0]


def test_five_uses_and_refused_ones_count(client: Client) -> None:
    url = client.asked()
    assert client.respond(url).json()["error"] == "no_text"
    assert [client.respond(url, text=str(use)).status_code for use in range(5)] == [
        *[200] * 4,
        404,
    ]
    assert client.respond(url, text="more").json() == {"ok": False, "error": "used_url"}
    assert client.seen_by("producer") == ["0", "1", "2", "3"]


def test_thirty_minutes(client: Client, clock: Clock) -> None:
    url = client.asked()
    clock.now += 1800
    assert client.respond(url, text="just").status_code == 200
    clock.now += 1
    answer = client.respond(url, text="late")
    assert (answer.status_code, answer.json()["error"]) == (404, "expired_url")
    assert client.seen_by("producer") == ["just"]


def test_all_of_them_expire_when_told(client: Client) -> None:
    url = client.asked()
    client.control("POST", "expire")
    assert client.respond(url, text="late").json()["error"] == "expired_url"


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
        ({"data": b"{", "headers": {"Content-Type": "application/json"}}, "invalid_payload"),
        ({"data": b'{"text": "a"}', "headers": {"Content-Type": "text/plain"}}, "invalid_payload"),
    ],
)
def test_messages_that_are_refused(client: Client, sent: dict[str, Any], error: str) -> None:
    answer = client.session.post(client.asked(), timeout=10, **sent)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert client.slack.messages("producer") == []
    (refusal,) = client.control("GET", "refused").json()
    assert (refusal["how"], refusal["error"]) == ("response_url", error)
    if error == "invalid_blocks":
        told = answer.json()["response_metadata"]["messages"]
        assert told == ["[ERROR] unsupported type: heading [json-pointer:/blocks/0/type]"]


def test_a_form_with_the_payload_will_do(client: Client) -> None:
    form = {"payload": '{"text": "hello"}'}
    assert client.session.post(client.asked(), data=form, timeout=10).text == "ok"
    assert client.seen_by("producer") == ["hello"]


def test_an_address_that_nobody_was_given(client: Client) -> None:
    url = client.asked()
    assert client.respond(url + "0", text="a").status_code == 404
    assert client.session.get(url, timeout=10).status_code == 405


def test_fields_that_slack_would_drop_are_noted(client: Client) -> None:
    client.respond(client.asked(), text="a", respons_type="in_channel")
    (message,) = client.slack.messages("producer")
    assert (message.only_for, "respons_type" in message.problems[0]) == ("U0PRODUCER", True)


def test_an_ampersand_comes_back_escaped(client: Client) -> None:
    blocks = [section("Q & A &amp; more"), actions("next")]
    client.app.says(response_type="in_channel", blocks=blocks)
    ts = client.types().ts
    assert ts
    client.presses(ts)
    text = client.app.payload["message"]["blocks"][0]["text"]["text"]
    assert text == "Q &amp; A &amp; more"


def test_an_address_may_fail(client: Client) -> None:
    url = client.asked()
    client.slack.fail(Fault(kind="status", status=500, where="response_url"))
    assert client.respond(url, text="a").status_code == 500
    assert client.respond(url, text="a").status_code == 200
    assert [seen.where for seen in client.slack.requests] == ["response_url"] * 2
