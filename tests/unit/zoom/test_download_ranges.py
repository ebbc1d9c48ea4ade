"""Unit tests of the ranges of a file at Zoom, and of URLs and tokens that expire."""

from __future__ import annotations

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import urllib3

from bench.transfer.peers.zoom import ZoomPeer
from bench.transfer.peers.zoom_settings import ZoomFault
from ingester.errors import (
    EmptyFile,
    FileGone,
    FileRefused,
    FileUnavailable,
    NotAFile,
    SourceChanged,
    TransferFailed,
    ZoomBusy,
)
from ingester.transfer.ranges import Version
from ingester.zoom.download import ZoomFile
from ingester.zoom.download_token import Access, AccessInUse
from local.neighbours.https_server import Answer, Disruption, Request
from tests.neighbours import Web
from tests.unit.transfer.copying import TALK, ZOOM, Copying
from tests.unit.zoom.pages import (
    BEARER,
    DIGITS,
    FRESH,
    FRESH_TOKEN,
    TOKEN,
    Opener,
    page,
    ranged,
    read,
    redirect,
)

THREADS = 6
PAGE = page(b"<html>", kind="text/html")


@pytest.fixture
def opener(web: Web, http: urllib3.PoolManager) -> Opener:
    return Opener(web, http)


def paths(web: Web) -> list[str]:
    return [request.path for request in web.seen]


class TestAnswers:
    def test_body_of_a_download_has_the_requested_range_and_the_version(
        self, opener: Opener, web: Web
    ) -> None:
        web.pages = {"/a": ranged(DIGITS, ("ETag", '"e"'), ("Last-Modified", "Mon"))}
        body = opener.file().open(3, 6)
        assert (body.first, body.is_range) == (3, True)
        assert body.version == Version(10, '"e"', "Mon")
        assert read(body, 2) == b"3456"
        assert web.seen[0].headers["Range"] == "bytes=3-6"
        assert web.seen[0].headers["Accept-Encoding"] == "identity"

    def test_body_of_a_download_is_the_whole_file_when_the_host_does_not_support_ranges(
        self, opener: Opener, web: Web
    ) -> None:
        web.pages = {"/a": page(DIGITS, ("ETag", '"e"'))}
        body = opener.file().open(3, 6)
        assert (body.first, body.is_range) == (0, False)
        assert body.version == Version(10, '"e"', "")
        assert read(body) == DIGITS

    def test_size_of_a_download_is_none_when_the_answer_has_no_content_length(
        self, copying: Copying, zoom: ZoomPeer
    ) -> None:
        zoom.configure(replace(ZOOM, ranges=False, content_length=False))
        body = copying.file("chat").open(0, 0)
        assert body.version.size is None
        assert read(body, 1000) == zoom.content("chat").read(0, 2000)

    def test_empty_file_error_is_raised_when_the_downloaded_file_has_no_bytes(
        self, opener: Opener, web: Web
    ) -> None:
        web.pages = {"/a.txt": ranged(b"")}
        with pytest.raises(EmptyFile, match=r"a\.txt with no bytes"):
            opener.fetch(f"{web.url}/a.txt")

    def test_empty_file_error_is_raised_when_a_host_without_ranges_sends_no_bytes(
        self, opener: Opener, web: Web
    ) -> None:
        web.pages = {"/a": page(b"")}
        with pytest.raises(EmptyFile):
            opener.fetch()

    def test_source_changed_is_raised_when_the_file_ends_before_the_range(
        self, opener: Opener, web: Web
    ) -> None:
        web.pages = {"/a": [ranged(), ranged(b"012")]}
        file = opener.file()
        file.open(0, 9).close()
        with pytest.raises(SourceChanged, match="shorter"):
            file.open(5, 9)

    @pytest.mark.parametrize("content_range", ["bytes */0", "bytes */3", ""])
    def test_html_body_of_a_416_does_not_count_as_a_page(
        self, opener: Opener, web: Web, content_range: str
    ) -> None:
        # Servers such as nginx send HTML with the status 416.
        headers = (("Content-Type", "text/html"), ("Content-Range", content_range))
        web.pages = {"/a": [ranged(), Answer(416, headers, b"<html>416</html>")]}
        file = opener.file()
        file.open(0, 9).close()
        with pytest.raises(EmptyFile if content_range.endswith("0") else SourceChanged):
            file.open(5, 9)

    @pytest.mark.parametrize(
        "content_range",
        ["", "bytes 0-9/10", "bytes 4-9/10", "bytes 3-9/*", "bytes */10", "3-9/10", "bytes x-9/10"],
    )
    def test_transfer_failed_is_raised_when_the_range_in_the_answer_is_missing_malformed_or_wrong(
        self, opener: Opener, web: Web, content_range: str
    ) -> None:
        web.pages = {"/a": Answer(206, (("Content-Range", content_range),), DIGITS[3:])}
        with pytest.raises(TransferFailed, match="another range"):
            opener.file().open(3, 9)

    def test_body_of_a_download_is_shorter_when_the_answer_has_a_shorter_range(
        self, opener: Opener, web: Web
    ) -> None:
        web.pages = {"/a": Answer(206, (("Content-Range", "bytes 3-4/10"),), DIGITS[3:5])}
        assert read(opener.file().open(3, 9)) == b"34"


