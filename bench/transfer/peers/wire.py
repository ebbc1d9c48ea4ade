"""One HTTP/1.1 connection of a stand-in (RFC 9112), on a raw socket for speed."""

import contextlib
import socket
import ssl
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs

from bench.transfer.peers.link import Pacer

HEAD_LIMIT = 64 * 1024
LINE_LIMIT = 16 * 1024
STEP = 1 << 20
PACED_STEP = 64 * 1024
IDLE_SECONDS = 120
CLOSE_SECONDS = 0.2
LINGER_BYTES = 64 << 20
PACED_BUFFER = 128 * 1024


class ConnectionClosed(Exception):
    """Error for a connection that the client closed, or on which the client sent invalid HTTP."""


@dataclass(frozen=True)
class Request:
    """The head of a request. Header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def path(self) -> str:
        """The target without the query, percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters by name, with the first value of each."""
        pairs = parse_qs(self.target.partition("?")[2], keep_blank_values=True)
        return {name: values[0] for name, values in pairs.items()}


class Connection:
    """A connection that reads requests and writes answers. The caller closes the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.is_tls = isinstance(sock, ssl.SSLSocket)
        self.pacers: tuple[Pacer, ...] = ()
        self._buffer = b""
        self._scratch: memoryview | None = None

    @property
    def scratch(self) -> memoryview:
        """A buffer of one MiB, whose bytes later reads overwrite."""
        if self._scratch is None:
            self._scratch = memoryview(bytearray(STEP))
        return self._scratch

    @property
    def step(self) -> int:
        """Largest number of bytes of a body to read or send in one call."""
        return PACED_STEP if self.pacers else STEP

    def pace(self, count: int) -> None:
        """Wait until `count` more bytes may pass."""
        for pacer in self.pacers:
            pacer.pass_on(count)

    def request(self) -> Request | None:
        """Read and return the next request's head, or None if the client closed the connection.

        Raises:
            ConnectionClosed: The head is malformed or too long.
        """
        while b"\r\n\r\n" not in self._buffer:
            received = self.sock.recv(HEAD_LIMIT)
            if not received:
                return None
            self._buffer += received
            if len(self._buffer) > 2 * HEAD_LIMIT:
                raise ConnectionClosed
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(" ")
        if len(words) != 3:
            raise ConnectionClosed
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            name, value = name.strip().lower(), value.strip()
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        return Request(words[0], words[1], headers)

    def answer(
        self,
        status: int,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        length: int | None = None,
    ) -> None:
        """Send an answer's head and body.

        Args:
            status: HTTP status.
            headers: Headers except Content-Length.
            body: Body, or its beginning.
            length: Content-Length if `body` has another length; -1 sends no Content-Length. Answers
                with the status 204 or 304 have no Content-Length.
        """
        sent = dict(headers or {})
        if status not in {204, 304} and length != -1:
            sent["Content-Length"] = str(len(body) if length is None else length)
        reason = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown"
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{k}: {v}" for k, v in sent.items()), "", ""]
        self.sock.sendall("\r\n".join(lines).encode("latin-1") + body)

    def take(self, limit: int, into: memoryview | None = None) -> int:
        """Read between 1 and `limit` bytes, and return their number.

        The bytes are written to `into`, or dropped if `into` is None.

        Raises:
            ConnectionClosed: The client closed the connection.
        """
        if self._buffer:
            count = min(limit, len(self._buffer), STEP if into is None else len(into))
            if into is not None:
                into[:count] = self._buffer[:count]
            self._buffer = self._buffer[count:]
            return count
        if into is None and sys.platform == "linux" and not self.is_tls:
            # With MSG_TRUNC the kernel drops the bytes without copying them (tcp(7)).
            count = self.sock.recv_into(self.scratch, min(limit, STEP), socket.MSG_TRUNC)
        else:
            count = self.sock.recv_into((self.scratch if into is None else into)[:limit])
        if not count:
            raise ConnectionClosed
        return count

    def line(self) -> bytes:
        """Read the next line, and return the line without CRLF.

        Raises:
            ConnectionClosed: The client closed the connection, or the line is too long.
        """
        while b"\r\n" not in self._buffer:
            received = self.sock.recv(4096)
            if not received or len(self._buffer) > LINE_LIMIT:
                raise ConnectionClosed
            self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def reset(self) -> None:
        """Set a socket option that makes `close` send a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def finish(self) -> None:
        """End the connection properly, first TLS and then TCP."""
        with contextlib.suppress(OSError):
            limit_call_time(self.sock, CLOSE_SECONDS)
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock.unwrap()
            self.sock.shutdown(socket.SHUT_WR)

    def linger(self) -> None:
        """End the connection after an answer that was sent before the whole body was read.

        Drop up to 64 MiB of the body, which some clients send before they read the answer.
        """
        with contextlib.suppress(OSError, ConnectionClosed):
            limit_call_time(self.sock, CLOSE_SECONDS)
            socket.socket.shutdown(self.sock, socket.SHUT_WR)
            left = LINGER_BYTES
            while left > 0:
                left -= self.take(STEP)


def prepare(sock: socket.socket, *, is_paced: bool) -> None:
    """Set the options of a new connection, before TLS. If `is_paced`, make the buffers small."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Python's own timeouts would add a poll(2) to each call. The kernel's limits cost nothing.
    limit_call_time(sock, IDLE_SECONDS)
    if is_paced:
        # Large buffers would take megabytes from a client before the limit has an effect.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PACED_BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PACED_BUFFER)


def limit_call_time(sock: socket.socket, seconds: float) -> None:
    """Limit each receive and send on the socket to `seconds`."""
    whole = int(seconds)
    limit = struct.pack("ll", whole, int((seconds - whole) * 1_000_000))
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        sock.setsockopt(socket.SOL_SOCKET, option, limit)
