"""A multipart upload to S3 that somebody else can go on with.

S3's own list of uploaded parts is the only record of how far a copy has got. One small part more,
the mark, says whose parts they are: it holds the file's version and what the object is to be, has
the highest number that S3 takes, and is left out when the upload is completed. Parts are streamed:
each is sent while it still comes in, its CRC32 behind the bytes as a trailer, which S3 checks.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

from __future__ import annotations

import logging
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

import msgspec
import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError
from zlib_ng import zlib_ng

from ingester import log
from ingester.errors import AwsFailed, SlowDown, UploadGone
from ingester.transfer.parts import MARK_NUMBER, Part

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import (
        CompletedPartTypeDef,
        MultipartUploadTypeDef,
        PartTypeDef,
    )

logger = logging.getLogger("ingester.transfer")

TIMEOUT = urllib3.Timeout(connect=5.0, read=60.0)
"""Seconds. S3 answers when it has stored a part; it closes a request that sends nothing for 20."""
SLOW = frozenset({"SlowDown", "RequestTimeout", "ServiceUnavailable", "InternalError"})
CRC32_TRAILER = b"x-amz-checksum-crc32"
GONE = "S3 knows the unfinished upload no more: somebody else ended it."
IDENTITY = "source"
"""The metadata under which an object says of which version of its source it is."""

_CODE = re.compile(rb"<Code>([A-Za-z0-9.]+)</Code>")


class Credentials(Protocol):
    """botocore's credentials, which renew themselves."""

    def get_frozen_credentials(self) -> ReadOnlyCredentials: ...


