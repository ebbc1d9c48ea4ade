"""The bucket of the S3 stand-in, with S3's rules for parts, sizes and checksums.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""

import hashlib
import itertools
import re
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import quote

from bench.transfer.peers.s3_body import CHECKSUM, Received
from bench.transfer.peers.s3_protocol import (
    MOST_PARTS,
    Field,
    S3Error,
    document,
    encode_crc32,
    named_parts,
)
from bench.transfer.peers.s3_settings import Mode, S3Object, S3Part, S3Settings, S3Upload

CRC32 = "CRC32"
SMALLEST_PART = 5 * 1024 * 1024
LARGEST_PART = 5 * 1024 * 1024 * 1024
XML = {"Content-Type": "application/xml"}
META = "x-amz-meta-"


@dataclass(frozen=True)
class Call:
    """A request whose body has been read. `at` is the time of the operation."""

    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Received
    at: datetime


@dataclass(frozen=True)
class Answer:
    """An HTTP answer. `length` is the Content-Length if `body` has another length."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    length: int | None = None


def operation_of(method: str, key: str, query: Mapping[str, str]) -> str:
    """Return AWS's name of a request's operation, or "" if the stand-in lacks the operation."""
    if not key:
        return "ListMultipartUploads" if method == "GET" and "uploads" in query else ""
    if "tagging" in query:
        return {"GET": "GetObjectTagging", "PUT": "PutObjectTagging"}.get(method, "")
    if method == "PUT" and "partNumber" in query:
        return "UploadPart"
    if method == "POST" and "uploads" in query:
        return "CreateMultipartUpload"
    of_upload = {
        "GET": "ListParts",
        "POST": "CompleteMultipartUpload",
        "DELETE": "AbortMultipartUpload",
    }
    of_object = {"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject"}
    return (of_upload if "uploadId" in query else of_object).get(method, "")


