"""Words for states and reasons, which every audience reads."""

from __future__ import annotations

import pytest

from ingester.pipeline import reasons
from ingester.pipeline.states import State
from ingester.status.row import RequestOptions
from ingester.status.words import (
    STATES,
    reason_of,
    reason_with_code,
    reason_words,
    series_words,
    state_with_code,
    state_words,
)
from tests.unit.status.situations import row


def test_every_state_of_an_ingest_has_its_own_words() -> None:
    assert set(STATES) == set(State)
    assert len(set(STATES.values())) == len(State)
    assert not any("_" in words for words in STATES.values())
    assert state_words(None) == state_with_code(None) == "Unknown"


def test_words_of_a_state_are_followed_by_its_code_in_brackets() -> None:
    assert state_with_code(State.UPLOADER_FAILED) == "Upload failed (UPLOADER_FAILED)"


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ("permanent failure: Invalid Opencast series id.", "Opencast has no series S."),
        ("Invalid Opencast series id. An operator is needed.", "Opencast has no series S."),
        ("retryable failure: x (attempt 2 of 12, next try at y)", "x (attempt 2 of 12, next try a"),
        ("x (attempt 2 of 2, no more retries: an operator is needed)", "x (attempt 2 of 2, no m"),
        (reasons.ALREADY_THERE, "It is in Opencast already"),
        (reasons.TOO_SHORT, "It is too short"),
        ("something else", "something else"),
        ("", ""),
    ],
)
def test_reason_in_words_leaves_out_the_kind_of_failure_and_that_an_operator_is_needed(
    stored: str, words: str
) -> None:
    said = reason_of(row(State.UPLOADER_FAILED, stored, oc_series_id="S"))
    assert said.startswith(words)
    assert "operator" not in said


@pytest.mark.parametrize(
    ("found", "asked", "words"),
    [("S", "", "S"), ("S", "S", "S"), ("S", "T", "S, asked for T"), ("", "T", "")],
)
def test_requested_series_is_named_when_the_recording_is_in_another_series(
    found: str, asked: str, words: str
) -> None:
    asked_for = RequestOptions(oc_series_id=asked)
    row_of_it = row(State.SENT_TO_OPENCAST, oc_series_id=found, asked=asked_for)
    assert series_words(row_of_it) == words


def test_words_for_a_missing_series_do_not_name_the_series_when_it_is_unknown() -> None:
    assert reason_words(reasons.INVALID_SERIES) == "Opencast doesn't have its series."


@pytest.mark.parametrize("stored", [reasons.NO_SERIES, reasons.INVALID_SERIES])
def test_words_of_a_reason_are_followed_by_the_stored_reason_in_brackets_when_both_differ(
    stored: str,
) -> None:
    assert reason_with_code(row(State.IGNORED, stored)).endswith(f" ({stored})")
    assert reason_with_code(row(State.IGNORED, "x")) == "x"
