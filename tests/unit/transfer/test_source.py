"""Where a file comes from: redirects by hand, and a token that never leaves Zoom's hosts."""

from __future__ import annotations

import socket

import pytest
import requests
import urllib3
from hypothesis import example, given
from hypothesis import strategies as st

from ingester.errors import FileUnavailable, TransferFailed, ZoomUnreachable
from ingester.settings import DownloaderSettings
from ingester.transfer.source import Download, NotAFile, Refused, ZoomSource, disposition_name
from local.neighbours.https_server import Answer, Spoil
from tests.neighbours import Web

TOKEN = "download-token"
BEARER = f"Bearer {TOKEN}"
PIECES = (
    "zoom.us",
    "us02web.zoom.us",
    "zoomgov.com",
    "evil.com",
    "evilzoom.us",
    "ZOOM.US",
    "127.0.0.1",
    "[::1]",
    "[",
    "]",
    "@",
    ":",
    ":443",
    ":80@",
    "\\",
    "/",
    "//",
    ".",
    "#",
    "?",
    ";",
    "%2f",
    "%00",
    "%40",
    "\t",
    "\n",
    "\r",
    " ",
    "\x00",
    "\u3002",
    "\uff0f",
    "\uff21",
    "\u00ad",
    "xn--",
    "ß",
    "a",
    "-",
    "_",
)


def file(body: bytes = b"0123456789", *headers: tuple[str, str], kind: str = "video/mp4") -> Answer:
    return Answer(200, (("Content-Type", kind), *headers), body)


def redirect(to: str, status: int = 302) -> Answer:
    return Answer(status, (("Location", to),))


@pytest.fixture
def source(session: requests.Session) -> ZoomSource:
    """Allows 127.0.0.1 and not localhost."""
    return ZoomSource(session, ("127.0.0.1",), timeout=(2.0, 0.3))


def fetch(source: ZoomSource, url: str) -> tuple[Download, bytes]:
    with source.open(url, TOKEN) as download:
        return download, b"".join(download.chunks())


