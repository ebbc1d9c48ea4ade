"""Plan the copy of a file: open the source, and find the parts that S3 has stored already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ingester.errors import FileTooLarge, PermanentFailure, TransferFailed
from ingester.transfer.multipart import Bucket, Destination, Upload
from ingester.transfer.parts import Part, part_bytes, parts_of
from ingester.transfer.ranges import Body, Source, Version


@dataclass(frozen=True)
class Target:
    """The S3 key and metadata of a copied file."""

    key: str
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Copy:
    """A file to copy.

    Attributes:
        label: Name of the file in log records.
        source: Source of the file.
        target_of: Returns the target, given the file's name at the source.
        expected_size: Size in bytes that Zoom has stated; None if Zoom stated none.
        most_bytes: Largest size in bytes that is copied; None without a limit.
        inspect: Inspects the object, given its key and size in bytes. Raises TransferFailed or a
            PermanentFailure if the object isn't valid; RuntimeError or OSError if the check doesn't
            start.
        tolerated_errors: Types of errors that end this copy, but not the run.
    """

    label: str
    source: Source
    target_of: Callable[[str], Target]
    expected_size: int | None = None
    most_bytes: int | None = None
    inspect: Callable[[str, int], Any] | None = None
    tolerated_errors: tuple[type[PermanentFailure], ...] = ()


@dataclass(frozen=True)
class Copied:
    """Result of a copy: S3 has the complete object.

    Attributes:
        key: S3 key of the object.
        size: Size of the object in bytes.
        inspected: Result of the copy's `inspect`; None without `inspect`.
        fetched: Number of bytes that this run read from the source.
        seconds: Duration in this run.
        retries: Number of retries in this run.
    """

    key: str
    size: int
    inspected: Any
    fetched: int
    seconds: float
    retries: int


@dataclass(frozen=True)
class Plan:
    """The work that is left of a copy.

    Attributes:
        version: Version of the source.
        upload: The upload to write to.
        missing: The parts that S3 hasn't stored; empty for a source without ranges.
        body: The open body of a source without ranges; None for a source with ranges.
    """

    version: Version
    upload: Upload
    missing: tuple[Part, ...] = ()
    body: Body | None = None


@dataclass(frozen=True)
class AlreadyThere:
    """A complete object of the file's current version, which S3 already has. `size` is in bytes."""

    key: str
    size: int


def plan_of(copy: Copy, bucket: Bucket, *, overwrite: bool) -> Plan | AlreadyThere:
    """Open the source of a copy, and return the work that is left.

    Unless the result is AlreadyThere, an unfinished upload is found or a new one is created, and
    other unfinished uploads to the same key are aborted.

    Args:
        copy: The file.
        bucket: Bucket for the object.
        overwrite: Whether to copy the file even if S3 has the object.

    Raises:
        TransferFailed: The source doesn't have the expected size.
        FileTooLarge: The file exceeds the copy's limit.
        IngesterError: See `ranges.Source.open`.
        BotoCoreError, ClientError: S3 failed.
    """
    body = _open(copy)
    try:
        plan = _plan(copy, bucket, body, overwrite=overwrite)
        if isinstance(plan, Plan) and plan.body is body:
            return plan
        if body.is_range:
            # Reading the answer's only byte allows the connection to be reused.
            with suppress(TransferFailed):
                body.read(1)
    except BaseException:
        body.close()
        raise
    body.close()
    return plan


def _open(copy: Copy) -> Body:
    """Request the first byte of the source, check the file's size, and return the answer's body.

    Raises:
        TransferFailed: The source doesn't have the expected size.
        FileTooLarge: The file exceeds the copy's limit.
        IngesterError: See `ranges.Source.open`.
    """
    body = copy.source.open(0, 0)
    size = body.version.size
    if copy.most_bytes is not None and size is not None and size > copy.most_bytes:
        body.close()
        raise FileTooLarge(f"{body.name} has {size} bytes.")
    if copy.expected_size is not None and size not in (None, copy.expected_size):
        body.close()
        raise TransferFailed(
            f"{body.name} has {size} bytes on the download host, but Zoom stated "
            f"{copy.expected_size}."
        )
    return body


def _plan(copy: Copy, bucket: Bucket, body: Body, *, overwrite: bool) -> Plan | AlreadyThere:
    version = body.version
    target = copy.target_of(body.name)
    source = {
        "etag": version.etag,
        "last_modified": version.last_modified,
        "size": version.size,
        "part": part_bytes(version.size or 0) if body.is_range else None,
    }
    destination = Destination(target.key, target.metadata, source)
    if version.size is None:
        # Without a size, a change of the file can't be recognized, so nothing is resumed.
        bucket.resume(destination, discard_all=True)
        return Plan(version, bucket.begin(destination), body=body)
    is_there = not overwrite and bucket.size_of(destination) == version.size
    if is_there and not bucket.is_released(target.key):
        return AlreadyThere(target.key, version.size)
    upload = bucket.resume(destination) or bucket.begin(destination)
    if not body.is_range:
        return Plan(version, upload, body=body)
    parts = parts_of(version.size)
    missing = tuple(part for part in parts if not _has_part(upload, part))
    return Plan(version, upload, missing=missing)


def _has_part(upload: Upload, part: Part) -> bool:
    stored = upload.stored.get(part.number)
    return stored is not None and stored.length == part.length
