"""Unit tests of download URLs: allowed hosts, redirects, and file names."""

from __future__ import annotations

import re

import pytest
import urllib3
from hypothesis import example, given
from hypothesis import strategies as st

from ingester.errors import FileUnavailable
from ingester.settings import DownloaderSettings
from ingester.zoom.download_urls import (
    DownloadHosts,
    host_of,
    name_in_disposition,
    name_in_url,
)

ZOOM = DownloadHosts(("zoom.us", "*.zoom.us", "zoomgov.com", "*.zoomgov.com"))
URL_PARTS = (
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


class TestAllowedHosts:
    def test_download_hosts_are_the_hosts_of_zoom_when_the_setting_is_missing(self) -> None:
        settings = DownloaderSettings(
            stack_name="s",
            secrets_path="/s",
            zoom_api_base_url="https://api.zoom.us/v2",
            status_table="t",
            recordings_table="t",
            schedule_table="t",
            staging_bucket="b",
            download_queue_url="q",
            download_dlq_url="q",
            download_receive_limit=12,
            upload_queue_url="q",
        )
        assert settings.download_hosts == ZOOM.names

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
    def test_download_url_is_allowed_when_it_is_https_on_a_zoom_host(self, url: str) -> None:
        assert ZOOM.allow(url)

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
    def test_download_url_is_rejected_when_it_is_unusual_or_not_https_on_a_zoom_host(
        self, url: str
    ) -> None:
        assert not ZOOM.allow(url)

    def test_host_name_without_a_wildcard_allows_that_host_but_not_a_host_below_it(self) -> None:
        hosts = DownloadHosts(("Zoom.us",))
        assert hosts.allow("https://zoom.us/x")
        assert not hosts.allow("https://us02web.zoom.us/x")

    def test_host_name_with_a_wildcard_allows_hosts_below_the_domain_but_not_the_domain_itself(
        self,
    ) -> None:
        hosts = DownloadHosts(("*.zoom.us",))
        assert hosts.allow("https://us02web.zoom.us/x")
        assert not hosts.allow("https://zoom.us/x")

    def test_download_hosts_allow_http_when_their_scheme_is_http(self) -> None:
        hosts = DownloadHosts(("127.0.0.1",), scheme="http")
        assert hosts.allow("http://127.0.0.1:8080/x")
        assert not hosts.allow("https://127.0.0.1/x")
        assert not hosts.allow("http://zoom.us/x")

    @given(
        parts=st.lists(st.sampled_from(URL_PARTS), max_size=8),
        scheme=st.sampled_from(
            ["https://", "https:/", "https:", "HTTPS://", " https://", "http://"]
        ),
    )
    @example(parts=["zoom.us", "\\", "@", "evil.com"], scheme="https://")
    @example(parts=["evil.com", "\\", ".zoom.us"], scheme="https://")
    def test_urllib3_reads_a_host_of_zoom_from_every_allowed_url(
        self, parts: list[str], scheme: str
    ) -> None:
        # urllib3 makes the connection, so urllib3 must read the same host as our check.
        url = scheme + "".join(parts)
        if not ZOOM.allow(url):
            return
        parsed = urllib3.util.parse_url(url)
        host = str(parsed.host).removesuffix(".")
        assert parsed.scheme == "https"
        assert host in ("zoom.us", "zoomgov.com") or host.endswith((".zoom.us", ".zoomgov.com"))
        assert "@" not in str(parsed.netloc)

    @given(url=st.text(max_size=60))
    def test_download_url_is_allowed_or_rejected_without_an_error_whatever_its_text(
        self, url: str
    ) -> None:
        assert ZOOM.allow(url) in (True, False)
        assert host_of(url)


class TestRedirects:
    @pytest.mark.parametrize(
        ("location", "url"),
        [
            ("https://cdn.example/x?sig=1", "https://cdn.example/x?sig=1"),
            ("/other", "https://zoom.us/other"),
            ("other", "https://zoom.us/rec/other"),
            ("//cdn.example/x", "https://cdn.example/x"),
            ("", "https://zoom.us/rec/a"),
        ],
    )
    def test_location_of_a_redirect_is_resolved_when_it_leads_to_https(
        self, location: str, url: str
    ) -> None:
        assert ZOOM.redirected("https://zoom.us/rec/a", location) == url

    @pytest.mark.parametrize(
        "location", ["http://zoom.us/a", "ftp://zoom.us/a", "https://[bad/a", "javascript:x"]
    )
    def test_location_of_a_redirect_is_refused_when_it_is_not_a_valid_https_url(
        self, location: str
    ) -> None:
        with pytest.raises(FileUnavailable, match="no https address"):
            ZOOM.redirected("https://zoom.us/rec/a", location)

    @given(location=st.text(max_size=60))
    def test_location_of_a_redirect_leads_to_https_or_is_refused_whatever_its_text(
        self, location: str
    ) -> None:
        try:
            url = ZOOM.redirected("https://zoom.us/rec/a", location)
        except FileUnavailable:
            return
        assert url.lower().startswith("https:")
        assert "/" not in name_in_url(url)


class TestNames:
    @pytest.mark.parametrize(
        ("url", "name"),
        [
            (
                "https://h/files/GMT20261124_Recording.mp4?Policy=a/b.txt",
                "GMT20261124_Recording.mp4",
            ),
            ("https://h/files/GMT%20chat.TXT", "GMT chat.TXT"),
            ("https://h/files/a%2Fb.mp4", "b.mp4"),
            ("https://h/replay/0123abcd", ""),
            ("https://h/.mp4", ".mp4"),
            ("https://h", ""),
        ],
    )
    def test_file_name_in_a_url_is_the_end_of_the_path_or_empty_without_an_extension(
        self, url: str, name: str
    ) -> None:
        assert name_in_url(url) == name

    @pytest.mark.parametrize(
        ("disposition", "name"),
        [
            ("attachment; filename=plain.mp4", "plain.mp4"),
            ('attachment; filename="two words; and more.MP4"', "two words; and more.MP4"),
            ("attachment; filename*=UTF-8''%C3%BCber%20uns.mp4", "über uns.mp4"),
            ("attachment; filename*=utf-8'en'a.txt; size=7", "a.txt"),
            ('ATTACHMENT; FILENAME="a.m4a"', "a.m4a"),
            ('attachment; filename="../../etc/x.mp4"', "x.mp4"),
            ("", ""),
            ("inline", ""),
            ("attachment; filename=noextension", ""),
            ('attachment; filename="x.bad extension"', ""),
            ("attachment; filename*=nonsense", ""),
        ],
    )
    def test_file_name_is_read_from_a_content_disposition_when_the_name_has_an_extension(
        self, disposition: str, name: str
    ) -> None:
        assert name_in_disposition(disposition) == name

    @given(
        prefix=st.sampled_from(["", "attachment; filename=", "attachment; filename*=UTF-8''"]),
        rest=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80),
    )
    @example(prefix="attachment; ", rest="filename*=x'y'%ff.mp4")
    @example(prefix="attachment; ", rest="filename*0*=UTF-8''a; filename*1=.mp4")
    def test_file_name_in_a_content_disposition_is_empty_or_has_an_extension_and_no_slash(
        self, prefix: str, rest: str
    ) -> None:
        name = name_in_disposition(f"{prefix}{rest}")
        assert name == "" or re.search(r"\.[A-Za-z0-9]{1,10}\Z", name)
        assert "/" not in name

    @given(name=st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF), min_size=1))
    def test_file_name_in_a_content_disposition_is_decoded_when_it_is_encoded_by_rfc_5987(
        self, name: str
    ) -> None:
        plain = f"x{name}.mp4".replace("/", "-")
        encoded = "".join(f"%{byte:02X}" for byte in plain.encode())
        assert name_in_disposition(f"attachment; filename*=UTF-8''{encoded}") == plain


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://zoom.us/x?token=secret", "zoom.us"),
        ("https://user:secret@zoom.us/x", "zoom.us"),
        ("https://[bad/x", "no host"),
        ("", "no host"),
    ],
)
def test_host_of_a_url_is_its_host_name_alone_or_the_words_no_host(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (f"a{';' * 100_000}", ""),
        (f'attachment; filename="{"a" * 1000}.mp4"', ""),
        ("attachment; filename*=undefined''a.mp4", ""),
        ("attachment; filename*=utf-8''%ff%fe.mp4", "\ufffd\ufffd.mp4"),
        ("attachment; filename*=unknown-8bit''a.mp4", "a.mp4"),
    ],
)
def test_file_name_is_empty_or_decoded_when_the_content_disposition_is_hostile(
    disposition: str, name: str
) -> None:
    assert name_in_disposition(disposition) == name


@given(st.text())
def test_content_disposition_causes_no_error_whatever_it_contains(text: str) -> None:
    assert isinstance(name_in_disposition(f"attachment; filename*={text}"), str)
