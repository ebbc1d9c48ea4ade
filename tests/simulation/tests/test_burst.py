"""Tests of bursts of 60 and 300 recordings."""

from __future__ import annotations

from statistics import median

import pytest

from tests.simulation.capacity.loads import Load, notified_at, scenario_of
from tests.simulation.capacity.measure import measure
from tests.simulation.judge import judge
from tests.simulation.play import Played, play

BURST = Load(300)
LONGEST_OF_MEDIAN = 2.5
"""Limit of the longest wait divided by the median. At a steady rate, the quotient is two."""


@pytest.fixture(scope="module")
def played() -> Played:
    return play(scenario_of(BURST))


def test_each_recording_of_a_burst_is_ingested_once(played: Played) -> None:
    ingested = [ingest.uuid for ingest in played.system.opencast.ingests]
    assert sorted(ingested) == sorted(recording.uuid for recording in played.scenario.recordings)
    assert [str(verdict) for verdict in judge(played)] == []


def test_burst_leaves_no_message_on_a_dlq(played: Played) -> None:
    assert played.cloud.dead_letters() == []


def test_message_is_received_once_when_it_waits_for_a_free_invocation(played: Played) -> None:
    cloud, most = played.cloud, played.system.sources.most_receives
    assert (most[cloud.download_queue], most[cloud.upload_queue]) == (1, 1)


def test_no_recording_of_a_burst_waits_much_longer_than_the_median(played: Played) -> None:
    notified = {
        recording.uuid: notified_at(BURST, at)
        for at, recording in enumerate(played.scenario.recordings)
    }
    waits = [ingest.finished - notified[ingest.uuid] for ingest in played.system.opencast.ingests]
    assert max(waits) <= LONGEST_OF_MEDIAN * median(waits)


def test_message_is_received_once_when_it_waits_for_the_zoom_files() -> None:
    early = play(scenario_of(Load(60, is_early=True)))
    assert [str(verdict) for verdict in judge(early)] == []
    assert early.system.sources.deliveries[early.cloud.download_queue] > 60
    assert early.system.sources.most_receives[early.cloud.download_queue] == 1


def test_message_is_received_once_and_not_lost_when_zoom_answers_429() -> None:
    refused = play(scenario_of(Load(60, 60, is_early=True, zoom_limit=2)))
    assert [str(verdict) for verdict in judge(refused)] == []
    assert max(refused.zoom.asked.values()) > 2
    assert refused.system.sources.most_receives[refused.cloud.download_queue] == 1
    assert refused.cloud.dead_letters() == []


def test_burst_of_300_recordings_is_in_s3_within_ten_minutes_with_the_default_settings() -> None:
    assert measure(BURST).last_staged < 600
