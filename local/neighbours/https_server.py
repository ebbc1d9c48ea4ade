"""A threaded HTTPS server on loopback whose answers can be disrupted on purpose.

The application is a function from `Request` to `Answer`. An answer's `Disruption` says how the
server disrupts the answer, because only the server can reset or stall the connection.
"""

import contextlib
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

CHUNK = 64 * 1024
IDLE_SECONDS = 60.0
LARGEST_BODY = 4 * 1024 * 1024


@dataclass(frozen=True)
class Request:
    """An HTTP request. `path` is percent-encoded. `headers` finds a name in any case.

    `query` has the last value of each name. `query_string` is the whole query as the client sent
    the query.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Message
    body: bytes = field(repr=False)
    query_string: str = field(default="", repr=False)


@dataclass(frozen=True)
class Disruption:
    """A fault of an answer on the wire.

    The server waits `wait` seconds before the answer. `how` decides what the server does after
    `after_bytes` of the body (with None, the server sends the whole body):
    `reset`: the server sends a TCP reset.
    `close`: the server closes the connection.
    `stall`: the server waits `stall` seconds, and then sends the rest.
    With `silence` the server closes the connection before the status line. If the body is longer
    than `claimed_length`, the server sends `claimed_length` as the Content-Length, and only that
    many bytes of the body.
    """

    wait: float = 0.0
    after_bytes: int | None = None
    how: Literal["reset", "close", "stall", "silence"] = "close"
    stall: float = 0.0
    claimed_length: int | None = None


@dataclass(frozen=True)
class Answer:
    """An answer with a `body`, or with `length` bytes of `file` from `offset`.

    A file is sent at no more than `bytes_per_second`; 0 is no limit. Before each write, `sent` is
    called with the number of bytes. If the write fails, `sent` is called again with the negative
    number.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    file: Path | None = None
    offset: int = 0
    length: int = 0
    disruption: Disruption = Disruption()
    bytes_per_second: int = 0
    sent: Callable[[int], None] = field(default=lambda _: None, repr=False)


def json_answer(status: int, value: object, *headers: tuple[str, str]) -> Answer:
    """Return an answer whose body is `value` as compact JSON."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(status, (("Content-Type", "application/json;charset=UTF-8"), *headers), body)


def text_answer(status: int, content_type: str, body: bytes) -> Answer:
    """Return an answer with a body of any content type."""
    return Answer(status, (("Content-Type", content_type),), body)


class HttpsServer:
    """A server of `application` over TLS on 127.0.0.1. Port 0 stands for any free port."""

    def __init__(
        self, application: Callable[[Request], Answer], tls: ssl.SSLContext, port: int = 0
    ) -> None:
        """Bind the port.

        Raises:
            OSError: The port is taken.
        """
        self._server = _Server(("127.0.0.1", port), application, tls)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def port(self) -> int:
        """The port on which the server listens."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer requests, in other threads."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening, break off every answer, and wait for the threads to end."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.end_connections()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 64

    def __init__(
        self,
        address: tuple[str, int],
        application: Callable[[Request], Answer],
        tls: ssl.SSLContext,
    ) -> None:
        self.application = application
        self.closing = threading.Event()
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        plain, address = super().get_request()
        plain.settimeout(IDLE_SECONDS)
        # A client that sends nothing would block all other clients if the accepting thread did the
        # handshake. So the connection's own thread does the handshake.
        connection = self._tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._open.add(connection)
        return connection, address

    def close_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        if isinstance(request, socket.socket):
            with self._lock:
                self._open.discard(request)
        super().close_request(request)

    def end_connections(self) -> None:
        self.closing.set()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    # SSLSocket's own shutdown drops the TLS state that a reading thread still uses.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def handle_error(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        # An OSError usually means that the client closed the connection or doesn't trust the
        # certificate. Any other error is a bug of the stand-in.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "nginx"
    sys_version = ""

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_BODY or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._send(text_answer(413, "text/plain", b"request body too large or chunked\n"))
            return
        parts = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=parts.path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers=self.headers,
            body=self.rfile.read(length),
            query_string=parts.query,
        )
        self._send(self.server.application(request))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Log nothing, because a URL may contain a secret."""

    def _send(self, answer: Answer) -> None:
        disruption = answer.disruption
        self.server.closing.wait(disruption.wait)
        if disruption.how == "silence":
            self.close_connection = True
            return
        whole = answer.length if answer.file else len(answer.body)
        length = (
            whole if disruption.claimed_length is None else min(disruption.claimed_length, whole)
        )
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status not in {204, 304}:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command == "HEAD" or answer.status in {204, 304}:
            return
        stop = length if disruption.after_bytes is None else min(length, disruption.after_bytes)
        self._write(answer, 0, stop)
        if disruption.after_bytes is not None and self._break_off(disruption):
            return
        self._write(answer, stop, length)

    def _write(self, answer: Answer, start: int, end: int) -> None:
        """Send the bytes of the body from `start` up to, but not including, `end`."""
        if answer.file is None:
            self._write_chunk(answer, answer.body[start:end])
            return
        began = time.monotonic()
        with answer.file.open("rb") as file:
            file.seek(answer.offset + start)
            left = end - start
            while left > 0 and (chunk := file.read(min(CHUNK, left))):
                self._write_chunk(answer, chunk)
                left -= len(chunk)
                if answer.bytes_per_second:
                    due = began + (end - start - left) / answer.bytes_per_second
                    self.server.closing.wait(max(0.0, due - time.monotonic()))

    def _write_chunk(self, answer: Answer, chunk: bytes) -> None:
        # A client may read a counter as soon as the client has the bytes. So `sent` comes first.
        answer.sent(len(chunk))
        try:
            self.wfile.write(chunk)
        except OSError:
            answer.sent(-len(chunk))
            raise

    def _break_off(self, disruption: Disruption) -> bool:
        """Reset, close or stall the connection, and return whether the answer ends here."""
        if disruption.how == "stall":
            return self.server.closing.wait(disruption.stall)
        self.close_connection = True
        if disruption.how == "reset":
            # With a linger of zero, close() sends RST unless a FIN was sent before. socketserver
            # would send a FIN first, so this code closes the descriptor itself.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            os.close(self.connection.detach())
        elif isinstance(self.connection, ssl.SSLSocket):
            self.connection.settimeout(1.0)
            with contextlib.suppress(OSError):
                self.connection.unwrap()
        return True
