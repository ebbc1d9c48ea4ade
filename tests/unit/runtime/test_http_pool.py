"""Unit tests of connections to hosts that untrusted input names."""

from __future__ import annotations

import pytest
from urllib3.util import parse_url

from ingester.errors import FileUnavailable
from ingester.runtime.http_pool import is_public, public_http
from local.authority import Authority
from tests.neighbours import web_server


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("169.254.169.254", False),
        ("fe80::1%eth0", False),
        ("fd00:ec2::254", False),
        ("10.0.0.1", False),
        ("172.31.255.255", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("2002:a9fe:a9fe::", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("::127.0.0.1", False),
        ("::ffff:0:127.0.0.1", False),
        ("64:ff9b:1::7f00:1", False),
        ("fec0::1", False),
        ("192.88.99.1", False),
        ("0.0.0.0", False),  # noqa: S104
        ("224.0.0.1", False),
        ("255.255.255.255", False),
    ],
)
def test_ip_address_is_public_only_when_it_can_be_on_the_internet(
    address: str, public: bool
) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_nothing_is_sent_when_a_host_resolves_to_a_private_address(
    tls: Authority, host: str
) -> None:
    http = public_http(1, named_hosts=["zoom.us"])
    with web_server(tls) as web:
        port = parse_url(web.url).port
        with pytest.raises(FileUnavailable, match="isn't on the internet"):
            http.request("GET", f"https://{host}:{port}/a", retries=False)
        assert web.seen == []
