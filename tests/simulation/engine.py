"""A fake transfer engine: a copy takes the time of a transfer, and then stores an object.

The real engine has its own tests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

from botocore.exceptions import BotoCoreError, ClientError

from ingester.errors import (
    AwsFailed,
    EmptyFile,
    IngesterError,
    OutOfTime,
    PermanentFailure,
    TransferFailed,
    UploadGone,
    ZoomUnreachable,
)
from ingester.transfer.engine import Total, no_time_limit
from ingester.transfer.multipart import GONE
from ingester.transfer.plan import Copied, Copy, Target
from ingester.transfer.ranges import Body
from tests.simulation.aws.s3 import FakeBucket
from tests.simulation.truth import TRANSCRIPT, FileTruth
from tests.simulation.world import World

RESERVE_SECONDS = 5.0
RESTARTS = 3
OPENINGS = 4
SECOND_CHAPTER = 100
"""Seconds from the start of a segment to the start of its second chapter."""

LEAST_BYTES = 5 * 1024 * 1024
"""Bytes of the smallest part. A copy that is interrupted before its first part stores nothing.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""


@dataclass(frozen=True)
class Movie:
    """The metadata of an MP4's container."""

    seconds: float


@dataclass
class Upload:
    """An unfinished upload. `stored` is the number of bytes that S3 has."""

    upload_id: str
    stored: int = 0


@dataclass
class Copies:
    """The unfinished uploads of all invocations, and the contents of Zoom's files."""

    bucket: FakeBucket
    files: dict[str, FileTruth]
    """Token of a file's bytes → the file."""
    contents: dict[str, str]
    """ETag → the token of the file's bytes."""
    begun: dict[tuple[str, str], Upload] = field(default_factory=dict)
    """(staging key, identity of the source) → upload."""

    def content(self, etag: str) -> str:
        """Return the content of the file with an ETag: the file's token, or a text with that token.

        A transcript is WebVTT with the token as its cue. Chapters are JSON with two chapters whose
        title is the token.
        """
        token = self.contents[etag]
        file = self.files[token]
        if file.is_chapters:
            unit = 1 if file.finished % 2 < 1 else 1000
            bounds = [0, unit * SECOND_CHAPTER, unit * file.seconds]
            chapters = [
                {"title": token, "startTime": begin, "endTime": end}
                for begin, end in pairwise(bounds)
            ]
            return json.dumps({"itemList": chapters})
        if file.type != TRANSCRIPT:
            return token
        return f"WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n{token}\n"

    def resume(self, key: str, identity: str) -> Upload:
        """Return the unfinished upload with an identity. Begin the upload if there is none.

        `identity` names the version of the source. Abort the uploads with other identities to the
        same key.
        """
        for other in [name for name in self.begun if name[0] == key and name[1] != identity]:
            self.abort(other)
        found = self.begun.get((key, identity))
        if found is None or not self._is_open(found.upload_id):
            self.begun[key, identity] = Upload(self.bucket.begin_upload(key))
        return self.begun[key, identity]

    def abort(self, name: tuple[str, str]) -> None:
        found = self.begun.pop(name, None)
        if found and self._is_open(found.upload_id):
            self.bucket.abort(found.upload_id)

    def _is_open(self, upload_id: str) -> bool:
        return any(upload.upload_id == upload_id for upload in self.bucket.open_uploads())

    def inspect(self, name: str, read: Callable[[int, int], bytes], _size: int) -> Movie:
        """Return an object's container metadata, as `RecordingTransfer.inspect` does.

        The fake makes no request to S3, and finds the object's key in the arguments of `read`.

        Raises:
            TransferFailed: There is no object, or its content isn't the token of a file.
        """
        assert isinstance(read, partial)
        found = self.bucket.stored(read.args[0])
        if found is not None and found.content.decode() in self.files:
            return Movie(self.files[found.content.decode()].seconds)
        raise TransferFailed(f"{name} is not an MP4.")


@dataclass(frozen=True)
class FakeEngine:
    """A fake engine with the fields that production replaces for an invocation."""

    world: World
    copies: Copies
    rate: float
    time_left: Callable[[], float] = no_time_limit
    report: Callable[[Total], None] = lambda _: None

    def clock(self) -> float:
        return self.world.time

    def copy(self, copies: Sequence[Copy]) -> list[Copied | IngesterError]:
        """Copy the files in turn, with the results of `ingester.transfer.engine.Engine.copy`.

        Raises:
            PermanentFailure: A copy failed for good, and doesn't tolerate the error. The call has
                aborted its unfinished uploads.
            RetryableFailure: A copy failed, or the time ended before this call stored a part or
                completed an upload. The call has completed the copies for which there was time.
            OutOfTime: The time ended after this call stored a part or completed an upload. The
                next invocation continues the copies.
        """
        run = _Run(self)
        began = self.world.time
        is_complete = False
        try:
            results = run.results(copies)
            is_complete = True
            return results
        finally:
            seconds = self.world.time - began
            self.report(Total(run.fetched, seconds, 0, is_complete=is_complete))


