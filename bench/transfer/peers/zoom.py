"""A stand-in for Zoom's download host.

`/rec/download/<name>` redirects to `/cdn/<name>.mp4?sig=…`.
As at Zoom (`ingester.zoom.download`), a request for `/rec/download/…` without the token gets 200
and an HTML page, and URLs of the CDN can expire.
`local.neighbours.zoom` is the stand-in for Zoom in the local stack. The stand-in of this module
generates its files, limits its speed and breaks answers off at an exact byte, as measurements need.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bench.transfer.peers.content import Generated
from bench.transfer.peers.server import ConnectionCut, Counts, Server
from bench.transfer.peers.wire import PACED_STEP, Connection, Request
from bench.transfer.peers.zoom_faults import FaultSchedule, OpenBody
from bench.transfer.peers.zoom_files import Files, Selection, replace_headers, select, shift_range
from bench.transfer.peers.zoom_settings import ZoomFault, ZoomSettings, ZoomStats

REC = "/rec/download/"
CDN = "/cdn/"


@dataclass(frozen=True)
class Tally:
    """The counters and faults that one answer uses, even if `configure` is called meanwhile.

    `configure` retires the faults, which then don't happen any more.
    """

    counts: Counts
    faults: FaultSchedule


class ZoomPeer(Server):
    """The Zoom stand-in, which listens from its creation until `close`."""

    def __init__(
        self,
        settings: ZoomSettings | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._files = Files(settings or ZoomSettings())
        self._begin(settings or ZoomSettings())
        super().__init__(self.settings, tls)

    def configure(self, settings: ZoomSettings, *, replace_files: bool = True) -> None:
        """Change the settings, reset counters and faults, and expire all URLs.

        `replace_files` also replaces the files.
        """
        self._faults.retire()
        self._files.expire()
        if replace_files:
            self._files.replace(settings)
        # Between the two calls, a request meets new counters and the retired faults.
        self.restart(settings)
        self._begin(settings)

    def content(self, name: str) -> Generated:
        """Return the current version of a file.

        Raises:
            KeyError: No file has the name.
        """
        return self.versions(name)[-1]

    def change(self, size: int | None = None) -> None:
        """Give all files a new version of `size` bytes. With None, the sizes stay."""
        self._files.change(size)

    def versions(self, name: str) -> list[Generated]:
        """Return all versions of a file, the oldest first.

        Raises:
            KeyError: No file has the name.
        """
        return self._files.versions(name)

    def stats(self) -> ZoomStats:
        """Return the counters since `configure`."""
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

    def sign(self, name: str, root: str) -> str:
        """Return a new CDN URL of a file. `root` is the URL of either port."""
        return f"{root}{CDN}{name}.mp4?sig={self._files.sign()}"

    def download_url(self, name: str, *, tls: bool = False) -> str:
        """Return the URL that Zoom's API would return for a file.

        Raises:
            ValueError: `tls` is given, but the stand-in has no TLS port.
        """
        return f"{self.tls_url if tls else self.url}{REC}{name}"

    def handle(self, connection: Connection, request: Request) -> bool:
        self.pause(self.settings.latency_ms)
        if request.method != "GET":
            connection.answer(405)
            return False
        if request.path.startswith(REC):
            return self._redirect(connection, request)
        if request.path.startswith(CDN):
            return self._serve_file(connection, request)
        connection.answer(404)
        return True

    def _begin(self, settings: ZoomSettings) -> None:
        self.settings = settings
        self._faults = FaultSchedule(settings.faults)

    def _redirect(self, connection: Connection, request: Request) -> bool:
        self.counts.tick("rec")
        for fault in self._faults.at_request("rec"):
            if fault.breaks_off:
                self._break_off(fault)
            if self._apply_fault(connection, fault):
                return True
        if request.headers.get("authorization") != f"Bearer {self.settings.token}":
            page = b"<html>This recording does not exist.</html>"
            connection.answer(200, {"Content-Type": "text/html"}, page)
            return True
        name = request.path.removeprefix(REC)
        if name not in self._files:
            connection.answer(404)
            return True
        root = self.tls_url if connection.is_tls else self.url
        connection.answer(302, {"Location": self.sign(name, root)})
        return True

    def _serve_file(self, connection: Connection, request: Request) -> bool:
        tally = Tally(self.counts, self._faults)
        tally.counts.tick("cdn_range" if "range" in request.headers else "cdn")
        faults = tally.faults.at_request("cdn")
        if any(self._apply_fault(connection, fault) for fault in faults):
            return True
        cut = next((fault for fault in faults if fault.breaks_off), None)
        if cut and cut.after == -1:
            self._break_off(cut)
        name = request.path.removeprefix(CDN).removesuffix(".mp4")
        if name not in self._files or not self._files.is_valid(request.query.get("sig", "")):
            connection.answer(403, {"Content-Type": "application/xml"})
            return True
        content = self.content(name)
        selection = self._select(content, name, request, faults)
        if selection.status == 416:
            connection.answer(416, selection.headers)
            return True
        return self._send(connection, content, selection, cut, tally)

    def _select(
        self, content: Generated, name: str, request: Request, faults: Sequence[ZoomFault]
    ) -> Selection:
        """Return the range of the file that the answer contains, changed by faults."""
        settings, request_headers = self.settings, request.headers
        for fault in faults:
            if fault.kind == "whole":
                settings = replace(settings, ranges=False)
            elif fault.kind == "shifted":
                count = 1 if fault.after is None else fault.after
                request_headers = shift_range(request_headers, count)
        selection = select(content, name, request_headers, settings)
        for fault in faults:
            if fault.kind == "headers":
                selection = replace_headers(selection, fault.headers, content.size)
        return selection

    def _apply_fault(self, connection: Connection, fault: ZoomFault) -> bool:
        """Cause a fault, and return whether the fault sent an answer.

        Only the kinds `expired`, `changed`, `empty` and `status` have an effect here.
        """
        match fault.kind:
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
        content: Generated,
        selection: Selection,
        cut: ZoomFault | None,
        tally: Tally,
    ) -> bool:
        length = selection.length
        content_length = length if selection.content_length is None else selection.content_length
        headers: Mapping[str, str] = selection.headers
        if not self.settings.content_length:
            content_length, headers = -1, {**headers, "Connection": "close"}
        connection.answer(selection.status, headers, length=content_length)
        if cut:
            length = min(length, length // 2 if cut.after is None else cut.after)
        with tally.counts.body(), tally.faults.body() as body:
            for view in content.views(selection.offset, length):
                self._send_view(connection, view, body, tally)
        if cut:
            self._break_off(cut)
        return content_length == selection.length

    def _send_view(
        self, connection: Connection, view: memoryview, body: OpenBody, tally: Tally
    ) -> None:
        counts, faults = tally.counts, tally.faults
        while view:
            step = connection.step
            left = faults.before_next(counts.body_bytes)
            if left is not None:
                step = max(1, min(PACED_STEP, left))
            piece, view = view[:step], view[step:]
            connection.pace(len(piece))
            with counts.sending(len(piece)) as total:
                # The client may go on as soon as the client has the bytes. So faults come first.
                faults.at_total(total, lambda fault: self._apply_fault(connection, fault))
                connection.sock.sendall(piece)
            if body.cut:
                self._break_off(body.cut)

    def _break_off(self, fault: ZoomFault) -> None:
        if fault.kind == "stall":
            self.closing.wait(fault.seconds)
        raise ConnectionCut(fault.kind)
