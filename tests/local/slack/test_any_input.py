"""Property tests of the Slack stand-in's checks of messages."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from local.neighbours.slack_blocks import BLOCKS, errors_in
from local.neighbours.slack_messages import (
    KNOWN,
    Refused,
    controls_in,
    problem_in,
    read_draft,
    show,
)
from local.neighbours.slack_workspace import SlackApp, default_workspace
from tests.local.clock import Clock

NAMES = st.sampled_from(
    sorted({*KNOWN, *BLOCKS, "type", "fields", "elements", "button", "plain_text"})
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
PIECES = st.lists(
    st.sampled_from([*"<>|^!@#a \n&", "http://a", "U0A", "!date^1^{date}|x", "&lt;"]), max_size=12
).map("".join)


@given(ANYTHING)
def test_each_error_of_arbitrary_slack_blocks_names_a_place_in_the_blocks(blocks: Any) -> None:
    assert all("[json-pointer:/blocks" in error for error in errors_in(blocks))


@given(ANYTHING)
def test_slack_stand_in_shows_or_refuses_any_message(payload: Any) -> None:
    workspace = default_workspace(SlackApp(), Clock(), groups=[], channel="zip")
    user = workspace.user("producer")
    hook = workspace.response_url(workspace.channel("zip", user), user)
    try:
        show(workspace, read_draft(payload), hook)
    except Refused:
        assert workspace.messages == []


@given(PIECES)
def test_angle_bracket_is_reported_as_a_problem_only_outside_of_slack_controls(text: str) -> None:
    rest = text
    for control in controls_in(text):
        rest = rest.replace(control, "", 1)
    if "<" in rest:
        assert problem_in(text)
    if not {"<", ">"} & set(rest):
        assert problem_in(text) is None
