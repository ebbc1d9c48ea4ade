"""Tests of the Slack stand-in's checks of blocks and markup."""

from typing import Any

import pytest

from local.neighbours.slack_blocks import errors_in
from local.neighbours.slack_messages import controls_in, problem_in
from tests.local.slack.client import actions, button, plain, section


def context(*texts: str) -> dict[str, Any]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text} for text in texts]}


def header(text: str) -> dict[str, Any]:
    return {"type": "header", "text": plain(text)}


def fields(*texts: str) -> dict[str, Any]:
    return {"type": "section", "fields": [plain(text) for text in texts]}


def one_button(**more: Any) -> dict[str, Any]:
    return {"type": "actions", "elements": [{**button("a"), **more}]}


GOOD: list[Any] = [
    [],
    [{"type": "divider"}] * 50,
    [section("x" * 3000)],
    [section("a <b>", "plain_text")],
    [header("x" * 150)],
    [fields(*["y" * 2000] * 10)],
    [context(*["z"] * 10)],
    [actions(*[str(number) for number in range(25)])],
    [actions("next"), actions("next")],
    [one_button(value="v" * 2000, style="primary", url="https://example.org")],
    [one_button(action_id="a" * 255, text={**plain("n" * 75), "emoji": True})],
    [{**section("with"), "block_id": "b"}],
]

WRONG: list[tuple[Any, str]] = [
    ("text", "must provide an array [json-pointer:/blocks]"),
    (["text"], "must provide an object [json-pointer:/blocks/0]"),
    ([{"type": "divider"}] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
    ([{}], "missing required field: type [json-pointer:/blocks/0]"),
    ([{"type": "heading"}], "unsupported type: heading [json-pointer:/blocks/0/type]"),
    ([{"type": ["divider"]}], "unsupported type: ['divider'] [json-pointer:/blocks/0/type]"),
    ([button("loose")], "unsupported type: button [json-pointer:/blocks/0/type]"),
    (
        [section("x" * 3001)],
        "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
    ),
    ([section("")], "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
    ([section("a", "markdown")], "unsupported type: markdown [json-pointer:/blocks/0/text/type]"),
    ([{"type": "section"}], "must define either 'text' or 'fields' [json-pointer:/blocks/0]"),
    (
        [{"type": "section", "text": "bare"}],
        "must provide an object [json-pointer:/blocks/0/text]",
    ),
    ([section(5)], "must provide a string [json-pointer:/blocks/0/text/text]"),  # type: ignore[arg-type]  # that is the mistake
    (
        [header("x" * 151)],
        "must be less than 151 characters [json-pointer:/blocks/0/text/text]",
    ),
    (
        [{"type": "header", "text": {"type": "mrkdwn", "text": "*a*"}}],
        "unsupported type: mrkdwn [json-pointer:/blocks/0/text/type]",
    ),
    ([fields(*["f"] * 11)], "no more than 10 items allowed [json-pointer:/blocks/0/fields]"),
    (
        [fields("x" * 2001)],
        "must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]",
    ),
    ([context(*["c"] * 11)], "no more than 10 items allowed [json-pointer:/blocks/0/elements]"),
    ([context()], "no fewer than 1 items required [json-pointer:/blocks/0/elements]"),
    (
        [actions(*[str(number) for number in range(26)])],
        "no more than 25 items allowed [json-pointer:/blocks/0/elements]",
    ),
    (
        [actions("next", "next")],
        "`action_id` next already exists [json-pointer:/blocks/0/elements]",
    ),
    (
        [{"type": "divider", "block_id": "b"}] * 2,
        "`block_id` b already exists [json-pointer:/blocks]",
    ),
    (
        [one_button(text=plain("n" * 76))],
        "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]",
    ),
    (
        [one_button(value="v" * 2001)],
        "must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]",
    ),
    (
        [one_button(action_id="a" * 256)],
        "must be less than 256 characters [json-pointer:/blocks/0/elements/0/action_id]",
    ),
    (
        [one_button(style="green")],
        "must be one of: primary, danger [json-pointer:/blocks/0/elements/0/style]",
    ),
    (
        [one_button(colour="green")],
        "invalid additional property: colour [json-pointer:/blocks/0/elements/0]",
    ),
    (
        [{**section("a"), "text": {"type": "mrkdwn", "text": "a", "emoji": True}}],
        "invalid additional property: emoji [json-pointer:/blocks/0/text]",
    ),
]


@pytest.mark.parametrize("blocks", GOOD)
def test_slack_stand_in_finds_no_error_in_valid_blocks(blocks: Any) -> None:
    assert errors_in(blocks) == []


@pytest.mark.parametrize(("blocks", "error"), WRONG)
def test_slack_stand_in_finds_one_error_with_the_text_of_slack_in_a_wrong_block(
    blocks: Any, error: str
) -> None:
    assert errors_in(blocks) == [error]


@pytest.mark.parametrize(
    "text",
    [
        "plain, *bold* & `code`",
        "a &lt; b &gt; c",
        "<https://example.org/a?b=c&amp;d=e|a link> <mailto:a@example.org|mail>",
        "<@U0PRODUCER> in <#C0ZIPCHAN|zip>, <!here>, <!subteam^S0ALLOWED0>",
        "<!date^1392734382^{date} at {time}|2014-02-18>",
        "> a quotation\n>> and another",
    ],
)
def test_slack_stand_in_finds_no_problem_in_valid_markup(text: str) -> None:
    assert problem_in(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "Biology <introduction>",
        "a < b",
        "1 -> 2",
        "<not a link|text>",
        "<@name>",
        "<!date^tomorrow^{date}|then>",
        "<!date^1392734382^{date}>",
        "<https://example.org|open",
    ],
)
def test_slack_stand_in_finds_a_problem_in_unescaped_markup(text: str) -> None:
    assert problem_in(text)


def test_list_of_slack_controls_lacks_escaped_text_and_unknown_forms_in_angle_brackets() -> None:
    found = controls_in("<!channel> see <https://example.org|this> <no> &lt;!here&gt;")
    assert found == ["<!channel>", "<https://example.org|this>"]
