"""Run a stand-in as a separate process, so that its CPU seconds aren't those of the program.

The process prints its ports as one line of JSON, and runs until its standard input is closed.
"""

import argparse
import http.client
import json
import ssl
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self, TypeVar

import msgspec

from bench.transfer.peers.s3_settings import S3Object, S3Settings, S3Stats, S3Upload
from bench.transfer.peers.server import CONTROL, HOST, Server
from bench.transfer.peers.zoom_settings import ZoomSettings, ZoomStats
from local.authority import Authority

ANSWER_SECONDS = 60
Settings = TypeVar("Settings")
Asked = TypeVar("Asked")


class PeerFailed(Exception):
    """The process of a stand-in ended, or refused a request."""


def run_peer(
    make: Callable[..., Server],
    settings_type: type[Settings],
    description: str,
    arguments: Sequence[str],
) -> int:
    """Run a stand-in until the end of standard input or ^C."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=0, help="of plain HTTP; 0 takes any")
    parser.add_argument("--tls-port", type=int, default=0, help="of HTTPS; 0 takes any")
    parser.add_argument("--certificate", type=Path, help="PEM; without it there is no HTTPS")
    parser.add_argument("--key", type=Path, help="PEM, of the certificate")
    parser.add_argument("--settings", default="{}", help="JSON")
    options = parser.parse_args(arguments)
    tls = None
    if options.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.certificate, options.key)
    settings = msgspec.json.decode(options.settings, type=settings_type)
    with make(settings, tls, port=options.port, tls_port=options.tls_port) as peer:
        print(json.dumps({"ports": peer.ports}), flush=True)
        try:
            while sys.stdin.buffer.read(4096):
                pass
        except KeyboardInterrupt:
            pass
    return 0


class RemotePeer:
    """The process of a stand-in, from its creation until `close`."""

    def __init__(self, module: str, tls: Authority) -> None:
        files = ["--certificate", str(tls.certificate), "--key", str(tls.key)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"bench.transfer.peers.{module}", *files],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        line = self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            raise PeerFailed(f"The stand-in for {module} didn't start.")
        self._ports: list[int] = json.loads(line)["ports"]

    @property
    def url(self) -> str:
        """URL of the plain port."""
        return f"http://{HOST}:{self._ports[0]}"

    @property
    def tls_url(self) -> str:
        """URL of the TLS port."""
        return f"https://{HOST}:{self._ports[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def ask(self, path: str, kind: type[Asked]) -> Asked:
        """Get a value from the control interface."""
        return msgspec.json.decode(self._call("GET", path, b""), type=kind)

    def tell(self, path: str, settings: object) -> None:
        """Post settings to the control interface."""
        self._call("POST", path, msgspec.json.encode(settings))

    def _call(self, method: str, path: str, body: bytes) -> bytes:
        connection = http.client.HTTPConnection(HOST, self._ports[0], timeout=ANSWER_SECONDS)
        try:
            connection.request(method, f"{CONTROL}{path}", body)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise PeerFailed(f"A stand-in doesn't answer ({type(error).__name__}).") from error
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise PeerFailed(f"A stand-in answered {response.status} to {path}.")
        return answer


class RemoteZoom(RemotePeer):
    """A `ZoomPeer` in another process."""

    def __init__(self, tls: Authority) -> None:
        super().__init__("zoom", tls)

    def configure(self, settings: ZoomSettings) -> None:
        self.tell("config", settings)

    def stats(self) -> ZoomStats:
        return self.ask("stats", ZoomStats)


class RemoteS3(RemotePeer):
    """An `S3Peer` in another process."""

    def __init__(self, tls: Authority) -> None:
        super().__init__("s3", tls)

    def configure(self, settings: S3Settings) -> None:
        self.tell("config", settings)

    def stats(self) -> S3Stats:
        return self.ask("stats", S3Stats)

    def objects(self) -> list[S3Object]:
        return self.ask("objects", list[S3Object])

    def uploads(self) -> list[S3Upload]:
        return self.ask("uploads", list[S3Upload])