class TestHosts:
    hosts = ("zoom.us", "*.zoom.us", "zoomgov.com", "*.zoomgov.com")

    def allows(self, url: str) -> bool:
        with requests.Session() as session:
            return ZoomSource(session, self.hosts).allows(url)

    def test_the_default_is_zooms(self) -> None:
        settings = DownloaderSettings(
            stack_name="s",
            secrets_path="/s",
            zoom_api_base_url="https://api.zoom.us/v2",
            status_table="t",
            schedule_table="t",
            staging_bucket="b",
            download_queue_url="q",
            download_dlq_url="q",
            download_receive_limit=12,
            upload_queue_url="q",
        )
        assert settings.download_hosts == self.hosts

    @pytest.mark.parametrize(
        "url",
        [
            "https://zoom.us/rec/download/x",
            "https://us02web.zoom.us/rec/download/x",
            "https://ssrweb.zoom.us:8443/x?Policy=a@b",
            "https://ZOOM.US/x",
            "https://zoom.us./x",
            "https://a.b.zoomgov.com/x",
            "HTTPS://zoom.us/x",
        ],
    )
    def test_zooms_own(self, url: str) -> None:
        assert self.allows(url)

    @pytest.mark.parametrize(
        "url",
        [
            "http://zoom.us/x",
            "ftp://zoom.us/x",
            "//zoom.us/x",
            "zoom.us/x",
            "",
            "https://",
            "https:///zoom.us",
            "https://zoom.us.evil.com/x",
            "https://evilzoom.us/x",
            "https://zoom.us@evil.com/x",
            "https://user:pw@zoom.us/x",
            "https://@zoom.us/x",
            "https://evil.com\\@zoom.us/x",
            "https://evil.com\\.zoom.us/x",
            "https://evil.com#.zoom.us/x",
            "https://evil.com?.zoom.us/x",
            "https://evil.com%2f.zoom.us/x",
            "https://evil.com;.zoom.us/x",
            "https://.zoom.us/x",
            "https://zoom.us../x",
            "https://zo\tom.us/x",
            " https://zoom.us/x",
            "https://zoom.us /x",
            "https://zoom\u3002us/x",
            "https://\uff5aoom.us/x",
            "https://zoom.us:99999/x",
            "https://zoom.us:x/x",
            "https://[zoom.us/x",
            "https://[::1]/x",
            "https://127.0.0.1/x",
        ],
    )
    def test_nobody_elses(self, url: str) -> None:
        assert not self.allows(url)

    @given(
        pieces=st.lists(st.sampled_from(PIECES), max_size=8),
        scheme=st.sampled_from(
            ["https://", "https:/", "https:", "HTTPS://", " https://", "http://"]
        ),
    )
    @example(pieces=["zoom.us", "\\", "@", "evil.com"], scheme="https://")
    @example(pieces=["evil.com", "\\", ".zoom.us"], scheme="https://")
    def test_an_allowed_url_leads_to_zoom(self, pieces: list[str], scheme: str) -> None:
        """urllib3, which makes the connection, must see the host that we saw."""
        url = scheme + "".join(pieces)
        if not self.allows(url):
            return
        sent = requests.Request("GET", url).prepare().url
        parsed = urllib3.util.parse_url(str(sent))
        host = str(parsed.host).removesuffix(".")
        assert parsed.scheme == "https"
        assert host in ("zoom.us", "zoomgov.com") or host.endswith((".zoom.us", ".zoomgov.com"))
        assert "@" not in str(parsed.netloc)

    @given(url=st.text(max_size=60))
    def test_no_text_breaks_it(self, url: str) -> None:
        assert self.allows(url) in (True, False)

    @pytest.mark.parametrize("url", ["https://evil.example/rec/x", "https://[bad/x", "", "x"])
    def test_an_address_elsewhere_is_not_fetched(self, source: ZoomSource, url: str) -> None:
        with pytest.raises(FileUnavailable, match="nothing was fetched") as raised:
            fetch(source, url)
        assert not isinstance(raised.value, Refused)

    def test_a_server_elsewhere_is_not_even_asked(self, source: ZoomSource, web: Web) -> None:
        with pytest.raises(FileUnavailable, match="localhost"):
            fetch(source, f"{web.other}/a")
        assert web.seen == []