class S3Bucket:
    """A bucket with objects and open uploads. Any thread may call the public methods."""

    def __init__(self) -> None:
        self.settings = S3Settings()
        self._uploads: dict[str, S3Upload] = {}
        self._objects: dict[str, S3Object] = {}
        self._tags: dict[str, tuple[datetime, bytes]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._operations = {
            "CreateMultipartUpload": self._create,
            "UploadPart": self._upload_part,
            "ListParts": self._list_parts,
            "ListMultipartUploads": self._list_uploads,
            "CompleteMultipartUpload": self._complete,
            "AbortMultipartUpload": self._abort,
            "PutObject": self._put,
            "GetObject": self._get,
            "HeadObject": self._head,
            "GetObjectTagging": self._tags_of,
            "PutObjectTagging": self._tag,
        }

    def run(self, operation: str, call: Call) -> Answer:
        """Carry out an operation, and return the answer.

        Raises:
            S3Error: The stand-in refuses or doesn't support the operation.
        """
        with self._lock:
            return self._operations[operation](call)

    def objects(self) -> list[S3Object]:
        """Return all objects, sorted by key."""
        with self._lock:
            return [self._objects[key] for key in sorted(self._objects)]

    def uploads(self) -> list[S3Upload]:
        """Return all open uploads, sorted by key and age."""
        with self._lock:
            return self._uploads_in_order()

    def data(self, key: str) -> bytes:
        """Return an object's bytes; b"" if the mode isn't `keep`.

        Raises:
            S3Error: No object has the key.
        """
        return _data(self._object(key))

    def forget_uploads(self) -> None:
        """Remove every open upload."""
        with self._lock:
            self._uploads.clear()

    def _create(self, call: Call) -> Answer:
        algorithm = call.headers.get("x-amz-checksum-algorithm", "").upper()
        kind = call.headers.get("x-amz-checksum-type", "COMPOSITE").upper()
        if algorithm not in {"", CRC32} or kind != "COMPOSITE":
            raise S3Error(501, "NotImplemented", f"{algorithm} {kind} isn't supported.")
        upload_id = f"upload-{next(self._numbers):06}-{_md5(call.key.encode())[:24]}"
        upload = _upload_of(call, upload_id, algorithm)
        self._uploads[upload_id] = upload
        body = document(
            "InitiateMultipartUploadResult", *self._names(call), ("UploadId", upload_id)
        )
        headers = {"x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": kind}
        return Answer(headers=XML | (headers if algorithm else {}), body=body)

    def _upload_part(self, call: Call) -> Answer:
        number = _number(call.query, "partNumber", 0)
        if not 1 <= number <= MOST_PARTS:
            raise S3Error(400, "InvalidArgument", "Part number must be between 1 and 10000")
        upload = self._upload(call)
        part = _part(call, number, upload.upload_id, self.settings.mode)
        # S3 also accepts a checksum that the upload doesn't require: boto3 sends a checksum even to
        # an upload without an algorithm. S3 verifies the checksum.
        if upload.algorithm and not call.body.has_checksum:
            raise S3Error(400, "InvalidRequest", "Checksum Type mismatch: crc32, null")
        kept = [stored for stored in upload.parts if stored.number != number]
        in_order = tuple(sorted([*kept, part], key=lambda stored: stored.number))
        self._uploads[upload.upload_id] = replace(upload, parts=in_order)
        return Answer(headers=_tags(call, part))

    def _complete(self, call: Call) -> Answer:
        upload = self._upload(call)
        parts = _chosen(upload, named_parts(call.body.data))
        size = sum(part.size for part in parts)
        expected = call.headers.get("x-amz-mp-object-size")
        if expected is not None and int(expected) != size:
            message = f"x-amz-mp-object-size {expected} does not match what was computed: {size}"
            raise S3Error(400, "InvalidRequest", message)
        tags = b"".join(bytes.fromhex(part.etag) for part in parts)
        etag = f"{_md5(tags)}-{len(parts)}"
        checksum = _composite(parts) if upload.algorithm else ""
        self._store(call, upload, parts, etag, checksum)
        del self._uploads[upload.upload_id]
        fields = [("ETag", f'"{etag}"')]
        if checksum:
            fields += [("ChecksumCRC32", checksum), ("ChecksumType", "COMPOSITE")]
        body = document("CompleteMultipartUploadResult", *self._names(call), *fields)
        return Answer(headers=XML, body=body)

    def _abort(self, call: Call) -> Answer:
        del self._uploads[self._upload(call).upload_id]
        return Answer(204)

    def _list_parts(self, call: Call) -> Answer:
        upload = self._upload(call)
        page = min(self.settings.page, _number(call.query, "max-parts", self.settings.page))
        after = _number(call.query, "part-number-marker", 0)
        parts = [part for part in upload.parts if part.number > after]
        shown = parts[:page]
        body = document(
            "ListPartsResult",
            *self._names(call),
            ("UploadId", upload.upload_id),
            ("PartNumberMarker", after),
            ("NextPartNumberMarker", shown[-1].number if shown else after),
            ("MaxParts", page),
            ("IsTruncated", str(len(parts) > page).lower()),
            *(("Part", _part_fields(part, upload.algorithm)) for part in shown),
        )
        return Answer(headers=XML, body=body)

    def _list_uploads(self, call: Call) -> Answer:
        query = call.query
        prefix, key = query.get("prefix", ""), query.get("key-marker", "")
        after = (key, query.get("upload-id-marker", "") or "\U0010ffff")
        page = min(self.settings.page, _number(query, "max-uploads", self.settings.page))
        uploads = [
            upload
            for upload in self._uploads_in_order()
            if upload.key.startswith(prefix) and (not key or (upload.key, upload.upload_id) > after)
        ]
        last = uploads[page - 1] if len(uploads) > page else None
        is_encoded = query.get("encoding-type") == "url"
        encode: Callable[[str], str] = quote if is_encoded else str
        body = document(
            "ListMultipartUploadsResult",
            ("Bucket", self.settings.bucket),
            ("Prefix", encode(prefix)),
            ("NextKeyMarker", encode(last.key) if last else ""),
            ("NextUploadIdMarker", last.upload_id if last else ""),
            ("MaxUploads", page),
            *([("EncodingType", "url")] if is_encoded else []),
            ("IsTruncated", str(last is not None).lower()),
            *(("Upload", _upload_fields(upload, encode)) for upload in uploads[:page]),
        )
        return Answer(headers=XML, body=body)

    def _put(self, call: Call) -> Answer:
        part = _part(call, 1, call.key, self.settings.mode)
        checksum = _checksum(part) if call.body.has_checksum else ""
        self._store(call, _upload_of(call, "", ""), (part,), part.etag, checksum)
        return Answer(headers=_tags(call, part))

    def _head(self, call: Call) -> Answer:
        stored = self._object(call.key)
        return Answer(headers=_object_headers(stored, call), length=stored.size)

    def _tag(self, call: Call) -> Answer:
        """Tag an object. An object that replaces the tagged object later has no tags."""
        self._tags[call.key] = (self._object(call.key).at, bytes(call.body.data))
        return Answer(200)

    def _tags_of(self, call: Call) -> Answer:
        at, tags = self._tags.get(call.key, (None, b""))
        is_tagged = at == self._object(call.key).at
        return Answer(200, XML, tags if is_tagged else b"<Tagging><TagSet/></Tagging>")

    def _get(self, call: Call) -> Answer:
        stored = self._object(call.key)
        if self.settings.mode != "keep":
            raise S3Error(501, "NotImplemented", "This mode doesn't keep the bytes of objects.")
        headers, data = _object_headers(stored, call), _data(stored)
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", call.headers.get("range", ""))
        if found is None:
            return Answer(200, headers, data)
        first, last = int(found[1]), min(int(found[2]), len(data) - 1)
        if first > last:
            raise S3Error(416, "InvalidRange", "The requested range is not satisfiable")
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        # boto3 would compare the checksum of the whole object with the range's bytes.
        headers.pop(CHECKSUM, None)
        return Answer(206, headers, data[first : last + 1])

    def _names(self, call: Call) -> tuple[Field, Field]:
        return ("Bucket", self.settings.bucket), ("Key", call.key)

    def _store(
        self, call: Call, upload: S3Upload, parts: Sequence[S3Part], etag: str, checksum: str
    ) -> None:
        self._objects[upload.key] = S3Object(
            key=upload.key,
            size=sum(part.size for part in parts),
            etag=f'"{etag}"',
            checksum=checksum,
            content_type=upload.content_type,
            metadata=upload.metadata,
            parts=tuple(parts),
            at=call.at,
        )

    def _upload(self, call: Call) -> S3Upload:
        found = self._uploads.get(call.query.get("uploadId", ""))
        if found is None or found.key != call.key:
            raise S3Error(404, "NoSuchUpload", "The specified upload does not exist.")
        return found

    def _uploads_in_order(self) -> list[S3Upload]:
        return sorted(self._uploads.values(), key=lambda upload: (upload.key, upload.upload_id))

    def _object(self, key: str) -> S3Object:
        if key not in self._objects:
            raise S3Error(404, "NoSuchKey", "The specified key does not exist.")
        return self._objects[key]


def _upload_of(call: Call, upload_id: str, algorithm: str) -> S3Upload:
    metadata = {
        name.removeprefix(META): value
        for name, value in call.headers.items()
        if name.startswith(META)
    }
    kind = call.headers.get("content-type", "binary/octet-stream")
    return S3Upload(
        key=call.key,
        upload_id=upload_id,
        content_type=kind,
        metadata=metadata,
        algorithm=algorithm,
        at=call.at,
    )


def _part(call: Call, number: int, salt: str, mode: Mode) -> S3Part:
    body = call.body
    if body.size > LARGEST_PART:
        raise S3Error(400, "EntityTooLarge", "The part is larger than 5 GiB.")
    # Without the bytes there is no MD5, but the ETag still has to change with the content.
    hashed = body.data if mode == "keep" else f"{salt} {number} {body.size} {body.crc32}".encode()
    return S3Part(
        number=number,
        size=body.size,
        crc32=body.crc32,
        etag=_md5(hashed),
        at=call.at,
        data=body.data,
    )


def _checksum(part: S3Part) -> str:
    return "" if part.crc32 is None else encode_crc32(part.crc32)


def _data(stored: S3Object) -> bytes:
    return b"".join(part.data for part in stored.parts)


def _chosen(upload: S3Upload, named: Sequence[tuple[int, str, str]]) -> list[S3Part]:
    """Return an upload's stored parts that a CompleteMultipartUpload names.

    Raises:
        S3Error: A part or its checksum is missing, or a part differs, is out of order or too small.
    """
    numbers = [number for number, _, _ in named]
    if numbers != sorted(set(numbers)):
        raise S3Error(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
    stored = {part.number: part for part in upload.parts}
    chosen = []
    for number, etag, checksum in named:
        part = stored.get(number)
        if part and upload.algorithm and not checksum:
            raise S3Error(400, "InvalidRequest", f"The checksum is missing for part {number}.")
        if part is None or part.etag != etag or checksum not in {"", _checksum(part)}:
            raise S3Error(400, "InvalidPart", f"Part {number} is missing, or differs.")
        chosen.append(part)
    if any(part.size < SMALLEST_PART for part in chosen[:-1]):
        raise S3Error(400, "EntityTooSmall", "A part is smaller than the minimum allowed size.")
    return chosen


def _composite(parts: Sequence[S3Part]) -> str:
    """Return S3's composite checksum: the checksum of the parts' checksums, and the count of parts.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    whole = b"".join((part.crc32 or 0).to_bytes(4, "big") for part in parts)
    return f"{encode_crc32(zlib.crc32(whole))}-{len(parts)}"


def _part_fields(part: S3Part, algorithm: str) -> Sequence[Field]:
    fields: list[Field] = [
        ("PartNumber", part.number),
        ("LastModified", _time(part.at)),
        ("ETag", f'"{part.etag}"'),
        ("Size", part.size),
    ]
    return [*fields, ("ChecksumCRC32", _checksum(part))] if algorithm else fields


def _upload_fields(upload: S3Upload, encode: Callable[[str], str]) -> Sequence[Field]:
    return [
        ("Key", encode(upload.key)),
        ("UploadId", upload.upload_id),
        ("Initiated", _time(upload.at)),
    ]


def _tags(call: Call, part: S3Part) -> dict[str, str]:
    """Return the headers with the ETag and, if the request had a checksum, the checksum."""
    return {
        "ETag": f'"{part.etag}"',
        **({CHECKSUM: _checksum(part)} if call.body.has_checksum else {}),
    }


def _object_headers(stored: S3Object, call: Call) -> dict[str, str]:
    """Return the headers of an answer to GetObject or HeadObject, without Content-Length."""
    headers = {
        "ETag": stored.etag,
        "Content-Type": stored.content_type,
        "Accept-Ranges": "bytes",
        "Last-Modified": format_datetime(stored.at, usegmt=True),
    }
    headers |= {f"{META}{name}": value for name, value in stored.metadata.items()}
    if stored.checksum and call.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
        kind = "COMPOSITE" if "-" in stored.checksum else "FULL_OBJECT"
        headers |= {CHECKSUM: stored.checksum, "x-amz-checksum-type": kind}
    return headers


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    value = query.get(name) or str(default)
    if not value.isdecimal():
        raise S3Error(400, "InvalidArgument", f"Provided {name} not an integer.")
    return int(value)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
