"""Write an object to S3 by a multipart upload that another process can resume.

S3's list of stored parts is the only checkpoint of a copy. One more small part, the mark,
identifies the upload: the mark contains the file's version, the object's key and the object's
metadata. The mark has the highest part number that S3 takes, and is left out when the upload is
completed. If the source has ranges, a part is sent while it is still being received. S3 checks each
part's CRC32, which follows the part as a trailer.
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
"""Timeouts in seconds. S3 answers once it has stored a part, and closes a request that sends
nothing for 20 seconds."""

SLOW_DOWN_CODES = frozenset({"SlowDown", "RequestTimeout", "ServiceUnavailable", "InternalError"})
CRC32_TRAILER = b"x-amz-checksum-crc32"
GONE = "S3 doesn't know the unfinished upload any more: somebody else ended it."
IDENTITY_KEY = "source"
"""Key of `Destination.identity` in an object's metadata. Stored objects already have this key."""

_CODE = re.compile(rb"<Code>([A-Za-z0-9.]+)</Code>")


class Credentials(Protocol):
    """Credentials of botocore, which renews them."""

    def get_frozen_credentials(self) -> ReadOnlyCredentials: ...


@dataclass(frozen=True)
class Destination:
    """An object to write.

    Attributes:
        key: S3 key of the object.
        metadata: Metadata of the object.
        source: Version of the source, and the size of the parts. An upload with other values isn't
            resumed.
    """

    key: str
    metadata: Mapping[str, str]
    source: Mapping[str, str | int | None]

    @property
    def mark(self) -> bytes:
        """Content of the mark."""
        return msgspec.json.encode([self.key, self.metadata, self.source], order="sorted")

    @property
    def identity(self) -> str:
        """Hash of the mark. Objects and uploads of the same identity count as equal."""
        return sha256(self.mark).hexdigest()


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part that S3 has stored. `crc32` is base64, as S3 writes it."""

    number: int
    length: int
    etag: str
    crc32: str


@dataclass
class Upload:
    """A multipart upload in progress.

    Attributes:
        destination: The object to write.
        upload_id: S3's id of the upload.
        url: URL of the object, without a query.
        stored: Stored parts by number, including the parts from earlier invocations, but not the
            mark.
        is_marked: Whether S3 has stored the mark.
    """

    destination: Destination
    upload_id: str
    url: str
    stored: dict[int, StoredPart] = field(default_factory=dict)
    is_marked: bool = False


class Bucket:
    """The bucket that objects are written to.

    Args:
        s3: Client for all requests except those with parts of a file.
        name: Name of the bucket.
        http: Connections for the parts of a file.
        credentials: Credentials to sign the requests with parts of a file.
        released: Key of the tag on objects that are no longer needed. A rule of the bucket deletes
            these objects.
    """

    def __init__(
        self,
        s3: S3Client,
        name: str,
        *,
        http: urllib3.PoolManager,
        credentials: Credentials,
        released: str,
    ) -> None:
        self._s3 = s3
        self._name = name
        self._http = http
        self._credentials = credentials
        self._released = released

    def size_of(self, destination: Destination) -> int | None:
        """Return the object's size in bytes; None unless an object of the same identity exists.

        Raises:
            BotoCoreError, ClientError: S3 failed. A 403 or 404 counts as no object.
        """
        try:
            head = self._s3.head_object(
                Bucket=self._name, Key=destination.key, ChecksumMode="ENABLED"
            )
        except ClientError as error:
            # Without the grant s3:ListBucket, S3 answers 403 for an object that doesn't exist:
            # https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
            if _status(error) in (403, 404):
                return None
            raise
        is_same = head["Metadata"].get(IDENTITY_KEY) == destination.identity
        return head["ContentLength"] if is_same else None

    def is_released(self, key: str) -> bool:
        """Return whether a rule of the bucket may delete the object at any time, or has deleted it.

        An object whose tags S3 doesn't provide (403, 501) counts as not released.

        Raises:
            BotoCoreError, ClientError: S3 failed.
        """
        try:
            tags = self._s3.get_object_tagging(Bucket=self._name, Key=key)["TagSet"]
        except ClientError as error:
            # A role may lack the grant, and some stores with S3's API don't have tags.
            if _status(error) in (403, 404, 501):
                return _status(error) == 404
            raise
        return any(tag["Key"] == self._released for tag in tags)

    def resume(self, destination: Destination, *, discard_all: bool = False) -> Upload | None:
        """Find the newest unfinished upload of the same identity, and abort the key's others.

        Args:
            destination: The object.
            discard_all: Whether to abort the found upload as well.

        Returns:
            The upload; None if there is no upload, or the upload was aborted.

        Raises:
            BotoCoreError, ClientError: S3 can't list the unfinished uploads or their parts.
        """
        resumed: Upload | None = None
        for upload_id in self._unfinished_uploads(destination.key):
            stored = self._stored_parts(destination.key, upload_id)
            mark = stored.pop(MARK_NUMBER, None)
            if not discard_all and resumed is None and _is_mark_of(mark, destination.mark):
                resumed = self._upload(destination, upload_id, stored)
                resumed.is_marked = True
            else:
                logger.warning("Removing what is left of another copy to %s", destination.key)
                self._abort(destination.key, upload_id)
        return resumed

    def begin(self, destination: Destination) -> Upload:
        """Create an upload without any part, not even the mark.

        Raises:
            BotoCoreError, ClientError: S3 failed.
        """
        answer = self._s3.create_multipart_upload(
            Bucket=self._name,
            Key=destination.key,
            Metadata={**destination.metadata, IDENTITY_KEY: destination.identity},
            ChecksumAlgorithm="CRC32",
        )
        return self._upload(destination, answer["UploadId"], {})

    def mark(self, upload: Upload) -> None:
        """Store the mark, without which no other process resumes the upload.

        Raises:
            UploadGone: The upload doesn't exist any more.
            BotoCoreError, ClientError: S3 failed for another reason.
        """
        with _upload_gone_translated():
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
        """Send a part in chunks. Add the stored part to `upload.stored`, and return that part.

        Args:
            upload: The upload.
            part: The part.
            chunks: Exactly the bytes of the part. The iterator's IngesterErrors are raised
                unchanged.

        Raises:
            UploadGone: The upload doesn't exist any more.
            SlowDown: S3 answered 5xx, or a code of `SLOW_DOWN_CODES`.
            AwsFailed: S3 refused the part, couldn't be reached, or confirmed another checksum.
        """
        body = _BodyWithTrailer(chunks, part.length)
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
            raise _error_of(answer.status, answer.data)
        confirmed = answer.headers.get("x-amz-checksum-crc32", body.crc32)
        if confirmed != body.crc32:
            raise AwsFailed("AWS failed: UploadPart confirmed another checksum.")
        stored = StoredPart(part.number, part.length, answer.headers["ETag"], body.crc32)
        upload.stored[part.number] = stored
        return stored

    def complete(self, upload: Upload) -> int:
        """Complete an upload, and return the object's size in bytes.

        S3 checks the checksum of each part and the size:
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html

        Raises:
            UploadGone: The upload doesn't exist any more.
            BotoCoreError, ClientError: S3 failed for another reason.
        """
        parts = [upload.stored[number] for number in sorted(upload.stored)]
        size = sum(part.length for part in parts)
        with _upload_gone_translated():
            self._s3.complete_multipart_upload(
                Bucket=self._name,
                Key=upload.destination.key,
                UploadId=upload.upload_id,
                MultipartUpload={"Parts": [_completed_part(part) for part in parts]},
                MpuObjectSize=size,
            )
        return size

    def abort(self, upload: Upload) -> None:
        """Remove an upload and its parts.

        A failure is only logged, because a rule of the bucket removes unfinished uploads.
        """
        self._abort(upload.destination.key, upload.upload_id)

    def _abort(self, key: str, upload_id: str) -> None:
        try:
            self._s3.abort_multipart_upload(Bucket=self._name, Key=key, UploadId=upload_id)
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and _code(error) == "NoSuchUpload":
                return
            extra = log.nonfatal("The copy goes on; the bucket's rule removes it after a day.")
            logger.exception("An unfinished upload of %s could not be removed", key, extra=extra)

    def _upload(
        self, destination: Destination, upload_id: str, stored: dict[int, StoredPart]
    ) -> Upload:
        # A bucket's URL depends on region, endpoint and addressing style, which botocore knows.
        url = self._s3.generate_presigned_url(
            "get_object", Params={"Bucket": self._name, "Key": destination.key}
        ).split("?", 1)[0]
        return Upload(destination, upload_id, url, stored)

    def _unfinished_uploads(self, key: str) -> Iterator[str]:
        """Yield the ids of the key's unfinished uploads, the newest first.

        Raises:
            BotoCoreError, ClientError: S3 can't list the uploads. A 404 counts as no uploads.
        """
        try:
            uploads = list(self._list_uploads(key))
        except ClientError as error:
            if _status(error) == 404:
                # Some stores with S3's API don't list uploads, so there is nothing to resume.
                return
            raise
        for upload in sorted(uploads, key=lambda upload: upload["Initiated"], reverse=True):
            yield upload["UploadId"]

    def _list_uploads(self, key: str) -> Iterator[MultipartUploadTypeDef]:
        # boto3's paginator would load its model, which takes 30 ms of CPU, for a single page.
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

    def _stored_parts(self, key: str, upload_id: str) -> dict[int, StoredPart]:
        """Return the parts of an upload that have a checksum, by number.

        A part without a checksum, which only another program sends, is left out, so that the part
        is copied again. S3 wouldn't complete the upload with a part without a checksum.

        Raises:
            BotoCoreError, ClientError: S3 can't list the parts. An upload that is gone counts as
                empty.
        """
        parts: dict[int, StoredPart] = {}
        marker = 0
        while True:
            try:
                page = self._s3.list_parts(
                    Bucket=self._name, Key=key, UploadId=upload_id, PartNumberMarker=marker
                )
            except ClientError as error:
                if _code(error) == "NoSuchUpload":
                    # Another process ended the upload after it was listed.
                    return {}
                raise
            for part in map(_stored_part, page.get("Parts", ())):
                if part.crc32:
                    parts[part.number] = part
            if not page["IsTruncated"]:
                return parts
            marker = page["NextPartNumberMarker"]

    def _signed(self, method: str, url: str, headers: dict[str, str]) -> dict[str, str]:
        """Return the headers with a signature that doesn't cover the body."""
        request = AWSRequest(method=method, url=url, headers=headers)
        # botocore sets this key for a checksum in a trailer, and then doesn't sign the body.
        request.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
        credentials = self._credentials.get_frozen_credentials()
        S3SigV4Auth(credentials, "s3", self._s3.meta.region_name).add_auth(request)
        return dict(request.headers.items())