@dataclass(frozen=True)
class Destination:
    """What an object is to be: its key, its metadata, and of which source.

    `source` holds whatever tells the source's version from another; objects and uploads of the
    same `identity` hold the same bytes.
    """

    key: str
    metadata: Mapping[str, str]
    source: Mapping[str, str | int | None]

    @property
    def mark(self) -> bytes:
        return msgspec.json.encode([self.key, self.metadata, self.source], order="sorted")

    @property
    def identity(self) -> str:
        return sha256(self.mark).hexdigest()


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part that S3 has. `crc32` as S3 writes it, base64."""

    number: int
    length: int
    etag: str
    crc32: str


@dataclass
class Upload:
    """An upload under way. `stored` are its parts by number, also those of earlier invocations."""

    destination: Destination
    upload_id: str
    url: str
    stored: dict[int, StoredPart] = field(default_factory=dict)
    is_marked: bool = False


class Bucket:
    """The bucket that objects are written to.

    `http` carries the parts; everything else goes through the `s3` client, whose `region` and
    `credentials` they are signed with.
    """

    def __init__(
        self,
        s3: S3Client,
        name: str,
        *,
        http: urllib3.PoolManager,
        credentials: Credentials,
    ) -> None:
        self._s3 = s3
        self._name = name
        self._http = http
        self._credentials = credentials

    def size_of(self, destination: Destination) -> int | None:
        """The size in bytes of the object, if it is there and of this very source."""
        try:
            head = self._s3.head_object(
                Bucket=self._name, Key=destination.key, ChecksumMode="ENABLED"
            )
        except ClientError as error:
            # Without s3:ListBucket S3 says 403 of an object that isn't there.
            if _status(error) in (403, 404):
                return None
            raise
        same = head["Metadata"].get(IDENTITY) == destination.identity
        return head["ContentLength"] if same else None

    def resume(self, destination: Destination, *, wanted: bool = True) -> Upload | None:
        """The unfinished upload of the same source, if there is one. Others of this key go, and
        all if none is `wanted`."""
        found: Upload | None = None
        for upload_id in self._unfinished(destination.key):
            stored = self._stored(destination.key, upload_id)
            mark = stored.pop(MARK_NUMBER, None)
            if wanted and found is None and _is_mark_of(mark, destination.mark):
                found = self._upload(destination, upload_id, stored)
                found.is_marked = True
            else:
                logger.warning("Removing what is left of another copy to %s", destination.key)
                self._abort(destination.key, upload_id)
        return found

    def begin(self, destination: Destination) -> Upload:
        """A new upload, without any part, not even the mark."""
        answer = self._s3.create_multipart_upload(
            Bucket=self._name,
            Key=destination.key,
            Metadata={**destination.metadata, IDENTITY: destination.identity},
            ChecksumAlgorithm="CRC32",
        )
        return self._upload(destination, answer["UploadId"], {})

    def mark(self, upload: Upload) -> None:
        """Says in the upload whose parts it holds. Without it nobody goes on with it."""
        with _gone():
            self._s3.upload_part(
                Bucket=self._name,
                Key=upload.destination.key,
                UploadId=upload.upload_id,
                PartNumber=MARK_NUMBER,
                Body=upload.destination.mark,
                ChecksumAlgorithm="CRC32",
            )
        upload.is_marked = True

    def send(self, upload: Upload, part: Part, chunks: Iterable[bytes | memoryview]) -> StoredPart:
        """Streams one part; `chunks` are exactly its bytes.

        What `chunks` raises is raised. UploadGone, SlowDown and AwsFailed are S3's answers.
        """
        body = _Trailed(chunks, part.length)
        url = f"{upload.url}?partNumber={part.number}&uploadId={quote(upload.upload_id, safe='')}"
        try:
            answer = self._http.urlopen(
                "PUT",
                url,
                body=iter(body),
                headers=self._signed("PUT", url, body.headers()),
                timeout=TIMEOUT,
                retries=False,
                redirect=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise AwsFailed(f"AWS failed: UploadPart ({type(error).__name__}).") from error
        if answer.status != 200:
            raise _refusal(answer.status, answer.data)
        confirmed = answer.headers.get("x-amz-checksum-crc32", body.crc32)
        if confirmed != body.crc32:
            raise AwsFailed("AWS failed: UploadPart confirmed another checksum.")
        stored = StoredPart(part.number, part.length, answer.headers["ETag"], body.crc32)
        upload.stored[part.number] = stored
        return stored

    def complete(self, upload: Upload) -> int:
        """Makes the object of its parts; S3 compares each checksum and the size, in bytes."""
        parts = [upload.stored[number] for number in sorted(upload.stored)]
        size = sum(part.length for part in parts)
        with _gone():
            self._s3.complete_multipart_upload(
                Bucket=self._name,
                Key=upload.destination.key,
                UploadId=upload.upload_id,
                MultipartUpload={"Parts": [_completed(part) for part in parts]},
                MpuObjectSize=size,
            )
        return size

    def abort(self, upload: Upload) -> None:
        """Removes an upload and its parts."""
        self._abort(upload.destination.key, upload.upload_id)

    def _abort(self, key: str, upload_id: str) -> None:
        try:
            self._s3.abort_multipart_upload(Bucket=self._name, Key=key, UploadId=upload_id)
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and _code(error) == "NoSuchUpload":
                return
            goes_on = log.goes_on("The copy goes on; the bucket's rule removes it after a day.")
            logger.exception("An unfinished upload of %s could not be removed", key, extra=goes_on)

    def _upload(
        self, destination: Destination, upload_id: str, stored: dict[int, StoredPart]
    ) -> Upload:
        # botocore knows where a bucket is, by region, endpoint and style of address.
        url = self._s3.generate_presigned_url(
            "get_object", Params={"Bucket": self._name, "Key": destination.key}
        ).split("?", 1)[0]
        return Upload(destination, upload_id, url, stored)

    def _unfinished(self, key: str) -> Iterator[str]:
        """Ids of the key's unfinished uploads, the newest first."""
        try:
            found = list(self._listed(key))
        except ClientError as error:
            if _status(error) == 404:
                # Stores that are like S3, but keep no list: nothing to go on with.
                return
            raise
        for upload in sorted(found, key=lambda upload: upload["Initiated"], reverse=True):
            yield upload["UploadId"]

    def _listed(self, key: str) -> Iterator[MultipartUploadTypeDef]:
        # boto3's paginators read a file of 30 ms CPU for what is one page.
        page = self._s3.list_multipart_uploads(Bucket=self._name, Prefix=key)
        while True:
            yield from (upload for upload in page.get("Uploads", ()) if upload["Key"] == key)
            if not page["IsTruncated"]:
                return
            page = self._s3.list_multipart_uploads(
                Bucket=self._name,
                Prefix=key,
                KeyMarker=page["NextKeyMarker"],
                UploadIdMarker=page["NextUploadIdMarker"],
            )

    def _stored(self, key: str, upload_id: str) -> dict[int, StoredPart]:
        """The parts of an upload whose checksum S3 knows, by number."""
        parts: dict[int, StoredPart] = {}
        marker = 0
        while True:
            try:
                page = self._s3.list_parts(
                    Bucket=self._name, Key=key, UploadId=upload_id, PartNumberMarker=marker
                )
            except ClientError as error:
                if _code(error) == "NoSuchUpload":
                    return {}
                raise
            for part in map(_part, page.get("Parts", ())):
                if part.crc32:
                    parts[part.number] = part
            if not page["IsTruncated"]:
                return parts
            marker = page["NextPartNumberMarker"]

    def _signed(self, method: str, url: str, headers: dict[str, str]) -> dict[str, str]:
        request = AWSRequest(method=method, url=url, headers=headers)
        # What botocore notes of a checksum in a trailer: the signature leaves the body out.
        request.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
        credentials = self._credentials.get_frozen_credentials()
        S3SigV4Auth(credentials, "s3", self._s3.meta.region_name).add_auth(request)
        return dict(request.headers.items())


