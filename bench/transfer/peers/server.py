"""The server of a stand-in, with a thread for each connection to the plain port or the TLS port."""

import contextlib
import resource
import socket
import ssl
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from typing import Self

from bench.transfer.peers.link import CONNECTION_BURST, LINK_BURST, LinkSettings, Pacer
from bench.transfer.peers.wire import Connection, ConnectionClosed, Request, prepare

HOST = "127.0.0.1"
BACKLOG = 512


class ConnectionCut(Exception):
    """Exception to break the connection off, by a TCP reset if `how` is `rst`, else by a FIN."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class Counts:
    """Counters since the last `configure`. Threads share the counters."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.kinds: Counter[str] = Counter()
        self.connections = 0
        self.bodies = 0
        self.most_bodies = 0
        self.body_bytes = 0
        self.cuts = 0
        self._cpu = _cpu_seconds()

    @property
    def cpu_s(self) -> float:
        """CPU seconds of this process since the counters began, user and system."""
        return round(_cpu_seconds() - self._cpu, 3)

    def tick(self, kind: str) -> int:
        """Count a request of a kind, and return the number of such requests so far."""
        with self.lock:
            self.kinds[kind] += 1
            return self.kinds[kind]

    @contextlib.contextmanager
    def sending(self, count: int) -> Iterator[int]:
        """Count `count` bytes of a body as sent, and yield the number of all bytes sent so far.

        The caller sends the bytes in the `with` block. The bytes are counted before the block, so
        a client that has received the bytes reads a count that includes them. After an error in the
        block the bytes no longer count.
        """
        with self.lock:
            self.body_bytes += count
            total = self.body_bytes
        try:
            yield total
        except BaseException:
            with self.lock:
                self.body_bytes -= count
            raise

    @contextlib.contextmanager
    def body(self) -> Iterator[None]:
        """Yield, and count a body as open until the end of the `with` block."""
        with self.lock:
            self.bodies += 1
            self.most_bodies = max(self.most_bodies, self.bodies)
        try:
            yield
        finally:
            with self.lock:
                self.bodies -= 1


class Server(ABC):
    """A server that listens from its creation until `close`, with a TLS port if `tls` is given."""

    def __init__(self, link: LinkSettings, tls: ssl.SSLContext | None) -> None:
        self.closing = threading.Event()
        self.restart(link)
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._listeners = [_listen() for _ in range(2 if tls else 1)]
        self._acceptors = [
            threading.Thread(target=self._accept, args=pair, daemon=True)
            for pair in zip(self._listeners, (None, tls), strict=False)
        ]
        for thread in self._acceptors:
            thread.start()

    @property
    def ports(self) -> tuple[int, ...]:
        """Numbers of the plain port and, if the server has TLS, of the TLS port."""
        return tuple(int(listener.getsockname()[1]) for listener in self._listeners)

    @property
    def url(self) -> str:
        """URL of the port for HTTP without TLS."""
        return f"http://{HOST}:{self.ports[0]}"

    @property
    def tls_url(self) -> str:
        """URL of the TLS port.

        Raises:
            ValueError: The server has no TLS port.
        """
        if len(self.ports) == 1:
            raise ValueError("This stand-in was given no certificate.")
        return f"https://{HOST}:{self.ports[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all connections and waits, and free the ports."""
        self.closing.set()
        for listener, thread in zip(self._listeners, self._acceptors, strict=True):
            with contextlib.suppress(OSError), socket.create_connection(listener.getsockname()):
                thread.join()
            listener.close()
        with self._lock:
            still = dict(self._open)
        for sock in still:
            with contextlib.suppress(OSError):
                # SSLSocket's own shutdown drops the TLS state that a reading thread still uses.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in still.values():
            thread.join()

    @abstractmethod
    def handle(self, connection: Connection, request: Request) -> bool:
        """Answer a request, and return whether the connection stays open.

        Raises:
            ConnectionCut: A fault breaks the connection off.
            ConnectionClosed: The client closed the connection, or sent a malformed body.
        """

    def restart(self, link: LinkSettings) -> None:
        """Reset the counters, and set the limits and delays of `link`."""
        self._link = link
        self._shared = Pacer(link.link_mbps, LINK_BURST, self.closing.wait)
        self.counts = Counts()

    def pause(self, milliseconds: float) -> None:
        """Wait until `milliseconds` have passed or the server closes."""
        if milliseconds:
            self.closing.wait(milliseconds / 1000)

    def _accept(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        while True:
            sock, _ = listener.accept()
            if self.closing.is_set():
                sock.close()
                return
            prepare(sock, is_paced=self._link.is_paced)
            if tls:
                # A slow client blocks the handshake. So each connection's thread does the
                # handshake, not this thread.
                sock = tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            with self._lock:
                self._open[sock] = thread
                thread.start()

    def _serve(self, sock: socket.socket) -> None:
        connection = Connection(sock)
        try:
            self.pause(self._link.accept_latency_ms)
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            with self.counts.lock:
                self.counts.connections += 1
            while self._answer_next(connection):
                pass
        except ConnectionCut as error:
            with self.counts.lock:
                self.counts.cuts += 1
            if error.how == "rst":
                connection.reset()
            else:
                connection.finish()
        except (OSError, ConnectionClosed):
            # The client or `close` ended the connection, the connection was idle for too long, or
            # the client sent no valid TLS or HTTP.
            pass
        finally:
            sock.close()
            with self._lock:
                self._open.pop(sock, None)

    def _answer_next(self, connection: Connection) -> bool:
        request = connection.request()
        if request is None:
            return False
        self._set_pacers(connection)
        stays = self.handle(connection, request)
        return stays and request.headers.get("connection", "").lower() != "close"

    def _set_pacers(self, connection: Connection) -> None:
        """Give a connection the current speed limits of the server."""
        if self._shared not in connection.pacers and self._link.is_paced:
            own = Pacer(self._link.conn_mbps, CONNECTION_BURST, self.closing.wait)
            connection.pacers = (self._shared, own)
        elif not self._link.is_paced:
            connection.pacers = ()


def _listen() -> socket.socket:
    listener = socket.socket()
    listener.bind((HOST, 0))
    listener.listen(BACKLOG)
    return listener


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
