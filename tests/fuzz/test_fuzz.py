"""Tests with some fuzzed inputs, and with inputs that have found a problem before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fuzz import functions, payloads
from tests.fuzz.fakes import Aws, LogInMemory
from tests.fuzz.functions import process
from tests.fuzz.google import TOKEN
from tests.fuzz.mutations import DEEP, DIGITS
from tests.fuzz.opencast import TERMS, good_answers, ingests_of
from tests.fuzz.payloads import SHEET
from tests.fuzz.registry import TARGETS, share_of
from tests.fuzz.runner import input_of, problem_in
from tests.fuzz.zoom import answer

INPUTS = 2000
SEED = 13


def zoom_answer(**changes: Any) -> dict[str, Any]:
    """Return an input with `changes` in Zoom's answer about a recording."""
    return {"zoom": {"/recordings": answer(payloads.meeting(**changes))}, "downloads": []}


def zoom_list(**changes: Any) -> dict[str, Any]:
    """Return an input with `changes` in the recording of Zoom's list."""
    page = answer({"meetings": [payloads.meeting(**changes)]})
    return {"zoom": {"/accounts/me": page}, "state": [payloads.reconcile_item()]}


def opencast_answer(part: str, content: Any) -> dict[str, Any]:
    """Return an input in which Opencast answers with `content` if the URL contains `part`."""
    return {"answers": good_answers() | {part: {"content": content}}, "number": 1, "known": False}


def google_token(**changes: Any) -> dict[str, Any]:
    """Return an input with `changes` in Google's answer with a token."""
    return {"answers": {"/token": {"content": TOKEN | changes}}, "key": ""}


REGRESSIONS: tuple[tuple[str, Any], ...] = (
    ("zoom-recording", zoom_answer(start_time="soon")),
    ("zoom-recording", zoom_answer(start_time="0001-01-01T00:00:00Z")),
    ("zoom-recording", zoom_answer(recording_files=[{"a": DEEP}])),
    ("zoom-list", zoom_list(recording_files=[{"a": DEEP}])),
    ("zoom-list", zoom_list(recording_files=[{"a": DIGITS}])),
    ("opencast-answers", opencast_answer("/api/events/", [DEEP])),
    ("opencast-answers", opencast_answer("/series/", DIGITS)),
    ("opencast-answers", opencast_answer("/series/", {TERMS: {"": "\ud800"}})),
    ("schedule-json", DIGITS),
    ("sheet-cells", {"rows": [SHEET[0], ["a\udfff", *SHEET[1][1:]]], "known": []}),
    ("google-answers", google_token(expires_in=2**63)),
    ("zoom-list", {**zoom_list(), "state": [{**payloads.reconcile_item(), "version": "2"}]}),
    ("ledger-record", [{**payloads.record(), "version": 10**38 - 3}]),
)
"""Inputs that have found a problem before, each with the name of its target."""


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_inputs_break_no_target_and_show_no_secret(name: str) -> None:
    count = share_of(INPUTS, list(TARGETS))[name]
    with LogInMemory() as log:
        problems = {
            index: problem
            for index in range(count)
            if (problem := problem_in(name, input_of(name, SEED, index), log))
        }
    assert problems == {}


def test_upload_messages_of_the_fuzzer_lead_to_posts_when_recordings_are_long_enough() -> None:
    ingests: list[int] = []
    with LogInMemory():
        for message in payloads.upload_messages():
            aws, body = Aws(), json.dumps(message)
            deps = functions.uploader_of(aws, good_answers(), body)
            process(aws, aws.upload_queue, body, 1, deps)
            ingests.append(ingests_of(deps))
    # Five of the 60 recordings are too short.
    assert (len(ingests), sum(ingests)) == (60, 55)


@pytest.mark.parametrize(("name", "given"), REGRESSIONS)
def test_fuzz_target_has_no_problem_with_an_input_that_once_caused_a_problem(
    name: str, given: Any
) -> None:
    with LogInMemory() as log:
        assert problem_in(name, given, log) is None