class _Trailed:
    """A part's bytes as one `aws-chunked` chunk, with their CRC32 as a trailer behind it.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
    """

    def __init__(self, chunks: Iterable[bytes | memoryview], length: int) -> None:
        self._chunks = chunks
        self._length = length
        self.crc32 = ""

    def headers(self) -> dict[str, str]:
        checksum = len(b64encode(bytes(4)))
        framed = len(self._head()) + self._length + len(self._tail(bytes(checksum)))
        return {
            "Content-Encoding": "aws-chunked",
            "Content-Length": str(framed),
            "Content-Type": "application/octet-stream",
            "X-Amz-Decoded-Content-Length": str(self._length),
            "X-Amz-Trailer": CRC32_TRAILER.decode(),
        }

    def __iter__(self) -> Iterator[bytes | memoryview]:
        yield self._head()
        crc = 0
        for chunk in self._chunks:
            crc = zlib_ng.crc32(chunk, crc)
            yield chunk
        checksum = b64encode(crc.to_bytes(4, "big"))
        self.crc32 = checksum.decode()
        yield self._tail(checksum)

    def _head(self) -> bytes:
        return b"%x\r\n" % self._length

    def _tail(self, checksum: bytes) -> bytes:
        return b"\r\n0\r\n" + CRC32_TRAILER + b":" + checksum + b"\r\n\r\n"


@contextmanager
def _gone() -> Iterator[None]:
    """UploadGone where botocore says that S3 knows the upload no more."""
    try:
        yield
    except ClientError as error:
        if _code(error) == "NoSuchUpload":
            raise UploadGone(GONE) from error
        raise


def _is_mark_of(mark: StoredPart | None, content: bytes) -> bool:
    crc32 = b64encode(zlib_ng.crc32(content).to_bytes(4, "big")).decode()
    return mark is not None and (mark.length, mark.crc32) == (len(content), crc32)


def _part(part: PartTypeDef) -> StoredPart:
    return StoredPart(part["PartNumber"], part["Size"], part["ETag"], part.get("ChecksumCRC32", ""))


def _completed(part: StoredPart) -> CompletedPartTypeDef:
    return {"PartNumber": part.number, "ETag": part.etag, "ChecksumCRC32": part.crc32}


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def _refusal(status: int, body: bytes) -> AwsFailed | UploadGone:
    """S3's error (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html) as ours."""
    found = _CODE.search(body)
    code = found[1].decode() if found else str(status)
    if code == "NoSuchUpload":
        return UploadGone(GONE)
    sentence = f"AWS failed: UploadPart answered {code}."
    return SlowDown(sentence) if status >= 500 or code in SLOW else AwsFailed(sentence)
