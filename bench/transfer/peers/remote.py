"""The peers as processes of their own, with the same calls as those in this process."""

import http.client
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Self, TypeVar

import msgspec

from bench.transfer.peers.s3_settings import S3Object, S3Settings, S3Stats, S3Upload
from bench.transfer.peers.server import CONTROL, HOST
from bench.transfer.peers.zoom_settings import Seen, ZoomSettings, ZoomStats
from local.authority import Authority

ANSWER_SECONDS = 60
Told = TypeVar("Told")


class PeerFailed(Exception):
    """A peer's process ended, or refused a setting."""


class RemotePeer:
    """A process of its own until `close`; `with` closes it. It ends with this process as well."""

    def __init__(self, module: str, tls: Authority) -> None:
        files = ["--certificate", str(tls.certificate), "--key", str(tls.key)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"bench.transfer.peers.{module}", *files],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        line = self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            raise PeerFailed(f"The fake {module} didn't start.")
        self._ports: list[int] = json.loads(line)["ports"]

    @property
    def url(self) -> str:
        """Where plain HTTP is spoken."""
        return f"http://{HOST}:{self._ports[0]}"

    @property
    def tls_url(self) -> str:
        """Where HTTPS is spoken."""
        return f"https://{HOST}:{self._ports[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()

    def ask(self, path: str, told: type[Told]) -> Told:
        """Asks for something that the peer knows."""
        return msgspec.json.decode(self._call("GET", path, b""), type=told)

    def tell(self, path: str, settings: object) -> None:
        """Hands over settings."""
        self._call("POST", path, msgspec.json.encode(settings))

    def _call(self, method: str, path: str, body: bytes) -> bytes:
        connection = http.client.HTTPConnection(HOST, self._ports[0], timeout=ANSWER_SECONDS)
        try:
            connection.request(method, f"{CONTROL}{path}", body)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise PeerFailed(f"A peer doesn't answer ({type(error).__name__}).") from error
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise PeerFailed(f"A peer answered {response.status} to {path}.")
        return answer


class RemoteZoom(RemotePeer):
    """See ZoomPeer."""

    def __init__(self, tls: Authority) -> None:
        super().__init__("zoom", tls)

    def configure(self, settings: ZoomSettings) -> None:
        """See ZoomPeer."""
        self.tell("config", settings)

    def stats(self) -> ZoomStats:
        """See ZoomPeer."""
        return self.ask("stats", ZoomStats)

    def seen(self) -> list[Seen]:
        """See ZoomPeer."""
        return self.ask("seen", list[Seen])


class RemoteS3(RemotePeer):
    """See S3Peer."""

    def __init__(self, tls: Authority) -> None:
        super().__init__("s3", tls)

    def configure(self, settings: S3Settings, *, empty: bool = True) -> None:
        """See S3Peer."""
        self.tell("config" if empty else "config/keep", settings)

    def stats(self) -> S3Stats:
        """See S3Peer."""
        return self.ask("stats", S3Stats)

    def objects(self) -> list[S3Object]:
        """See S3Peer."""
        return self.ask("objects", list[S3Object])

    def uploads(self) -> list[S3Upload]:
        """See S3Peer."""
        return self.ask("uploads", list[S3Upload])


@dataclass(frozen=True)
class Peers:
    """Both of them."""

    zoom: RemoteZoom
    s3: RemoteS3