class _BodyWithTrailer:
    """The body of a request: a part as one `aws-chunked` chunk, then the part's CRC32 as a trailer.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
    """

    def __init__(self, chunks: Iterable[bytes | memoryview], length: int) -> None:
        self._chunks = chunks
        self._length = length
        self.crc32 = ""

    def headers(self) -> dict[str, str]:
        checksum_length = len(b64encode(bytes(4)))
        length = len(self._head()) + self._length + len(self._tail(bytes(checksum_length)))
        return {
            "Content-Encoding": "aws-chunked",
            "Content-Length": str(length),
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
def _upload_gone_translated() -> Iterator[None]:
    """Raise UploadGone in place of botocore's NoSuchUpload in the `with` block."""
    try:
        yield
    except ClientError as error:
        if _code(error) == "NoSuchUpload":
            raise UploadGone(GONE) from error
        raise


def _is_mark_of(mark: StoredPart | None, content: bytes) -> bool:
    """Return whether a stored part is the mark with this content, by length and checksum."""
    crc32 = b64encode(zlib_ng.crc32(content).to_bytes(4, "big")).decode()
    return mark is not None and (mark.length, mark.crc32) == (len(content), crc32)


def _stored_part(part: PartTypeDef) -> StoredPart:
    return StoredPart(part["PartNumber"], part["Size"], part["ETag"], part.get("ChecksumCRC32", ""))


def _completed_part(part: StoredPart) -> CompletedPartTypeDef:
    return {"PartNumber": part.number, "ETag": part.etag, "ChecksumCRC32": part.crc32}


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def _error_of(status: int, body: bytes) -> AwsFailed | UploadGone:
    """Return our error for S3's answer with an error.

    https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    """
    match = _CODE.search(body)
    code = match[1].decode() if match else str(status)
    if code == "NoSuchUpload":
        return UploadGone(GONE)
    text = f"AWS failed: UploadPart answered {code}."
    return SlowDown(text) if status >= 500 or code in SLOW_DOWN_CODES else AwsFailed(text)
