"""A peer's server: a plain and a TLS port on loopback, a thread for each connection, and counters.

What a request means is a subclass's business. Requests below `/_ctl/` on either port are for
whoever measures: settings in, statistics out, as JSON.
"""

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
from bench.transfer.peers.wire import Connection, Gone, Request, prepare

HOST = "127.0.0.1"
CONTROL = "/_ctl/"
BACKLOG = 512


class Cut(Exception):
    """The connection is broken off on purpose: by a reset if `how` is `rst`, else in order."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class Counts:
    """What a peer counts since its last `configure`; threads share it."""

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
        """CPU seconds of this whole process, user and system."""
        return round(_cpu_seconds() - self._cpu, 3)

    def tick(self, kind: str) -> int:
        """Counts a request; gives its number among those of its kind, from 1."""
        with self.lock:
            self.kinds[kind] += 1
            return self.kinds[kind]

    @contextlib.contextmanager
    def body(self) -> Iterator[None]:
        """While a body is under way."""
        with self.lock:
            self.bodies += 1
            self.most_bodies = max(self.most_bodies, self.bodies)
        try:
            yield
        finally:
            with self.lock:
                self.bodies -= 1


class Server(ABC):
    """Answers from the moment it is made until it is closed; `with` closes it.

    Without `tls` there is no TLS port. Port 0 takes any that is free.
    """

    def __init__(
        self, link: LinkSettings, tls: ssl.SSLContext | None, port: int = 0, tls_port: int = 0
    ) -> None:
        self.closing = threading.Event()
        self.counts = Counts()
        self._set_link(link)
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._listeners = [_listen(port)]
        if tls:
            self._listeners.append(_listen(tls_port))
        self._acceptors = [
            threading.Thread(target=self._accept, args=pair, daemon=True)
            for pair in zip(self._listeners, (None, tls), strict=False)
        ]
        for thread in self._acceptors:
            thread.start()

    @property
    def ports(self) -> tuple[int, ...]:
        """The plain port, and TLS's if there is one."""
        return tuple(int(listener.getsockname()[1]) for listener in self._listeners)

    @property
    def url(self) -> str:
        """Where plain HTTP is spoken."""
        return f"http://{HOST}:{self.ports[0]}"

    @property
    def tls_url(self) -> str:
        """Where HTTPS is spoken."""
        if len(self.ports) == 1:
            raise ValueError("This peer was given no certificate.")
        return f"https://{HOST}:{self.ports[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends every connection, waits included, and gives the ports back."""
        self.closing.set()
        for listener, thread in zip(self._listeners, self._acceptors, strict=True):
            with contextlib.suppress(OSError), socket.create_connection(listener.getsockname()):
                thread.join()
            listener.close()
        with self._lock:
            still = dict(self._open)
        for sock in still:
            with contextlib.suppress(OSError):
                # SSLSocket's own shutdown takes TLS away under a thread that is reading.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in still.values():
            thread.join()

    @abstractmethod
    def handle(self, connection: Connection, request: Request) -> bool:
        """Answers a request. False to close the connection; raises Cut to break it off."""

    @abstractmethod
    def control(self, path: str, body: bytes) -> bytes | None:
        """Answers what is asked below `/_ctl/` with JSON; None if there is no such thing."""

    def restart(self, link: LinkSettings) -> None:
        """Counts anew, at another speed."""
        self._set_link(link)
        self.counts = Counts()

    def pause(self, milliseconds: float) -> None:
        """Waits, unless the server is closed."""
        if milliseconds:
            self.closing.wait(milliseconds / 1000)

    def _set_link(self, link: LinkSettings) -> None:
        self._link = link
        self._shared = Pacer(link.link_mbps, LINK_BURST, self.closing.wait)

    def _accept(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        while True:
            sock, _ = listener.accept()
            if self.closing.is_set():
                sock.close()
                return
            prepare(sock, is_paced=self._link.is_paced)
            if tls:
                # Without the handshake, which belongs in the connection's own thread.
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
        except Cut as cut:
            with self.counts.lock:
                self.counts.cuts += 1
            if cut.how == "rst":
                connection.reset()
            else:
                connection.finish()
        except (OSError, Gone):
            # The client went away, or was never one of ours.
            pass
        finally:
            sock.close()
            with self._lock:
                self._open.pop(sock, None)

    def _answer_next(self, connection: Connection) -> bool:
        request = connection.request()
        if request is None:
            return False
        self._pace(connection)
        if not request.path.startswith(CONTROL):
            stays = self.handle(connection, request)
            return stays and request.headers.get("connection", "").lower() != "close"
        body = connection.read(int(request.headers.get("content-length", "0")))
        answer = self.control(request.path.removeprefix(CONTROL), body)
        kind = {"Content-Type": "application/json"}
        connection.answer(404 if answer is None else 200, kind, answer or b"")
        return True

    def _pace(self, connection: Connection) -> None:
        """Gives a connection the pacers of the settings that hold now."""
        if self._shared not in connection.pacers and self._link.is_paced:
            own = Pacer(self._link.conn_mbps, CONNECTION_BURST, self.closing.wait)
            connection.pacers = (self._shared, own)
        elif not self._link.is_paced:
            connection.pacers = ()


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen(BACKLOG)
    return listener


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
