"""What each operation of the fake S3 does, from a request whose body is read to an answer.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime

from bench.transfer.peers import s3_xml
from bench.transfer.peers.s3_body import Taken
from bench.transfer.peers.s3_checksum import HEADER, verify
from bench.transfer.peers.s3_errors import S3Error, checksum_missing
from bench.transfer.peers.s3_settings import Mode, S3Part
from bench.transfer.peers.s3_store import (
    CRC32,
    LARGEST_PART,
    MOST_PARTS,
    Described,
    Piece,
    Store,
    Stored,
    hash_of,
)

XML = {"Content-Type": "application/xml"}
RANGE = re.compile(r"bytes=(\d*)-(\d*)")
META = "x-amz-meta-"


@dataclass(frozen=True)
class Call:
    """A request as an operation sees it."""

    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    taken: Taken
    at: datetime


@dataclass(frozen=True)
class Answer:
    """What goes back. A body that is sent in pieces comes in `pieces`."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    pieces: tuple[bytes, ...] = ()
    length: int | None = None


def operation_of(method: str, key: str, query: Mapping[str, str]) -> str:
    """AWS's name of what a request asks for, empty if it isn't spoken here."""
    if not key:
        return "ListMultipartUploads" if method == "GET" and "uploads" in query else ""
    if method == "PUT" and "partNumber" in query:
        return "UploadPart"
    if method == "POST" and "uploads" in query:
        return "CreateMultipartUpload"
    of_upload = {
        "GET": "ListParts",
        "POST": "CompleteMultipartUpload",
        "DELETE": "AbortMultipartUpload",
    }
    of_object = {
        "PUT": "PutObject",
        "GET": "GetObject",
        "HEAD": "HeadObject",
        "DELETE": "DeleteObject",
    }
    return (of_upload if "uploadId" in query else of_object).get(method, "")


