"""Messages within Slack's limits, whatever their texts are."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ingester.slack.answer import MeetingAnswer, Shown
from ingester.slack.blocks import (
    BLOCKS_LIMIT,
    HEADER_LIMIT,
    Message,
    escaped,
    meeting_message,
    payload,
)

BAD = "<&>" * 400


def check(message: Message) -> list[dict[str, Any]]:
    """Assert that a message fits Slack's limits and has verbatim markup, and return its blocks.

    https://docs.slack.dev/reference/block-kit/blocks
    """
    blocks: list[dict[str, Any]] = payload(message)["blocks"]
    assert len(blocks) <= 50
    assert 0 < len(message.text) <= 3000
    for block in blocks:
        texts = [block["text"]] if "text" in block else []
        texts += block.get("fields", [])
        limit = {"header": 150}.get(block["type"], 2000 if "fields" in block else 3000)
        for text in texts:
            assert 0 < len(text["text"]) <= limit
            if text["type"] == "mrkdwn":
                assert text["verbatim"] is True
    return blocks


def answer(**more: Any) -> MeetingAnswer:
    known = {
        "title": "t",
        "facts": (("Source", "s"),),
        "schedule": (),
        "recordings": (),
        "closing": "",
        "older": 0,
        "button": "",
    }
    return MeetingAnswer(**{**known, **more})


def test_slack_message_fits_its_limits_when_six_recordings_have_forty_ingests_of_long_texts() -> (
    None
):
    part = (BAD,) * 7
    recording = Shown(
        start=BAD, class_name=BAD, link="https://z/" + "x" * 5000, ingests=(part,) * 40
    )
    message = meeting_message(
        answer(
            title=BAD,
            facts=((BAD[:10], BAD),) * 3,
            schedule=(BAD,) * 40,
            recordings=(recording,) * 6,
            closing=BAD,
            older=9,
            button="v",
        )
    )
    blocks = check(message)
    assert str(blocks).count("39 earlier ingests") + str(blocks).count("40 ingests") == 6
    assert "https://z/" not in str(blocks)


def test_slack_message_stays_within_the_limit_for_all_its_blocks_together() -> None:
    # The message shows the newest ingests and counts the others. Recordings share the space.
    part = ("Automated ingest", "Upload failed", 'Reason: "' + "x" * 300)
    recordings = tuple(
        Shown(start=f"day {number}", class_name="", link="https://z/x", ingests=(part,) * 8)
        for number in range(6)
    )
    blocks = check(meeting_message(answer(recordings=recordings, older=3, button="value")))
    assert len(json.dumps(blocks, ensure_ascii=False)) <= BLOCKS_LIMIT
    text = "\n".join(block["text"]["text"] for block in blocks if "text" in block)
    left_out = [int(number) for number in re.findall(r"… and (\d+) earlier ingests", text)]
    assert text.count("Automated ingest") + sum(left_out) == 6 * 8
    assert (len(left_out), max(left_out) - min(left_out) < 2) == (6, True)
    assert text.count("Automated ingest") > 20
    assert [text.count(f"day {number}") for number in range(6)] == [1] * 6


def shown_with(*parts: tuple[str, ...]) -> Shown:
    return Shown(start="now", class_name="", link="https://z/x", ingests=parts)


def test_newest_ingest_of_each_recording_is_shown_before_any_older_ingest() -> None:
    # During an outage, people request one recording many times.
    asked = ("+Zoom ingest", "Upload failed", "Reason: " + "x" * 180)
    once = shown_with(("Automated ingest", "In Opencast"))
    blocks = check(meeting_message(answer(recordings=(shown_with(*(asked,) * 60), *(once,) * 5))))
    text = str(blocks)
    assert text.count("> In Opencast") == 5
    held = text.count("+Zoom ingest")
    assert held > 25
    assert f"… and {60 - held} earlier ingests" in text
    assert len(json.dumps(blocks, ensure_ascii=False)) <= BLOCKS_LIMIT


def test_slack_message_shows_a_state_without_its_reason_when_there_is_little_space() -> None:
    long = shown_with(("Ingest " + "z" * 380, "Upload failed " + "y" * 370, *("x" * 390,) * 5))
    blocks = check(meeting_message(answer(recordings=(long,) * 6, schedule=("w" * 190,) * 10)))
    assert str(blocks).count("> Upload failed") == 6
    assert "…" not in str(blocks)
    assert len(json.dumps(blocks, ensure_ascii=False)) <= BLOCKS_LIMIT


def test_slack_message_with_counts_of_omitted_ingests_stays_within_the_limit_of_all_blocks() -> (
    None
):
    # If the schedule leaves space for one ingest, five recordings have only a count.
    longest = ("Automated ingest" + "x" * 400, "y" * 400)
    for length in range(120, 200):
        recordings = (shown_with(*(longest,) * 2),) * 6
        facts = ((BAD[:10], "z" * 999),) * 3
        message = meeting_message(
            answer(recordings=recordings, facts=facts, schedule=("w" * length,) * 40)
        )
        size = len(json.dumps(check(message), ensure_ascii=False))
        assert size <= BLOCKS_LIMIT, length


def test_no_ingest_is_shown_after_a_newer_ingest_that_does_not_fit() -> None:
    # Even a shorter older ingest, which would fit, is left out.
    long = ("Ingest", *("x" * 390,) * 7)
    parts = (("Newest", "y"), *(long,) * 5, ("Oldest", "z"))
    shown = Shown(start="now", class_name="", link="https://z/x", ingests=parts)
    text = str(check(meeting_message(answer(recordings=(shown,)))))
    assert "Newest" in text
    assert "Oldest" not in text
    assert f"… and {7 - 1 - text.count('*Ingest*')} earlier ingests" in text


def test_ingests_with_short_texts_share_one_block_of_a_slack_message() -> None:
    parts = tuple((f"Ingest {number}", "Done") for number in range(40))
    shown = Shown(start="now", class_name="", link="https://z/x", ingests=parts)
    blocks = check(meeting_message(answer(recordings=(shown,))))
    assert all(f"*Ingest {number}*\n> Done" in blocks[-1]["text"]["text"] for number in range(40))


def test_slack_message_has_a_button_when_there_are_older_recordings() -> None:
    blocks = check(meeting_message(answer(older=3, button="value")))
    (element,) = blocks[-1]["elements"]
    assert (element["type"], element["value"]) == ("button", "value")
    assert element["text"] == {"type": "plain_text", "text": "Show more (3 older)"}
    assert "actions" not in {block["type"] for block in check(meeting_message(answer()))}


texts = st.text(min_size=1).filter(lambda text: bool(text.split()))


@given(texts, st.integers(10, 400))
def test_escaped_text_is_within_its_limit_and_has_no_markup(text: str, limit: int) -> None:
    short = escaped(text, limit)
    assert 0 < len(short) <= limit
    assert not set("<>\n") & set(short)
    plain = short.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    whole = " ".join(text.split())
    assert plain == whole or (plain.endswith("…") and whole.startswith(plain[:-1]))


@given(texts, st.lists(st.lists(texts, min_size=1, max_size=7).map(tuple), min_size=1, max_size=5))
def test_slack_message_is_valid_whatever_its_texts(
    title: str, parts: list[tuple[str, ...]]
) -> None:
    shown = Shown(start=title, class_name=title, link="https://z", ingests=tuple(parts))
    blocks = check(meeting_message(answer(title=title, recordings=(shown,), schedule=(title,))))
    assert blocks[0]["text"]["text"] == escaped(title, HEADER_LIMIT)
