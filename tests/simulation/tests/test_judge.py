"""Tests that the judge finds mistakes that are added to worlds that ended well."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.simulation.judge import Category, is_backwards, judge, names, worst
from tests.simulation.logs import Mail
from tests.simulation.named import DONE, SITE, UUID, file, notify, scenario
from tests.simulation.play import Played, play
from tests.simulation.scenarios import SERIES
from tests.simulation.truth import Scenario, Trash, wire

F0, F1 = file(0), file(1)


def well_ended(made: Scenario | None = None) -> Played:
    return play(made or scenario((F0, F1), notify(DONE + 10, F0, F1)))


def category(played: Played) -> Category:
    return worst(judge(played))


def mail(text: str, *, at: float = 1e6, goes_on: bool = False, who: str = "uploader") -> Mail:
    return Mail(at, who, text, UUID, "", goes_on)


def without_second_file(played: Played) -> None:
    (ingest,) = played.system.opencast.ingests
    played.system.opencast.ingests[:] = [replace(ingest, files=ingest.files[:1])]


def test_judge_finds_nothing_when_a_world_ends_well() -> None:
    assert judge(well_ended()) == []


def test_judge_calls_a_file_lost_when_it_is_missing_and_not_reported() -> None:
    played = well_ended()
    without_second_file(played)
    assert category(played) is Category.LOST


@pytest.mark.parametrize(
    "text",
    [
        f"The file {F1.id} stayed outside.",
        f"000-active_speaker.mp4 of {wire(F1.begins)} stayed outside.",
        "Not there: active_speaker of segment 1.",
    ],
)
def test_judge_calls_a_missing_file_reported_when_a_mail_names_it(text: str) -> None:
    played = well_ended()
    without_second_file(played)
    played.mails.append(mail(text, goes_on=True))
    assert category(played) is Category.REPORTED


def test_judge_calls_a_missing_file_lost_when_the_mail_names_another_file() -> None:
    played = well_ended()
    without_second_file(played)
    played.mails.append(mail(f"The file {F0.id} stayed outside.", goes_on=True))
    assert category(played) is Category.LOST


def test_judge_calls_a_missing_file_lost_when_the_mail_is_older_than_the_ingest() -> None:
    played = well_ended()
    without_second_file(played)
    played.mails.append(mail("It failed.", at=DONE))
    assert category(played) is Category.LOST


def test_judge_calls_a_missing_file_lost_when_the_mail_is_about_an_accepted_webhook_event() -> None:
    played = well_ended()
    played.system.opencast.ingests.clear()
    played.mails.append(mail("This webhook event wasn't taken.", who="webhook"))
    assert category(played) is Category.LOST


def test_judge_calls_a_missing_recording_reported_when_its_message_on_the_dlq_has_a_reason() -> (
    None
):
    played = well_ended()
    played.system.opencast.ingests.clear()
    played.cloud.queues.send_message(
        QueueUrl=played.cloud.download_dlq,
        MessageBody=json.dumps({"uuid": UUID}),
        MessageAttributes={"FailedReason": {"DataType": "String", "StringValue": "why"}},
    )
    assert category(played) is Category.REPORTED


def test_judge_calls_a_message_on_the_dlq_stuck_when_it_has_no_reason() -> None:
    played = well_ended()
    body = json.dumps({"uuid": UUID})
    played.cloud.queues.send_message(QueueUrl=played.cloud.download_dlq, MessageBody=body)
    assert category(played) is Category.STUCK


def test_judge_calls_a_message_stuck_when_it_still_waits_at_the_end() -> None:
    played = well_ended()
    body = json.dumps({"uuid": UUID})
    played.cloud.queues.send_message(QueueUrl=played.cloud.download_queue, MessageBody=body)
    assert category(played) is Category.STUCK


def test_judge_calls_an_upload_stuck_when_it_stays_open() -> None:
    played = well_ended()
    played.cloud.bucket.begin_upload(f"{F0.begins:.0f}/1772464970/000-gallery_view.mp4")
    assert category(played) is Category.STUCK


def test_judge_allows_an_open_upload_of_a_staged_file_under_another_segment_number() -> None:
    played = well_ended()
    key = min(played.cloud.bucket.keys)
    played.cloud.bucket.begin_upload(key.replace("/000-", "/001-"))
    assert judge(played) == []


def test_judge_finds_a_second_ingest_when_no_person_requested_it() -> None:
    played = well_ended()
    played.system.opencast.ingests *= 2
    assert category(played) is Category.TWICE


def test_judge_finds_a_further_opencast_event_when_no_person_requested_it() -> None:
    played = well_ended()
    (ingest,) = played.system.opencast.ingests
    played.system.opencast.ingests.append(replace(ingest, id="another"))
    assert category(played) is Category.TWICE


def test_judge_finds_wrong_bytes_when_a_file_has_the_bytes_of_another_file() -> None:
    played = well_ended()
    (ingest,) = played.system.opencast.ingests
    first, second = ingest.files
    swapped = replace(first, content=second.content)
    played.system.opencast.ingests[:] = [replace(ingest, files=(swapped, second))]
    assert Category.WRONG_BYTES in {verdict.category for verdict in judge(played)}


def test_judge_finds_wrong_bytes_when_segments_are_in_the_wrong_order() -> None:
    played = well_ended()
    (ingest,) = played.system.opencast.ingests
    played.system.opencast.ingests[:] = [replace(ingest, files=ingest.files[::-1])]
    assert category(played) is Category.WRONG_BYTES


def test_judge_finds_a_wrong_series_when_no_person_requested_it() -> None:
    played = well_ended()
    (ingest,) = played.system.opencast.ingests
    played.system.opencast.ingests[:] = [replace(ingest, series=SERIES[1])]
    assert category(played) is Category.WRONG_SERIES


def test_judge_allows_a_missing_recording_when_a_person_trashed_it() -> None:
    slow = replace(SITE, webhook_delay=300)
    made = scenario((F0,), notify(DONE + 10, F0), Trash(DONE + 60, UUID), site=slow)
    played = well_ended(made)
    assert played.system.opencast.ingests == []
    assert category(played) is Category.OK


def test_judge_allows_a_missing_recording_when_it_has_no_series() -> None:
    made = scenario((F0,), notify(DONE + 10, F0), site=replace(SITE, default_series=""))
    assert category(well_ended(made)) is Category.OK


def test_judge_calls_a_chat_file_lost_when_it_is_missing() -> None:
    chat = file(0, "chat_file", size=100)
    played = well_ended(scenario((F0, chat), notify(DONE + 10, F0, chat)))
    assert category(played) is Category.OK
    without_second_file(played)
    assert category(played) is Category.LOST


def test_judge_calls_mails_noise_when_there_are_too_many() -> None:
    played = well_ended()
    played.mails += [mail(f"Mail {number}", at=600.0 * number) for number in range(30)]
    assert category(played) is Category.NOISE


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("RECORDING_STOPPED", "RECORDING_IN_PROGRESS", False),
        ("RECORDING_PROCESSING", "RECORDING_STOPPED", True),
        ("SENT_TO_DOWNLOADER", "OC_SERIES_FOUND", False),
        ("SENT_TO_UPLOADER", "OC_SERIES_FOUND", True),
        ("SENT_TO_DOWNLOADER", "ON_DEMAND_RECEIVED", True),
        ("SENT_TO_OPENCAST", "IGNORED", True),
        ("DOWNLOADER_FAILED", "OC_SERIES_FOUND", False),
        ("IGNORED", "RECORDING_STOPPED", True),
    ],
)
def test_judge_finds_a_mistake_in_a_change_of_state_only_when_the_state_goes_backwards(
    before: str, after: str, *, expected: bool
) -> None:
    assert is_backwards(before, after) is expected
    played = well_ended()
    played.cloud.states["row"] = [(1.0, before), (2.0, after)]
    assert (category(played) is Category.BACKWARDS) is expected


def test_text_about_shared_screen_with_speaker_view_does_not_name_a_file_of_shared_screen() -> None:
    recording = scenario((file(0, "shared_screen"),)).recordings[0]
    text = "shared_screen_with_speaker_view of segment 0"
    assert not names(text, recording.files[0], recording)