class TestBytes:
    def test_bytes_of_a_download_are_read_unchanged(self, opener: Opener, web: Web) -> None:
        content = bytes(range(256)) * 4000
        web.pages = {"/a": page(content)}
        body = opener.file().open(0, 0)
        assert read(body, 65_536) == content
        assert body.version.size == len(content)

    @pytest.mark.parametrize(
        "spoil",
        [
            Disruption(after_bytes=5000, how="reset"),
            Disruption(after_bytes=5000, how="close"),
            Disruption(after_bytes=5000, how="stall", stall=5.0),
        ],
        ids=["reset", "clean close", "stall"],
    )
    def test_transfer_failed_is_raised_when_the_connection_breaks_or_stalls(
        self, opener: Opener, web: Web, spoil: Disruption
    ) -> None:
        opener.stall_seconds = 0.4 if spoil.stall else 30.0
        web.pages = {"/a.mp4": Answer(200, body=bytes(10_000), disruption=spoil)}
        body = opener.file(f"{web.url}/a.mp4").open(0, 9999)
        with pytest.raises(TransferFailed, match=r"a\.mp4 broke off"):
            read(body, 1000)
        body.close()

    @pytest.mark.parametrize("whole", [True, False], ids=["whole", "range"])
    def test_transfer_failed_is_raised_when_the_answer_to_a_download_is_compressed(
        self, opener: Opener, web: Web, whole: bool
    ) -> None:
        # 200 KB may expand to 200 MB. A range would count bytes of the compressed file.
        answer = page if whole else ranged
        web.pages = {"/a": answer(gzip.compress(DIGITS * 1000), ("Content-Encoding", "gzip"))}
        with pytest.raises(TransferFailed, match="compressed"):
            opener.file().open(0, 9999)

    @pytest.mark.parametrize("size", ["9" * 5000, "9" * 16, "-1", "1_0", "٣"])
    def test_transfer_failed_is_raised_when_the_size_in_content_range_is_invalid(
        self, opener: Opener, web: Web, size: str
    ) -> None:
        header = ("Content-Range", f"bytes 0-0/{size}".encode().decode("latin-1"))
        web.pages = {"/a": Answer(206, (header,), b"0")}
        with pytest.raises(TransferFailed):
            opener.file().open(0, 0)


