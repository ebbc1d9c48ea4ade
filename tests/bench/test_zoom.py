"""The fake Zoom hands out files as Zoom and its CDN do."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from bench.transfer.peers.zoom import ZoomPeer
from bench.transfer.peers.zoom_settings import ZoomSettings
from tests.bench.conftest import AUTHORIZED, TALK, ZOOM, Reader


def test_the_file_is_behind_a_redirect(reader: Reader) -> None:
    whole = reader.get(reader.address())
    assert whole.status_code == 200
    assert whole.content == reader.zoom.content("talk").read(0, TALK)
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["Content-Type"] == "video/mp4"
    stats = reader.zoom.stats()
    assert stats.requests == {"rec": 1, "cdn": 1}
    assert (stats.body_bytes, stats.connections, stats.most_bodies) == (TALK, 1, 1)


def test_without_the_token_there_is_a_page(session: requests.Session, zoom: ZoomPeer) -> None:
    for headers in ({}, {"Authorization": "Bearer other"}):
        page = session.get(zoom.download_url("talk"), headers=headers, allow_redirects=False)
        assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html")


def test_an_address_nobody_handed_out_is_refused(session: requests.Session, zoom: ZoomPeer) -> None:
    for query in ("", "?sig=", "?sig=1", "?sig=x"):
        assert session.get(f"{zoom.url}/cdn/talk.mp4{query}").status_code == 403
    lost = session.get(zoom.download_url("walk"), headers=AUTHORIZED, allow_redirects=False)
    assert lost.status_code == 404


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=5-1048580", 5, 1048580),
        ("bytes=2999990-", 2999990, TALK - 1),
        ("bytes=-3", TALK - 3, TALK - 1),
        ("bytes=0-99999999", 0, TALK - 1),
    ],
)
def test_ranges(reader: Reader, asked: str, first: int, last: int) -> None:
    part = reader.get(reader.address(), Range=asked)
    assert part.status_code == 206
    assert part.headers["Content-Range"] == f"bytes {first}-{last}/{TALK}"
    assert part.content == reader.zoom.content("talk").read(first, last - first + 1)
    assert reader.zoom.seen()[-1].range == asked


def test_a_range_behind_the_end(plain_reader: Reader) -> None:
    for asked in ("bytes=3000000-", "bytes=-0"):
        none = plain_reader.get(plain_reader.address(), Range=asked)
        assert none.status_code == 416
        assert none.headers["Content-Range"] == f"bytes */{TALK}"


@pytest.mark.parametrize("asked", ["bytes=-", "bytes=0-1,5-6", "seconds=1-2"])
def test_ranges_that_nobody_understands_are_the_whole_file(
    plain_reader: Reader, asked: str
) -> None:
    assert plain_reader.get(plain_reader.address(), Range=asked).status_code == 200


def test_if_range(plain_reader: Reader) -> None:
    address = plain_reader.address()
    told = plain_reader.session.head(address).headers
    for validator in (told["ETag"], told["Last-Modified"]):
        assert plain_reader.get(address, Range="bytes=1-2", If_Range=validator).status_code == 206
    assert plain_reader.get(address, Range="bytes=1-2", If_Range='"other"').status_code == 200


def test_head_tells_without_bytes(plain_reader: Reader) -> None:
    told = plain_reader.session.head(plain_reader.address())
    assert (told.status_code, told.headers["Content-Length"]) == (200, str(TALK))
    assert plain_reader.zoom.stats().body_bytes == 0


def test_what_can_be_switched_off(plain_reader: Reader) -> None:
    zoom = plain_reader.zoom
    zoom.configure(replace(ZOOM, ranges=False, etag=False, last_modified=False))
    whole = plain_reader.get(plain_reader.address(), Range="bytes=1-2")
    assert (whole.status_code, len(whole.content)) == (200, TALK)
    assert not {"Accept-Ranges", "ETag", "Last-Modified"} & set(whole.headers)
    zoom.configure(replace(ZOOM, content_length=False))
    whole = plain_reader.get(plain_reader.address())
    assert "Content-Length" not in whole.headers
    assert len(whole.content) == TALK


def test_files_of_a_folder(plain_reader: Reader, tmp_path: Path) -> None:
    shutil.copy(__file__, tmp_path / "real.mp4")
    plain_reader.zoom.configure(ZoomSettings(folder=str(tmp_path)))
    assert plain_reader.get(plain_reader.address("real")).content == Path(__file__).read_bytes()


@pytest.mark.parametrize(
    "cap", [{"conn_mbps": 20}, {"link_mbps": 20}, {"latency_ms": 100}, {"accept_latency_ms": 100}]
)
def test_caps_and_waits_take_their_time(plain_reader: Reader, cap: dict[str, float]) -> None:
    """3 MB at 20 MB/s are 0.15 s, of which a burst of 1 MB is for nothing."""
    plain_reader.zoom.configure(replace(ZOOM, **cap))  # type: ignore[arg-type]
    address = plain_reader.address()
    begun = time.monotonic()
    with requests.Session() as fresh:
        assert len(fresh.get(address).content) == TALK
    assert time.monotonic() - begun >= 0.09
