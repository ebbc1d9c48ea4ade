"""A fake S3 on loopback, path style, with one bucket: multipart uploads as strict as S3's.

python -m bench.transfer.peers.s3 --port 8081 --settings '{"mode": "discard"}'
"""

import ssl
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import unquote

import msgspec

from bench.transfer.peers import s3_signature
from bench.transfer.peers.program import run_peer
from bench.transfer.peers.s3_body import Taken, take
from bench.transfer.peers.s3_errors import S3Error
from bench.transfer.peers.s3_operations import XML, Answer, Call, Operations, operation_of
from bench.transfer.peers.s3_settings import S3Fault, S3Object, S3Settings, S3Stats, S3Upload
from bench.transfer.peers.s3_store import Store
from bench.transfer.peers.s3_xml import error_document
from bench.transfer.peers.server import Cut, Server
from bench.transfer.peers.wire import Connection, Request

WITH_BYTES = frozenset({"UploadPart", "PutObject"})
NOTHING = Taken(0, None, b"", "", b"", {})


class S3Peer(Server):
    """Runs from the moment it is made until `close`; `with` closes it."""

    def __init__(
        self,
        settings: S3Settings | None = None,
        tls: ssl.SSLContext | None = None,
        *,
        port: int = 0,
        tls_port: int = 0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._now = now
        self._begin(settings or S3Settings(), Store())
        super().__init__(self.settings, tls, port, tls_port)

    def configure(self, settings: S3Settings, *, empty: bool = True) -> None:
        """Other settings from the next request on; counters and faults begin anew.

        The bucket is emptied, unless `empty` is False.
        """
        self._begin(settings, Store() if empty else self._store)
        self.restart(settings)

    def stats(self) -> S3Stats:
        """What was counted since `configure`."""
        counts, uploads = self.counts, self.uploads()
        with counts.lock, self._rejecting:
            return S3Stats(
                operations=dict(counts.kinds),
                rejected=dict(self._rejected),
                body_bytes=counts.body_bytes,
                connections=counts.connections,
                most_bodies=counts.most_bodies,
                cuts=counts.cuts,
                open_uploads=len(uploads),
                open_bytes=sum(part.size for upload in uploads for part in upload.parts),
                cpu_s=counts.cpu_s,
            )

    def objects(self) -> list[S3Object]:
        """The objects, by key."""
        return self._store.told()

    def uploads(self) -> list[S3Upload]:
        """The open uploads, by key and then by age."""
        return self._store.told_uploads()

    def body(self, key: str) -> bytes:
        """An object's bytes, which only the mode `keep` has. S3Error if there is none."""
        return b"".join(piece.data for piece in self._store.object(key).pieces)

    def control(self, path: str, body: bytes) -> bytes | None:
        """See Server."""
        match path:
            case "config" | "config/keep":
                settings = msgspec.json.decode(body, type=S3Settings)
                self.configure(settings, empty=path == "config")
                return b"{}"
            case "stats":
                return msgspec.json.encode(self.stats())
            case "objects":
                return msgspec.json.encode(self.objects())
            case "uploads":
                return msgspec.json.encode(self.uploads())
        return None

    def handle(self, connection: Connection, request: Request) -> bool:
        """See Server."""
        bucket, _, key = unquote(request.path.removeprefix("/")).partition("/")
        operation = operation_of(request.method, key, request.query)
        number = self.counts.tick(operation or "unknown")
        fault = next((one for one in self.settings.faults if one.hits(operation, number)), None)
        is_read = not {"content-length", "transfer-encoding"} & set(request.headers)
        try:
            self._happen(fault, "before")
            if not operation:
                raise S3Error(501, "NotImplemented", "This operation isn't spoken here.")
            s3_signature.check(request, self.settings.credentials, now=self._now())
            if bucket != self.settings.bucket:
                raise S3Error(404, "NoSuchBucket", "The specified bucket does not exist")
            taken = NOTHING if is_read else self._take(connection, request, operation, fault)
            is_read = True
            self.pause(self.settings.latency_ms)
            self._happen(fault, "after")
            call = Call(key, request.query, request.headers, taken, self._now())
            answer = self._operations.run(operation, call)
            self._happen(fault, "done")
        except S3Error as error:
            return self._refuse(connection, request, error, is_read=is_read)
        self._send(connection, answer, is_head=request.method == "HEAD")
        return True

    def _begin(self, settings: S3Settings, store: Store) -> None:
        self.settings = settings
        self._store = store
        self._operations = Operations(store, settings.bucket, settings.mode, settings.page)
        self._rejected: Counter[str] = Counter()
        self._rejecting = threading.Lock()

    def _take(
        self, connection: Connection, request: Request, operation: str, fault: S3Fault | None
    ) -> Taken:
        """Reads the body, and counts it if it is one of an object's bytes."""
        if operation not in WITH_BYTES:
            return take(connection, request.headers, "keep", lambda _: None)
        size = 0

        def passed(count: int) -> None:
            nonlocal size
            size += count
            with self.counts.lock:
                self.counts.body_bytes += count
            if fault and size >= fault.after:
                self._happen(fault, "middle")

        with self.counts.body():
            return take(connection, request.headers, self.settings.mode, passed)

    def _happen(self, fault: S3Fault | None, moment: str) -> None:
        """Lets a fault happen if this is its moment."""
        if fault is None or fault.moment != moment:
            return
        match fault.what:
            case "status":
                raise S3Error(fault.status, fault.code, "This goes wrong on purpose.")
            case "gone":
                self._store.forget_uploads()
            case "stall":
                self.closing.wait(fault.seconds)
                raise Cut("fin")
            case _:
                raise Cut(fault.what)

    def _refuse(
        self, connection: Connection, request: Request, error: S3Error, *, is_read: bool
    ) -> bool:
        with self._rejecting:
            self._rejected[error.code] += 1
        body = b"" if request.method == "HEAD" else error_document(error, request.path)
        connection.answer(error.status, XML if is_read else XML | {"Connection": "close"}, body)
        if not is_read:
            connection.linger()
        return is_read

    def _send(self, connection: Connection, answer: Answer, *, is_head: bool) -> None:
        connection.answer(answer.status, answer.headers, answer.body, length=answer.length)
        for whole in () if is_head else answer.pieces:
            view = memoryview(whole)
            while view:
                piece, view = view[: connection.step], view[connection.step :]
                connection.pace(len(piece))
                connection.sock.sendall(piece)


if __name__ == "__main__":
    sys.exit(run_peer(S3Peer, S3Settings, "A fake S3.", sys.argv[1:]))
