"""Make connections for large bodies: downloads, and parts on their way to S3."""

from __future__ import annotations

import socket

import urllib3
from urllib3.util.ssl_ import create_urllib3_context

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
