"""What goes wrong in the fake Zoom, and when."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import requests

from bench.transfer.peers.zoom_settings import ZoomFault
from tests.bench.conftest import AUTHORIZED, TALK, ZOOM, Reader

BROKEN = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)


def faulty(reader: Reader, *faults: ZoomFault) -> Reader:
    reader.zoom.configure(replace(ZOOM, faults=faults))
    return reader


def received(reader: Reader, address: str, **headers: str) -> int:
    """How many bytes came before an answer broke off."""
    count = 0
    with reader.session.get(address, headers=headers, stream=True) as answer:
        try:
            for piece in answer.iter_content(1000):
                count += len(piece)
        except BROKEN:
            return count
    raise AssertionError("The answer didn't break off.")


@pytest.mark.parametrize("what", ["fin", "stall"])
def test_an_answer_ends_in_order_before_its_end(reader: Reader, what: str) -> None:
    fault = ZoomFault(what=what, request=2, after=100_000, seconds=0.1)  # type: ignore[arg-type]
    faulty(reader, fault)
    address = reader.address()
    assert len(reader.get(address).content) == TALK
    assert received(reader, address) == 100_000
    assert len(reader.get(address).content) == TALK
    assert reader.zoom.stats().cuts == 1
    assert reader.zoom.stats().body_bytes == 2 * TALK + 100_000


@pytest.mark.parametrize(("what", "is_reset"), [("rst", True), ("fin", False)])
def test_how_it_looks_on_the_wire(plain_reader: Reader, what: str, is_reset: bool) -> None:
    faulty(plain_reader, ZoomFault(what=what, request=1, after=-1))  # type: ignore[arg-type]
    address = urlsplit(plain_reader.address())
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(f"GET {address.path}?{address.query} HTTP/1.1\r\n\r\n".encode())
        try:
            assert connection.recv(1) == b""
        except ConnectionResetError:
            assert is_reset
        else:
            assert not is_reset


def test_an_answer_is_reset(reader: Reader) -> None:
    faulty(reader, ZoomFault(what="rst", request=1))
    address = reader.address()
    assert received(reader, address) <= TALK // 2
    assert reader.zoom.stats().body_bytes == TALK // 2
    assert len(reader.get(address).content) == TALK


@pytest.mark.parametrize(("where", "after"), [("rec", None), ("cdn", -1)])
def test_no_answer_at_all(reader: Reader, where: str, after: int | None) -> None:
    fault = ZoomFault(what="rst", where=where, request=2, after=after)  # type: ignore[arg-type]
    faulty(reader, fault)
    address = reader.address()
    reader.get(address)
    again = reader.address if where == "rec" else lambda: reader.get(address)
    with pytest.raises(requests.exceptions.ConnectionError):
        again()


def test_every_open_body_breaks_off_at_a_total(plain_reader: Reader) -> None:
    """Two files of 3 MB at 3 MB/s in all: both are open when 2 MB are out, and no third is cut."""
    fault = ZoomFault(what="rst", total=2_000_000)
    plain_reader.zoom.configure(replace(ZOOM, link_mbps=3, faults=(fault,)))
    address = plain_reader.address()
    broken: list[str] = []

    def read() -> None:
        try:
            with requests.get(address, stream=True, timeout=10) as answer:
                list(answer.iter_content(65536))
        except BROKEN:
            broken.append("broken")

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(broken) == 2
    stats = plain_reader.zoom.stats()
    assert (stats.cuts, stats.most_bodies) == (2, 2)
    assert 2_000_000 <= stats.body_bytes < 2_200_000
    plain_reader.zoom.configure(ZOOM)
    assert len(plain_reader.get(plain_reader.address()).content) == TALK


def test_statuses_and_pages(plain_reader: Reader) -> None:
    faulty(
        plain_reader,
        ZoomFault(what="status", request=1, times=2, status=503, retry_after="7"),
        ZoomFault(what="status", request=3, status=200, body="<html>"),
        ZoomFault(what="empty", request=4),
    )
    address = plain_reader.address()
    for _ in range(2):
        busy = plain_reader.get(address)
        assert (busy.status_code, busy.headers["Retry-After"]) == (503, "7")
    page = plain_reader.get(address)
    assert (page.status_code, page.headers["Content-Type"], page.text) == (
        200,
        "text/html",
        "<html>",
    )
    nothing = plain_reader.get(address)
    assert (nothing.status_code, nothing.content) == (200, b"")
    assert len(plain_reader.get(address).content) == TALK


def test_a_status_of_the_download_address(plain_reader: Reader) -> None:
    body = '{"errorCode": 3301}'
    fault = ZoomFault(
        what="status",
        where="rec",
        request=1,
        status=200,
        body=body,
        content_type="application/json",
    )
    zoom = faulty(plain_reader, fault).zoom
    told = plain_reader.session.get(zoom.download_url("talk"), headers=AUTHORIZED)
    assert told.json() == {"errorCode": 3301}
    assert told.headers["Content-Type"] == "application/json"


def test_a_status_at_a_total_hits_the_next_request(plain_reader: Reader) -> None:
    faulty(plain_reader, ZoomFault(what="status", total=TALK // 2, status=500))
    address = plain_reader.address()
    assert len(plain_reader.get(address).content) == TALK
    assert plain_reader.get(address).status_code == 500
    assert plain_reader.get(address).status_code == 200


@pytest.mark.parametrize("when", [{"request": 2}, {"total": 1_000_000}])
def test_signatures_expire(plain_reader: Reader, when: dict[str, int]) -> None:
    faulty(plain_reader, ZoomFault(what="expired", **when))  # type: ignore[arg-type]
    old = [plain_reader.address(), plain_reader.address()]
    assert len(plain_reader.get(old[0]).content) == TALK
    assert [plain_reader.get(address).status_code for address in old] == [403, 403]
    assert plain_reader.get(plain_reader.address()).status_code == 200


def test_the_file_changes(plain_reader: Reader) -> None:
    faulty(plain_reader, ZoomFault(what="changed", request=2, size=4_000_000))
    address = plain_reader.address()
    first = plain_reader.get(address)
    second = plain_reader.get(address, Range="bytes=0-9", If_Range=first.headers["ETag"])
    assert (second.status_code, len(second.content)) == (200, 4_000_000)
    assert second.content == plain_reader.zoom.content("talk").read(0, 4_000_000)
    assert second.content[8:100] != first.content[8:100]
    assert second.headers["Last-Modified"] != first.headers["Last-Modified"]


def test_a_fault_has_one_moment() -> None:
    with pytest.raises(ValueError, match="either"):
        ZoomFault(what="rst")
    with pytest.raises(ValueError, match="either"):
        ZoomFault(what="rst", request=1, total=1)
