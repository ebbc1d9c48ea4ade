"""Make connection pools for large bodies: downloads, and parts that are sent to S3."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection

import urllib3
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

from ingester.errors import FileUnavailable

NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that stand for IPv4 addresses (RFC 6052)."""

GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""The IPv6 addresses that IANA assigns to hosts on the internet. `ipaddress` calls some other
addresses global too, such as `::127.0.0.1`.

https://www.iana.org/assignments/ipv6-address-space/ipv6-address-space.xhtml
"""

RELAY_ANYCAST = ipaddress.ip_network("192.88.99.0/24")
"""Addresses of the deprecated relays from IPv6 to IPv4 (RFC 7526)."""

WINDOW_BYTES = 1024 * 1024
"""Maximum number of bytes of a download that the kernel buffers for each connection.

Buffered bytes count as the function's memory, and are lost when the connection breaks. The value
allows 10 MB/s at a latency of 100 ms.
"""


def http(connections: int) -> urllib3.PoolManager:
    """Make a pool that keeps up to `connections` connections to each host.

    The connections trust the system's certificate authorities, or those in SSL_CERT_FILE.
    """
    context = create_urllib3_context()
    context.load_default_certs()
    options: list[tuple[int, int, int]] = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    if hasattr(socket, "TCP_WINDOW_CLAMP"):
        options.append((socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, WINDOW_BYTES))
    return urllib3.PoolManager(maxsize=connections, ssl_context=context, socket_options=options)


def public_http(connections: int, named_hosts: Collection[str]) -> urllib3.PoolManager:
    """Make a pool like that of `http`, only for https, and for hosts that untrusted input names.

    The address of each connection's peer is checked, except for `named_hosts`. So a forged DNS
    answer can't evade the check.

    Args:
        connections: Number of connections to each host that the pool keeps.
        named_hosts: Hosts that a setting names exactly, and that may have any address.

    Raises:
        FileUnavailable: Raised by the pool's connections before anything is sent, if the peer's
            address isn't public (`is_public`). The address of a cloud's metadata service isn't
            public, for example.
    """

    class Connection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            connected = super()._new_conn()
            address = connected.getpeername()[0]
            if self.host not in named_hosts and not is_public(address):
                connected.close()
                raise FileUnavailable(
                    f"The download leads to {self.host}, which isn't on the internet: nothing was "
                    "fetched."
                )
            return connected

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    manager = http(connections)
    manager.pool_classes_by_scheme = {"https": Pool}
    return manager


def is_public(address: str) -> bool:
    """Return whether an IP address is on the internet, and not loopback, private or the like."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        translated = ipaddress.IPv4Address(ip.packed[-4:]) if ip in NAT64 else None
        ip = ip.ipv4_mapped or ip.sixtofour or translated or ip
    if isinstance(ip, ipaddress.IPv6Address) and ip not in GLOBAL_UNICAST:
        return False
    return ip.is_global and not ip.is_multicast and ip not in RELAY_ANYCAST
