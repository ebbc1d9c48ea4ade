"""Unit tests of downloads from Zoom."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest
import urllib3

from ingester.errors import (
    FileRefused,
    FileUnavailable,
    NotAFile,
    TransferFailed,
    ZoomBusy,
    ZoomThrottles,
    ZoomUnreachable,
)
from ingester.zoom.download_token import Access
from local.neighbours.https_server import Answer, Disruption
from tests.neighbours import Web
from tests.unit.zoom.pages import BEARER, DIGITS, TOKEN, Opener, page, ranged, read, redirect


@pytest.fixture
def opener(web: Web, http: urllib3.PoolManager) -> Opener:
    """Return an opener with a fresh access, which isn't replaced after a refusal."""
    return Opener(web, http)


class TestHosts:
    @pytest.mark.parametrize("url", ["https://evil.example/rec/x", "https://[bad/x", "x"])
    def test_file_unavailable_is_raised_when_the_url_of_a_download_is_not_allowed(
        self, opener: Opener, url: str
    ) -> None:
        with pytest.raises(FileUnavailable, match="nothing was fetched") as raised:
            opener.fetch(url)
        assert not isinstance(raised.value, FileRefused)

    def test_no_request_is_made_when_the_host_of_a_download_is_not_allowed(
        self, opener: Opener, web: Web
    ) -> None:
        with pytest.raises(FileUnavailable, match="localhost"):
            opener.fetch(f"{web.other}/a")
        assert web.seen == []

    def test_no_request_is_made_when_the_url_of_a_download_is_not_https(
        self, opener: Opener, web: Web
    ) -> None:
        with pytest.raises(FileUnavailable, match="nothing was fetched"):
            opener.fetch(f"http://127.0.0.1:{web.port}/a")
        assert web.seen == []


class TestToken:
    def test_download_token_is_sent_as_a_bearer_token(self, opener: Opener, web: Web) -> None:
        web.pages = {"/a.mp4": page()}
        assert opener.fetch(f"{web.url}/a.mp4")[1] == DIGITS
        assert web.tokens() == [("/a.mp4", BEARER)]
        assert TOKEN not in str(web.seen[0].query)

    @pytest.mark.parametrize("token", ["secret\nx", "secret x", "secret\u20ac"])
    def test_error_about_a_token_that_no_header_can_have_does_not_contain_the_token(
        self, opener: Opener, web: Web, token: str
    ) -> None:
        malformed = replace(opener, access=Access(token, is_fresh=True))
        with pytest.raises(FileRefused) as raised:
            malformed.fetch()
        assert "secret" not in repr(raised.value)
        assert web.seen == []

    def test_download_token_is_sent_to_allowed_hosts_after_redirects(
        self, opener: Opener, web: Web
    ) -> None:
        web.pages = {"/a": redirect("/b"), "/b": redirect(f"{web.url}/c"), "/c": page()}
        opener.fetch()
        assert web.tokens() == [("/a", BEARER), ("/b", BEARER), ("/c", BEARER)]

    def test_download_token_is_not_sent_when_a_redirect_leads_to_another_host(
        self, opener: Opener, web: Web
    ) -> None:
        web.pages = {"/a": redirect(f"{web.other}/b"), "/b": page()}
        opener.fetch()
        assert web.tokens() == [("/a", BEARER), ("/b", "")]

    def test_download_token_is_sent_again_when_a_redirect_leads_back_to_an_allowed_host(
        self, opener: Opener, web: Web
    ) -> None:
        web.pages = {
            "/a": redirect(f"{web.other}/b"),
            "/b": redirect(f"{web.url}/c"),
            "/c": page(),
        }
        opener.fetch()
        assert web.tokens() == [("/a", BEARER), ("/b", ""), ("/c", BEARER)]

    def test_download_token_is_not_sent_to_another_host_when_the_file_is_opened_again(
        self, opener: Opener, web: Web
    ) -> None:
        web.pages = {"/a": redirect(f"{web.other}/b"), "/b": ranged()}
        file = opener.file()
        for first in (0, 3):
            file.open(first, 9).close()
        assert web.tokens() == [("/a", BEARER), ("/b", ""), ("/b", "")]

    @pytest.mark.parametrize("status", [401, 403])
    def test_download_is_requested_without_token_when_the_token_is_refused_after_a_redirect(
        self, opener: Opener, web: Web, status: int
    ) -> None:
        web.pages = {"/a": redirect("/b"), "/b": [Answer(status), page()]}
        assert opener.fetch()[1] == DIGITS
        assert web.tokens() == [("/a", BEARER), ("/b", BEARER), ("/b", "")]

    def test_file_refused_is_raised_when_a_request_without_token_is_refused(
        self, opener: Opener, web: Web
    ) -> None:
        web.pages = {"/a": redirect("/b"), "/b": Answer(403)}
        with pytest.raises(FileRefused, match="403"):
            opener.fetch()
        assert web.tokens() == [("/a", BEARER), ("/b", BEARER), ("/b", "")]

    def test_file_is_opened_again_without_token_when_only_a_request_without_token_succeeded(
        self, opener: Opener, web: Web
    ) -> None:
        web.pages = {"/a": redirect("/b"), "/b": [Answer(403), ranged()]}
        file = opener.file()
        for first in (0, 5):
            file.open(first, 9).close()
        assert web.tokens() == [("/a", BEARER), ("/b", BEARER), ("/b", ""), ("/b", "")]

    def test_file_refused_is_raised_when_a_request_is_refused_without_a_redirect(
        self, opener: Opener, web: Web
    ) -> None:
        web.pages = {"/a": [Answer(403), page()]}
        with pytest.raises(FileRefused):
            opener.fetch()
        assert web.tokens() == [("/a", BEARER)]

    def test_file_refused_is_raised_when_another_host_refuses_a_request_without_token(
        self, opener: Opener, web: Web
    ) -> None:
        web.pages = {"/a": redirect(f"{web.other}/b"), "/b": [Answer(403), page()]}
        with pytest.raises(FileRefused):
            opener.fetch()
        assert web.tokens() == [("/a", BEARER), ("/b", "")]


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirect_of_a_download_is_followed_whatever_its_status(
        self, opener: Opener, web: Web, status: int
    ) -> None:
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
    def test_redirect_of_a_download_is_refused_when_it_does_not_lead_to_a_valid_https_url(
        self, opener: Opener, web: Web, location: str
    ) -> None:
        web.pages = {"/a": redirect(location)}
        with pytest.raises(FileUnavailable, match="no https address"):
            opener.fetch()
        assert len(web.seen) == 1

    @pytest.mark.parametrize("location", ["/a", ""])
    def test_redirects_of_a_download_are_followed_at_most_five_times(
        self, opener: Opener, web: Web, location: str
    ) -> None:
        web.pages = {"/a": redirect(location)}
        with pytest.raises(FileUnavailable, match="more than 5 times"):
            opener.fetch()
        assert len(web.seen) == 6


