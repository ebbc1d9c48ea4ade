"""Tests of the peers' generated files, pacer, faults and processes."""

from __future__ import annotations

import zlib
from dataclasses import replace

import pytest
import requests

from bench.transfer.peers.content import BLOCK, Generated
from bench.transfer.peers.link import Pacer
from bench.transfer.peers.remote import RemoteS3, RemoteZoom
from bench.transfer.peers.server import Counts
from bench.transfer.peers.zoom_settings import ZoomFault
from local.authority import Authority
from tests.bench.conftest import AUTHORIZED, BUCKET, S3, TALK, ZOOM, MakeClient, Upload

SIZE = 2 * BLOCK + 12345
CONTENT = Generated("talk", SIZE)


class Clock:
    """A fake clock, which advances only by `wait`."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def test_range_of_a_generated_file_equals_the_same_range_of_the_whole_file() -> None:
    whole = CONTENT.read(0, SIZE)
    assert len(whole) == SIZE
    for offset, length in ((0, 1), (7, 2), (BLOCK - 1, 2), (BLOCK + 3, BLOCK + 9), (SIZE - 1, 1)):
        assert CONTENT.read(offset, length) == whole[offset : offset + length]
    assert CONTENT.read(SIZE - 2, 100) == whole[-2:]
    assert CONTENT.read(SIZE, 1) == CONTENT.read(SIZE + 10, 1) == b""


def test_checksum_of_a_generated_file_equals_the_crc32_of_its_bytes() -> None:
    whole = CONTENT.read(0, SIZE)
    assert CONTENT.crc32(0, SIZE - 1) == zlib.crc32(whole)
    assert CONTENT.crc32(100, BLOCK + 5) == zlib.crc32(whole[100 : BLOCK + 6])


def test_bytes_of_generated_files_differ_by_block_by_name_and_by_version() -> None:
    assert CONTENT.read(0, BLOCK) != CONTENT.read(BLOCK, BLOCK)
    others = [Generated("talk", SIZE, version=2), Generated("walk", SIZE)]
    assert len({content.read(100, 1000) for content in (CONTENT, *others)}) == 3


def test_bytes_are_counted_while_they_are_sent_and_are_not_counted_when_sending_fails() -> None:
    counts = Counts()
    with counts.sending(5) as total:
        assert total == counts.body_bytes == 5
    with pytest.raises(BrokenPipeError), counts.sending(3):
        raise BrokenPipeError
    assert counts.body_bytes == 5


@pytest.mark.parametrize(
    ("mbps", "burst", "pause", "seconds"),
    [(2, 1000, 0, 0.5), (1, 50_000, 10, 10.95), (0, 1, 0, 0)],
    ids=["limit", "burst after a pause", "no limit"],
)
def test_pacer_waits_only_after_a_burst_and_only_when_its_rate_is_limited(
    mbps: float, burst: int, pause: float, seconds: float
) -> None:
    clock = Clock()
    pacer = Pacer(mbps, burst, clock.wait, clock)
    clock.wait(pause)
    for _ in range(100):
        pacer.pass_on(10_000)
    assert clock.now == pytest.approx(100 + seconds, abs=0.001)


@pytest.mark.parametrize(
    "when", [{}, {"request": 1, "total": 1}, {"kind": "status", "total": 1}], ids=str
)
def test_zoom_fault_is_refused_when_its_moment_is_missing_ambiguous_or_wrong_for_its_kind(
    when: dict[str, object],
) -> None:
    with pytest.raises(ValueError, match="fault"):
        ZoomFault(**{"kind": "rst", **when})  # type: ignore[arg-type]


def test_zoom_peer_serves_files_when_it_runs_in_another_process(
    tls: Authority, session: requests.Session
) -> None:
    with RemoteZoom(tls) as zoom:
        zoom.configure(ZOOM)
        for url in (zoom.url, zoom.tls_url):
            answer = session.get(
                f"{url}/rec/download/talk", headers=AUTHORIZED, allow_redirects=False
            )
            rest = session.get(answer.headers["Location"], headers={"Range": "bytes=5-"})
            assert len(rest.content) == TALK - 5
        assert zoom.stats().requests == {"rec": 2, "cdn_range": 2}


def test_s3_peer_stores_objects_when_it_runs_in_another_process(
    tls: Authority, client_of: MakeClient
) -> None:
    with RemoteS3(tls) as s3:
        s3.configure(replace(S3, mode="hash"))
        client = client_of(s3.tls_url)
        client.put_object(Bucket=BUCKET, Key="k", Body=b"text")
        Upload(client, "l")
        assert [(stored.key, stored.size) for stored in s3.objects()] == [("k", 4)]
        assert [upload.key for upload in s3.uploads()] == ["l"]
        assert s3.stats().operations == {"PutObject": 1, "CreateMultipartUpload": 1}
