"""Tests of the Zoom peer's redirects, ranges, limits and faults."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from bench.transfer.peers.zoom import ZoomPeer
from bench.transfer.peers.zoom_settings import ZoomFault
from tests.bench.conftest import AUTHORIZED, TALK, ZOOM, Reader

BROKEN = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)


def received(reader: Reader, url: str) -> int:
    """Return the number of bytes that came before an answer broke off.

    Raises:
        AssertionError: The answer didn't break off.
    """
    count = 0
    with reader.session.get(url, stream=True) as answer:
        try:
            for piece in answer.iter_content(1000):
                count += len(piece)
        except BROKEN:
            return count
    raise AssertionError("The answer didn't break off.")


class TestDownloads:
    def test_zoom_peer_redirects_a_download_url_to_the_whole_file(self, reader: Reader) -> None:
        whole = reader.get(reader.url())
        assert whole.status_code == 200
        assert whole.content == reader.zoom.content("talk").read(0, TALK)
        assert whole.headers["Content-Type"] == "video/mp4"
        stats = reader.zoom.stats()
        assert stats.body_bytes == TALK
        assert stats.requests == {"rec": 1, "cdn": 1}
        assert (stats.connections, stats.most_bodies) == (1, 1)

    @pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer other"}], ids=str)
    def test_zoom_peer_answers_a_download_with_an_html_page_when_the_token_is_missing_or_wrong(
        self, session: requests.Session, zoom: ZoomPeer, headers: dict[str, str]
    ) -> None:
        page = session.get(zoom.download_url("talk"), headers=headers, allow_redirects=False)
        assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html")

    def test_zoom_peer_refuses_a_download_when_signature_or_file_is_unknown(
        self, session: requests.Session, zoom: ZoomPeer
    ) -> None:
        for query in ("", "?sig=", "?sig=1", "?sig=x"):
            assert session.get(f"{zoom.url}/cdn/talk.mp4{query}").status_code == 403
        unknown = session.get(zoom.download_url("walk"), headers=AUTHORIZED)
        assert unknown.status_code == 404

    @pytest.mark.parametrize(
        ("requested", "first", "last"),
        [
            ("bytes=0-0", 0, 0),
            ("bytes=5-1048580", 5, 1048580),
            ("bytes=2999990-", 2999990, TALK - 1),
            ("bytes=0-99999999", 0, TALK - 1),
        ],
    )
    def test_zoom_peer_answers_a_range_with_its_bytes(
        self, reader: Reader, requested: str, first: int, last: int
    ) -> None:
        part = reader.get(reader.url(), Range=requested)
        assert part.status_code == 206
        assert part.headers["Content-Range"] == f"bytes {first}-{last}/{TALK}"
        assert part.content == reader.zoom.content("talk").read(first, last - first + 1)

    def test_zoom_peer_answers_416_when_the_range_is_after_the_end(
        self, plain_reader: Reader
    ) -> None:
        answer = plain_reader.get(plain_reader.url(), Range="bytes=3000000-")
        assert (answer.status_code, answer.content) == (416, b"")
        assert answer.headers["Content-Range"] == f"bytes */{TALK}"

    def test_zoom_peer_ignores_a_range_when_if_range_names_another_version(
        self, plain_reader: Reader
    ) -> None:
        url = plain_reader.url()
        headers = plain_reader.get(url, Range="bytes=0-0").headers
        for validator in (headers["ETag"], headers["Last-Modified"]):
            assert plain_reader.get(url, Range="bytes=1-2", If_Range=validator).status_code == 206
        assert plain_reader.get(url, Range="bytes=1-2", If_Range='"other"').status_code == 200

    def test_zoom_peer_sends_no_ranges_validators_or_lengths_when_settings_disable_them(
        self, plain_reader: Reader
    ) -> None:
        plain_reader.fail(ranges=False, etag=False, last_modified=False)
        whole = plain_reader.get(plain_reader.url(), Range="bytes=1-2")
        assert (whole.status_code, len(whole.content)) == (200, TALK)
        assert not {"Accept-Ranges", "ETag", "Last-Modified"} & set(whole.headers)
        plain_reader.fail(content_length=False)
        whole = plain_reader.get(plain_reader.url())
        assert "Content-Length" not in whole.headers
        assert len(whole.content) == TALK

    @pytest.mark.parametrize(
        "limit",
        [{"conn_mbps": 20}, {"link_mbps": 20}, {"latency_ms": 100}, {"accept_latency_ms": 100}],
        ids=str,
    )
    def test_zoom_peer_slows_a_download_when_settings_have_a_limit_or_delay(
        self, plain_reader: Reader, limit: dict[str, float]
    ) -> None:
        # The link lets 1 of the 3 MB pass at once. The other 2 MB take 0.1 s at 20 MB/s.
        plain_reader.fail(**limit)
        url = plain_reader.url()
        began = time.monotonic()
        with requests.Session() as fresh:
            assert len(fresh.get(url).content) == TALK
        assert time.monotonic() - began >= 0.09

    def test_zoom_peer_keeps_the_versions_of_files_when_new_settings_replace_no_files(
        self, plain_reader: Reader
    ) -> None:
        zoom = plain_reader.zoom
        plain_reader.fail(ZoomFault(kind="changed", request=1, size=TALK + 1))
        url = plain_reader.url()
        assert len(plain_reader.get(url).content) == TALK + 1
        zoom.configure(ZOOM, replace_files=False)
        assert zoom.stats().body_bytes == 0
        assert plain_reader.get(url).status_code == 403
        assert len(plain_reader.get(plain_reader.url()).content) == TALK + 1
        versions = zoom.versions("talk")
        assert [(content.size, content.version) for content in versions] == [
            (TALK, 1),
            (TALK + 1, 2),
        ]
        zoom.configure(ZOOM)
        assert len(zoom.versions("talk")) == 1

    @pytest.mark.parametrize("replace_files", [True, False])
    def test_zoom_peer_refuses_a_url_when_the_url_is_older_than_the_configuration(
        self, plain_reader: Reader, replace_files: bool
    ) -> None:
        old = plain_reader.url()
        plain_reader.zoom.configure(ZOOM, replace_files=replace_files)
        new = plain_reader.url()
        assert plain_reader.get(old).status_code == 403
        assert plain_reader.get(new).status_code == 200

    def test_zoom_peer_has_counted_every_byte_when_the_client_has_the_whole_body(
        self, reader: Reader
    ) -> None:
        # With 100 KB, a peer that counts after sending is late in about one of ten answers.
        reader.fail(files={"talk": 100_000})
        url = reader.url()
        for number in range(1, 201):
            assert len(reader.get(url).content) == 100_000
            assert reader.zoom.stats().body_bytes == number * 100_000

    def test_zoom_peer_does_not_count_an_open_answer_when_counters_are_reset_meanwhile(
        self, plain_reader: Reader
    ) -> None:
        zoom, size = plain_reader.zoom, 50_000_000
        plain_reader.fail(files={"talk": size})
        with requests.get(plain_reader.url(), stream=True, timeout=10) as answer:
            assert zoom.stats().body_bytes < size
            zoom.configure(ZOOM, replace_files=False)
            assert len(answer.content) == size
        assert zoom.stats().body_bytes == 0


class TestBreaks:
    @pytest.mark.parametrize("kind", ["fin", "stall"])
    def test_zoom_peer_ends_an_answer_early_when_a_fault_is_of_kind_fin_or_stall(
        self, reader: Reader, kind: Any
    ) -> None:
        reader.fail(ZoomFault(kind=kind, request=2, after=100_000, seconds=0.1))
        url = reader.url()
        assert len(reader.get(url).content) == TALK
        assert received(reader, url) == 100_000
        assert len(reader.get(url).content) == TALK
        assert reader.zoom.stats().cuts == 1
        assert reader.zoom.stats().body_bytes == 2 * TALK + 100_000

    def test_zoom_peer_resets_the_connection_after_half_a_body_when_a_fault_names_no_byte(
        self, reader: Reader
    ) -> None:
        reader.fail(ZoomFault(kind="rst", request=1))
        url = reader.url()
        assert received(reader, url) <= TALK // 2
        assert reader.zoom.stats().body_bytes == TALK // 2
        assert len(reader.get(url).content) == TALK

    @pytest.mark.parametrize(("kind", "is_reset"), [("rst", True), ("fin", False)])
    def test_zoom_peer_resets_the_connection_only_when_the_fault_is_of_kind_rst(
        self, plain_reader: Reader, kind: Any, is_reset: bool
    ) -> None:
        plain_reader.fail(ZoomFault(kind=kind, request=1, after=-1))
        url = urlsplit(plain_reader.url())
        with socket.create_connection((url.hostname, url.port)) as connection:
            connection.sendall(f"GET {url.path}?{url.query} HTTP/1.1\r\n\r\n".encode())
            try:
                assert connection.recv(1) == b""
            except ConnectionResetError:
                assert is_reset
            else:
                assert not is_reset

    @pytest.mark.parametrize(("where", "after"), [("rec", None), ("cdn", -1)])
    def test_zoom_peer_sends_no_answer_when_a_fault_ends_the_connection_before_the_head(
        self, reader: Reader, where: Any, after: int | None
    ) -> None:
        reader.fail(ZoomFault(kind="rst", where=where, request=2, after=after))
        url = reader.url()
        reader.get(url)
        again = reader.url if where == "rec" else lambda: reader.get(url)
        with pytest.raises(requests.exceptions.ConnectionError):
            again()

    def test_zoom_peer_cuts_all_open_answers_when_the_total_of_a_fault_is_reached(
        self, plain_reader: Reader
    ) -> None:
        # The limit of 3 MB/s keeps the answers to both threads open until 2 MB have been sent.
        plain_reader.fail(ZoomFault(kind="rst", total=2_000_000), link_mbps=3)
        url = plain_reader.url()
        broken: list[str] = []

        def read() -> None:
            try:
                with requests.get(url, stream=True, timeout=10) as answer:
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


class TestWrongAnswers:
    def test_zoom_peer_answers_wrongly_only_at_the_requests_of_a_fault(
        self, plain_reader: Reader
    ) -> None:
        json = '{"errorCode": 3301}'
        plain_reader.fail(
            ZoomFault(kind="status", request=1, times=2, status=503, retry_after="7"),
            ZoomFault(kind="status", request=3, status=200, body=json, content_type="text/json"),
            ZoomFault(kind="empty", request=4),
            ZoomFault(kind="status", where="rec", request=2, status=429),
        )
        url = plain_reader.url()
        answers = [plain_reader.get(url) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [503, 503, 200, 200, 200]
        assert [answers[number].headers["Retry-After"] for number in (0, 1)] == ["7", "7"]
        assert (answers[2].text, answers[2].headers["Content-Type"]) == (json, "text/json")
        assert [len(answer.content) for answer in answers[3:]] == [0, TALK]
        refused = plain_reader.session.get(plain_reader.zoom.download_url("talk"))
        assert refused.status_code == 429

    @pytest.mark.parametrize("when", [{"request": 2}, {"total": 1_000_000}], ids=str)
    def test_zoom_peer_refuses_old_signatures_when_a_fault_expires_them(
        self, plain_reader: Reader, when: Any
    ) -> None:
        plain_reader.fail(ZoomFault(kind="expired", **when))
        old = [plain_reader.url(), plain_reader.url()]
        assert len(plain_reader.get(old[0]).content) == TALK
        assert [plain_reader.get(url).status_code for url in old] == [403, 403]
        assert plain_reader.get(plain_reader.url()).status_code == 200

    def test_zoom_peer_serves_a_new_version_when_a_fault_is_of_kind_changed(
        self, plain_reader: Reader
    ) -> None:
        plain_reader.fail(ZoomFault(kind="changed", request=2, size=4_000_000))
        url = plain_reader.url()
        first = plain_reader.get(url)
        second = plain_reader.get(url, Range="bytes=0-9", If_Range=first.headers["ETag"])
        assert second.status_code == 200
        assert second.content == plain_reader.zoom.content("talk").read(0, 4_000_000)
        assert second.content[8:100] != first.content[8:100]
        assert second.headers["Last-Modified"] != first.headers["Last-Modified"]

    def test_zoom_peer_has_changed_the_file_when_the_client_has_all_bytes_before_the_change(
        self, reader: Reader
    ) -> None:
        # With 100 KB, a peer that changes the file after sending is late now and then.
        count, size = 100, 100_000
        changes = [ZoomFault(kind="changed", total=size * number) for number in range(1, count)]
        reader.fail(*changes, files={"talk": size})
        url = reader.url()
        for number in range(1, count):
            assert len(reader.get(url).content) == size
            assert len(reader.zoom.versions("talk")) == number + 1

    def test_fault_of_an_open_answer_does_not_happen_when_the_zoom_peer_was_configured_meanwhile(
        self, plain_reader: Reader
    ) -> None:
        zoom, size = plain_reader.zoom, 50_000_000
        plain_reader.fail(ZoomFault(kind="changed", total=size), files={"talk": size})
        with requests.get(plain_reader.url(), stream=True, timeout=10) as answer:
            zoom.configure(ZOOM, replace_files=False)
            assert len(answer.content) == size
        assert len(zoom.versions("talk")) == 1

    @pytest.mark.parametrize(
        ("fault", "status", "content_range", "first", "length"),
        [
            ({"kind": "whole"}, 200, None, 0, TALK),
            ({"kind": "shifted"}, 206, f"bytes 6-10/{TALK}", 6, 5),
            ({"kind": "shifted", "after": 100}, 206, f"bytes 105-109/{TALK}", 105, 5),
            (
                {"kind": "headers", "headers": {"Content-Range": "bytes 7-{last}/1{size}"}},
                *(206, f"bytes 7-9/1{TALK}", 5, 5),
            ),
            ({"kind": "headers", "headers": {"Content-Range": ""}}, 206, None, 5, 5),
            (
                {"kind": "headers", "headers": {"Content-Length": "3"}},
                *(206, f"bytes 5-9/{TALK}", 5, 3),
            ),
        ],
        ids=["whole", "shifted", "far", "other header", "no header", "too short"],
    )
    def test_zoom_peer_answers_a_range_wrongly_as_often_as_configured(
        self,
        reader: Reader,
        fault: Any,
        status: int,
        content_range: str | None,
        first: int,
        length: int,
    ) -> None:
        reader.fail(ZoomFault(**fault, request=2, times=2))
        url, content = reader.url(), reader.zoom.content("talk")
        right, *wrong, last = [reader.get(url, Range="bytes=5-9") for _ in range(4)]
        for answer in (right, last):
            assert (answer.status_code, answer.content) == (206, content.read(5, 5))
        for answer in wrong:
            assert answer.status_code == status
            assert answer.headers.get("Content-Range") == content_range
            assert answer.content == content.read(first, length)

    def test_zoom_peer_breaks_the_body_off_when_the_content_length_is_too_long(
        self, reader: Reader
    ) -> None:
        reader.fail(ZoomFault(kind="headers", request=1, headers={"Content-Length": "9"}))
        url = reader.url()
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            reader.get(url, Range="bytes=5-9")
        assert len(reader.get(url).content) == TALK