class _Run:
    """A call of `FakeEngine.copy`."""

    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine
        self._world = engine.world
        self._copies = engine.copies
        self._touched: list[tuple[str, str]] = []
        self._is_late = False
        self.fetched = 0
        self._completed = 0
        self._parts = False

    def results(self, copies: Sequence[Copy]) -> list[Copied | IngesterError]:
        results: list[Copied | IngesterError] = []
        first: IngesterError | None = None
        for copy in copies:
            try:
                results.append(self._copy(copy))
            except OutOfTime:
                self._is_late = True
            except copy.tolerated_errors as error:
                results.append(error)
            except PermanentFailure:
                for name in self._touched:
                    self._copies.abort(name)
                raise
            except IngesterError as error:
                first = first or error
            if self._is_late:
                break
        if first is not None:
            raise first
        if len(results) < len(copies):
            raise self._unfinished(copies)
        return results

    def _unfinished(self, copies: Sequence[Copy]) -> IngesterError:
        if self._parts or self._completed:
            sizes = [copy.expected_size for copy in copies]
            total = None if None in sizes else sum(size or 0 for size in sizes)
            return OutOfTime(self.fetched, total)
        return TransferFailed("Nothing could be copied in the time that was left.")

    def _copy(self, copy: Copy) -> Copied:
        for _ in range(RESTARTS):
            try:
                return self._once(copy)
            except UploadGone:
                self._world.record(f"{copy.label} starts again")
            except (BotoCoreError, ClientError) as error:
                raise AwsFailed.of(error) from error
        raise UploadGone(GONE)

    def _once(self, copy: Copy) -> Copied:
        body = self._opened(copy)
        target = copy.target_of(body.name)
        version = body.version
        size = version.size or 0
        identity = f"{target.metadata}|{version.etag}|{version.last_modified}|{size}"
        name = (target.key, identity)
        if self._is_there(target.key, identity):
            return Copied(target.key, size, self._inspected(copy, target, size), 0, 0.0, 0)
        begun = self._copies.resume(target.key, identity)
        self._touched.append(name)
        self._transfer(begun, size)
        self._world.call(
            "s3.CompleteMultipartUpload",
            lambda: self._complete(name, target, self._copies.content(version.etag), size),
        )
        self._completed += 1
        return Copied(target.key, size, self._inspected(copy, target, size), size, 1.0, 0)

    def _opened(self, copy: Copy) -> Body:
        body = self._asked(copy)
        body.close()
        if copy.expected_size not in (None, body.version.size):
            raise TransferFailed(
                f"The file has {body.version.size} bytes on the download host, but Zoom stated "
                f"{copy.expected_size}."
            )
        return body

    def _asked(self, copy: Copy) -> Body:
        for _ in range(OPENINGS - 1):
            try:
                return copy.source.open(0, 0)
            except EmptyFile:
                if copy.expected_size:
                    raise TransferFailed("The file is empty.") from None
                raise
            except ZoomUnreachable:
                self._world.sleep(self._world.random_fraction() * 5.0)
        return copy.source.open(0, 0)

    def _is_there(self, key: str, identity: str) -> bool:
        """Return whether the object has the identity and isn't released."""

        def look() -> bool:
            found = self._copies.bucket.stored(key)
            return self._is_stored(key, identity) and not (found and found.tags)

        return self._world.call("s3.HeadObject", look)

    def _is_stored(self, key: str, identity: str) -> bool:
        found = self._copies.bucket.stored(key)
        return found is not None and found.metadata.get("source") == identity

    def _transfer(self, begun: Upload, size: int) -> None:
        """Sleep for a transfer's time. Raise OutOfTime if the invocation has too little time."""
        missing = size - begun.stored
        rate = self._engine.rate
        seconds = self._engine.time_left() - RESERVE_SECONDS
        if missing / rate > seconds:
            part = int(max(0.0, seconds) * rate) // LEAST_BYTES * LEAST_BYTES
            if part:
                self._world.sleep(max(0.0, seconds))
                begun.stored += part
                self.fetched += part
                self._parts = True
            raise OutOfTime(begun.stored, size)
        self._world.sleep(missing / rate)
        begun.stored = size
        self.fetched += missing

    def _complete(self, name: tuple[str, str], target: Target, content: str, size: int) -> None:
        begun = self._copies.begun.pop(name, None)
        metadata = {**target.metadata, "source": name[1]}
        if begun is None:
            # Another invocation has completed or aborted the same upload.
            if self._is_stored(target.key, name[1]):
                return
            raise UploadGone(GONE)
        self._copies.bucket.complete(begun.upload_id, content.encode(), size, metadata)
        self._world.record(f"stores {content} as {target.key}")

    def _inspected(self, copy: Copy, target: Target, size: int) -> Movie | None:
        return copy.inspect(target.key, size) if copy.inspect else None
