"""Where a file comes from: redirects by hand, and a token that never leaves Zoom's hosts."""

from __future__ import annotations

import socket

import pytest
import urllib3

from ingester.errors import (
    FileRefused,
    FileUnavailable,
    NotAFile,
    TransferFailed,
    ZoomBusy,
    ZoomUnreachable,
)
from local.neighbours.https_server import Answer, Spoil
from tests.neighbours import Web
from tests.unit.transfer.zoom_pages import BEARER, DIGITS, TOKEN, Opener, page, ranged, redirect


@pytest.fixture
def opener(web: Web, http: urllib3.PoolManager) -> Opener:
    """Its access is a fresh one already: nothing is asked for twice because of that."""
    return Opener(web, http)


class TestHosts:
    @pytest.mark.parametrize("url", ["https://evil.example/rec/x", "https://[bad/x", "x"])
    def test_an_address_elsewhere_is_not_fetched(self, opener: Opener, url: str) -> None:
        with pytest.raises(FileUnavailable, match="nothing was fetched") as raised:
            opener.fetch(url)
        assert not isinstance(raised.value, FileRefused)

    def test_a_server_elsewhere_is_not_even_asked(self, opener: Opener, web: Web) -> None:
        with pytest.raises(FileUnavailable, match="localhost"):
            opener.fetch(f"{web.other}/a")
        assert web.seen == []

    def test_nor_is_an_allowed_one_without_tls(self, opener: Opener, web: Web) -> None:
        with pytest.raises(FileUnavailable, match="nothing was fetched"):
            opener.fetch(f"http://127.0.0.1:{web.port}/a")
        assert web.seen == []


class TestTheToken:
    def test_it_goes_as_a_bearer(self, opener: Opener, web: Web) -> None:
        web.pages = {"/a.mp4": page()}
        assert opener.fetch(f"{web.url}/a.mp4")[1] == DIGITS
        assert web.tokens() == [("/a.mp4", BEARER)]
        assert TOKEN not in str(web.seen[0].query)

    def test_it_follows_to_allowed_hosts(self, opener: Opener, web: Web) -> None:
        web.pages = {"/a": redirect("/b"), "/b": redirect(f"{web.url}/c"), "/c": page()}
        opener.fetch()
        assert web.tokens() == [("/a", BEARER), ("/b", BEARER), ("/c", BEARER)]

    def test_it_does_not_follow_elsewhere(self, opener: Opener, web: Web) -> None:
        web.pages = {"/a": redirect(f"{web.other}/b"), "/b": page()}
        opener.fetch()
        assert web.tokens() == [("/a", BEARER), ("/b", "")]

    def test_it_comes_back_with_the_host(self, opener: Opener, web: Web) -> None:
        web.pages = {
            "/a": redirect(f"{web.other}/b"),
            "/b": redirect(f"{web.url}/c"),
            "/c": page(),
        }
        opener.fetch()
        assert web.tokens() == [("/a", BEARER), ("/b", ""), ("/c", BEARER)]

    def test_elsewhere_it_is_not_shown_at_the_next_opening_either(
        self, opener: Opener, web: Web
    ) -> None:
        web.pages = {"/a": redirect(f"{web.other}/b"), "/b": ranged()}
        file = opener.file()
        for first in (0, 3):
            file.open(first, 9).close()
        assert web.tokens() == [("/a", BEARER), ("/b", ""), ("/b", "")]

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_refusal_behind_a_redirect_is_tried_once_without(
        self, opener: Opener, web: Web, status: int
    ) -> None:
        web.pages = {"/a": redirect("/b"), "/b": [Answer(status), page()]}
        assert opener.fetch()[1] == DIGITS
        assert web.tokens() == [("/a", BEARER), ("/b", BEARER), ("/b", "")]

    def test_but_only_once(self, opener: Opener, web: Web) -> None:
        web.pages = {"/a": redirect("/b"), "/b": Answer(403)}
        with pytest.raises(FileRefused, match="403"):
            opener.fetch()
        assert web.tokens() == [("/a", BEARER), ("/b", BEARER), ("/b", "")]

    def test_what_was_found_without_is_opened_again_without(self, opener: Opener, web: Web) -> None:
        web.pages = {"/a": redirect("/b"), "/b": [Answer(403), ranged()]}
        file = opener.file()
        for first in (0, 5):
            file.open(first, 9).close()
        assert web.tokens() == [("/a", BEARER), ("/b", BEARER), ("/b", ""), ("/b", "")]

    def test_a_refusal_before_any_redirect_is_final(self, opener: Opener, web: Web) -> None:
        web.pages = {"/a": [Answer(403), page()]}
        with pytest.raises(FileRefused):
            opener.fetch()
        assert web.tokens() == [("/a", BEARER)]

    def test_elsewhere_there_is_nothing_to_leave_out(self, opener: Opener, web: Web) -> None:
        web.pages = {"/a": redirect(f"{web.other}/b"), "/b": [Answer(403), page()]}
        with pytest.raises(FileRefused):
            opener.fetch()
        assert web.tokens() == [("/a", BEARER), ("/b", "")]


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_every_kind(self, opener: Opener, web: Web, status: int) -> None:
        web.pages = {"/a": redirect("/b.mp4", status), "/b.mp4": page()}
        assert opener.fetch()[0].name == "b.mp4"

    @pytest.mark.parametrize(
        "location",
        [
            "http://127.0.0.1/a",
            "ftp://zoom.us/a",
            "javascript:x",
            "https://[bad/a",
            "https://a..b/x",
            f"https://{'a' * 70}/x",
            "https://127.0.0.1:99999/a",
            "https://127.0.0.1:x/a",
        ],
    )
    def test_only_to_https(self, opener: Opener, web: Web, location: str) -> None:
        web.pages = {"/a": redirect(location)}
        with pytest.raises(FileUnavailable, match="no https address"):
            opener.fetch()
        assert len(web.seen) == 1

    @pytest.mark.parametrize("location", ["/a", ""])
    def test_round_and_round(self, opener: Opener, web: Web, location: str) -> None:
        web.pages = {"/a": redirect(location)}
        with pytest.raises(FileUnavailable, match="more than 5 times"):
            opener.fetch()
        assert len(web.seen) == 6


