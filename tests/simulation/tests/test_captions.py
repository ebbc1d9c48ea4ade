"""Tests of captions, chapters and summaries in simulated worlds, and of related fakes."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import pytest

from tests.cloud import BUCKET, Cloud
from tests.simulation.aws.calls import call_directly
from tests.simulation.aws.s3 import FakeBucket
from tests.simulation.judge import Category, judge, worst
from tests.simulation.named import COMPLETED, DONE, SITE, UUID, file, scenario
from tests.simulation.play import Played, play
from tests.simulation.runner import FAILURES, run_seed
from tests.simulation.scenarios import HOUR, NEVER, Profile
from tests.simulation.tests.comparison import Ids, Time, code_of
from tests.simulation.truth import (
    CHAPTERS,
    SUMMARIES,
    TRANSCRIPT,
    FileTruth,
    RecordingTruth,
    Scenario,
    WebhookEvent,
)

ANNOUNCED = "recording.transcript_completed"


def transcript(segment: int, made: float) -> FileTruth:
    """Make the transcript of a segment, which Zoom finishes at `made`, a time of the world."""
    return replace(
        file(segment),
        id=f"t{segment}",
        type=TRANSCRIPT,
        recording_type="audio_transcript",
        size=500,
        finished=made,
        fetchable=made,
        listed=made,
    )


def world(*made: float) -> Scenario:
    """Make a scenario of two segments. Zoom finishes the transcripts at the times `made`."""
    videos = (file(0), file(1))
    transcripts = tuple(transcript(number, at) for number, at in enumerate(made))
    return scenario(
        (*videos, *transcripts),
        WebhookEvent(DONE + 10, UUID, COMPLETED, tuple(each.id for each in videos)),
        *(WebhookEvent(each.finished + 5, UUID, ANNOUNCED, (each.id,)) for each in transcripts),
        site=replace(SITE, captions=True),
        days=12.0,
    )


@pytest.mark.parametrize("made", [DONE, DONE + 3 * HOUR])
def test_an_event_has_its_captions_once_and_at_the_right_times(made: float) -> None:
    played = play(world(made, made))
    assert not judge(played)
    (captions,) = played.system.opencast.captions
    assert "00:00:01.000" in captions.text
    assert "00:30:01.000" in captions.text


def test_a_transcript_is_reported_and_delays_no_video_when_it_never_comes() -> None:
    late = replace(transcript(1, DONE), fetchable=NEVER)
    played = play(replace(world(DONE, DONE), recordings=_with(world(DONE, DONE), late)))
    assert worst(judge(played)) in (Category.OK, Category.REPORTED)
    (ingest,) = played.system.opencast.ingests
    assert ingest.finished < DONE + HOUR
    assert [mail.text for mail in played.mails if "After a week" in mail.text]


def chapters(segment: int, made: float) -> FileTruth:
    """Make the chapters of a segment, which Zoom finishes at `made`, a time of the world."""
    kind = "summary_smart_chapters"
    return replace(transcript(segment, made), id=f"c{segment}", type=CHAPTERS, recording_type=kind)


def world_with_chapters(made: float, version: str = "19.0.0") -> Scenario:
    """Make a scenario with transcripts, and chapters that Zoom finishes at the time `made`.

    `version` is Opencast's version.
    """
    begun = world(DONE + 60, DONE + 60)
    (recording,) = begun.recordings
    files = (*recording.files, chapters(0, made), chapters(1, made))
    site = replace(begun.site, chapters=True, opencast_version=version)
    return replace(begun, recordings=(replace(recording, files=files),), site=site)


@pytest.mark.parametrize("made", [DONE, DONE + 2 * HOUR])
@pytest.mark.parametrize("captions", [True, False])
def test_an_event_has_its_chapters_once_and_at_the_right_times(made: float, captions: bool) -> None:
    scenario = world_with_chapters(made)
    played = play(replace(scenario, site=replace(scenario.site, captions=captions)))
    assert not judge(played)
    found = played.system.opencast.captions
    assert {text.flavor for text in found} == {
        "chapters/source",
        *(("captions/source",) if captions else ()),
    }
    (text,) = [text.text for text in found if text.flavor == "chapters/source"]
    assert "00:01:40.000 --> 00:30:00.000" in text
    assert "00:30:00.000 --> 00:31:40.000" in text


def test_judge_calls_chapters_lost_when_they_are_missing_in_opencast() -> None:
    played = play(world_with_chapters(DONE + HOUR))
    played.system.opencast.captions.pop()
    assert worst(judge(played)) is Category.LOST


def test_a_world_with_chapters_is_judged_ok_without_them_when_opencast_is_too_old() -> None:
    played = play(world_with_chapters(DONE, "18.2.0"))
    assert worst(judge(played)) is Category.OK
    assert [text.flavor for text in played.system.opencast.captions] == ["captions/source"]


def summary(segment: int, made: float, kind: str = "summary") -> FileTruth:
    """Make a summary of a segment, which Zoom finishes at `made`, a time of the world."""
    return replace(
        transcript(segment, made), id=f"{kind}{segment}", type=CHAPTERS, recording_type=kind
    )


def world_with_summaries(made: float, *, attachments: bool = True) -> Scenario:
    """Make a scenario of two segments whose summaries Zoom finishes at the time `made`.

    `attachments` is whether Opencast takes attachments.
    """
    begun = world()
    (recording,) = begun.recordings
    summaries = (summary(segment, made, kind) for segment in (0, 1) for kind in SUMMARIES)
    site = replace(begun.site, chapters=True, attachments=attachments)
    files = (*recording.files, *summaries)
    return replace(begun, recordings=(replace(recording, files=files),), site=site)


def flavors(played: Played) -> list[str]:
    """Return the flavors of the summaries in the world's only ingest."""
    (ingest,) = played.system.opencast.ingests
    return [file.flavor for file in ingest.files if file.flavor in SUMMARIES.values()]


