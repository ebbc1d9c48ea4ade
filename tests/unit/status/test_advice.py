"""Unit tests of the phrases for each audience in each situation."""

from __future__ import annotations

import msgspec
import pytest

from ingester.pipeline import reasons
from ingester.pipeline.states import FAILED, Origin, State
from ingester.status.advice import ADVICE, Phrases, phrases
from ingester.status.diagnosis import NEEDS_ATTENTION, Situation
from ingester.status.row import RequestOptions, StatusRow
from tests.unit.status.situations import (
    EXAMPLES,
    EXAMPLES_WITH_OTHERS,
    diagnosis_of,
    row,
)

ALL = [
    *((situation, known, None) for situation, known in EXAMPLES),
    *EXAMPLES_WITH_OTHERS,
]
NOTHING_TO_DO = {
    Situation.UNKNOWN,
    Situation.AT_ZOOM,
    Situation.IN_PROGRESS,
    Situation.IN_OPENCAST,
    Situation.PUBLISHED,
    Situation.IGNORED,
}
"""Situations in which only mails have a phrase."""


def said(known: StatusRow, *others: StatusRow) -> Phrases:
    return phrases(known, diagnosis_of(known, *others))


def example(situation: Situation) -> Phrases:
    """Return the phrases for the first example of a situation."""
    known, other = next(found[1:] for found in ALL if found[0] is situation)
    return said(known, *([other] if other else []))


def test_every_situation_has_phrases_and_all_phrases_belong_to_a_situation() -> None:
    assert ADVICE.keys() == set(Situation)


@pytest.mark.parametrize("situation", Situation)
class TestEverySituation:
    def test_outlook_and_advice_in_a_mail_about_an_ingest_end_with_a_full_stop(
        self, situation: Situation
    ) -> None:
        words = example(situation)
        assert words.mail_outlook.endswith(".")
        assert (words.mail_advice or words.operator).endswith(".")

    def test_advice_has_a_phrase_for_producers_unless_there_is_nothing_to_do(
        self, situation: Situation
    ) -> None:
        assert bool(example(situation).producer) is (situation not in NOTHING_TO_DO)

    def test_advice_has_a_phrase_for_operators_unless_there_is_nothing_to_do(
        self, situation: Situation
    ) -> None:
        idle = NOTHING_TO_DO | {Situation.ALREADY_IN_OPENCAST}
        assert bool(example(situation).operator) is (situation not in idle)

    def test_advice_has_a_phrase_for_lecturers_unless_the_state_says_everything(
        self, situation: Situation
    ) -> None:
        idle = NOTHING_TO_DO | {Situation.ALREADY_IN_OPENCAST}
        assert bool(example(situation).lecturer) is (situation not in idle)

    def test_phrase_for_lecturers_names_an_operator_exactly_when_a_person_has_to_act(
        self, situation: Situation
    ) -> None:
        has_to_look = "an operator has to look" in example(situation).lecturer
        assert has_to_look is (situation in NEEDS_ATTENTION)

    def test_mail_says_that_an_ingest_needs_attention_exactly_when_a_person_has_to_act(
        self, situation: Situation
    ) -> None:
        needs_you = (
            example(situation).mail_outlook == "Nothing happens automatically: it needs attention."
        )
        assert needs_you is (situation in NEEDS_ATTENTION)

    def test_phrases_for_producers_and_lecturers_contain_no_command(
        self, situation: Situation
    ) -> None:
        for phrase in (example(situation).producer, example(situation).lecturer):
            assert "`" not in phrase
            assert "invoke" not in phrase

    def test_producer_can_request_a_recording_exactly_when_the_phrase_says_so(
        self, situation: Situation
    ) -> None:
        words = example(situation)
        assert ("request it" in words.producer.lower()) is words.can_request

    def test_phrase_for_lecturers_names_a_producer_exactly_when_the_recording_can_be_requested(
        self, situation: Situation
    ) -> None:
        words = example(situation)
        assert ("a producer " in words.lecturer) is words.can_request

    def test_phrases_contain_no_unfilled_placeholder(self, situation: Situation) -> None:
        for phrase in msgspec.structs.astuple(example(situation)):
            assert "{" not in str(phrase)


