"""One HTTP/1.1 connection (RFC 9112) on a raw socket, with little between it and the bytes."""

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
SCRATCH = STEP = 1 << 20
PACED_STEP = 64 * 1024
IDLE_SECONDS = 120
GOODBYE_MS = 200
LINGER_BYTES = 64 << 20
PACED_BUFFER = 128 * 1024


class Gone(Exception):
    """The other side closed the connection, or said something that is no HTTP."""


@dataclass(frozen=True)
class Request:
    """The head of a request: header names in lower case, `target` as it came."""

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def path(self) -> str:
        """What is before the question mark, still percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters, the first of each name."""
        pairs = parse_qs(self.target.partition("?")[2], keep_blank_values=True)
        return {name: values[0] for name, values in pairs.items()}


class Connection:
    """Reads requests and writes answers; whoever uses it closes the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.is_tls = isinstance(sock, ssl.SSLSocket)
        self.pacers: tuple[Pacer, ...] = ()
        self._buffer = b""
        self._scratch: memoryview | None = None

    @property
    def scratch(self) -> memoryview:
        """A MiB of memory of this connection's own, for bytes that nobody keeps."""
        if self._scratch is None:
            self._scratch = memoryview(bytearray(SCRATCH))
        return self._scratch

    @property
    def step(self) -> int:
        """How many bytes of a body to take at once."""
        return PACED_STEP if self.pacers else STEP

    def pace(self, count: int) -> None:
        """Returns when `count` more bytes may pass."""
        for pacer in self.pacers:
            pacer.pass_on(count)

    def request(self) -> Request | None:
        """The next request's head, or None if the client is done."""
        while b"\r\n\r\n" not in self._buffer:
            received = self.sock.recv(HEAD_LIMIT)
            if not received:
                return None
            self._buffer += received
            if len(self._buffer) > 2 * HEAD_LIMIT:
                raise Gone
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(" ")
        if len(words) != 3:
            raise Gone
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            name, value = name.strip().lower(), value.strip()
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        return Request(words[0], words[1], headers)

    def proceed(self) -> None:
        """Asks for the body, where the client waits to be asked (Expect: 100-continue)."""
        self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def answer(
        self,
        status: int,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        length: int | None = None,
    ) -> None:
        """Sends head and body. `length` is told where the body comes later, -1 tells none."""
        told = dict(headers or {})
        if status not in {204, 304} and length != -1:
            told["Content-Length"] = str(len(body) if length is None else length)
        reason = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown"
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{k}: {v}" for k, v in told.items()), "", ""]
        self.sock.sendall("\r\n".join(lines).encode("latin-1") + body)

    def read_into(self, view: memoryview) -> int:
        """Some bytes, at least one. Raises Gone if there are none any more."""
        if self._buffer:
            count = min(len(view), len(self._buffer))
            view[:count] = self._buffer[:count]
            self._buffer = self._buffer[count:]
            return count
        count = self.sock.recv_into(view)
        if not count:
            raise Gone
        return count

    def skip(self, limit: int) -> int:
        """Throws away up to `limit` bytes, at least one, if it can without copying them."""
        if sys.platform == "linux" and not self._buffer and not self.is_tls:
            # tcp(7): with MSG_TRUNC the bytes are dropped in the kernel.
            count = self.sock.recv_into(self.scratch, min(limit, SCRATCH), socket.MSG_TRUNC)
            if not count:
                raise Gone
            return count
        return self.read_into(self.scratch[:limit])

    def read(self, count: int) -> bytes:
        """Exactly `count` bytes."""
        whole = bytearray(count)
        view = memoryview(whole)
        while view:
            view = view[self.read_into(view) :]
        return bytes(whole)

    def line(self) -> bytes:
        """The next line, without its end."""
        while b"\r\n" not in self._buffer:
            received = self.sock.recv(4096)
            if not received or len(self._buffer) > LINE_LIMIT:
                raise Gone
            self._buffer += received
        found, _, self._buffer = self._buffer.partition(b"\r\n")
        return found

    def reset(self) -> None:
        """Makes the socket's close a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def finish(self) -> None:
        """Ends the connection in order: TLS's own goodbye, then TCP's."""
        with contextlib.suppress(OSError):
            wait_at_most(self.sock, GOODBYE_MS / 1000)
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock.unwrap()
            self.sock.shutdown(socket.SHUT_WR)

    def linger(self) -> None:
        """Ends the connection so that an answer to a request in mid-body can still be read."""
        with contextlib.suppress(OSError, Gone):
            wait_at_most(self.sock, GOODBYE_MS / 1000)
            socket.socket.shutdown(self.sock, socket.SHUT_WR)
            left = LINGER_BYTES
            while left > 0:
                left -= self.skip(SCRATCH)


def prepare(sock: socket.socket, *, is_paced: bool) -> None:
    """What a fresh connection needs before TLS."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # The kernel's own limits: with Python's every call would first ask whether it may go.
    wait_at_most(sock, IDLE_SECONDS)
    if is_paced:
        # Large buffers would take megabytes from a client before the pace shows.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PACED_BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PACED_BUFFER)


def wait_at_most(sock: socket.socket, seconds: float) -> None:
    """Limits how long one call on the socket may take."""
    whole = int(seconds)
    limit = struct.pack("ll", whole, int((seconds - whole) * 1_000_000))
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        sock.setsockopt(socket.SOL_SOCKET, option, limit)
