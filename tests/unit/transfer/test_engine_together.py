"""Two runs at once for one key, as when a message was delivered twice: one object, and whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import urllib3

from bench.transfer.peers.content import Generated
from bench.transfer.peers.s3 import S3Peer
from ingester.errors import IngesterError
from ingester.transfer.engine import Budget
from ingester.transfer.multipart import Bucket, Upload
from ingester.transfer.parts import MIB
from ingester.transfer.plan import Copied
from tests.unit.transfer.copying import BUCKET, CREDENTIALS, S3, Copying, key_of, whole
from tests.unit.transfer.memory_source import VERSION, MemoryFile

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

TALK = Generated("talk", 12 * MIB)
"""Three parts."""
ONE_BY_ONE = Budget(connections=1)


class Interrupted(Bucket):
    """Lets something else happen before the first mark is made, or the first object."""

    before_mark: Callable[[], object] | None = None
    before_complete: Callable[[], object] | None = None

    def mark(self, upload: Upload) -> None:
        happen, self.before_mark = self.before_mark, None
        if happen:
            happen()
        super().mark(upload)

    def complete(self, upload: Upload) -> int:
        happen, self.before_complete = self.before_complete, None
        if happen:
            happen()
        return super().complete(upload)


class Other:
    """The other run; it begins and ends in the middle of the first."""

    def __init__(self, copying: Copying, source: MemoryFile | None = None) -> None:
        self._copying = copying
        self._source = source or MemoryFile(TALK)
        self.results: list[Copied | IngesterError] = []

    def __call__(self) -> None:
        self.results = self._copying.run([self._copying.copy_of(source=self._source)])

    @property
    def fetched(self) -> int:
        [one] = self.results
        assert isinstance(one, Copied)
        return one.fetched


@pytest.fixture
def bucket(s3: S3Peer, client: S3Client, http: urllib3.PoolManager) -> Interrupted:
    assert s3.settings == S3
    return Interrupted(client, BUCKET, http=http, credentials=CREDENTIALS)


def size_in(results: list[Copied | IngesterError]) -> int:
    [one] = results
    assert isinstance(one, Copied)
    return one.size


def is_whole(copying: Copying) -> bool:
    """The object is there once, and nothing else."""
    return copying.stored() == {key_of("talk"): whole(TALK)} and copying.begun() == []


def test_the_other_takes_over_what_the_first_has_stored(copying: Copying) -> None:
    other, parts = Other(copying), []

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


def test_the_other_removes_what_has_no_mark_yet(copying: Copying, bucket: Interrupted) -> None:
    other = Other(copying)
    bucket.before_mark = other
    copies = [copying.copy_of(source=MemoryFile(TALK))]
    results = copying.run(copies, bucket=bucket, budget=ONE_BY_ONE)
    assert size_in(results) == TALK.size
    assert other.fetched == TALK.size
    assert is_whole(copying)


def test_the_other_completes_it_first(copying: Copying, bucket: Interrupted) -> None:
    other = Other(copying)
    bucket.before_complete = other
    results = copying.run([copying.copy_of(source=MemoryFile(TALK))], bucket=bucket)
    assert size_in(results) == TALK.size
    assert other.fetched == 0
    assert is_whole(copying)
    assert copying.requests("CompleteMultipartUpload") == 2


def test_the_other_sees_another_version_and_removes_the_firsts(copying: Copying) -> None:
    """The first then finds its upload gone, and the source another by now."""
    changed = replace(VERSION, etag='"v2"')
    newer = replace(TALK, version=2)
    other, parts = Other(copying, MemoryFile(newer, version=changed)), []

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