class TestAddress:
    def test_redirect_of_a_download_is_followed_once_for_several_ranges(
        self, opener: Opener, web: Web
    ) -> None:
        web.pages = {"/a": redirect("/b"), "/b": ranged()}
        file = opener.file()
        assert [read(file.open(first, first + 1)) for first in (0, 4, 8)] == [b"01", b"45", b"89"]
        assert paths(web) == ["/a", "/b", "/b", "/b"]

    def test_redirect_of_a_download_is_followed_when_its_body_has_no_end(
        self, opener: Opener, web: Web
    ) -> None:
        chunked = (("Location", "/b"), ("Transfer-Encoding", "chunked"))
        web.pages = {"/a": Answer(302, chunked, b"5\r\nendle\r\n"), "/b": ranged()}
        file = replace(opener, stall_seconds=600.0).file()
        assert read(file.open(0, 1)) == b"01"

    def test_redirect_of_a_download_is_not_followed_again_when_the_host_is_busy(
        self, opener: Opener, web: Web
    ) -> None:
        web.pages = {"/a": redirect("/b"), "/b": [ranged(), Answer(503), ranged()]}
        file = opener.file()
        file.open(0, 9).close()
        with pytest.raises(ZoomBusy):
            file.open(3, 9)
        assert read(file.open(3, 9)) == b"3456789"
        assert paths(web) == ["/a", "/b", "/b", "/b"]

    def test_redirect_of_a_download_is_followed_again_when_the_host_answers_with_a_page(
        self, opener: Opener, web: Web
    ) -> None:
        web.pages = {"/a": [redirect("/b"), redirect("/c")], "/b": [ranged(), PAGE], "/c": ranged()}
        file = opener.file()
        file.open(0, 9).close()
        assert read(file.open(3, 9)) == b"3456789"
        assert paths(web) == ["/a", "/b", "/b", "/a", "/c"]

    def test_not_a_file_error_is_raised_when_the_new_url_answers_with_a_page(
        self, opener: Opener, web: Web
    ) -> None:
        web.pages = {"/a": redirect("/b"), "/b": [ranged(), PAGE]}
        file = opener.file()
        file.open(0, 9).close()
        with pytest.raises(NotAFile):
            file.open(3, 9)

    @pytest.mark.parametrize("status", [401, 403, 404, 410])
    def test_redirect_of_a_download_is_followed_again_once_for_all_threads_when_the_url_expires(
        self, opener: Opener, web: Web, status: int
    ) -> None:
        # All threads are refused before any thread follows the redirect again.
        refused = threading.Barrier(THREADS)

        def expired(_: Request) -> Answer:
            refused.wait(10)
            return Answer(status)

        web.pages = {
            "/a": [redirect(f"{web.other}/1"), redirect(f"{web.other}/2")],
            "/1": [ranged(), *[expired] * THREADS, Answer(500)],
            "/2": ranged(),
        }
        file = opener.file()
        file.open(0, 0).close()
        assert opened_at_once([file] * THREADS) == [b"3456"] * THREADS
        assert paths(web).count("/a") == 2
        assert paths(web).count("/1") == 1 + THREADS
        assert opener.refreshed == 0

    def test_ranges_and_redirects_of_a_file_share_a_connection(
        self, copying: Copying, zoom: ZoomPeer
    ) -> None:
        file = copying.file()
        for first in (0, 100, 2000):
            body = file.open(first, first + 9)
            body.read(10)
            body.close()
        assert zoom.stats().requests == {"rec": 1, "cdn_range": 3}
        assert zoom.stats().connections == 1

    def test_connection_is_closed_when_a_body_is_not_read_to_its_end(
        self, copying: Copying, zoom: ZoomPeer
    ) -> None:
        file = copying.file()
        for _ in range(2):
            file.open(0, TALK - 1).close()
        assert zoom.stats().connections == 2

    def test_range_is_read_when_the_url_expires_between_two_ranges(
        self, copying: Copying, zoom: ZoomPeer
    ) -> None:
        zoom.configure(replace(ZOOM, faults=(ZoomFault(kind="expired", request=2),)))
        file = copying.file()
        assert len(read(file.open(0, 99), 100)) == 100
        assert read(file.open(100, 199), 100) == zoom.content("talk").read(100, 100)
        assert zoom.stats().requests == {"rec": 2, "cdn_range": 3}