class TestTheToken:
    def test_it_goes_as_a_bearer(self, source: ZoomSource, web: Web) -> None:
        web.pages = {"/a.mp4": file()}
        assert fetch(source, f"{web.url}/a.mp4")[1] == b"0123456789"
        assert web.tokens() == [("/a.mp4", BEARER)]
        assert TOKEN not in str(web.seen[0].query)

    def test_it_follows_to_allowed_hosts(self, source: ZoomSource, web: Web) -> None:
        web.pages = {"/a": redirect("/b"), "/b": redirect(f"{web.url}/c"), "/c": file()}
        fetch(source, f"{web.url}/a")
        assert web.tokens() == [("/a", BEARER), ("/b", BEARER), ("/c", BEARER)]

    def test_it_does_not_follow_elsewhere(self, source: ZoomSource, web: Web) -> None:
        web.pages = {"/a": redirect(f"{web.other}/b"), "/b": file()}
        fetch(source, f"{web.url}/a")
        assert web.tokens() == [("/a", BEARER), ("/b", "")]

    def test_it_comes_back_with_the_host(self, source: ZoomSource, web: Web) -> None:
        web.pages = {
            "/a": redirect(f"{web.other}/b"),
            "/b": redirect(f"{web.url}/c"),
            "/c": file(),
        }
        fetch(source, f"{web.url}/a")
        assert web.tokens() == [("/a", BEARER), ("/b", ""), ("/c", BEARER)]

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_refusal_behind_a_redirect_is_tried_once_without(
        self, source: ZoomSource, web: Web, status: int
    ) -> None:
        web.pages = {"/a": redirect("/b"), "/b": [Answer(status), file()]}
        assert fetch(source, f"{web.url}/a")[1] == b"0123456789"
        assert web.tokens() == [("/a", BEARER), ("/b", BEARER), ("/b", "")]

    def test_but_only_once(self, source: ZoomSource, web: Web) -> None:
        web.pages = {"/a": redirect("/b"), "/b": Answer(403)}
        with pytest.raises(Refused, match="403"):
            fetch(source, f"{web.url}/a")
        assert web.tokens() == [("/a", BEARER), ("/b", BEARER), ("/b", "")]

    def test_a_refusal_before_any_redirect_is_final(self, source: ZoomSource, web: Web) -> None:
        web.pages = {"/a": [Answer(403), file()]}
        with pytest.raises(Refused):
            fetch(source, f"{web.url}/a")
        assert web.tokens() == [("/a", BEARER)]

    def test_elsewhere_there_is_nothing_to_leave_out(self, source: ZoomSource, web: Web) -> None:
        web.pages = {"/a": redirect(f"{web.other}/b"), "/b": [Answer(403), file()]}
        with pytest.raises(Refused):
            fetch(source, f"{web.url}/a")
        assert web.tokens() == [("/a", BEARER), ("/b", "")]


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_every_kind(self, source: ZoomSource, web: Web, status: int) -> None:
        web.pages = {"/a": redirect("/b.mp4", status), "/b.mp4": file()}
        assert fetch(source, f"{web.url}/a")[0].name == "b.mp4"

    @pytest.mark.parametrize(
        "location", ["http://127.0.0.1/a", "ftp://zoom.us/a", "https://[bad/a", "javascript:x"]
    )
    def test_only_to_https(self, source: ZoomSource, web: Web, location: str) -> None:
        web.pages = {"/a": redirect(location)}
        with pytest.raises(FileUnavailable, match="no https address"):
            fetch(source, f"{web.url}/a")
        assert len(web.seen) == 1

    @pytest.mark.parametrize("location", ["/a", ""])
    def test_round_and_round(self, source: ZoomSource, web: Web, location: str) -> None:
        web.pages = {"/a": redirect(location)}
        with pytest.raises(FileUnavailable, match="more than 5 times"):
            fetch(source, f"{web.url}/a")
        assert len(web.seen) == 6


class TestNames:
    @pytest.mark.parametrize(
        ("location", "name"),
        [
            ("/files/GMT20261124_Recording.mp4?Policy=a/b.txt", "GMT20261124_Recording.mp4"),
            ("/files/GMT%20chat.TXT", "GMT chat.TXT"),
            ("/files/a%2Fb.mp4", "b.mp4"),
        ],
    )
    def test_from_the_location(
        self, source: ZoomSource, web: Web, location: str, name: str
    ) -> None:
        disposition = ("Content-Disposition", "attachment; filename=other.mov")
        web.pages = {"/a": redirect(location), location.partition("?")[0]: file(b"x", disposition)}
        assert fetch(source, f"{web.url}/a")[0].name == name

    @pytest.mark.parametrize(
        ("disposition", "name"),
        [
            ("attachment; filename=plain.mp4", "plain.mp4"),
            ('attachment; filename="two words; and more.MP4"', "two words; and more.MP4"),
            ("attachment; filename*=UTF-8''%C3%BCber%20uns.mp4", "über uns.mp4"),
            ("attachment; filename*=utf-8'en'a.txt; size=7", "a.txt"),
            ('ATTACHMENT; FILENAME="a.m4a"', "a.m4a"),
            ('attachment; filename="../../etc/x.mp4"', "x.mp4"),
            ("inline", ""),
            ("attachment; filename=noextension", ""),
            ('attachment; filename="x.bad extension"', ""),
            ("attachment; filename*=nonsense", ""),
        ],
    )
    def test_else_from_the_disposition(
        self, source: ZoomSource, web: Web, disposition: str, name: str
    ) -> None:
        web.pages = {
            "/a": redirect("/replay/0123abcd"),
            "/replay/0123abcd": file(b"x", ("Content-Disposition", disposition)),
        }
        assert fetch(source, f"{web.url}/a")[0].name == name

    @given(disposition=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80))
    @example(disposition="attachment; filename*=x'y'%ff.mp4")
    @example(disposition="attachment; filename*0*=UTF-8''a; filename*1=.mp4")
    def test_no_disposition_breaks_it(self, disposition: str) -> None:
        name = disposition_name(disposition)
        assert name == "" or name.rpartition(".")[2].isascii()

    @given(name=st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF), min_size=1))
    def test_what_rfc_5987_writes_is_read(self, name: str) -> None:
        plain = f"x{name}.mp4".replace("/", "-")
        told = "".join(f"%{byte:02X}" for byte in plain.encode())
        assert disposition_name(f"attachment; filename*=UTF-8''{told}") == plain


