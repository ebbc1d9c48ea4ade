"""What was down comes back, and every recording of that time is in Opencast by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cdk.names import WEBHOOK
from tests.e2e import deployed
from tests.e2e.scenarios import handed_in
from tests.e2e.scene import Scene

FIRST_RETRY = 60.0
"""Seconds after which an upload tries again for the first time."""


def test_recordings_of_an_endpoint_that_was_down_arrive_by_reconcile(scene: Scene) -> None:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=90)
    scene = replace(scene, start=start)
    scene.driver.begin_reconcile(start)
    recordings = [scene.lecture() for _ in range(3)]
    webhook = scene.function(WEBHOOK)
    # Its settings make no sense, so it answers nobody.
    with deployed.limited(scene.driver, webhook, seconds=29, WEBHOOK_DELAY_SECONDS="broken"):
        for recording in recordings:
            assert scene.driver.send("recording.completed", recording.uuid).status == 502
    report = scene.driver.reconcile()
    assert {one.uuid for one in recordings} <= set(handed_in(report))
    for recording in recordings:
        scene.until(recording, "SENT_TO_OPENCAST")
        scene.ingested_whole(recording)


def test_recordings_wait_for_an_opencast_that_is_down(scene: Scene) -> None:
    recordings = [scene.lecture() for _ in range(3)]
    before = scene.waiting("upload-dlq.fifo")
    scene.driver.trouble_opencast(kind="close", times=None)
    try:
        for recording in recordings:
            scene.completed(recording)
        for recording in recordings:
            scene.until(recording, "UPLOADER_FAILED", "waiting since")
    finally:
        scene.driver.mend_opencast()
    later = replace(scene, seconds=FIRST_RETRY + scene.seconds)

    def are_there() -> bool:
        return all(scene.driver.ingests_of(recording) for recording in recordings)

    later.wait(are_there, "all in Opencast")
    for recording in recordings:
        scene.until(recording, "SENT_TO_OPENCAST")
        scene.ingested_whole(recording)
    assert scene.waiting("upload-dlq.fifo") == before