class TestFreshAccess:
    def test_fresh_token_is_used_when_zoom_answers_401(self, opener: Opener, web: Web) -> None:
        opener.expect(Access(FRESH_TOKEN, is_fresh=True))
        web.pages = {"/a": [Answer(401), page()]}
        assert opener.fetch()[1] == DIGITS
        assert web.tokens() == [("/a", BEARER), ("/a", FRESH)]

    def test_file_refused_is_raised_when_the_fresh_token_fails_too(
        self, opener: Opener, web: Web
    ) -> None:
        opener.expect(Access(FRESH_TOKEN, is_fresh=True))
        web.pages = {"/a": Answer(404)}
        with pytest.raises(FileRefused, match="404"):
            opener.fetch()
        assert web.tokens() == [("/a", BEARER), ("/a", FRESH)]

    def test_fresh_token_is_used_when_zoom_answers_with_a_page(
        self, opener: Opener, web: Web
    ) -> None:
        opener.expect(Access(FRESH_TOKEN, is_fresh=True))
        web.pages = {"/a": [PAGE, page()]}
        assert opener.fetch()[1] == DIGITS
        assert web.tokens() == [("/a", BEARER), ("/a", FRESH)]

    def test_not_a_file_error_is_raised_when_zoom_answers_the_fresh_token_with_a_page(
        self, opener: Opener, web: Web
    ) -> None:
        opener.expect(Access(FRESH_TOKEN, is_fresh=True))
        web.pages = {"/a": PAGE}
        with pytest.raises(NotAFile):
            opener.fetch()
        assert web.tokens() == [("/a", BEARER), ("/a", FRESH)]

    @pytest.mark.parametrize(
        ("answer", "raises"), [(PAGE, NotAFile), (Answer(401), FileGone)], ids=["page", "401"]
    )
    def test_not_a_file_error_is_raised_for_a_page_and_file_gone_for_a_401_of_a_deleted_recording(
        self, opener: Opener, web: Web, answer: Answer, raises: type[Exception]
    ) -> None:
        # After a page, a copy skips only this file, even if no fresh token is available.
        def gone() -> Access:
            raise FileGone("Zoom doesn't know this recording any more.")

        opener.in_use = AccessInUse(Access(TOKEN), gone)
        web.pages = {"/a": answer}
        with pytest.raises(raises) as raised:
            opener.fetch()
        assert type(raised.value) is raises

    def test_no_fresh_token_is_requested_when_zoom_answers_400(
        self, opener: Opener, web: Web
    ) -> None:
        opener.expect()
        web.pages = {"/b": Answer(400)}
        with pytest.raises(FileUnavailable):
            opener.fetch(f"{web.url}/b")
        assert opener.refreshed == 0

    def test_fresh_url_is_used_when_the_fresh_access_has_a_url_of_the_file(
        self, opener: Opener, web: Web
    ) -> None:
        urls = {"f-1": f"{web.url}/new", "f-2": f"{web.url}/other"}
        opener.expect(Access(FRESH_TOKEN, urls, is_fresh=True))
        web.pages = {"/a": Answer(404), "/new": page()}
        assert opener.fetch()[1] == DIGITS
        assert web.tokens() == [("/a", BEARER), ("/new", FRESH)]

    def test_file_unavailable_is_raised_when_the_fresh_url_of_a_file_is_not_allowed(
        self, opener: Opener, web: Web
    ) -> None:
        opener.expect(Access(FRESH_TOKEN, {"f-1": f"{web.other}/new"}, is_fresh=True))
        web.pages = {"/a": Answer(401), "/new": page()}
        with pytest.raises(FileUnavailable, match="nothing was fetched"):
            opener.fetch()
        assert paths(web) == ["/a"]

    def test_fresh_token_is_requested_once_for_all_files_of_a_recording(
        self, opener: Opener, web: Web
    ) -> None:
        # No thread gets a fresh token before Zoom has refused the old token of every thread.
        refused = threading.Barrier(THREADS)
        opener.expect(Access(FRESH_TOKEN, is_fresh=True))

        def file(request: Request) -> Answer:
            if request.headers["Authorization"] == FRESH:
                return ranged()(request)
            refused.wait(10)
            return Answer(401)

        numbers = range(THREADS)
        web.pages = {f"/{number}": file for number in numbers}
        files = [opener.file(f"{web.url}/{number}", f"f-{number}") for number in numbers]
        assert opened_at_once(files) == [b"3456"] * THREADS
        assert opener.refreshed == 1
        assert len(web.seen) == 2 * THREADS

    def test_fresh_token_is_used_when_the_token_expires_between_two_ranges(
        self, opener: Opener, web: Web
    ) -> None:
        opener.expect(Access(FRESH_TOKEN, is_fresh=True))
        web.pages = {"/a": [ranged(), Answer(401), Answer(401), ranged()]}
        file = opener.file()
        file.open(0, 9).close()
        assert read(file.open(3, 9)) == b"3456789"
        assert [token for _, token in web.tokens()] == [BEARER, BEARER, BEARER, FRESH]
        assert f"Bearer {TOKEN}" == BEARER != FRESH


def opened_at_once(files: list[ZoomFile]) -> list[bytes]:
    """Open each file in its own thread, and return the bytes 3 to 6 of each file."""
    with ThreadPoolExecutor(len(files)) as threads:
        opened = [threads.submit(file.open, 3, 6) for file in files]
        return [read(future.result()) for future in opened]
