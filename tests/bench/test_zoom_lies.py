"""What the fake Zoom answers that isn't what was asked for, or not what it says it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import requests

from bench.transfer.peers.zoom_settings import ZoomFault
from tests.bench.conftest import TALK, ZOOM, Reader


def lying(reader: Reader, **headers: str) -> str:
    """An address whose first answer tells these headers."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    fault = ZoomFault(what="headers", request=1, headers=told)
    reader.zoom.configure(replace(ZOOM, faults=(fault,)))
    return reader.address()


def test_the_whole_file_in_place_of_a_range(reader: Reader) -> None:
    reader.zoom.configure(replace(ZOOM, faults=(ZoomFault(what="whole", request=2, times=2),)))
    address = reader.address()
    answers = [reader.get(address, Range="bytes=5-9") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [206, 200, 200, 206]
    assert [len(answer.content) for answer in answers] == [5, TALK, TALK, 5]


def test_another_range_than_was_asked_for(reader: Reader) -> None:
    faults = (
        ZoomFault(what="shifted", request=1),
        ZoomFault(what="shifted", request=2, after=100),
    )
    reader.zoom.configure(replace(ZOOM, faults=faults))
    address = reader.address()
    for shift in (1, 100, 0):
        answer = reader.get(address, Range="bytes=5-9")
        told = f"bytes {5 + shift}-{9 + shift}/{TALK}"
        assert (answer.status_code, answer.headers["Content-Range"]) == (206, told)
        assert answer.content == reader.zoom.content("talk").read(5 + shift, 5)


def test_a_wrong_content_range(reader: Reader) -> None:
    address = lying(reader, Content_Range="bytes 7-{last}/1{size}", ETag="")
    answer = reader.get(address, Range="bytes=5-9")
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes 7-9/1{TALK}"
    assert "ETag" not in answer.headers
    assert answer.content == reader.zoom.content("talk").read(5, 5)
    assert "ETag" in reader.get(address, Range="bytes=5-9").headers


def test_a_content_length_that_is_too_short_cuts_the_body(reader: Reader) -> None:
    address = lying(reader, Content_Length="3")
    answer = reader.get(address, Range="bytes=5-9")
    assert answer.headers["Content-Range"] == f"bytes 5-9/{TALK}"
    assert answer.content == reader.zoom.content("talk").read(5, 3)
    assert len(reader.get(address).content) == TALK
    assert reader.zoom.stats().connections == 1


def test_a_content_length_that_is_too_long_breaks_off(reader: Reader) -> None:
    address = lying(reader, Content_Length="9")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        reader.get(address, Range="bytes=5-9")
    assert len(reader.get(address).content) == TALK


def test_headers_at_a_total_are_of_the_next_answer(plain_reader: Reader) -> None:
    fault = ZoomFault(what="headers", total=10, headers={"ETag": '"other"'})
    plain_reader.zoom.configure(replace(ZOOM, faults=(fault,)))
    address = plain_reader.address()
    tags = [plain_reader.get(address).headers["ETag"] for _ in range(3)]
    assert tags[1] == '"other"'
    assert tags[0] == tags[2] != tags[1]


def test_versions_go_on_unless_they_are_to_begin_anew(plain_reader: Reader) -> None:
    zoom = plain_reader.zoom
    zoom.configure(replace(ZOOM, faults=(ZoomFault(what="changed", request=1, size=TALK + 1),)))
    address = plain_reader.address()
    assert len(plain_reader.get(address).content) == TALK + 1
    zoom.configure(ZOOM, anew=False)
    assert zoom.stats().body_bytes == 0
    assert plain_reader.get(address).status_code == 403
    assert plain_reader.get(plain_reader.address()).content == zoom.content("talk").read(
        0, TALK + 1
    )
    assert [(one.size, one.version) for one in zoom.versions("talk")] == [(TALK, 1), (TALK + 1, 2)]
    zoom.configure(ZOOM)
    assert [one.version for one in zoom.versions("talk")] == [1]


def test_the_rest_of_an_answer_is_not_counted_after_a_new_beginning(plain_reader: Reader) -> None:
    zoom, size = plain_reader.zoom, 50_000_000
    zoom.configure(replace(ZOOM, files={"talk": size}))
    with requests.get(plain_reader.address(), stream=True, timeout=10) as answer:
        begun = zoom.stats().body_bytes
        assert begun < size
        zoom.configure(ZOOM, anew=False)
        assert len(answer.content) == size
    assert zoom.stats().body_bytes == 0