class TestNames:
    def test_file_name_is_taken_from_the_url_of_a_redirect(self, opener: Opener, web: Web) -> None:
        disposition = ("Content-Disposition", "attachment; filename=other.mov")
        location = "/files/GMT20261124_Recording.mp4"
        web.pages = {
            "/a": redirect(f"{location}?Policy=a/b.txt"),
            location: page(b"x", disposition),
        }
        assert opener.fetch()[0].name == "GMT20261124_Recording.mp4"

    def test_file_name_is_taken_from_the_url_of_the_last_redirect(
        self, opener: Opener, web: Web
    ) -> None:
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
    def test_file_name_is_taken_from_the_content_disposition_when_the_url_has_no_name(
        self, opener: Opener, web: Web, disposition: str, name: str
    ) -> None:
        web.pages = {
            "/a": redirect("/replay/0123abcd"),
            "/replay/0123abcd": page(b"x", ("Content-Disposition", disposition)),
        }
        assert opener.fetch()[0].name == name

    def test_file_name_stays_the_same_when_the_file_is_opened_again(
        self, opener: Opener, web: Web
    ) -> None:
        disposition = ("Content-Disposition", "attachment; filename=a.txt")
        web.pages = {"/a": [page(DIGITS, disposition), page()]}
        file = opener.file()
        assert [file.open(0, 0).name, file.open(0, 0).name] == ["a.txt", "a.txt"]