class TestRefusals:
    @pytest.mark.parametrize("kind", ["text/html", "Text/HTML; charset=UTF-8"])
    def test_a_page_is_no_file(self, source: ZoomSource, web: Web, kind: str) -> None:
        web.pages = {"/a": file(b"<html>", kind=kind)}
        with pytest.raises(NotAFile):
            fetch(source, f"{web.url}/a")

    @pytest.mark.parametrize("status", [401, 403, 404])
    def test_a_fresh_token_may_help(self, source: ZoomSource, web: Web, status: int) -> None:
        web.pages = {"/a": Answer(status)}
        with pytest.raises(Refused, match=str(status)):
            fetch(source, f"{web.url}/a")

    @pytest.mark.parametrize("status", [429, 500, 502, 503])
    def test_it_may_pass(self, source: ZoomSource, web: Web, status: int) -> None:
        web.pages = {"/a": Answer(status, (("Retry-After", "7"),))}
        with pytest.raises(ZoomUnreachable, match=str(status)) as raised:
            fetch(source, f"{web.url}/a")
        assert raised.value.retry_after == 7

    @pytest.mark.parametrize("status", [204, 206, 400, 410])
    def test_others_are_final(self, source: ZoomSource, web: Web, status: int) -> None:
        web.pages = {"/a": Answer(status)}
        with pytest.raises(FileUnavailable, match=str(status)) as raised:
            fetch(source, f"{web.url}/a")
        assert not isinstance(raised.value, Refused | NotAFile)

    def test_nobody_there(self, source: ZoomSource) -> None:
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            port = reserved.getsockname()[1]
        with pytest.raises(ZoomUnreachable, match=r"127\.0\.0\.1") as raised:
            fetch(source, f"https://127.0.0.1:{port}/a?token=secret")
        assert "secret" not in str(raised.value)

    def test_no_answer_in_time(self, source: ZoomSource, web: Web) -> None:
        web.pages = {"/a": Answer(200, spoil=Spoil(wait=5.0))}
        with pytest.raises(ZoomUnreachable, match="ReadTimeout"):
            fetch(source, f"{web.url}/a")

    def test_an_authority_that_nobody_knows(self, web: Web) -> None:
        with requests.Session() as stranger:
            stranger.trust_env = False
            source = ZoomSource(stranger, ("127.0.0.1",))
            with pytest.raises(ZoomUnreachable, match="SSLError"):
                fetch(source, f"{web.url}/a")


class TestTheBytes:
    def test_as_they_are(self, source: ZoomSource, web: Web) -> None:
        web.pages = {"/a": file(bytes(range(256)) * 9000)}
        download, content = fetch(source, f"{web.url}/a")
        assert content == bytes(range(256)) * 9000
        assert download.size == len(content)
        assert web.seen[0].headers["Accept-Encoding"] == "identity"

    @pytest.mark.parametrize(
        "spoil",
        [
            Spoil(after_bytes=5000, how="reset"),
            Spoil(after_bytes=5000, how="close"),
            Spoil(after_bytes=5000, how="stall", stall=5.0),
        ],
        ids=["reset", "clean close", "stall"],
    )
    def test_a_stream_that_breaks_off(self, source: ZoomSource, web: Web, spoil: Spoil) -> None:
        web.pages = {"/a.mp4": Answer(200, body=bytes(10_000), spoil=spoil)}
        with pytest.raises(TransferFailed, match="broke off"):
            fetch(source, f"{web.url}/a.mp4")
