"""How the fake S3 behaves, what goes wrong in it, and what it counts. All of it is JSON-able."""

from dataclasses import dataclass, field
from typing import Literal

from bench.transfer.peers.link import LinkSettings

Mode = Literal["discard", "hash", "keep"]
Moment = Literal["before", "middle", "after", "done"]


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Whose signatures are good. `token` is that of a session, empty if there is none."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class S3Fault:
    """One thing that goes wrong, at the `nth` to the `nth + times - 1`-th request of an operation.

    What: `status` answers with `status` and the error `code` (200 too: S3 tells some failures of
    CompleteMultipartUpload that way); `rst` and `fin` break off without an answer; `stall` does so
    after `seconds`; `gone` makes every open upload vanish, and answers as it then has to.

    At which moment: `before` the body is read, in the `middle` of it when `after` bytes have come,
    `after` it was read and before anything was done with it, or when everything is `done`, so that
    only the answer is lost.
    """

    what: Literal["status", "rst", "fin", "stall", "gone"]
    operation: str = "UploadPart"
    nth: int = 1
    times: int = 1
    moment: Moment = "after"
    after: int = 0
    status: int = 503
    code: str = "SlowDown"
    seconds: float = 0.0

    def hits(self, operation: str, number: int) -> bool:
        """Whether it happens at the `number`-th request of `operation`."""
        return self.operation == operation and self.nth <= number < self.nth + self.times


@dataclass(frozen=True, kw_only=True)
class S3Settings(LinkSettings):
    """`mode` is what becomes of bodies.

    - `discard`: nobody looks at them; checksums are believed.
    - `hash`: length and CRC32 of each part are kept, and checksums verified.
    - `keep`: the bytes too; a part's ETag is its MD5.

    Signatures are verified if there are `credentials`; else they only have to be there. `page` is
    how much a list tells at once, at most.
    """

    mode: Mode = "keep"
    bucket: str = "bucket"
    credentials: Credentials | None = None
    page: int = 1000
    faults: tuple[S3Fault, ...] = ()


@dataclass(frozen=True, kw_only=True)
class S3Part:
    """A part of an object or of an open upload. `crc32` is None if nobody computed or told it."""

    number: int
    size: int
    crc32: int | None


@dataclass(frozen=True, kw_only=True)
class S3Object:
    """An object that is whole. One that came by PutObject has a single part.

    `checksum` is what HeadObject tells of its CRC32, empty if there is none.
    """

    key: str
    size: int
    etag: str
    checksum: str
    content_type: str
    metadata: dict[str, str]
    parts: tuple[S3Part, ...]


@dataclass(frozen=True, kw_only=True)
class S3Upload:
    """A multipart upload that is neither completed nor aborted."""

    key: str
    upload_id: str
    metadata: dict[str, str]
    parts: tuple[S3Part, ...]


@dataclass(frozen=True, kw_only=True)
class S3Stats:
    """Since the last `configure`.

    `operations` are requests by AWS's names, `rejected` the errors that were answered, by code.
    `body_bytes` came in bodies of parts and objects, `most_bodies` is how many came at once.
    `open_bytes` are those of parts of `open_uploads`. `cpu_s` is the whole process's.
    """

    operations: dict[str, int]
    rejected: dict[str, int]
    body_bytes: int
    connections: int
    most_bodies: int
    cuts: int
    open_uploads: int
    open_bytes: int
    cpu_s: float
