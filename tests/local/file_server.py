"""A server of files over HTTPS on loopback, for Opencast to fetch."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from local.authority import Authority
from local.neighbours.https_server import Answer, HttpsServer, Request


class FileServer:
    """Server of `files[path]`; it answers 404 to any other path.

    A request for a path in `gates` sets `asked` and waits for its gate. `order` lists when each
    answer began and ended.
    """

    def __init__(self) -> None:
        self.url = ""
        self.files: dict[str, bytes] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.gates: dict[str, threading.Event] = {}
        self.asked = threading.Event()
        self.order: list[tuple[str, str]] = []

    def answer(self, request: Request) -> Answer:
        """Return the file at the request's path."""
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
    """Yield a file server that listens for as long as the block lasts."""
    files = FileServer()
    server = HttpsServer(files.answer, authority.ssl_context())
    server.start()
    files.url = f"https://127.0.0.1:{server.port}"
    try:
        yield files
    finally:
        server.close()
