"""What is to be copied, and what opening it found out: how much of it S3 has already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ingester.errors import EmptyFile, PermanentFailure, TransferFailed
from ingester.transfer.multipart import Bucket, Destination, Upload
from ingester.transfer.parts import Part, part_bytes, parts_of
from ingester.transfer.ranges import Body, Source, Version


@dataclass(frozen=True)
class Target:
    """Where a file goes, and what S3 is to remember of it."""

    key: str
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Copy:
    """What is to be copied. `label` is its name in logs.

    `target_of` gets the name that the source gives. `expected_size` in bytes, if somebody else has
    told it. `inspect` looks at the object (key, size) and raises TransferFailed if it is no good.
    An error of `skips` ends this copy, but not the others.
    """

    label: str
    source: Source
    target_of: Callable[[str], Target]
    expected_size: int | None = None
    inspect: Callable[[str, int], Any] | None = None
    skips: tuple[type[PermanentFailure], ...] = ()


@dataclass(frozen=True)
class Copied:
    """A file that is whole in S3: `size` in bytes, and what the copy's `inspect` found.

    `fetched` bytes were read for it in this run, in `seconds`, with `retries` on the way.
    """

    key: str
    size: int
    inspected: Any
    fetched: int
    seconds: float
    retries: int


@dataclass(frozen=True)
class Plan:
    """What is left to do: the `missing` parts, or a plain stream whose `body` is open."""

    version: Version
    upload: Upload
    missing: tuple[Part, ...] = ()
    body: Body | None = None


@dataclass(frozen=True)
class AlreadyThere:
    """The object is in S3, whole, of this very version."""

    key: str
    size: int


def plan_of(copy: Copy, bucket: Bucket, *, anew: bool) -> Plan | AlreadyThere:
    """Opens a copy's source and looks what S3 has of it. `anew`: whatever is there, copy it again.

    Raises what the source does, TransferFailed if it isn't of the expected size, and botocore's
    errors.
    """
    body = _opened(copy)
    try:
        plan = _planned(copy, bucket, body, anew=anew)
        if isinstance(plan, Plan) and plan.body is body:
            return plan
        if body.is_range:
            # Its one byte, so that the connection can be used again. Nobody needs it.
            with suppress(TransferFailed):
                body.read(1)
    except BaseException:
        body.close()
        raise
    body.close()
    return plan


def _opened(copy: Copy) -> Body:
    try:
        body = copy.source.open(0, 0)
    except EmptyFile as error:
        if copy.expected_size:
            raise TransferFailed(f"{error} Told were {copy.expected_size}.") from error
        raise
    size = body.version.size
    if copy.expected_size is not None and size not in (None, copy.expected_size):
        body.close()
        raise TransferFailed(
            f"The download host tells {size} bytes of {body.name}, Zoom {copy.expected_size}."
        )
    return body


def _planned(copy: Copy, bucket: Bucket, body: Body, *, anew: bool) -> Plan | AlreadyThere:
    version = body.version
    target = copy.target_of(body.name)
    told = {"etag": version.etag, "last_modified": version.last_modified, "size": version.size}
    cut = {"part": part_bytes(version.size or 0) if body.is_range else None}
    destination = Destination(target.key, target.metadata, {**told, **cut})
    if version.size is None:
        # Nothing tells this version from another: what an earlier copy left is not trusted.
        bucket.resume(destination, wanted=False)
        return Plan(version, bucket.begin(destination), body=body)
    if not anew and bucket.size_of(destination) == version.size:
        return AlreadyThere(target.key, version.size)
    upload = bucket.resume(destination) or bucket.begin(destination)
    if not body.is_range:
        return Plan(version, upload, body=body)
    parts = parts_of(version.size)
    return Plan(version, upload, missing=tuple(part for part in parts if not _has(upload, part)))


def _has(upload: Upload, part: Part) -> bool:
    stored = upload.stored.get(part.number)
    return stored is not None and stored.length == part.length
