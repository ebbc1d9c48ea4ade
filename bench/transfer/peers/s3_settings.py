"""Data types of the S3 stand-in for settings, injected faults, stored objects and counters."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from bench.transfer.peers.link import LinkSettings

EPOCH = datetime.fromtimestamp(0, UTC)
Mode = Literal["discard", "hash", "keep"]
Moment = Literal["before", "middle", "after", "done"]


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The credentials with which clients sign requests. `token` is "" without a session token."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class S3Fault:
    """A fault that affects `times` requests of an operation, from the `nth` request on.

    S3 may answer with the status 200 and an error:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html

    Attributes:
        kind: `status` answers with `status` and the error `code` (also with 200, as S3 does when
            CompleteMultipartUpload fails). `rst` and `fin` break the connection off without an
            answer. `stall` waits `seconds`, and then breaks the connection off. `gone` removes
            every open upload, and then answers.
        operation: AWS's name of the operation.
        nth: Number of the first request, from 1.
        times: Number of requests.
        moment: Time of the fault: `before` the body is read, in the `middle` of the body (once
            `after` bytes are read), `after` the body is read, or when the operation is `done`, so
            that only the answer is lost.
        after: Number of bytes of the body, for `middle`.
        status: Status of the answer.
        code: S3's error code.
        seconds: Duration of a stall in seconds.
    """

    kind: Literal["status", "rst", "fin", "stall", "gone"]
    operation: str = "UploadPart"
    nth: int = 1
    times: int = 1
    moment: Moment = "after"
    after: int = 0
    status: int = 503
    code: str = "SlowDown"
    seconds: float = 0.0

    def hits(self, operation: str, number: int) -> bool:
        """Return whether this fault affects the `number`-th request of `operation`."""
        return self.operation == operation and self.nth <= number < self.nth + self.times


@dataclass(frozen=True, kw_only=True)
class S3Settings(LinkSettings):
    """Settings of the stand-in.

    Attributes:
        mode: `discard` ignores the bytes and trusts checksums. `hash` verifies and keeps the CRC32
            of each part. `keep` keeps the bytes too, and uses a part's MD5 as the ETag.
        bucket: Name of the only bucket.
        credentials: Credentials whose signatures are verified; None accepts any signature.
        page: Largest number of entries in a page of a list.
        faults: Faults to inject.
    """

    mode: Mode = "keep"
    bucket: str = "bucket"
    credentials: Credentials | None = None
    page: int = 1000
    faults: tuple[S3Fault, ...] = ()


@dataclass(frozen=True, kw_only=True)
class S3Part:
    """A stored part. `crc32` is None if it is unknown. `data` has the bytes in mode `keep`."""

    number: int
    size: int
    crc32: int | None
    etag: str = field(default="", compare=False)
    at: datetime = field(default=EPOCH, compare=False)
    data: bytes = field(default=b"", compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class S3Upload:
    """An open multipart upload. `algorithm` is CRC32, or empty if parts need no checksum."""

    key: str
    upload_id: str
    content_type: str
    metadata: dict[str, str]
    algorithm: str
    at: datetime
    parts: tuple[S3Part, ...] = ()


@dataclass(frozen=True, kw_only=True)
class S3Object:
    """An object of the bucket. PutObject makes an object of one part.

    `checksum` is the CRC32 in base64, composite after a multipart upload; "" without a checksum.
    """

    key: str
    size: int
    etag: str
    checksum: str
    content_type: str
    metadata: dict[str, str]
    parts: tuple[S3Part, ...]
    at: datetime = field(default=EPOCH, compare=False)


@dataclass(frozen=True, kw_only=True)
class S3Stats:
    """Counters since the last `configure`.

    Attributes:
        operations: Number of requests, by AWS's name of the operation or as `unknown`.
        rejected: Number of errors, by S3's error code.
        body_bytes: Bytes of parts and objects that were received.
        connections: Number of connections.
        most_bodies: Largest number of bodies received at the same time.
        cuts: Number of connections that faults broke off.
        open_uploads: Number of uploads that are open now.
        cpu_s: CPU seconds of the process.
    """

    operations: dict[str, int]
    rejected: dict[str, int]
    body_bytes: int
    connections: int
    most_bodies: int
    cuts: int
    open_uploads: int
    cpu_s: float
