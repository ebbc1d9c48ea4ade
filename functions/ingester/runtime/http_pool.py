"""Make connections for large bodies: downloads, and parts on their way to S3."""

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
"""IPv6 addresses that stand for IPv4 ones (RFC 6052), also for private ones."""

GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""The IPv6 addresses that IANA gives out. `ipaddress` calls others global too: `::127.0.0.1`."""

RELAY_ANYCAST = ipaddress.ip_network("192.88.99.0/24")
"""Deprecated relays from IPv6 to IPv4 (RFC 7526)."""

WINDOW_BYTES = 1024 * 1024
"""The most bytes of a download that the kernel buffers for each connection. They count as the
function's memory, and are lost when the connection breaks. Enough for 10 MB/s at 100 ms latency."""


def http(connections: int) -> urllib3.PoolManager:
    """Make a pool of `connections` to each host. They trust the system's authorities, or those of
    SSL_CERT_FILE.
    """
    context = create_urllib3_context()
    context.load_default_certs()
    options: list[tuple[int, int, int]] = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    if hasattr(socket, "TCP_WINDOW_CLAMP"):
        options.append((socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, WINDOW_BYTES))
    return urllib3.PoolManager(maxsize=connections, ssl_context=context, socket_options=options)


def public_http(connections: int, named_hosts: Collection[str]) -> urllib3.PoolManager:
    """Make a pool like `http` for hosts that foreign input names.

    A connection whose peer's address isn't on the internet raises FileUnavailable before anything
    is sent: a cloud's metadata service has such an address. The peer of the connection itself is
    checked, so it makes no difference what DNS answered.

    Args:
        connections: Number of connections to each host.
        named_hosts: Hosts that a setting names exactly. They may have any address.
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
    """Return whether an IP address is on the internet, not loopback, link-local, private etc."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        translated = ipaddress.IPv4Address(ip.packed[-4:]) if ip in NAT64 else None
        ip = ip.ipv4_mapped or ip.sixtofour or translated or ip
    if isinstance(ip, ipaddress.IPv6Address) and ip not in GLOBAL_UNICAST:
        return False
    return ip.is_global and not ip.is_multicast and ip not in RELAY_ANYCAST
