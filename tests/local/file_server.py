"""A server on loopback with files that the Opencast stand-in fetches over HTTPS."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from local.authority import Authority
from local.neighbours.https_server import Answer, HttpsServer, Request


class FileServer:
    """A server that answers with `files[path]`, or with 404 to any other path.

    A request for a path in `gates` sets `asked`, and waits at most five seconds for the path's
    gate. `order` records the beginnings and ends of answers, earliest first.
    """

    def __init__(self) -> None:
        self.url = ""
        self.files: dict[str, bytes] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.gates: dict[str, threading.Event] = {}
        self.asked = threading.Event()
        self.order: list[tuple[str, str]] = []

    def answer(self, request: Request) -> Answer:
        """Wait for the gate of the request's path, if any, and return the path's file, or 404."""
        path = unquote(request.path)
        self.order.append(("begin", path))
        if path in self.gates:
            self.asked.set()
            self.gates[path].wait(5)
        self.order.append(("end", path))
        content = self.files.get(path)
        if content is None:
            return Answer(404)
        return Answer(200, tuple(self.headers.get(path, {}).items()), content)


@contextmanager
def serve_files(authority: Authority) -> Iterator[FileServer]:
    """Yield a file server that listens while the `with` block runs."""
    files = FileServer()
    server = HttpsServer(files.answer, authority.ssl_context())
    server.start()
    files.url = f"https://127.0.0.1:{server.port}"
    try:
        yield files
    finally:
        server.close()