@pytest.mark.parametrize(
    ("known", "start"),
    [
        (
            row(State.UPLOADER_FAILED, "gone", files=frozenset()),
            "Taken over from another stack, whose queues have its message",
        ),
        (
            row(State.DOWNLOADER_FAILED, "x", retry_due="2026-10-14T18:45:00Z"),
            "Retried automatically at 2026-10-14T18:45:00Z.",
        ),
        (
            row(State.DOWNLOADER_FAILED, "x", retry_due="2026-10-14T17:45:00Z"),
            "Retried automatically when its turn comes, due since 2026-10-14T17:45:00Z.",
        ),
        (
            row(State.DOWNLOADER_FAILED, "x", retry_due="2026-10-14T16:25:00Z"),
            "Was due again at 2026-10-14T16:25:00Z: `invoke queue.downloads`",
        ),
        (
            row(State.UPLOADER_FAILED, "x", retry_due="2026-10-14T10:25:00Z"),
            "Was due again at 2026-10-14T10:25:00Z: `invoke queue.uploads`",
        ),
        (
            row(State.DOWNLOADER_FAILED, "permanent failure: no files"),
            "`invoke queue.retry-downloads --uuid u==` after fixing the cause; `invoke logs.rec",
        ),
        (
            row(State.UPLOADER_FAILED, "Unable to reach Opencast."),
            "`invoke queue.retry-uploads --uuid u==` after fixing the cause",
        ),
        (
            row(State.UPLOADER_FAILED, "Invalid Opencast series id."),
            "Another series: `invoke exec.pipeline u== --oc-series-id SERIES`; or, once",
        ),
        (
            row(State.UPLOADER_FAILED, "Its staged files are gone from S3 (k): x"),
            "`invoke exec.webhook u==` fetches its files again, while Zoom has them; ",
        ),
        (
            row(
                State.UPLOADER_FAILED,
                "Its staged files are not as they were staged (k)",
                origin=str(Origin.ON_DEMAND),
            ),
            "`invoke exec.on-demand u==` fetches its files again",
        ),
        (
            row(State.WEBHOOK_FAILED, "Bad webhook data"),
            "`invoke exec.webhook u==` requests it again",
        ),
        (
            row(
                State.WEBHOOK_FAILED, "x", asked=RequestOptions(oc_series_id="S 1", oc_workflow="w")
            ),
            "`invoke exec.webhook u== --oc-series-id 'S 1'` requests it again",
        ),
        (
            row(
                State.WEBHOOK_FAILED,
                "x",
                origin=str(Origin.ON_DEMAND),
                asked=RequestOptions(oc_workflow="w", allow_multiple_ingests=True),
            ),
            "`invoke exec.on-demand u== --oc-workflow w --allow-multiple-ingests` requests it",
        ),
        (
            row(State.UPLOADER_FAILED, reasons.INVALID_SERIES, origin=str(Origin.ON_DEMAND)),
            "Another series: `invoke exec.pipeline u== --oc-series-id SERIES`",
        ),
        (
            row(
                State.UPLOADER_FAILED,
                reasons.INVALID_SERIES,
                origin=str(Origin.ON_DEMAND),
                asked=RequestOptions(oc_series_id="S1", allow_multiple_ingests=True),
            ),
            "Another series: `invoke exec.on-demand u== --oc-series-id SERIES --allow-multiple-",
        ),
        (
            row(State.IGNORED, "No opencast series match"),
            "With its class in the schedule: `invoke exec.pipeline u==`; without: `invoke exec",
        ),
        (
            row(State.SENT_TO_DOWNLOADER, hours=2.5),
            "Nothing has happened since 2026-10-14T16:00:00Z: `invoke queue.downloads` shows",
        ),
        (row(State.UPLOADER_RECEIVED, hours=1.5), "Nothing has happened since"),
        (
            row(State.WEBHOOK_RECEIVED, hours=1.5),
            "It never reached the queue: `invoke exec.webhook",
        ),
        (row(State.RECORDING_PROCESSING, hours=33), "Zoom never reported that it is complete"),
    ],
)
def test_phrase_for_operators_begins_with_the_words_for_the_situation_and_the_row(
    known: StatusRow, start: str
) -> None:
    assert said(known).operator.startswith(start)


@pytest.mark.parametrize("state", sorted(FAILED))
def test_command_in_advice_quotes_a_foreign_uuid_for_the_shell(state: State) -> None:
    operator = said(row(state, recording_id="$(id)")).operator
    assert "'$(id)'" in operator
    assert operator.count("$(id)") == operator.count("'$(id)'")


@pytest.mark.parametrize("foreign", ["{uuid}", "{0.__class__}", "{"])
def test_foreign_text_in_braces_stays_unchanged_in_advice(foreign: str) -> None:
    failed = row(State.UPLOADER_FAILED, "x", recording_id=foreign)
    assert f"--uuid '{foreign}'`" in said(failed).operator


@pytest.mark.parametrize(
    ("known", "producer", "can_request"),
    [
        (
            row(State.UPLOADER_FAILED, "Invalid Opencast series id.", oc_series_id="S"),
            "Request it with the right series.",
            True,
        ),
        (
            row(State.DOWNLOADER_FAILED, "x"),
            "Request it again; if that fails too, tell an operator.",
            True,
        ),
        (
            row(State.IGNORED, "No opencast series match"),
            "Request it with its series.",
            True,
        ),
        (
            row(State.IGNORED, "Already in opencast"),
            "It is in Opencast already. To have it there twice, tick Ingest it again.",
            False,
        ),
        (row(State.SENT_TO_UPLOADER, hours=9), "Tell an operator.", False),
        (
            row(State.DOWNLOADER_FAILED, "x", retry_due="2026-10-14T18:40:00Z"),
            "It is retried automatically.",
            False,
        ),
    ],
)
def test_phrase_for_producers_says_in_plain_words_what_to_do(
    known: StatusRow, producer: str, can_request: bool
) -> None:
    words = said(known)
    assert (words.producer, words.can_request) == (producer, can_request)


def test_advice_on_a_superseded_ingest_names_the_series_in_opencast_when_the_series_is_known() -> (
    None
):
    _, failed, later = EXAMPLES_WITH_OTHERS[0]
    known = msgspec.structs.replace(later, oc_series_id="S")
    expected = "Nothing to do: another request brought the recording into Opencast, series S."
    words = said(failed, known)
    assert (words.operator, words.producer) == (expected, expected)
    assert words.lecturer == expected
    assert (
        said(failed, later).operator
        == "Nothing to do: another request brought the recording into Opencast."
    )


def test_time_in_advice_is_formatted_by_the_given_function() -> None:
    failed = row(State.DOWNLOADER_FAILED, "x", retry_due="2026-10-14T18:45:00Z")
    words = phrases(failed, diagnosis_of(failed), lambda when: f"{when:%H.%M}")
    assert words.lecturer == "It is retried automatically, next at 18.45"
