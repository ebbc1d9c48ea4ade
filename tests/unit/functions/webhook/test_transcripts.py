"""The webhook event `recording.transcript_completed`."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

import webhook
from ingester.ledger.table import Ledger
from tests.cloud import Clock, Cloud
from tests.function_harness import post_webhook
from tests.hooks import failing
from tests.unit.functions.webhook.notifications import UUID, completed, mp4, untouched

CAPTIONS_ID = f"captions-{UUID}"


def transcript(file_id: str, **changes: Any) -> dict[str, Any]:
    made = mp4(file_id, file_type="TRANSCRIPT", file_extension="VTT")
    return made | {"recording_type": "audio_transcript"} | changes


def transcripts(*files: dict[str, Any]) -> dict[str, Any]:
    made = completed(*files) | {"event": "recording.transcript_completed"}
    del made["download_token"]
    return made


@pytest.fixture
def captions_on(deps: webhook.Dependencies) -> webhook.Dependencies:
    settings = msgspec.structs.replace(deps.settings, ingest_captions=True)
    return dataclasses.replace(deps, settings=settings)


def test_transcript_webhook_event_is_sent_as_a_message_about_captions(
    captions_on: webhook.Dependencies, aws: Cloud
) -> None:
    event = transcripts(transcript("t-1"), transcript("t-2"))
    assert post_webhook(captions_on, event).status == 204
    (sent,) = aws.sent_to(aws.download_queue)
    assert sent["delay_seconds"] == 300
    body = sent["body"]
    assert (body["uuid"], body["zip_id"]) == (UUID, CAPTIONS_ID)
    assert body["captions"] == {"announced": ["t-1", "t-2"]}
    assert body["recording_files"] == []


def test_transcript_webhook_event_neither_requests_an_ingest_nor_makes_a_row(
    captions_on: webhook.Dependencies, aws: Cloud, clock: Clock
) -> None:
    post_webhook(captions_on, transcripts(transcript("t-1")))
    assert not aws.rows()
    assert not Ledger(aws.recordings, clock).get(UUID).requests


@pytest.mark.parametrize("lacks", ["id", "topic", "start_time", "host_id", "recording_files"])
def test_transcript_webhook_event_is_accepted_when_a_field_is_missing(
    captions_on: webhook.Dependencies, aws: Cloud, lacks: str
) -> None:
    event = transcripts(transcript("t-1"))
    del event["payload"]["object"][lacks]
    assert post_webhook(captions_on, event).status == 204
    assert len(aws.sent_to(aws.download_queue)) == 1


def test_transcript_webhook_event_that_names_no_recording_gets_204(
    captions_on: webhook.Dependencies, aws: Cloud
) -> None:
    payloads: list[Any] = [None, [], {}, {"object": None}, {"object": {"uuid": 7}}]
    for payload in payloads:
        event = {"event": "recording.transcript_completed", "payload": payload}
        assert post_webhook(captions_on, event).status == 204
    assert untouched(aws)


def test_transcript_webhook_event_gets_503_when_its_message_cannot_be_sent(
    captions_on: webhook.Dependencies, aws: Cloud
) -> None:
    with failing(aws.sqs, "sqs.SendMessage", "Throttling"):
        assert post_webhook(captions_on, transcripts(transcript("t-1"))).status == 503


def test_transcript_webhook_event_gets_204_and_does_nothing_when_captions_and_chapters_are_off(
    deps: webhook.Dependencies, aws: Cloud
) -> None:
    assert post_webhook(deps, transcripts(transcript("t-1"))).status == 204
    assert untouched(aws)


@pytest.mark.parametrize("captions", [True, False])
def test_message_about_chapters_is_sent_whether_captions_are_on_or_off(
    deps: webhook.Dependencies, aws: Cloud, captions: bool
) -> None:
    settings = msgspec.structs.replace(
        deps.settings, ingest_captions=captions, ingest_chapters=True
    )
    summary = transcript("s-1", file_type="SUMMARY", recording_type="summary_smart_chapters")
    event = transcripts(transcript("t-1"), summary)
    assert post_webhook(dataclasses.replace(deps, settings=settings), event).status == 204
    sent = [each["body"] for each in aws.sent_to(aws.download_queue)]
    assert {body["zip_id"] for body in sent} == {CAPTIONS_ID}
    told = [body["captions"] for body in sent]
    about_captions = [{"announced": ["t-1"]}] if captions else []
    assert told == [*about_captions, {"announced": [], "is_chapters": True}]
