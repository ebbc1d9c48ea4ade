"""The stand-in's wire: HTTPS/1.1 on loopback, requests to the API or to its own paths."""

import contextlib
import socket
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from local.neighbours.opencast_api import Answer, Api, Outcome, Request
from local.neighbours.opencast_control import MAX_BODY, Control
from local.neighbours.opencast_forms import CHUNK, BrokenBodyError, body_of
from local.neighbours.opencast_store import SeenRequest, Store

IDLE_SECONDS = 60


class Server(ThreadingHTTPServer):
    """Listens; each connection has a thread, which also does the handshake."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(
        self, address: tuple[str, int], tls: ssl.SSLContext, api: Api, store: Store
    ) -> None:
        """Raises OSError if the port is taken."""
        super().__init__(address, Handler)
        self.api, self.store, self.control = api, store, Control(store)
        # A client that is slow at its handshake, or speaks plain HTTP, must not hold up others.
        self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """A connection came to its end."""
        if isinstance(request, socket.socket):
            with self._lock:
                self._open.discard(request)
        super().shutdown_request(request)

    def opened(self, connection: socket.socket) -> None:
        """A connection began; `end_connections` will end it."""
        with self._lock:
            self._open.add(connection)

    def end_connections(self) -> None:
        """End what is still open: a client that kept its connection must find nobody there."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    # SSLSocket's own shutdown takes TLS away under a thread that is reading.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def handle_error(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any
    ) -> None:
        """Clients that go away or don't trust the certificate are their own affair."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection's requests."""

    protocol_version = "HTTP/1.1"
    server_version = "Jetty"
    sys_version = ""
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def _answer(self) -> None:
        split = urlsplit(self.path)
        path = unquote(split.path)
        body = body_of(self.headers, self.rfile)
        try:
            if path.startswith("/_"):
                status, document = self.server.control.answer(
                    self.command, path, body.read(MAX_BODY)
                )
                self._send(Answer(status, document, "application/json"))
                return
            query = dict(parse_qsl(split.query))
            request = Request(self.command, path, query, self.headers, body)
            outcome = self.server.api.outcome(request)
            while body.read(CHUNK):
                pass
        except BrokenBodyError:
            self.close_connection = True
            return
        self._note(path, outcome)
        if outcome.answer is None:
            self.close_connection = True
        else:
            self._send(outcome.answer)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the names http.server looks for

    def _note(self, path: str, outcome: Outcome) -> None:
        status = outcome.answer.status if outcome.answer else None
        seen = SeenRequest(method=self.command, path=path, status=status, user=outcome.user)
        with self.server.store.lock:
            self.server.store.requests.append(seen)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.body:
            self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the inherited name
        """Silent: `/_requests` is the log."""
