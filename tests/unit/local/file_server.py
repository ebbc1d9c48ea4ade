"""Files over HTTPS on loopback, and a throw-away authority: what an Opencast downloads from."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import trustme


class Tls(NamedTuple):
    """Paths of a certificate for 127.0.0.1, its key, and the authority to trust."""

    certificate: Path
    key: Path
    ca_bundle: Path


def make_tls(folder: Path) -> Tls:
    """A new authority and a certificate in this folder, named as a `--tls-dir` names them."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    tls = Tls(folder / "server.pem", folder / "server.key", folder / "ca.pem")
    issued.private_key_pem.write_to_path(tls.key)
    for blob in issued.cert_chain_pems:
        blob.write_to_path(tls.certificate, append=True)
    authority.cert_pem.write_to_path(tls.ca_bundle)
    return tls


class FileServer(ThreadingHTTPServer):
    """Answers with `files[path]`; any other path is 404.

    A path in `gates` says in `asked` that it was asked for, and waits for its gate.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.gates: dict[str, threading.Event] = {}
        self.asked = threading.Event()
        self.order: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        """The base address, without a slash at its end."""
        return f"https://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that don't trust the certificate hang up: that is what a test wants."""


class _Handler(BaseHTTPRequestHandler):
    server: FileServer
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        self.server.order.append(("begin", path))
        if path in self.server.gates:
            self.server.asked.set()
            self.server.gates[path].wait(5)
        content = self.server.files.get(path)
        self.send_response(404 if content is None else 200)
        for name, value in self.server.headers.get(path, {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.server.order.append(("end", path))
        self.wfile.write(content or b"")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the inherited name
        """Silent."""


@contextmanager
def serve_files(tls: Tls) -> Iterator[FileServer]:
    """A file server that listens for as long as the block lasts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    with FileServer() as server:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()
