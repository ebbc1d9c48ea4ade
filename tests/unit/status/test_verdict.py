"""The verdict on a recording, from the recording's ingests."""

from __future__ import annotations

from itertools import permutations

import msgspec
import pytest

from ingester.pipeline import reasons
from ingester.pipeline.states import State
from ingester.status.diagnosis import PATIENCE, Situation, diagnose_each
from ingester.status.row import StatusRow, Step
from ingester.status.verdict import Verdict, verdict_of, verdicts_of
from tests.unit.status.situations import EXAMPLES, NOW, ago, row

THERE = row(State.SENT_TO_OPENCAST, hours=4, zip_id="first", ingest_request_time=ago(5))


def verdict(*rows: StatusRow) -> Verdict:
    diagnoses = diagnose_each(rows, rows, NOW, PATIENCE)
    return verdict_of(rows, diagnoses, lambda when: f"{when:%H:%M}")


def later(state: State, reason: str = "", *, number: int = 1, **more: object) -> StatusRow:
    zip_id = f"on-demand-{number}"
    return row(state, reason, hours=1, zip_id=zip_id, ingest_request_time=ago(2), **more)


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (
            [THERE, later(State.IGNORED, reasons.ALREADY_THERE)],
            "In Opencast since 14:30; a later request was ignored because it is there already.",
        ),
        (
            [THERE, later(State.IGNORED, reasons.NO_SERIES)],
            "In Opencast since 14:30; a later request was ignored because no class fits it.",
        ),
        (
            [THERE, *(later(State.IGNORED, reasons.ALREADY_THERE, number=n) for n in (1, 2))],
            "In Opencast since 14:30; 2 later requests were ignored because it is there already.",
        ),
        (
            [
                row(State.IGNORED, reasons.NO_SERIES, hours=4, ingest_request_time=ago(5)),
                later(State.PUBLISHED),
            ],
            "Published since 17:30; an earlier request was ignored because no class fits it.",
        ),
        (
            [THERE, later(State.UPLOADER_FAILED, "x")],
            "In Opencast since 14:30; a later request needs attention.",
        ),
        (
            [
                row(State.DOWNLOADER_FAILED, "x", hours=4, ingest_request_time=ago(5)),
                later(State.PUBLISHED),
            ],
            "Published since 17:30; an earlier request failed.",
        ),
        (
            [
                row(State.DOWNLOADER_FAILED, "x", hours=4, ingest_request_time=ago(5)),
                later(State.SENT_TO_UPLOADER),
            ],
            "Waiting for upload since 17:30; an earlier request failed.",
        ),
        (
            [
                row(State.DOWNLOADER_FAILED, "x", hours=4, ingest_request_time=ago(5)),
                later(State.SENT_TO_UPLOADER, number=1),
                later(State.UPLOADER_FAILED, "x", number=2),
            ],
            "Waiting for upload since 17:30; an earlier and a later request failed.",
        ),
        (
            [
                row(State.DOWNLOADER_FAILED, "x", hours=4, ingest_request_time=ago(5)),
                later(State.SENT_TO_UPLOADER, number=1),
                later(State.UPLOADER_FAILED, "x", number=2),
                later(State.UPLOADER_FAILED, "x", number=3),
            ],
            "Waiting for upload since 17:30; an earlier and 2 later requests failed.",
        ),
        (
            [
                row(State.IGNORED, reasons.NO_SERIES, hours=4, ingest_request_time=ago(5)),
                later(State.SENT_TO_UPLOADER),
            ],
            (
                "Waiting for upload since 17:30; an earlier request was ignored because no class "
                "fits it."
            ),
        ),
        (
            [row(State.UPLOADER_FAILED, reasons.INVALID_SERIES, oc_series_id="S")],
            "Upload failed: Opencast has no series S.",
        ),
        ([row(State.SENT_TO_DOWNLOADER, hours=3)], "Waiting for download, stuck since 15:30."),
        (
            [row(State.DOWNLOADER_FAILED, "x", retry_due=ago(-0.5))],
            "Download failed, retried automatically at 19:00.",
        ),
        ([row(State.IGNORED, reasons.TOO_SHORT)], "Ignored: It is too short."),
        ([row(State.IGNORED, reasons.ALREADY_THERE)], "In Opencast already."),
        ([row(State.RECORDING_IN_PROGRESS)], "Being recorded."),
        ([row(State.OPENCAST_DELETED, hours=2)], "Deleted in Opencast since 16:30."),
        ([row(None)], "Unknown."),
    ],
)
def test_verdict_says_where_a_recording_is_and_what_became_of_other_requests(
    rows: list[StatusRow], text: str
) -> None:
    assert {verdict(*some).text for some in permutations(rows)} == {text}


def test_verdict_names_the_earlier_time_when_an_ingest_was_sent_to_opencast_twice() -> None:
    steps = (Step(state="SENT_TO_OPENCAST", at=ago(6)), Step(state="SENT_TO_OPENCAST", at=ago(4)))
    assert verdict(row(State.SENT_TO_OPENCAST, steps=steps)).text == "In Opencast since 12:30."
    broken = (Step(state="SENT_TO_OPENCAST", at="x"),)
    assert verdict(row(State.SENT_TO_OPENCAST, steps=broken)).text == "In Opencast since 18:30."


def test_verdict_names_the_time_of_the_deletion_when_the_event_was_deleted_in_opencast() -> None:
    steps = (
        Step(state="SENT_TO_OPENCAST", at=ago(6)),
        Step(state="PUBLISHED", at=ago(5)),
        Step(state="OPENCAST_DELETED", at=ago(2)),
    )
    deleted = row(State.OPENCAST_DELETED, steps=steps)
    assert verdict(deleted).text == "Deleted in Opencast since 16:30."


def test_verdict_on_a_failed_ingest_needs_attention_unless_another_ingest_is_in_opencast() -> None:
    failed = row(State.UPLOADER_FAILED, "x", zip_id="failed")
    assert verdict(failed).needs_attention
    assert verdict(failed).ingest is failed
    assert not verdict(failed, THERE).needs_attention
    assert verdict(failed, THERE).is_in_opencast
    assert not verdict(failed).is_in_opencast


@pytest.mark.parametrize(("_situation", "known"), EXAMPLES)
def test_verdict_ends_with_one_full_stop_in_each_situation_that_follows_from_one_row(
    _situation: object, known: StatusRow
) -> None:
    text = verdict(known).text
    assert text.endswith(".")
    assert not text.endswith("..")


UNMENTIONED = {Situation.UNKNOWN, Situation.AT_ZOOM}


@pytest.mark.parametrize(("situation", "known"), EXAMPLES)
def test_verdict_mentions_a_later_request_unless_the_request_is_in_situation_unknown_or_at_zoom(
    situation: Situation, known: StatusRow
) -> None:
    published = row(State.PUBLISHED, zip_id="first", ingest_request_time=ago(1000))
    other = msgspec.structs.replace(known, zip_id="later", ingest_request_time=ago(950))
    assert ("request" in verdict(published, other).text) is (situation not in UNMENTIONED)


def test_each_recording_has_a_verdict_unless_its_row_has_no_uuid() -> None:
    rows = [
        THERE,
        row(State.IGNORED, recording_id="other", zip_id="z"),
        row(None, recording_id="", zip_id="n"),
    ]
    diagnoses = diagnose_each(rows, rows, NOW, PATIENCE)
    assert list(verdicts_of(rows, diagnoses)) == ["u==", "other"]
