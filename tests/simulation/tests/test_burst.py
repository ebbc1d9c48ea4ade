"""300 recordings in a burst, with the default settings: each in Opencast once, none starved."""

from __future__ import annotations

from statistics import median

import pytest

from tests.simulation.capacity.loads import Load, notified_at, scenario_of
from tests.simulation.judge import judge
from tests.simulation.play import Played, play

BURST = Load(300)
LONGEST_OF_MEDIAN = 2.5
"""A queue that is emptied in any order lets the last wait twice as long as the median one."""


@pytest.fixture(scope="module")
def played() -> Played:
    return play(scenario_of(BURST))


def test_a_burst_s_recordings_are_all_in_opencast_once(played: Played) -> None:
    ingested = [ingest.uuid for ingest in played.system.opencast.ingests]
    assert sorted(ingested) == sorted(recording.uuid for recording in played.scenario.recordings)
    assert [str(verdict) for verdict in judge(played)] == []


def test_no_recording_of_a_burst_is_in_a_dead_letter_queue(played: Played) -> None:
    cloud = played.cloud
    letters = [cloud.queues.messages(queue) for queue in (cloud.download_dlq, cloud.upload_dlq)]
    assert letters == [[], []]


def test_waiting_for_a_place_spends_no_receive(played: Played) -> None:
    cloud, most = played.cloud, played.system.sources.most_receives
    assert (most[cloud.download_queue], most[cloud.upload_queue]) == (1, 1)


def test_no_recording_of_a_burst_waits_much_longer_than_the_others(played: Played) -> None:
    told = {
        recording.uuid: notified_at(BURST, at)
        for at, recording in enumerate(played.scenario.recordings)
    }
    waits = [ingest.finished - told[ingest.uuid] for ingest in played.system.opencast.ingests]
    assert max(waits) <= LONGEST_OF_MEDIAN * median(waits)


def test_waiting_for_zoom_s_files_spends_no_receive() -> None:
    early = play(scenario_of(Load(60, is_early=True)))
    assert [str(verdict) for verdict in judge(early)] == []
    assert early.system.sources.deliveries[early.cloud.download_queue] > 60
    assert early.system.sources.most_receives[early.cloud.download_queue] == 1
