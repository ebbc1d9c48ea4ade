"""A fake of boto3's S3 client, for one bucket.

An object's content is a small token, and its nominal size another number: the simulator moves no
real files. Not modelled: versions, listings, parts of uploads, checksums, storage classes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import md5, sha256
from math import ceil
from types import SimpleNamespace
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from botocore.exceptions import ClientError

from tests.simulation.aws.calls import Call, answer, client_error

DAY = 86400.0
MAX_PRESIGNED_SECONDS = 7 * 24 * 3600
"""S3's guide, "Download and upload objects with presigned URLs"."""


class NoSuchKey(ClientError):
    """There is no such object."""


class NoSuchBucket(ClientError):
    """There is no such bucket."""


class FetchFailed(Exception):
    """S3 refuses a presigned URL. `status` is HTTP's, `code` is S3's."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"S3 answers {status} {code}.")
        self.status = status
        self.code = code


@dataclass(frozen=True)
class StoredObject:
    """An object. `modified` is in seconds since the epoch."""

    key: str
    content: bytes
    size: int
    metadata: dict[str, str]
    modified: float


@dataclass(frozen=True)
class OpenUpload:
    """A multipart upload that is neither completed nor aborted."""

    upload_id: str
    key: str
    begun: float


class Body:
    """What `get_object` gives as the object's content."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, amount: int | None = None) -> bytes:
        end = len(self._content) if amount is None else amount
        read, self._content = self._content[:end], self._content[end:]
        return read

    def close(self) -> None:
        self._content = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FakeBucket:
    """S3's client, and the only bucket that there is.

    Args:
        name: The bucket's name.
        call: The hook around each call.
        now: Gives the time in seconds since the epoch.
        new_id: Gives the next upload id.
        can_list: Whether the caller has s3:ListBucket. Without, S3 answers 403 for an object that
            isn't there (HeadObject, "Permissions").
        credentials_end: Gives when the credentials that sign now end; None for never.
    """

    def __init__(
        self,
        name: str,
        *,
        call: Call,
        now: Callable[[], float],
        new_id: Callable[[], str],
        can_list: bool = True,
        credentials_end: Callable[[], float] | None = None,
    ) -> None:
        self.exceptions = SimpleNamespace(
            ClientError=ClientError, NoSuchKey=NoSuchKey, NoSuchBucket=NoSuchBucket
        )
        self.name = name
        self._call = call
        self._now = now
        self._new_id = new_id
        self._can_list = can_list
        self._credentials_end = credentials_end
        self._objects: dict[str, StoredObject] = {}
        self._uploads: dict[str, OpenUpload] = {}
        self.keys: set[str] = set()
        """Every key that an object had, also one that is gone."""

    # What a judge and the simulator use, without the hook.

    def store(
        self,
        key: str,
        content: bytes,
        size: int | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Put an object there, in place of an earlier one. `size` is its nominal size in bytes."""
        nominal = len(content) if size is None else size
        given = {name.lower(): value for name, value in (metadata or {}).items()}
        self.keys.add(key)
        self._objects[key] = StoredObject(key, bytes(content), nominal, given, self._now())

    def objects(self) -> list[StoredObject]:
        """Every object, in the order of their keys."""
        return [self._objects[key] for key in sorted(self._objects)]

    def stored(self, key: str) -> StoredObject | None:
        """The object of this key, if it is there."""
        return self._objects.get(key)

    def remove(self, key: str) -> None:
        """Delete an object, if it is there."""
        self._objects.pop(key, None)

    def expire(self, days: int, upload_days: int | None = None) -> list[str]:
        """Delete objects by a lifecycle rule, and abort unfinished uploads after `upload_days`.

        S3 rounds the end of an object's life up to the next midnight of UTC (S3's guide, "Lifecycle
        rules: based on an object's age"). Returns the keys of the objects.
        """
        now = self._now()
        gone = [stored.key for stored in self.objects() if _end_of(stored.modified, days) <= now]
        for key in gone:
            del self._objects[key]
        if upload_days is not None:
            for upload in self.open_uploads():
                if _end_of(upload.begun, upload_days) <= now:
                    self.abort(upload.upload_id)
        return gone

    def begin_upload(self, key: str) -> str:
        """Begin a multipart upload. Returns its id."""
        upload_id = self._new_id()
        self._uploads[upload_id] = OpenUpload(upload_id, key, self._now())
        return upload_id

    def open_uploads(self) -> list[OpenUpload]:
        """The uploads that are neither completed nor aborted, in the order of their beginning."""
        return list(self._uploads.values())

    def abort(self, upload_id: str) -> None:
        """End an upload without an object.

        Raises:
            ClientError: The upload has ended already (NoSuchUpload).
        """
        self._end(upload_id, "AbortMultipartUpload")

    def complete(
        self,
        upload_id: str,
        content: bytes,
        size: int | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Make an object of an upload.

        Raises:
            ClientError: The upload has ended already (NoSuchUpload).
        """
        upload = self._end(upload_id, "CompleteMultipartUpload")
        self.store(upload.key, content, size, metadata)

    def _end(self, upload_id: str, operation: str) -> OpenUpload:
        if upload_id not in self._uploads:
            text = "The specified multipart upload does not exist."
            raise client_error(operation, "NoSuchUpload", text, status=404)
        return self._uploads.pop(upload_id)

    def fetch(self, url: str) -> bytes:
        """The content behind a presigned URL.

        Raises:
            FetchFailed: The URL has expired, or its object is gone.
        """
        return self.fetch_object(url).content

    def fetch_object(self, url: str) -> StoredObject:
        """The object behind a presigned URL; raises as `fetch`."""
        signed = read_presigned(url)
        if signed.bucket != self.name or url != _presigned(signed):
            raise FetchFailed(403, "SignatureDoesNotMatch")
        if signed.seconds > MAX_PRESIGNED_SECONDS:
            raise FetchFailed(400, "AuthorizationQueryParametersError")
        if self._now() > signed.expires:
            raise FetchFailed(403, "AccessDenied")
        if signed.credentials_end is not None and self._now() > signed.credentials_end:
            raise FetchFailed(400, "ExpiredToken")
        found = self._objects.get(signed.key)
        if found is None:
            raise (
                FetchFailed(404, "NoSuchKey")
                if self._can_list
                else FetchFailed(403, "AccessDenied")
            )
        return found

    # What production uses.

    def head_object(
        self, *, Bucket: str, Key: str, ChecksumMode: str | None = None
    ) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            found = self._object(Bucket, Key, "HeadObject")
            head = _head(found)
            if ChecksumMode == "ENABLED":
                head["ChecksumType"] = "FULL_OBJECT"
            return answer(**head)

        return self._call("s3.HeadObject", effect)

    def get_object(self, *, Bucket: str, Key: str, Range: str | None = None) -> dict[str, Any]:
        """Read an object.

        A range of an object whose nominal size isn't its content's length has the whole token as
        its body, and the nominal ContentLength.
        """

        def effect() -> dict[str, Any]:
            found = self._object(Bucket, Key, "GetObject")
            head, content = _head(found), found.content
            if Range is not None:
                first, last = _range(Range, found.size)
                head["ContentLength"] = last + 1 - first
                head["ContentRange"] = f"bytes {first}-{last}/{found.size}"
                if found.size == len(content):
                    content = content[first : last + 1]
            return answer(**head, Body=Body(content))

        return self._call("s3.GetObject", effect)

    def put_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Body: bytes | str,
        Metadata: Mapping[str, str] | None = None,
        ContentType: str | None = None,
    ) -> dict[str, Any]:
        content = Body.encode() if isinstance(Body, str) else bytes(Body)
        metadata = dict(Metadata or {})

        def effect() -> dict[str, Any]:
            self._check_bucket(Bucket, "PutObject")
            if ContentType == "":
                raise client_error("PutObject", "InvalidArgument", "Content-Type is empty")
            self.store(Key, content, metadata=metadata)
            return answer(ETag=_etag(content))

        return self._call("s3.PutObject", effect)

    def delete_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            self._check_bucket(Bucket, "DeleteObject")
            self.remove(Key)
            return answer()

        return self._call("s3.DeleteObject", effect)

    def generate_presigned_url(
        self, ClientMethod: str, Params: Mapping[str, str], ExpiresIn: int = 3600
    ) -> str:
        """Sign a URL. This is local in boto3 too, so the hook isn't called."""
        if ClientMethod != "get_object":
            raise ValueError(f"The fake of S3 presigns no {ClientMethod}.")
        ends = self._credentials_end() if self._credentials_end else None
        signed = Presigned(Params["Bucket"], Params["Key"], int(self._now()), ExpiresIn, ends)
        return _presigned(signed)

    # How it works.

    def _check_bucket(self, bucket: str, operation: str) -> None:
        if bucket != self.name:
            code, text = "NoSuchBucket", "The specified bucket does not exist"
            raise client_error(operation, code, text, status=404, error=NoSuchBucket)

    def _object(self, bucket: str, key: str, operation: str) -> StoredObject:
        is_head = operation == "HeadObject"
        if not (is_head and bucket != self.name):
            self._check_bucket(bucket, operation)
        found = self._objects.get(key) if bucket == self.name else None
        if found is not None:
            return found
        # HeadObject's answer has no body, so botocore knows only the status.
        if not self._can_list:
            code, text = ("403", "Forbidden") if is_head else ("AccessDenied", "Access Denied")
            raise client_error(operation, code, text, status=403)
        if is_head:
            raise client_error(operation, "404", "Not Found", status=404)
        text = "The specified key does not exist."
        raise client_error(operation, "NoSuchKey", text, status=404, error=NoSuchKey)


