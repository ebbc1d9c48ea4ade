"""The pause of all downloads after Zoom has answered 429."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ingester.pipeline.queue import MAX_DELAY_SECONDS
from ingester.zoom.pause_table import KEY, ZoomPause
from ingester.zoom.throttling import LONGEST_SECONDS, Pause, pause_after, seconds_to_wait
from tests.cloud import Clock, Cloud

NOW = datetime(2026, 10, 14, 16, 0, tzinfo=UTC)
END = "2026-10-14T16:01:00Z"


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_first_pause_of_downloads_lasts_a_minute_when_there_is_no_retry_after() -> None:
    assert pause_after(None, NOW, None) == Pause(until=END, seconds=60)


def test_first_pause_of_downloads_lasts_the_seconds_of_retry_after_when_they_exceed_a_minute() -> (
    None
):
    assert pause_after(None, NOW, 99.5).seconds == 100


def test_downloads_that_zoom_throttles_together_share_one_pause() -> None:
    first = pause_after(None, NOW, None)
    assert pause_after(first, later(59), 500.0) == first


def test_pause_of_downloads_doubles_up_to_a_maximum_when_zoom_throttles_after_a_pause() -> None:
    pause, now, seconds = None, NOW, []
    for _ in range(6):
        pause = pause_after(pause, now, None)
        seconds.append(pause.seconds)
        now += timedelta(seconds=pause.seconds + 1)
    assert seconds == [60, 120, 240, 480, LONGEST_SECONDS, LONGEST_SECONDS]


def test_pause_of_downloads_is_a_minute_again_half_an_hour_after_the_end_of_the_last_pause() -> (
    None
):
    pause = Pause(until=END, seconds=480)
    assert pause_after(pause, later(60 + 1799), None).seconds == LONGEST_SECONDS
    assert pause_after(pause, later(60 + 1800), None).seconds == 60


def test_downloads_do_not_wait_when_there_is_no_pause_or_the_pause_has_ended() -> None:
    assert seconds_to_wait(None, NOW, "uuid") == 0
    assert seconds_to_wait(Pause(until=END, seconds=60), later(60), "uuid") == 0


def test_downloads_of_recordings_are_spread_over_half_a_minute_after_a_pause_of_a_minute() -> None:
    waits = [
        seconds_to_wait(Pause(until=END, seconds=60), NOW, f"{number}==") for number in range(500)
    ]
    assert (min(waits), max(waits)) == (60, 90)
    assert len(set(waits)) == 31


def test_longest_wait_for_a_pause_is_the_longest_delay_that_sqs_accepts() -> None:
    pause = pause_after(Pause(until=END, seconds=LONGEST_SECONDS), later(61), 9999.0)
    waits = [seconds_to_wait(pause, later(61), f"{number}==") for number in range(2000)]
    assert max(waits) == MAX_DELAY_SECONDS


@pytest.fixture
def pause(aws: Cloud, clock: Clock) -> ZoomPause:
    return ZoomPause(aws.recordings, clock)


def test_pause_of_downloads_holds_for_another_recording_as_well(
    pause: ZoomPause, clock: Clock
) -> None:
    assert pause.seconds("one==") == 0
    assert 60 <= pause.begin("one==", None) <= 90
    assert 60 <= pause.seconds("two==") <= 90
    clock.forward(seconds=61)
    assert pause.seconds("two==") == 0
    assert 120 <= pause.begin("two==", None) <= 180


def test_malformed_item_of_the_pause_counts_as_no_pause(pause: ZoomPause, aws: Cloud) -> None:
    aws.recordings.put_item(Item={"uuid": KEY, "until": "tomorrow", "seconds": 60})
    assert pause.seconds("one==") == 0
    assert 60 <= pause.begin("one==", None) <= 90
