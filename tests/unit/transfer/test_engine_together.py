"""Unit tests of two simultaneous runs for one key, which a duplicate message can cause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import urllib3

from bench.transfer.peers.content import Generated
from bench.transfer.peers.s3 import S3Peer
from ingester.errors import IngesterError
from ingester.recording.staging_bucket import RELEASED
from ingester.transfer.engine import Budget
from ingester.transfer.multipart import Bucket, Upload
from ingester.transfer.parts import MIB
from ingester.transfer.plan import Copied
from tests.unit.transfer.copying import BUCKET, CREDENTIALS, S3, Copying, key_of, whole
from tests.unit.transfer.memory_source import VERSION, MemoryFile

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

TALK = Generated("talk", 12 * MIB)
"""A file of three parts."""
ONE_BY_ONE = Budget(connections=1)


class Interrupted(Bucket):
    """A bucket that calls functions of a test, each only once.

    The bucket calls `before_mark` before a mark, and `before_complete` before a completion.
    """

    before_mark: Callable[[], object] | None = None
    before_complete: Callable[[], object] | None = None

    def mark(self, upload: Upload) -> None:
        before, self.before_mark = self.before_mark, None
        if before:
            before()
        super().mark(upload)

    def complete(self, upload: Upload) -> int:
        before, self.before_complete = self.before_complete, None
        if before:
            before()
        return super().complete(upload)


class OtherRun:
    """A second run for the same key, which starts and ends during the first run."""

    def __init__(self, copying: Copying, source: MemoryFile | None = None) -> None:
        self._copying = copying
        self._source = source or MemoryFile(TALK)
        self.results: list[Copied | IngesterError] = []

    def __call__(self) -> None:
        self.results = self._copying.run([self._copying.copy_of(source=self._source)])

    @property
    def fetched(self) -> int:
        [copied] = self.results
        assert isinstance(copied, Copied)
        return copied.fetched


@pytest.fixture
def bucket(s3: S3Peer, client: S3Client, http: urllib3.PoolManager) -> Interrupted:
    assert s3.settings == S3
    return Interrupted(client, BUCKET, http=http, credentials=CREDENTIALS, released=RELEASED)


def size_in(results: list[Copied | IngesterError]) -> int:
    [copied] = results
    assert isinstance(copied, Copied)
    return copied.size


def is_whole(copying: Copying) -> bool:
    """Return whether S3 has the complete object and no unfinished upload."""
    return copying.stored() == {key_of("talk"): whole(TALK)} and copying.begun() == []


def test_second_run_resumes_the_upload_of_the_first_run(copying: Copying) -> None:
    other, parts = OtherRun(copying), []

    def before(_: int, last: int) -> None:
        parts.append(last)
        if len(parts) == 3:
            other()

    talk = MemoryFile(TALK, before=before)
    results = copying.run([copying.copy_of(source=talk)], budget=ONE_BY_ONE)
    assert size_in(results) == TALK.size
    assert other.fetched == TALK.size - 5 * MIB
    assert is_whole(copying)
    assert copying.requests("CreateMultipartUpload") == 1
    assert copying.requests("CompleteMultipartUpload") == 1


def test_first_run_starts_again_when_the_second_run_removes_the_unmarked_upload(
    copying: Copying, bucket: Interrupted
) -> None:
    other = OtherRun(copying)
    bucket.before_mark = other
    copies = [copying.copy_of(source=MemoryFile(TALK))]
    results = copying.run(copies, bucket=bucket, budget=ONE_BY_ONE)
    assert size_in(results) == TALK.size
    assert other.fetched == TALK.size
    assert is_whole(copying)


def test_first_run_finds_the_object_when_the_second_run_completes_the_upload(
    copying: Copying, bucket: Interrupted
) -> None:
    other = OtherRun(copying)
    bucket.before_complete = other
    results = copying.run([copying.copy_of(source=MemoryFile(TALK))], bucket=bucket)
    assert size_in(results) == TALK.size
    assert other.fetched == 0
    assert is_whole(copying)
    assert copying.requests("CompleteMultipartUpload") == 2


def test_first_run_copies_the_changed_file_when_the_second_run_removes_the_upload(
    copying: Copying,
) -> None:
    # Parts of two versions would make a broken file, so only the newer version may be stored.
    changed = replace(VERSION, etag='"v2"')
    newer = replace(TALK, version=2)
    other, parts = OtherRun(copying, MemoryFile(newer, version=changed)), []

    def before(_: int, last: int) -> None:
        parts.append(last)
        if len(parts) == 3:
            other()
            talk.content, talk.version = newer, changed

    talk = MemoryFile(TALK, before=before)
    results = copying.run([copying.copy_of(source=talk)], budget=ONE_BY_ONE)
    assert size_in(results) == newer.size
    assert copying.stored() == {key_of("talk"): whole(newer)}
    assert copying.begun() == []