@dataclass(frozen=True)
class Presigned:
    """What a presigned URL says. Times are seconds since the epoch."""

    bucket: str
    key: str
    signed_at: int
    seconds: int
    credentials_end: float | None = None

    @property
    def expires(self) -> int:
        return self.signed_at + self.seconds


_SIGNING_TIME = "%Y%m%dT%H%M%SZ"


def _presigned(signed: Presigned) -> str:
    date = datetime.fromtimestamp(signed.signed_at, UTC).strftime(_SIGNING_TIME)
    token = "" if signed.credentials_end is None else repr(signed.credentials_end)
    unsigned = (
        f"https://{signed.bucket}.s3.amazonaws.com/{quote(signed.key)}"
        f"?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={date}&X-Amz-Expires={signed.seconds}"
        + (f"&X-Amz-Security-Token={token}" if token else "")
    )
    return f"{unsigned}&X-Amz-Signature={sha256(unsigned.encode()).hexdigest()}"


def read_presigned(url: str) -> Presigned:
    """Take a presigned URL of the fake apart.

    Raises:
        FetchFailed: It isn't one.
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
            credentials_end=float(token) if (token := query.get("X-Amz-Security-Token")) else None,
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


def _range(text: str, size: int) -> tuple[int, int]:
    """The first and last byte of a Range header."""
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", text)
    if match is None:
        raise ValueError(f"The fake of S3 doesn't know the range {text!r}.")
    first, last = int(match[1]), min(size - 1, int(match[2] or size))
    if first > last:
        text = "The requested range is not satisfiable"
        raise client_error("GetObject", "InvalidRange", text, status=416)
    return first, last


def _end_of(begin: float, days: int) -> float:
    return ceil((begin + days * DAY) / DAY) * DAY