class Operations:
    """The operations on one bucket."""

    def __init__(self, store: Store, bucket: str, mode: Mode, page: int) -> None:
        self._store = store
        self._bucket = bucket
        self._mode = mode
        self._page = page
        self._by_name: Mapping[str, Callable[[Call], Answer]] = {
            "CreateMultipartUpload": self._create,
            "UploadPart": self._upload_part,
            "ListParts": self._list_parts,
            "ListMultipartUploads": self._list_uploads,
            "CompleteMultipartUpload": self._complete,
            "AbortMultipartUpload": self._abort,
            "PutObject": self._put,
            "GetObject": self._get,
            "HeadObject": self._head,
            "DeleteObject": self._delete,
        }

    def run(self, operation: str, call: Call) -> Answer:
        """The answer; raises S3Error in place of one."""
        return self._by_name[operation](call)

    def _create(self, call: Call) -> Answer:
        algorithm = call.headers.get("x-amz-checksum-algorithm", "").upper()
        kind = call.headers.get("x-amz-checksum-type", "COMPOSITE").upper()
        if algorithm not in {"", CRC32} or kind != "COMPOSITE":
            raise S3Error(501, "NotImplemented", f"{algorithm} {kind} isn't spoken here.")
        upload = self._store.create(_described(call, algorithm), call.at)
        told = {"x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": kind}
        body = s3_xml.created(self._bucket, upload)
        return Answer(headers=XML | (told if algorithm else {}), body=body)

    def _upload_part(self, call: Call) -> Answer:
        number = _number(call.query, "partNumber", 0)
        if not 1 <= number <= MOST_PARTS:
            raise S3Error(
                400,
                "InvalidArgument",
                "Part number must be an integer between 1 and 10000, inclusive",
            )
        upload_id = call.query.get("uploadId", "")
        upload = self._store.upload(call.key, upload_id)
        piece, told = self._piece(call, number, upload_id)
        # The other way round it is taken, verified and forgotten: boto3's defaults depend on that.
        if upload.described.algorithm and not told:
            raise checksum_missing()
        self._store.add(call.key, upload_id, piece)
        return Answer(headers=_tags(piece.etag, piece.checksum if told else ""))

    def _complete(self, call: Call) -> Answer:
        if self._must_be_new(call):
            raise S3Error(412, "PreconditionFailed", "The object is there already.")
        told = call.headers.get("x-amz-mp-object-size")
        stored = self._store.complete(
            call.key,
            call.query["uploadId"],
            s3_xml.named_parts(call.taken.data),
            None if told is None else int(told),
            call.at,
        )
        return Answer(headers=XML, body=s3_xml.completed(self._bucket, stored))

    def _abort(self, call: Call) -> Answer:
        self._store.abort(call.key, call.query["uploadId"])
        return Answer(204)

    def _list_parts(self, call: Call) -> Answer:
        upload = self._store.upload(call.key, call.query["uploadId"])
        page = min(self._page, _number(call.query, "max-parts", self._page))
        after = _number(call.query, "part-number-marker", 0)
        return Answer(headers=XML, body=s3_xml.parts_page(self._bucket, upload, after, page))

    def _list_uploads(self, call: Call) -> Answer:
        query = call.query
        prefix, key = query.get("prefix", ""), query.get("key-marker", "")
        after = (key, query.get("upload-id-marker", "") or "\U0010ffff")
        uploads = [
            upload
            for upload in self._store.in_order()
            if upload.described.key.startswith(prefix)
            and (not key or (upload.described.key, upload.upload_id) > after)
        ]
        page = min(self._page, _number(query, "max-uploads", self._page))
        encode = query.get("encoding-type") == "url"
        body = s3_xml.uploads_page(self._bucket, uploads, prefix, page, encode=encode)
        return Answer(headers=XML, body=body)

    def _put(self, call: Call) -> Answer:
        if self._must_be_new(call):
            raise S3Error(412, "PreconditionFailed", "The object is there already.")
        piece, told = self._piece(call, 1, call.key)
        stored = self._store.put(_described(call, told), piece)
        return Answer(headers=_tags(stored.etag, stored.checksum))

    def _head(self, call: Call) -> Answer:
        stored = self._store.object(call.key)
        return Answer(headers=_headers(stored, call), length=stored.size)

    def _get(self, call: Call) -> Answer:
        stored = self._store.object(call.key)
        if self._mode != "keep":
            raise S3Error(501, "NotImplemented", "The bytes of objects aren't kept in this mode.")
        headers = _headers(stored, call)
        data = tuple(piece.data for piece in stored.pieces)
        found = RANGE.fullmatch(call.headers.get("range", ""))
        if found is None or found.groups() == ("", ""):
            return Answer(200, headers, pieces=data, length=stored.size)
        first, last = _bounds(found[1], found[2], stored.size)
        if first > last:
            raise S3Error(416, "InvalidRange", "The requested range is not satisfiable")
        headers["Content-Range"] = f"bytes {first}-{last}/{stored.size}"
        chosen = b"".join(data)[first : last + 1]
        return Answer(206, headers, pieces=(chosen,), length=len(chosen))

    def _delete(self, call: Call) -> Answer:
        self._store.delete(call.key)
        return Answer(204)

    def _must_be_new(self, call: Call) -> bool:
        return call.headers.get("if-none-match") == "*" and call.key in self._store.objects

    def _piece(self, call: Call, number: int, salt: str) -> tuple[Piece, str]:
        """What is stored of a body, and the algorithm of the checksum that came with it."""
        taken = call.taken
        if taken.size > LARGEST_PART:
            raise S3Error(400, "EntityTooLarge", "The part is larger than 5 GiB.")
        told = verify(call.headers, taken)
        crc32 = told if taken.crc32 is None else taken.crc32
        kept = self._mode == "keep"
        # Without the bytes any tag will do that changes with them.
        tag = taken.md5.hex() if kept else hash_of(f"{salt} {number} {taken.size} {crc32}".encode())
        part = S3Part(number=number, size=taken.size, crc32=crc32)
        piece = Piece(part, f'"{tag}"', bytes.fromhex(tag), call.at, taken.data)
        return piece, "" if told is None else CRC32


def _described(call: Call, algorithm: str) -> Described:
    metadata = {
        name.removeprefix(META): value
        for name, value in call.headers.items()
        if name.startswith(META)
    }
    kind = call.headers.get("content-type", "binary/octet-stream")
    return Described(call.key, kind, metadata, algorithm)


def _tags(etag: str, checksum: str) -> dict[str, str]:
    return {"ETag": etag, **({HEADER: checksum} if checksum else {})}


def _headers(stored: Stored, call: Call) -> dict[str, str]:
    """What GetObject and HeadObject tell of an object."""
    headers = {
        "ETag": stored.etag,
        "Content-Type": stored.described.content_type,
        "Accept-Ranges": "bytes",
        "Last-Modified": format_datetime(stored.at, usegmt=True),
    }
    headers |= {f"{META}{name}": value for name, value in stored.described.metadata.items()}
    if stored.checksum and call.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
        kind = "COMPOSITE" if "-" in stored.checksum else "FULL_OBJECT"
        headers |= {HEADER: stored.checksum, "x-amz-checksum-type": kind}
    return headers


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """The first and the last byte that is asked for, in the wrong order if there are none."""
    if not first:
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last) if last else size - 1, size - 1)


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    told = query.get(name) or str(default)
    if not told.isdecimal():
        raise S3Error(400, "InvalidArgument", f"Provided {name} not an integer.")
    return int(told)
