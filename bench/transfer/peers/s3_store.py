"""What the fake S3 holds: open uploads and whole objects, as strict as S3 about what becomes one.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""

import base64
import hashlib
import itertools
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bench.transfer.peers.s3_errors import S3Error, no_such_key, no_such_upload
from bench.transfer.peers.s3_settings import S3Object, S3Part, S3Upload

CRC32 = "CRC32"
SMALLEST_PART = 5 * 1024 * 1024
LARGEST_PART = 5 * 1024 * 1024 * 1024
MOST_PARTS = 10_000


@dataclass(frozen=True)
class Piece:
    """A part as it is stored."""

    told: S3Part
    etag: str
    md5: bytes
    at: datetime
    data: bytes = field(repr=False)

    @property
    def checksum(self) -> str:
        """The CRC32 as S3 tells it, empty if there is none."""
        return "" if self.told.crc32 is None else encoded(self.told.crc32)


@dataclass(frozen=True)
class Described:
    """What a client says of an object when it begins to write it.

    `algorithm` is that of its checksums: CRC32, or empty if it tells none.
    """

    key: str
    content_type: str
    metadata: dict[str, str]
    algorithm: str = ""


@dataclass
class Upload:
    """An open upload. `pieces` by number."""

    described: Described
    upload_id: str
    at: datetime
    pieces: dict[int, Piece] = field(default_factory=dict)


@dataclass(frozen=True)
class Stored:
    """An object that is whole."""

    described: Described
    etag: str
    checksum: str
    at: datetime
    pieces: tuple[Piece, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(piece.told.size for piece in self.pieces)

    def told(self) -> S3Object:
        """For those who look at what came."""
        return S3Object(
            key=self.described.key,
            size=self.size,
            etag=self.etag,
            checksum=self.checksum,
            content_type=self.described.content_type,
            metadata=self.described.metadata,
            parts=tuple(piece.told for piece in self.pieces),
        )


@dataclass(frozen=True)
class Named:
    """A part as CompleteMultipartUpload names it."""

    number: int
    etag: str
    checksum: str


class Store:
    """One bucket. Threads share it."""

    def __init__(self) -> None:
        self.uploads: dict[str, Upload] = {}
        self.objects: dict[str, Stored] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def create(self, described: Described, at: datetime) -> Upload:
        """A new upload."""
        with self._lock:
            upload_id = f"upload-{next(self._numbers):06}-{hash_of(described.key.encode())[:24]}"
            upload = Upload(described, upload_id, at)
            self.uploads[upload_id] = upload
        return upload

    def upload(self, key: str, upload_id: str) -> Upload:
        """An open upload; S3Error if there is none."""
        found = self.uploads.get(upload_id)
        if found is None or found.described.key != key:
            raise no_such_upload()
        return found

    def add(self, key: str, upload_id: str, piece: Piece) -> None:
        """Stores a part, in place of an earlier one of its number."""
        with self._lock:
            self.upload(key, upload_id).pieces[piece.told.number] = piece

    def complete(
        self,
        key: str,
        upload_id: str,
        named: Sequence[Named],
        size: int | None,
        at: datetime,
    ) -> Stored:
        """Makes an object of the parts that are named. `size` is what the client expects."""
        with self._lock:
            upload = self.upload(key, upload_id)
            chosen = tuple(_chosen(upload, named))
            total = sum(piece.told.size for piece in chosen)
            if size is not None and size != total:
                raise S3Error(
                    400,
                    "InvalidRequest",
                    f"The provided 'x-amz-mp-object-size' header value {size} does not match what "
                    f"was computed: {total}",
                )
            etag = hash_of(b"".join(piece.md5 for piece in chosen))
            stored = Stored(
                upload.described,
                f'"{etag}-{len(chosen)}"',
                _composite(chosen) if upload.described.algorithm else "",
                at,
                chosen,
            )
            del self.uploads[upload_id]
            self.objects[key] = stored
        return stored

    def abort(self, key: str, upload_id: str) -> None:
        """Forgets an upload and its parts."""
        with self._lock:
            self.upload(key, upload_id)
            del self.uploads[upload_id]

    def forget_uploads(self) -> None:
        """Every open upload vanishes."""
        with self._lock:
            self.uploads.clear()

    def put(self, described: Described, piece: Piece) -> Stored:
        """An object in one piece."""
        checksum = piece.checksum if described.algorithm else ""
        stored = Stored(described, piece.etag, checksum, piece.at, (piece,))
        with self._lock:
            self.objects[described.key] = stored
        return stored

    def object(self, key: str) -> Stored:
        """A whole object; S3Error if there is none."""
        found = self.objects.get(key)
        if found is None:
            raise no_such_key()
        return found

    def delete(self, key: str) -> None:
        """Forgets an object, if there is one."""
        with self._lock:
            self.objects.pop(key, None)

    def told(self) -> list[S3Object]:
        """The objects, by key."""
        with self._lock:
            return [self.objects[key].told() for key in sorted(self.objects)]

    def told_uploads(self) -> list[S3Upload]:
        """The open uploads, by key and then by age."""
        with self._lock:
            return [
                S3Upload(
                    key=upload.described.key,
                    upload_id=upload.upload_id,
                    metadata=upload.described.metadata,
                    parts=tuple(upload.pieces[number].told for number in sorted(upload.pieces)),
                )
                for upload in self.in_order()
            ]

    def in_order(self) -> list[Upload]:
        """Open uploads as S3 lists them."""
        return sorted(self.uploads.values(), key=lambda one: (one.described.key, one.upload_id))


def _chosen(upload: Upload, named: Sequence[Named]) -> list[Piece]:
    """The pieces that are named; S3Error if S3 would make no object of them."""
    numbers = [part.number for part in named]
    if numbers != sorted(set(numbers)):
        raise S3Error(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
    chosen = []
    for part in named:
        piece = upload.pieces.get(part.number)
        if piece is None or piece.etag.strip('"') != part.etag.strip('"'):
            raise _invalid_part(part.number)
        if upload.described.algorithm and not part.checksum:
            raise S3Error(
                400,
                "InvalidRequest",
                "The upload was created using a crc32 checksum. The complete request must include "
                f"the checksum for each part. It was missing for part {part.number} in the "
                "request.",
            )
        if part.checksum and part.checksum != piece.checksum:
            raise _invalid_part(part.number)
        chosen.append(piece)
    if any(piece.told.size < SMALLEST_PART for piece in chosen[:-1]):
        raise S3Error(
            400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size."
        )
    return chosen


def _invalid_part(number: int) -> S3Error:
    return S3Error(
        400,
        "InvalidPart",
        "One or more of the specified parts could not be found. The part may not have been "
        f"uploaded, or its entity tag or checksum may not have matched: {number}",
    )


def _composite(pieces: Sequence[Piece]) -> str:
    """The checksum of the parts' checksums, as S3 tells it of an object (COMPOSITE).

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    whole = b"".join((piece.told.crc32 or 0).to_bytes(4, "big") for piece in pieces)
    return f"{encoded(zlib.crc32(whole))}-{len(pieces)}"


def encoded(crc32: int) -> str:
    """A CRC32 as S3's headers and lists tell it."""
    return base64.b64encode(crc32.to_bytes(4, "big")).decode("ascii")


def hash_of(content: bytes) -> str:
    """The MD5, in hexadecimal, which is S3's idea of an entity tag."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
