"""A stand-in for S3 on loopback, with one bucket that is addressed by path."""

import ssl
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import unquote

from bench.transfer.peers import s3_signature
from bench.transfer.peers.s3_body import Received, receive
from bench.transfer.peers.s3_bucket import XML, Answer, Call, S3Bucket, operation_of
from bench.transfer.peers.s3_protocol import S3Error
from bench.transfer.peers.s3_settings import S3Fault, S3Object, S3Settings, S3Stats, S3Upload
from bench.transfer.peers.server import ConnectionCut, Server
from bench.transfer.peers.wire import Connection, Request

WITH_BYTES = frozenset({"UploadPart", "PutObject"})


class S3Peer(Server):
    """The S3 stand-in, which listens from its creation until `close`."""

    def __init__(
        self,
        settings: S3Settings | None = None,
        tls: ssl.SSLContext | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._now = now
        self._begin(settings or S3Settings(), S3Bucket())
        super().__init__(self.settings, tls)

    def configure(self, settings: S3Settings, *, empty: bool = True) -> None:
        """Change the settings, reset counters and faults, and with `empty` replace the bucket."""
        self._begin(settings, S3Bucket() if empty else self._bucket)
        self.restart(settings)

    def stats(self) -> S3Stats:
        """Return the counters since `configure`."""
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
                cpu_s=counts.cpu_s,
            )

    def objects(self) -> list[S3Object]:
        """Return all objects, sorted by key."""
        return self._bucket.objects()

    def uploads(self) -> list[S3Upload]:
        """Return all open uploads, sorted by key and age."""
        return self._bucket.uploads()

    def body(self, key: str) -> bytes:
        """Return an object's bytes; b"" if the mode isn't `keep`.

        Raises:
            S3Error: No object has the key.
        """
        return self._bucket.data(key)

    def handle(self, connection: Connection, request: Request) -> bool:
        bucket, _, key = unquote(request.path.removeprefix("/")).partition("/")
        operation = operation_of(request.method, key, request.query)
        number = self.counts.tick(operation or "unknown")
        faults = self.settings.faults
        fault = next((fault for fault in faults if fault.hits(operation, number)), None)
        body = None
        if not {"content-length", "transfer-encoding"} & set(request.headers):
            body = Received()
        try:
            self._inject(fault, "before")
            if not operation:
                raise S3Error(501, "NotImplemented", "This operation isn't supported.")
            s3_signature.verify(request, self.settings.credentials)
            if bucket != self.settings.bucket:
                raise S3Error(404, "NoSuchBucket", "The specified bucket does not exist")
            body = body or self._receive(connection, request, operation, fault)
            self.pause(self.settings.latency_ms)
            self._inject(fault, "after")
            call = Call(key, request.query, request.headers, body, self._now())
            answer = self._bucket.run(operation, call)
            self._inject(fault, "done")
        except S3Error as error:
            return self._refuse(connection, request, error, is_read=body is not None)
        self._send(connection, answer)
        return True

    def _begin(self, settings: S3Settings, bucket: S3Bucket) -> None:
        self.settings = bucket.settings = settings
        self._bucket = bucket
        self._rejected: Counter[str] = Counter()
        self._rejecting = threading.Lock()

    def _receive(
        self, connection: Connection, request: Request, operation: str, fault: S3Fault | None
    ) -> Received:
        """Read and return the body. Count the bytes if the body belongs to an object or part.

        First send `100 Continue` if the client expects `100 Continue`.

        Raises:
            S3Error: The body or its checksum is refused (see `receive`), or a fault of the kind
                `status` happens in the middle of the body.
            ConnectionClosed: The client closed the connection, or sent a malformed body.
            ConnectionCut: A fault breaks the connection off.
        """
        if request.headers.get("expect", "").lower() == "100-continue":
            connection.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if operation not in WITH_BYTES:
            return receive(connection, request.headers, "keep", lambda _: None)
        size = 0

        def count_bytes(count: int) -> None:
            nonlocal size
            size += count
            with self.counts.lock:
                self.counts.body_bytes += count
            if fault and size >= fault.after:
                self._inject(fault, "middle")

        with self.counts.body():
            return receive(connection, request.headers, self.settings.mode, count_bytes)

    def _inject(self, fault: S3Fault | None, moment: str) -> None:
        """Inject the fault if `moment` is the fault's moment.

        Raises:
            S3Error: The fault is of the kind `status`.
            ConnectionCut: The fault breaks the connection off.
        """
        if fault is None or fault.moment != moment:
            return
        match fault.kind:
            case "status":
                raise S3Error(fault.status, fault.code, "This failure is deliberate.")
            case "gone":
                self._bucket.forget_uploads()
            case "stall":
                self.closing.wait(fault.seconds)
                raise ConnectionCut("fin")
            case _:
                raise ConnectionCut(fault.kind)

    def _refuse(
        self, connection: Connection, request: Request, error: S3Error, *, is_read: bool
    ) -> bool:
        with self._rejecting:
            self._rejected[error.code] += 1
        body = b"" if request.method == "HEAD" else error.document(request.path)
        connection.answer(error.status, XML if is_read else XML | {"Connection": "close"}, body)
        if not is_read:
            connection.linger()
        return is_read

    def _send(self, connection: Connection, answer: Answer) -> None:
        length = len(answer.body) if answer.length is None else answer.length
        connection.answer(answer.status, answer.headers, length=length)
        view = memoryview(answer.body)
        while view:
            piece, view = view[: connection.step], view[connection.step :]
            connection.pace(len(piece))
            connection.sock.sendall(piece)
