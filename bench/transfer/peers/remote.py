"""Run a stand-in in a separate process, so that the stand-in's CPU seconds count separately.

Only the separate process imports the stand-in. The process that starts a measured program has to
stay small, because the program's peak memory is at least the parent's peak memory.
"""

from __future__ import annotations

import multiprocessing
import pkgutil
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Self

from bench.transfer.peers.s3_settings import S3Object, S3Settings, S3Stats, S3Upload
from bench.transfer.peers.zoom_settings import ZoomSettings, ZoomStats
from local.authority import Authority


class RemotePeer:
    """The process of a stand-in, which ends at `close` or with this process."""

    kind: str
    """Module and class of the stand-in, as `module:class`."""

    def __init__(self, tls: Authority) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other_end = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(other_end, self.kind, tls), daemon=True
        )
        self._process.start()
        other_end.close()
        self.url, self.tls_url = self._pipe.recv()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process, and wait until the process has ended."""
        self._pipe.close()
        self._process.join()

    def call(self, method: str, *arguments: object) -> Any:
        """Call a method of the stand-in, and return the result."""
        self._pipe.send((method, arguments))
        return self._pipe.recv()


class RemoteZoom(RemotePeer):
    """A `ZoomPeer` in another process."""

    kind = "bench.transfer.peers.zoom:ZoomPeer"

    def configure(self, settings: ZoomSettings) -> None:
        self.call("configure", settings)

    def stats(self) -> ZoomStats:
        stats: ZoomStats = self.call("stats")
        return stats

    def sign(self, name: str, root: str) -> str:
        url: str = self.call("sign", name, root)
        return url


class RemoteS3(RemotePeer):
    """An `S3Peer` in another process."""

    kind = "bench.transfer.peers.s3:S3Peer"

    def configure(self, settings: S3Settings) -> None:
        self.call("configure", settings)

    def stats(self) -> S3Stats:
        stats: S3Stats = self.call("stats")
        return stats

    def objects(self) -> list[S3Object]:
        objects: list[S3Object] = self.call("objects")
        return objects

    def uploads(self) -> list[S3Upload]:
        uploads: list[S3Upload] = self.call("uploads")
        return uploads


def _serve(pipe: Connection, kind: str, tls: Authority) -> None:
    """Run a stand-in, and answer calls until the other end of the pipe is closed or ^C comes."""
    make = pkgutil.resolve_name(kind)
    with make(tls=tls.ssl_context()) as peer, suppress(EOFError, KeyboardInterrupt):
        pipe.send((peer.url, peer.tls_url))
        while True:
            method, arguments = pipe.recv()
            pipe.send(getattr(peer, method)(*arguments))