@pytest.mark.parametrize(("made", "times"), [(DONE, 2), (DONE + HOUR, 0)])
def test_an_event_has_the_summaries_that_zoom_has_made_before_the_video_is_staged(
    made: float, times: int
) -> None:
    played = play(world_with_summaries(made))
    assert not judge(played)
    assert sorted(flavors(played)) == sorted(times * list(SUMMARIES.values()))


def test_row_reports_the_missing_summaries_when_opencast_takes_no_attachments() -> None:
    played = play(world_with_summaries(DONE, attachments=False))
    assert not judge(played)
    assert flavors(played) == []
    (reasons,) = played.cloud.reasons.values()
    assert [reason for reason in reasons if "takes no attachments" in reason]


@pytest.mark.parametrize(
    ("kept", "category"), [(slice(0, -1), Category.LOST), (slice(0, None), Category.OK)]
)
def test_judge_calls_a_summary_lost_only_when_it_is_missing_in_opencast(
    kept: slice, category: Category
) -> None:
    played = play(world_with_summaries(DONE))
    (ingest,) = played.system.opencast.ingests
    played.system.opencast.ingests[:] = [replace(ingest, files=ingest.files[kept])]
    assert worst(judge(played)) is category


def test_judge_finds_a_mistake_when_a_summary_is_twice_in_an_event() -> None:
    played = play(world_with_summaries(DONE))
    (ingest,) = played.system.opencast.ingests
    twice = replace(ingest, files=(*ingest.files, ingest.files[-1]))
    played.system.opencast.ingests[:] = [twice]
    assert Category.TWICE in {verdict.category for verdict in judge(played)}


def _with(scenario: Scenario, changed: FileTruth) -> tuple[RecordingTruth, ...]:
    (recording,) = scenario.recordings
    files = tuple(changed if each.id == changed.id else each for each in recording.files)
    return (replace(recording, files=files),)


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_world_with_captions_ends_without_a_failure(seed: int) -> None:
    outcome = run_seed(seed, Profile.CAPTIONS, 4)
    assert not outcome.error
    assert outcome.worst not in FAILURES


def test_fake_bucket_stores_and_returns_objects_as_moto_does(aws: Cloud) -> None:
    fake = FakeBucket(BUCKET, call=call_directly, now=Time(), new_id=Ids())
    for s3 in (aws.s3, fake):
        s3.put_object(Bucket=BUCKET, Key="a.vtt", Body=b"WEBVTT", ContentType="text/vtt")
        for given, expected in (({}, b"WEBVTT"), ({"Range": "bytes=0-2"}, b"WEB")):
            with s3.get_object(Bucket=BUCKET, Key="a.vtt", **given)["Body"] as body:
                assert BytesIO(body.read()).getvalue() == expected
        assert code_of(s3.get_object, Bucket=BUCKET, Key="gone") == "NoSuchKey"
