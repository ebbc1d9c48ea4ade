"""A fake of boto3's S3 client, for one bucket.

An object's content is a small token, and the nominal size is a separate number, because the
simulator moves no real files. The fake has no versions, listings, parts of uploads, values of
checksums or storage classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import md5, sha256
from io import BytesIO
from math import ceil
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from botocore.exceptions import ClientError

from tests.simulation.aws.calls import Call, answer, client_error

DAY = 86400.0
MAX_PRESIGNED_SECONDS = 7 * 24 * 3600
"""Longest validity of a presigned URL in seconds.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html
"""


class NoSuchKey(ClientError):
    """The fake of botocore's error for a key without an object."""


class FetchFailed(Exception):
    """S3's refusal of a presigned URL, with the HTTP status and S3's error code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"S3 answers {status} {code}.")
        self.status = status
        self.code = code


@dataclass(frozen=True)
class StoredObject:
    """An object of the bucket. `modified` is in seconds since 1970."""

    key: str
    content: bytes
    size: int
    metadata: dict[str, str]
    modified: float
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class OpenUpload:
    """A multipart upload that is neither completed nor aborted.

    `begun` is in seconds since 1970.
    """

    upload_id: str
    key: str
    begun: float


class FakeBucket:
    """A fake of S3's client, with one bucket.

    The caller has the permission s3:ListBucket, so S3 answers 404, not 403, for a missing object:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html

    Args:
        name: The bucket's name.
        call: The hook around each call.
        now: Returns the time in seconds since 1970.
        new_id: Returns the next upload id.
    """

    def __init__(
        self,
        name: str,
        *,
        call: Call,
        now: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self.exceptions = SimpleNamespace(ClientError=ClientError, NoSuchKey=NoSuchKey)
        self.name = name
        self._call = call
        self._now = now
        self._new_id = new_id
        self._objects: dict[str, StoredObject] = {}
        self._uploads: dict[str, OpenUpload] = {}
        self.keys: set[str] = set()
        """The keys of all objects, including deleted objects."""
        self.tagged: list[tuple[float, StoredObject]] = []
        """Time of each tagging in seconds since 1970, and the object before the tagging."""

    # The simulator and the judge use the next methods, which don't call the hook.

    def store(
        self,
        key: str,
        content: bytes,
        size: int | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Store an object. The object replaces an earlier object with the same key.

        `size` is the nominal size in bytes, by default the length of `content`.
        """
        nominal = len(content) if size is None else size
        given = {name.lower(): value for name, value in (metadata or {}).items()}
        self.keys.add(key)
        self._objects[key] = StoredObject(key, bytes(content), nominal, given, self._now())

    def objects(self) -> list[StoredObject]:
        """Return every object, in the order of the keys."""
        return [self._objects[key] for key in sorted(self._objects)]

    def stored(self, key: str) -> StoredObject | None:
        """Return the object of a key, or None."""
        return self._objects.get(key)

    def remove(self, key: str) -> None:
        """Delete an object, if it is there."""
        self._objects.pop(key, None)

    def expire(self, days: int, tagged_days: int, upload_days: int) -> None:
        """Delete objects and abort uploads as S3's lifecycle rules do.

        `days` is the life of an object without tags, `tagged_days` of an object with tags, and
        `upload_days` of an open upload.

        S3 rounds the end of a life up to the next midnight of UTC:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
        """
        now = self._now()
        for stored in self.objects():
            if _end_of(stored.modified, tagged_days if stored.tags else days) <= now:
                del self._objects[stored.key]
        for upload in self.open_uploads():
            if _end_of(upload.begun, upload_days) <= now:
                self.abort(upload.upload_id)

    def begin_upload(self, key: str) -> str:
        """Begin a multipart upload, and return its id."""
        upload_id = self._new_id()
        self._uploads[upload_id] = OpenUpload(upload_id, key, self._now())
        return upload_id

    def open_uploads(self) -> list[OpenUpload]:
        """Return the uploads that are neither completed nor aborted, oldest first."""
        return list(self._uploads.values())

    def abort(self, upload_id: str) -> None:
        """End an upload without an object.

        Raises:
            ClientError: There is no such open upload (NoSuchUpload).
        """
        self._end(upload_id, "AbortMultipartUpload")

    def complete(
        self,
        upload_id: str,
        content: bytes,
        size: int | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """End an upload, and store its object.

        Raises:
            ClientError: There is no such open upload (NoSuchUpload).
        """
        upload = self._end(upload_id, "CompleteMultipartUpload")
        self.store(upload.key, content, size, metadata)

    def _end(self, upload_id: str, operation: str) -> OpenUpload:
        if upload_id not in self._uploads:
            text = "The specified multipart upload does not exist."
            raise client_error(operation, "NoSuchUpload", text, status=404)
        return self._uploads.pop(upload_id)

    def fetch_object(self, url: str) -> StoredObject:
        """Return the object behind a presigned URL.

        Raises:
            FetchFailed: The URL is wrong, is valid for too long or has expired, or there is no such
                object.
        """
        signed = read_presigned(url)
        if signed.bucket != self.name or url != _presigned(signed):
            raise FetchFailed(403, "SignatureDoesNotMatch")
        if signed.seconds > MAX_PRESIGNED_SECONDS:
            raise FetchFailed(400, "AuthorizationQueryParametersError")
        if self._now() > signed.expires:
            raise FetchFailed(403, "AccessDenied")
        found = self._objects.get(signed.key)
        if found is None:
            raise FetchFailed(404, "NoSuchKey")
        return found

    # The methods below have boto3's interface, as far as production uses it.

    def head_object(
        self, *, Bucket: str, Key: str, ChecksumMode: str | None = None
    ) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            found = self._objects.get(Key) if Bucket == self.name else None
            if found is None:
                # HeadObject's answer has no body, so botocore knows only the status.
                raise client_error("HeadObject", "404", "Not Found", status=404)
            head = _head(found)
            if ChecksumMode == "ENABLED":
                head["ChecksumType"] = "FULL_OBJECT"
            return answer(**head)

        return self._call("s3.HeadObject", effect)

    def put_object(
        self, *, Bucket: str, Key: str, Body: bytes, ContentType: str = ""
    ) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            assert Bucket == self.name
            assert ContentType
            self.store(Key, Body)
            return answer(ETag=_etag(Body))

        return self._call("s3.PutObject", effect)

    def get_object(self, *, Bucket: str, Key: str, Range: str = "") -> dict[str, Any]:
        """Return an object, or its beginning if `Range` is given.

        Raises:
            ClientError: There is no such object (NoSuchKey).
        """

        def effect() -> dict[str, Any]:
            found = self._objects.get(Key) if Bucket == self.name else None
            if found is None:
                raise client_error("GetObject", "NoSuchKey", "The key does not exist.", status=404)
            first, _, last = Range.removeprefix("bytes=").partition("-")
            assert first in ("", "0")
            content = found.content[: int(last) + 1] if last else found.content
            return answer(Body=closing(BytesIO(content)), **_head(found))

        return self._call("s3.GetObject", effect)

    def put_object_tagging(
        self, *, Bucket: str, Key: str, Tagging: Mapping[str, Any]
    ) -> dict[str, Any]:
        tags = tuple((tag["Key"], tag["Value"]) for tag in Tagging["TagSet"])

        def effect() -> dict[str, Any]:
            found = self._objects.get(Key) if Bucket == self.name else None
            if found is None:
                text = "The specified key does not exist."
                raise client_error("PutObjectTagging", "NoSuchKey", text, status=404)
            self._objects[Key] = replace(found, tags=tags)
            self.tagged.append((self._now(), found))
            return answer()

        return self._call("s3.PutObjectTagging", effect)

    def generate_presigned_url(
        self, ClientMethod: str, Params: Mapping[str, str], ExpiresIn: int = 3600
    ) -> str:
        """Return a presigned URL. boto3 signs locally, so the hook isn't called.

        Raises:
            ValueError: `ClientMethod` isn't "get_object".
        """
        if ClientMethod != "get_object":
            raise ValueError(f"The fake of S3 presigns no {ClientMethod}.")
        return _presigned(Presigned(Params["Bucket"], Params["Key"], int(self._now()), ExpiresIn))


@dataclass(frozen=True)
class Presigned:
    """The values in a presigned URL. `signed_at` is in seconds since 1970."""

    bucket: str
    key: str
    signed_at: int
    seconds: int

    @property
    def expires(self) -> int:
        return self.signed_at + self.seconds


_SIGNING_TIME = "%Y%m%dT%H%M%SZ"


def _presigned(signed: Presigned) -> str:
    date = datetime.fromtimestamp(signed.signed_at, UTC).strftime(_SIGNING_TIME)
    unsigned = (
        f"https://{signed.bucket}.s3.amazonaws.com/{quote(signed.key)}"
        f"?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={date}&X-Amz-Expires={signed.seconds}"
    )
    return f"{unsigned}&X-Amz-Signature={sha256(unsigned.encode()).hexdigest()}"


def read_presigned(url: str) -> Presigned:
    """Parse a presigned URL of the fake.

    Raises:
        FetchFailed: The URL has no readable time of signing or validity.
    """
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    try:
        moment = datetime.strptime(query["X-Amz-Date"], _SIGNING_TIME).replace(tzinfo=UTC)
        return Presigned(
            bucket=str(parts.hostname).split(".", 1)[0],
            key=unquote(parts.path[1:]),
            signed_at=int(moment.timestamp()),
            seconds=int(query["X-Amz-Expires"]),
        )
    except (KeyError, ValueError) as error:
        raise FetchFailed(403, "AccessDenied") from error


def _head(found: StoredObject) -> dict[str, Any]:
    return {
        "ContentLength": found.size,
        "LastModified": datetime.fromtimestamp(int(found.modified), UTC),
        "ETag": _etag(found.content),
        "Metadata": dict(found.metadata),
    }


def _etag(content: bytes) -> str:
    return f'"{md5(content, usedforsecurity=False).hexdigest()}"'


def _end_of(begin: float, days: int) -> float:
    return ceil((begin + days * DAY) / DAY) * DAY
