"""A fake Zoom: `/rec/download/<name>` redirects to `/cdn/<name>.mp4?sig=…`, which has the file.

As Zoom does it answers 200 with a page of HTML to who shows no token (Zoom's developer forum), and
its CDN knows ranges, validators and signatures that expire (RFC 9110, sections 13 and 14).

    python -m bench.transfer.peers.zoom --port 8080 --settings '{"files": {"talk": 1000000}}'
"""

from __future__ import annotations

import ssl
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from bench.transfer.peers.content import Content, Generated
from bench.transfer.peers.program import run_peer
from bench.transfer.peers.server import Counts, Cut, Server
from bench.transfer.peers.wire import PACED_STEP, Connection, Request
from bench.transfer.peers.zoom_files import Files, Selection, retold, select, shifted
from bench.transfer.peers.zoom_settings import Seen, ZoomFault, ZoomSettings, ZoomStats
from bench.transfer.peers.zoom_trouble import OF_BODIES, OpenBody, Trouble

REC = "/rec/download/"
CDN = "/cdn/"
SEEN = 10_000


@dataclass(frozen=True)
class Tally:
    """Where an answer is counted, also when `configure` begins anew in the middle of it."""

    counts: Counts
    trouble: Trouble


class ZoomPeer(Server):
    """Runs from the moment it is made until `close`; `with` closes it."""

    def __init__(
        self,
        settings: ZoomSettings | None = None,
        tls: ssl.SSLContext | None = None,
        *,
        port: int = 0,
        tls_port: int = 0,
    ) -> None:
        self._begin(settings or ZoomSettings(), None)
        super().__init__(self.settings, tls, port, tls_port)

    def configure(self, settings: ZoomSettings, *, anew: bool = True) -> None:
        """Other settings from the next request on; counters and faults begin anew.

        Files and versions do so too, unless `anew` is False. Addresses expire in any case.
        """
        self._files.expire()
        self._begin(settings, None if anew else self._files)
        self.restart(settings)

    def content(self, name: str) -> Content:
        """What a file holds now. KeyError if there is none of this name."""
        return self._files.content(name)

    def change(self, size: int | None = None) -> None:
        """From the next request on all files are another version, of `size` bytes if that is
        said."""
        self._files.change(size)

    def versions(self, name: str) -> list[Generated]:
        """What a generated file held and holds, the oldest first. KeyError if there is none."""
        return self._files.versions(name)

    def stats(self) -> ZoomStats:
        """What was counted since `configure`."""
        counts = self.counts
        with counts.lock:
            return ZoomStats(
                requests=dict(counts.kinds),
                body_bytes=counts.body_bytes,
                connections=counts.connections,
                most_bodies=counts.most_bodies,
                cuts=counts.cuts,
                cpu_s=counts.cpu_s,
            )

    def seen(self) -> list[Seen]:
        """The requests since `configure`, in the order in which they came."""
        return list(self._seen)

    def download_url(self, name: str, *, tls: bool = False) -> str:
        """The address that Zoom's API would tell of a file."""
        return f"{self.tls_url if tls else self.url}{REC}{name}"

    def control(self, path: str, body: bytes) -> bytes | None:
        """See Server."""
        match path:
            case "config":
                self.configure(msgspec.json.decode(body, type=ZoomSettings))
                return b"{}"
            case "stats":
                return msgspec.json.encode(self.stats())
            case "seen":
                return msgspec.json.encode(self.seen())
        return None

    def handle(self, connection: Connection, request: Request) -> bool:
        """See Server."""
        self._remember(request)
        self.pause(self.settings.latency_ms)
        if request.method not in {"GET", "HEAD"}:
            connection.answer(405)
            return False
        if request.path.startswith(REC):
            return self._redirect(connection, request)
        if request.path.startswith(CDN):
            return self._hand_out(connection, request)
        connection.answer(404)
        return True

    def _begin(self, settings: ZoomSettings, files: Files | None) -> None:
        self.settings = settings
        self._files = files or Files(settings)
        self._trouble = Trouble(settings.faults)
        self._seen: list[Seen] = []

    def _remember(self, request: Request) -> None:
        if len(self._seen) < SEEN:
            headers = request.headers
            self._seen.append(
                Seen(
                    method=request.method,
                    path=request.path,
                    range=headers.get("range", ""),
                    if_range=headers.get("if-range", ""),
                    authorized="authorization" in headers,
                )
            )

    def _redirect(self, connection: Connection, request: Request) -> bool:
        is_get = request.method == "GET"
        self.counts.tick("rec" if is_get else "rec_head")
        if is_get:
            for fault in self._trouble.at_request("rec"):
                if fault.what in OF_BODIES:
                    self._break_off(fault)
                if self._spoil(connection, fault):
                    return True
        if request.headers.get("authorization") != f"Bearer {self.settings.token}":
            page = b"<html>This recording does not exist.</html>" if is_get else b""
            connection.answer(200, {"Content-Type": "text/html"}, page)
            return True
        name = request.path.removeprefix(REC)
        if name not in self._files:
            connection.answer(404)
            return True
        root = self.tls_url if connection.is_tls else self.url
        location = f"{root}{CDN}{name}.mp4?sig={self._files.sign()}"
        connection.answer(302, {"Location": location})
        return True

    def _hand_out(self, connection: Connection, request: Request) -> bool:
        tally = Tally(self.counts, self._trouble)
        is_get = request.method == "GET"
        kind = "cdn_range" if "range" in request.headers else "cdn"
        tally.counts.tick(kind if is_get else "cdn_head")
        faults = tally.trouble.at_request("cdn") if is_get else []
        if any(self._spoil(connection, fault) for fault in faults):
            return True
        cut = next((fault for fault in faults if fault.what in OF_BODIES), None)
        if cut and cut.after == -1:
            self._break_off(cut)
        name = request.path.removeprefix(CDN).removesuffix(".mp4")
        if name not in self._files or not self._files.is_good(request.query.get("sig", "")):
            connection.answer(403, {"Content-Type": "application/xml"})
            return True
        content = self._files.content(name)
        chosen = self._chosen(content, name, request, faults)
        if not is_get or chosen.status == 416:
            connection.answer(chosen.status, chosen.headers, length=chosen.length)
            return True
        return self._send(connection, content, chosen, cut, tally)

    def _chosen(
        self, content: Content, name: str, request: Request, faults: Sequence[ZoomFault]
    ) -> Selection:
        """What an answer holds, and what it tells of that."""
        settings, asked = self.settings, request.headers
        for fault in faults:
            if fault.what == "whole":
                settings = replace(settings, ranges=False)
            elif fault.what == "shifted":
                asked = shifted(asked, 1 if fault.after is None else fault.after)
        chosen = select(content, name, asked, settings)
        for fault in faults:
            if fault.what == "headers":
                chosen = retold(chosen, fault.headers, content.size)
        return chosen

    def _spoil(self, connection: Connection, fault: ZoomFault) -> bool:
        """Does what a fault says, short of breaking off. True if the answer is sent with that."""
        match fault.what:
            case "expired":
                self._files.expire()
            case "changed":
                self._files.change(fault.size)
            case "empty":
                connection.answer(200, {"Content-Type": "video/mp4"})
                return True
            case "status":
                headers = {"Content-Type": fault.content_type}
                if fault.retry_after:
                    headers["Retry-After"] = fault.retry_after
                connection.answer(fault.status, headers, fault.body.encode())
                return True
        return False

    def _send(
        self,
        connection: Connection,
        content: Content,
        chosen: Selection,
        cut: ZoomFault | None,
        tally: Tally,
    ) -> bool:
        length = chosen.length
        told = length if chosen.told is None else chosen.told
        headers: Mapping[str, str] = chosen.headers
        if not self.settings.content_length:
            told, headers = -1, {**headers, "Connection": "close"}
        connection.answer(chosen.status, headers, length=told)
        if cut:
            length = min(length, length // 2 if cut.after is None else cut.after)
        with tally.counts.body(), tally.trouble.body() as body:
            for view in content.views(chosen.offset, length):
                self._send_piece(connection, view, body, tally)
        if cut:
            self._break_off(cut)
        return told == chosen.length

    def _send_piece(
        self, connection: Connection, view: memoryview, body: OpenBody, tally: Tally
    ) -> None:
        counts, trouble = tally.counts, tally.trouble
        while view:
            step = connection.step
            left = trouble.before_next(counts.body_bytes)
            if left is not None:
                step = max(1, min(PACED_STEP, left))
            piece, view = view[:step], view[step:]
            connection.pace(len(piece))
            connection.sock.sendall(piece)
            with counts.lock:
                counts.body_bytes += len(piece)
                total = counts.body_bytes
            for fault in trouble.at_total(total):
                self._spoil(connection, fault)
            if body.cut:
                self._break_off(body.cut)

    def _break_off(self, fault: ZoomFault) -> None:
        if fault.what == "stall":
            self.closing.wait(fault.seconds)
        raise Cut(fault.what)


if __name__ == "__main__":
    sys.exit(run_peer(ZoomPeer, ZoomSettings, "A fake Zoom download host.", sys.argv[1:]))
