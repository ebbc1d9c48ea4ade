"""What can happen to the copy of a file, each as a scenario (see scenarios.py)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

from ingester.transfer.parts import MIB, SMALLEST
from tests.e2e import deployed
from tests.e2e.scene import FAILED, Scene

SECONDS = 90.0
"""How long to wait for a large file, also where others are hurried."""


def mended_file(scene: Scene) -> None:
    """All bytes of a file arrive, but it is no MP4: copied anew when somebody asks again."""
    recording = scene.lecture()
    (file,) = recording.wanted()
    # The first request only asks for the file's size.
    scene.driver.trouble_zoom(kind="wrong_bytes", where="cdn", file_id=file.id, skip=1)
    scene.completed(recording)
    scene.until(recording, "DOWNLOADER_FAILED", "is not a whole MP4")
    assert scene.driver.ingests_of(recording) == []
    answer = scene.driver.ask_for_ingest(uuid=recording.uuid)
    assert answer.status == 200, answer

    def ends() -> list[str]:
        found = scene.driver.status(recording.meeting_id)[recording.uuid]
        asked = [one.status for one in found if one.origin == "on_demand"]
        return [state for state in asked if state in {"SENT_TO_OPENCAST", *FAILED}]

    assert scene.wait(ends, "an end of what was asked for") == ["SENT_TO_OPENCAST"]
    scene.ingested_whole(recording)


def broken_connection(scene: Scene) -> None:
    """The connection breaks and the address expires in mid-file: it goes on where it was."""
    scene = replace(scene, seconds=SECONDS)
    recording = scene.lecture(padding=40 * MIB)
    (file,) = recording.wanted()
    for fault in (
        # A reset takes with it what was sent and not read yet.
        {"kind": "reset", "skip": 2, "after_bytes": 100_000},
        {"kind": "early_close", "skip": 2, "times": 2, "after_bytes": SMALLEST - 1000},
        {"kind": "expired", "skip": 4},
    ):
        scene.driver.trouble_zoom(where="cdn", file_id=file.id, **fault)
    scene.completed(recording)
    scene.until(recording, "SENT_TO_OPENCAST")
    scene.ingested_whole(recording)
    assert scene.driver.sent(file) < 1.05 * file.size


def changed_source(scene: Scene) -> None:
    """The file becomes another one while it is copied: the copy is the new one's altogether."""
    scene = replace(scene, seconds=SECONDS)
    recording = scene.lecture(padding=40 * MIB)
    (old,) = recording.wanted()
    # The first request asks for the size, those before the eighth for parts of the old one.
    scene.driver.trouble_zoom(kind="changed", where="cdn", file_id=old.id, skip=7)
    scene.completed(recording)
    scene.until(recording, "SENT_TO_OPENCAST")
    (new,) = scene.driver.recording(recording.uuid).wanted()
    assert (new.size, new.sha256 == old.sha256) == (old.size, False)
    scene.ingested_whole(recording)
    s3 = scene.driver.client("s3")
    staged = s3.list_objects_v2(Bucket=scene.bucket, Prefix=f"{recording.meeting_id}/")["Contents"]
    (content,) = (s3.get_object(Bucket=scene.bucket, Key=one["Key"])["Body"] for one in staged)
    assert hashlib.sha256(content.read()).hexdigest() == new.sha256


def taken_up_again(scene: Scene) -> None:
    """The function's process dies in mid-copy: the next delivery copies only what is missing."""
    scene = replace(scene, seconds=SECONDS)
    driver = scene.driver
    recording = scene.lecture(padding=40 * MIB)
    (file,) = recording.wanted()
    # Two of nine parts take until the end of this delivery, which comes before their end.
    stall = {"kind": "stall", "seconds": 30.0, "after_bytes": 1000}
    driver.trouble_zoom(where="cdn", file_id=file.id, skip=3, times=2, **stall)

    def stored() -> bool:
        scene.state(recording)
        return len(scene.stored_parts(recording)) >= 2

    with deployed.delivered_again_after(driver, "download", 6):
        scene.completed(recording)
        scene.wait(stored, "two parts in S3")
        assert deployed.kill(driver, scene.downloader)
    missing = file.size - sum(scene.stored_parts(recording))
    before = driver.sent(file)
    scene.until(recording, "SENT_TO_OPENCAST")
    scene.ingested_whole(recording)
    assert driver.sent(file) - before < missing + MIB


def handed_over(scene: Scene) -> None:
    """A file that takes longer than an invocation may: the next ones go on, and the row says it."""
    scene = replace(scene, seconds=SECONDS)
    driver = scene.driver
    # Six parts: two at once take three seconds, and for two more there isn't enough time.
    recording = scene.lecture(padding=28 * MIB, bytes_per_second=SMALLEST // 3)
    (file,) = recording.wanted()
    told: list[str] = []

    def look() -> bool:
        found = scene.state(recording)
        if found and found.reason and found.reason not in told:
            told.append(found.reason)
        return found is not None and found.status == "SENT_TO_OPENCAST"

    before = scene.waiting("download-dlq")
    with deployed.limited(driver, scene.downloader, seconds=12, DOWNLOAD_CONNECTIONS="2"):
        scene.completed(recording)
        scene.wait(look, "SENT_TO_OPENCAST")
    scene.ingested_whole(recording)
    sentence = rf"(\d+) of {file.size / 1e6:.0f} MB are copied; the next invocation goes on\."
    copied = [int(found[1]) for found in (re.fullmatch(sentence, one) for one in told) if found]
    assert len(copied) == len(told) >= 2, told
    assert copied == sorted(set(copied))
    assert driver.sent(file) < 1.05 * file.size
    assert scene.waiting("download-dlq") == before
