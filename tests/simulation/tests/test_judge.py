"""The judge sees what is wrong: worlds that ended well are spoiled by hand."""

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


def good(made: Scenario | None = None) -> Played:
    return play(made or scenario((F0, F1), notify(DONE + 10, F0, F1)))


def category(played: Played) -> Category:
    return worst(judge(played))


def mail(text: str, *, at: float = 1e6, goes_on: bool = False, who: str = "uploader") -> Mail:
    return Mail(at, who, text, UUID, "", goes_on)


def without_second_file(played: Played) -> None:
    (ingest,) = played.system.opencast.ingests
    played.system.opencast.ingests[:] = [replace(ingest, files=ingest.files[:1])]


def test_a_world_that_ends_well_has_no_verdicts() -> None:
    assert judge(good()) == []


def test_a_file_that_is_nowhere_and_of_which_nobody_was_told_is_lost() -> None:
    played = good()
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
def test_a_missing_file_that_a_mail_names_is_told(text: str) -> None:
    played = good()
    without_second_file(played)
    played.mails.append(mail(text, goes_on=True))
    assert category(played) is Category.TOLD


def test_a_mail_that_goes_on_and_names_another_file_tells_nothing() -> None:
    played = good()
    without_second_file(played)
    played.mails.append(mail(f"The file {F0.id} stayed outside.", goes_on=True))
    assert category(played) is Category.LOST


def test_a_mail_of_before_the_ingest_tells_nothing_of_what_came_later() -> None:
    played = good()
    without_second_file(played)
    played.mails.append(mail("It failed.", at=DONE))
    assert category(played) is Category.LOST


def test_a_webhooks_mail_tells_nothing_if_zoom_sent_it_again_with_success() -> None:
    played = good()
    played.system.opencast.ingests.clear()
    played.mails.append(mail("This notification wasn't taken.", who="webhook"))
    assert category(played) is Category.LOST


def test_a_dead_letter_with_a_reason_tells_of_a_recording_that_is_nowhere() -> None:
    played = good()
    played.system.opencast.ingests.clear()
    played.cloud.queues.send_message(
        QueueUrl=played.cloud.download_dlq,
        MessageBody=json.dumps({"uuid": UUID}),
        MessageAttributes={"FailedReason": {"DataType": "String", "StringValue": "why"}},
    )
    assert category(played) is Category.TOLD


def test_a_dead_letter_without_a_reason_is_stuck() -> None:
    played = good()
    body = json.dumps({"uuid": UUID})
    played.cloud.queues.send_message(QueueUrl=played.cloud.download_dlq, MessageBody=body)
    assert category(played) is Category.STUCK


def test_a_message_that_still_waits_is_stuck() -> None:
    played = good()
    body = json.dumps({"uuid": UUID})
    played.cloud.queues.send_message(QueueUrl=played.cloud.download_queue, MessageBody=body)
    assert category(played) is Category.STUCK


def test_an_upload_that_nobody_ends_is_stuck() -> None:
    played = good()
    played.cloud.bucket.begin_upload(f"{F0.begins:.0f}/1772464970/000-gallery_view.mp4")
    assert category(played) is Category.STUCK


def test_an_upload_to_a_key_that_was_numbered_anew_is_no_mistake() -> None:
    played = good()
    key = min(stored.key for stored in played.cloud.bucket.objects())
    played.cloud.bucket.begin_upload(key.replace("/000-", "/001-"))
    assert judge(played) == []


def test_a_second_ingest_that_nobody_asked_for_is_seen() -> None:
    played = good()
    played.system.opencast.ingests *= 2
    assert category(played) is Category.TWICE


def test_a_further_event_that_nobody_asked_for_is_seen() -> None:
    played = good()
    (ingest,) = played.system.opencast.ingests
    played.system.opencast.ingests.append(replace(ingest, id="another"))
    assert category(played) is Category.TWICE


def test_bytes_of_another_file_are_seen() -> None:
    played = good()
    (ingest,) = played.system.opencast.ingests
    first, second = ingest.files
    swapped = replace(first, content=second.content)
    played.system.opencast.ingests[:] = [replace(ingest, files=(swapped, second))]
    assert Category.WRONG_BYTES in {verdict.category for verdict in judge(played)}


def test_segments_in_the_wrong_order_are_wrong_bytes() -> None:
    played = good()
    (ingest,) = played.system.opencast.ingests
    played.system.opencast.ingests[:] = [replace(ingest, files=ingest.files[::-1])]
    assert category(played) is Category.WRONG_BYTES


def test_a_series_that_nobody_asked_for_is_seen() -> None:
    played = good()
    (ingest,) = played.system.opencast.ingests
    played.system.opencast.ingests[:] = [replace(ingest, series=SERIES[1])]
    assert category(played) is Category.WRONG_SERIES


def test_a_recording_that_was_thrown_away_need_not_be_there() -> None:
    made = scenario((F0,), notify(DONE + 10, F0), Trash(DONE + 60, UUID))
    played = good(made)
    assert played.system.opencast.ingests == []
    assert category(played) is Category.OK


def test_a_recording_without_a_series_need_not_be_there() -> None:
    made = scenario((F0,), notify(DONE + 10, F0), site=replace(SITE, default_series=""))
    assert category(good(made)) is Category.OK


def test_a_chat_that_is_missing_is_lost() -> None:
    chat = file(0, "chat_file", size=100)
    played = good(scenario((F0, chat), notify(DONE + 10, F0, chat)))
    assert category(played) is Category.OK
    without_second_file(played)
    assert category(played) is Category.LOST


def test_many_mails_are_noise() -> None:
    played = good()
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
def test_a_state_that_goes_back_is_seen(before: str, after: str, *, expected: bool) -> None:
    assert is_backwards(before, after) is expected
    played = good()
    played.cloud.states["row"] = [(1.0, before), (2.0, after)]
    assert (category(played) is Category.BACKWARDS) is expected


def test_a_view_isnt_named_by_a_longer_one() -> None:
    recording = scenario((file(0, "shared_screen"),)).recordings[0]
    text = "shared_screen_with_speaker_view of segment 0"
    assert not names(text, recording.files[0], recording)