class TestRefusals:
    @pytest.mark.parametrize(
        "kind", ["text/html", "Text/HTML; charset=UTF-8", "application/xhtml+xml"]
    )
    def test_not_a_file_error_is_raised_when_zoom_answers_with_a_page(
        self, opener: Opener, web: Web, kind: str
    ) -> None:
        web.pages = {"/a": page(b"<html>", kind=kind)}
        with pytest.raises(NotAFile):
            opener.fetch()

    def test_not_a_file_error_is_raised_when_zoom_answers_with_a_range_of_a_page(
        self, opener: Opener, web: Web
    ) -> None:
        headers = (("Content-Type", "text/html"), ("Content-Range", "bytes 0-5/6"))
        web.pages = {"/a": Answer(206, headers, b"<html>")}
        with pytest.raises(NotAFile):
            opener.fetch()

    @pytest.mark.parametrize("kind", ["application/json", "text/xml", "application/xml; x=y"])
    def test_transfer_failed_is_raised_when_zoom_answers_200_with_json_or_xml(
        self, opener: Opener, web: Web, kind: str
    ) -> None:
        web.pages = {"/a": page(b'{"status":false}', kind=kind)}
        with pytest.raises(TransferFailed, match="where a file should be"):
            opener.fetch()

    def test_json_is_accepted_and_xml_is_refused_when_a_json_file_is_expected(
        self, opener: Opener, web: Web
    ) -> None:
        web.pages = {"/a": page(b'{"a": 1}', kind="application/json")}
        assert read(opener.file(is_json=True).open(0, 7)) == b'{"a": 1}'
        web.pages = {"/a": page(b"<a/>", kind="text/xml")}
        with pytest.raises(TransferFailed, match="where a file should be"):
            opener.file(is_json=True).open(0, 7)

    @pytest.mark.parametrize("status", [401, 403, 404, 410])
    def test_file_refused_is_raised_when_zoom_answers_401_403_404_or_410(
        self, opener: Opener, web: Web, status: int
    ) -> None:
        web.pages = {"/a": Answer(status)}
        with pytest.raises(FileRefused, match=str(status)):
            opener.fetch()

    @pytest.mark.parametrize(("status", "is_busy"), [(429, True), (503, True), (500, False)])
    def test_zoom_unreachable_is_raised_when_zoom_answers_429_or_5xx(
        self, opener: Opener, web: Web, status: int, is_busy: bool
    ) -> None:
        web.pages = {"/a": Answer(status, (("Retry-After", "7"),))}
        with pytest.raises(ZoomUnreachable, match=str(status)) as raised:
            opener.fetch()
        assert raised.value.retry_after == 7
        assert isinstance(raised.value, ZoomBusy) == is_busy

    @pytest.mark.parametrize("status", [429, 503])
    def test_429_or_503_of_a_host_outside_of_zoom_raises_the_error_zoom_busy_not_zoom_throttles(
        self, opener: Opener, web: Web, status: int
    ) -> None:
        web.pages = {"/a": redirect(f"{web.other}/b"), "/b": Answer(status)}
        with pytest.raises(ZoomUnreachable, match=str(status)) as raised:
            opener.fetch()
        assert isinstance(raised.value, ZoomBusy)
        assert not isinstance(raised.value, ZoomThrottles)

    @pytest.mark.parametrize("status", [204, 400])
    def test_file_unavailable_is_raised_when_zoom_answers_204_or_400(
        self, opener: Opener, web: Web, status: int
    ) -> None:
        web.pages = {"/a": Answer(status)}
        with pytest.raises(FileUnavailable, match=str(status)) as raised:
            opener.fetch()
        assert not isinstance(raised.value, FileRefused | NotAFile)

    def test_zoom_unreachable_is_raised_without_secrets_when_the_connection_is_refused(
        self, opener: Opener
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            port = reserved.getsockname()[1]
        with pytest.raises(ZoomUnreachable, match=r"127\.0\.0\.1") as raised:
            opener.fetch(f"https://127.0.0.1:{port}/a?token=secret")
        assert "secret" not in str(raised.value)

    def test_zoom_unreachable_is_raised_when_zoom_does_not_answer_before_the_timeout(
        self, opener: Opener, web: Web
    ) -> None:
        opener.stall_seconds = 0.4
        web.pages = {"/a": Answer(200, disruption=Disruption(wait=5.0))}
        with pytest.raises(ZoomUnreachable, match="ReadTimeout"):
            opener.fetch()

    def test_zoom_unreachable_is_raised_when_the_certificate_authority_is_unknown(
        self, web: Web
    ) -> None:
        with urllib3.PoolManager() as strangers, pytest.raises(ZoomUnreachable, match="SSLError"):
            Opener(web, strangers).fetch()
        assert web.seen == []