class TestNames:
    def test_from_the_location(self, opener: Opener, web: Web) -> None:
        disposition = ("Content-Disposition", "attachment; filename=other.mov")
        location = "/files/GMT20261124_Recording.mp4"
        web.pages = {
            "/a": redirect(f"{location}?Policy=a/b.txt"),
            location: page(b"x", disposition),
        }
        assert opener.fetch()[0].name == "GMT20261124_Recording.mp4"

    def test_from_the_last_location(self, opener: Opener, web: Web) -> None:
        web.pages = {"/a": redirect("/b.mov"), "/b.mov": redirect("/c.mp4"), "/c.mp4": page()}
        assert opener.fetch()[0].name == "c.mp4"

    @pytest.mark.parametrize(
        ("disposition", "name"),
        [
            ("attachment; filename*=UTF-8''%C3%BCber%20uns.mp4", "über uns.mp4"),
            ('attachment; filename="../../etc/x.mp4"', "x.mp4"),
            ("inline", ""),
        ],
    )
    def test_else_from_the_disposition(
        self, opener: Opener, web: Web, disposition: str, name: str
    ) -> None:
        web.pages = {
            "/a": redirect("/replay/0123abcd"),
            "/replay/0123abcd": page(b"x", ("Content-Disposition", disposition)),
        }
        assert opener.fetch()[0].name == name

    def test_it_is_the_same_at_the_next_opening(self, opener: Opener, web: Web) -> None:
        disposition = ("Content-Disposition", "attachment; filename=a.txt")
        web.pages = {"/a": [page(DIGITS, disposition), page()]}
        file = opener.file()
        assert [file.open(0, 0).name, file.open(0, 0).name] == ["a.txt", "a.txt"]


class TestRefusals:
    @pytest.mark.parametrize(
        "kind", ["text/html", "Text/HTML; charset=UTF-8", "application/xhtml+xml"]
    )
    def test_a_page_is_no_file(self, opener: Opener, web: Web, kind: str) -> None:
        web.pages = {"/a": page(b"<html>", kind=kind)}
        with pytest.raises(NotAFile):
            opener.fetch()

    def test_nor_is_a_range_of_a_page(self, opener: Opener, web: Web) -> None:
        kind, told = ("Content-Type", "text/html"), ("Content-Range", "bytes 0-5/6")
        web.pages = {"/a": Answer(206, (kind, told), b"<html>")}
        with pytest.raises(NotAFile):
            opener.fetch()

    @pytest.mark.parametrize("kind", ["application/json", "text/xml", "application/xml; x=y"])
    def test_an_error_message_with_status_200_may_pass(
        self, opener: Opener, web: Web, kind: str
    ) -> None:
        web.pages = {"/a": page(b'{"status":false}', kind=kind)}
        with pytest.raises(TransferFailed, match="where a file should be"):
            opener.fetch()

    @pytest.mark.parametrize("status", [401, 403, 404, 410])
    def test_a_fresh_token_may_help(self, opener: Opener, web: Web, status: int) -> None:
        web.pages = {"/a": Answer(status)}
        with pytest.raises(FileRefused, match=str(status)):
            opener.fetch()

    @pytest.mark.parametrize(("status", "is_busy"), [(429, True), (503, True), (500, False)])
    def test_it_may_pass(self, opener: Opener, web: Web, status: int, is_busy: bool) -> None:
        web.pages = {"/a": Answer(status, (("Retry-After", "7"),))}
        with pytest.raises(ZoomUnreachable, match=str(status)) as raised:
            opener.fetch()
        assert raised.value.retry_after == 7
        assert isinstance(raised.value, ZoomBusy) == is_busy

    @pytest.mark.parametrize("status", [204, 400])
    def test_others_are_final(self, opener: Opener, web: Web, status: int) -> None:
        web.pages = {"/a": Answer(status)}
        with pytest.raises(FileUnavailable, match=str(status)) as raised:
            opener.fetch()
        assert not isinstance(raised.value, FileRefused | NotAFile)

    def test_nobody_there(self, opener: Opener) -> None:
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            port = reserved.getsockname()[1]
        with pytest.raises(ZoomUnreachable, match=r"127\.0\.0\.1") as raised:
            opener.fetch(f"https://127.0.0.1:{port}/a?token=secret")
        assert "secret" not in str(raised.value)

    def test_no_answer_in_time(self, opener: Opener, web: Web) -> None:
        opener.stall_seconds = 0.4
        web.pages = {"/a": Answer(200, spoil=Spoil(wait=5.0))}
        with pytest.raises(ZoomUnreachable, match="ReadTimeout"):
            opener.fetch()

    def test_an_authority_that_nobody_knows(self, web: Web) -> None:
        with urllib3.PoolManager() as strangers, pytest.raises(ZoomUnreachable, match="SSLError"):
            Opener(web, strangers).fetch()
        assert web.seen == []
