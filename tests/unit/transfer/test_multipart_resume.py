"""What is left of a copy in S3, and whether somebody else may go on with it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import urllib3
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from bench.transfer.peers.s3 import S3Peer
from bench.transfer.peers.s3_settings import S3Fault
from ingester.errors import UploadGone
from ingester.transfer.multipart import Bucket, Destination, Upload
from ingester.transfer.parts import MARK_NUMBER, Part
from tests.unit.transfer.copying import BUCKET, CONFIG, CREDENTIALS, METADATA, S3

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

KEY = "95846636714/1795446000/000-talk.mp4"
TALK = Destination(KEY, METADATA, {"etag": '"v1"', "size": 30})
OTHERS = [
    replace(TALK, source={**TALK.source, "etag": '"v2"'}),
    replace(TALK, source={**TALK.source, "size": 31}),
    replace(TALK, metadata={**METADATA, "uuid": "other=="}),
]
"""Other versions of it, or other recordings of the same key."""
BYTES = b"0123456789"


def begun(bucket: Bucket, destination: Destination = TALK, *, marked: bool = True) -> Upload:
    """An upload with three parts."""
    upload = bucket.begin(destination)
    if marked:
        bucket.mark(upload)
    for number in (3, 1, 2):
        bucket.send(upload, Part(number, 0, len(BYTES) - 1), [BYTES])
    return upload


def unfinished(s3: S3Peer) -> list[str]:
    return [upload.upload_id for upload in s3.uploads()]


def failing(s3: S3Peer, operation: str, status: int, code: str) -> None:
    """From now on that operation fails; what is there stays."""
    fault = S3Fault(what="status", operation=operation, status=status, code=code, times=99)
    s3.configure(replace(S3, faults=(fault,)), empty=False)


class TestGoesOn:
    def test_with_the_parts_that_s3_has(self, s3: S3Peer, bucket: Bucket) -> None:
        first = begun(bucket)
        found = bucket.resume(TALK)
        assert found == first
        assert found is not first
        assert sorted(found.stored) == [1, 2, 3]
        assert found.is_marked
        assert unfinished(s3) == [first.upload_id]

    def test_and_completes_it(self, s3: S3Peer, bucket: Bucket) -> None:
        upload = bucket.begin(TALK)
        bucket.mark(upload)
        bucket.send(upload, Part(1, 0, len(BYTES) - 1), [BYTES])
        found = bucket.resume(TALK)
        assert found
        assert bucket.complete(found) == len(BYTES)
        assert s3.body(KEY) == BYTES

    def test_a_list_of_several_pages(self, s3: S3Peer, bucket: Bucket) -> None:
        """Of parts as of uploads."""
        s3.configure(replace(S3, page=2))
        old = [begun(bucket, OTHERS[0]).upload_id for _ in range(3)]
        first = begun(bucket)
        found = bucket.resume(TALK)
        assert found
        assert found.stored == first.stored
        assert s3.stats().operations["ListParts"] == 2 * (len(old) + 1)
        assert s3.stats().operations["ListMultipartUploads"] == 2
        assert unfinished(s3) == [first.upload_id]

    def test_the_newest_of_two(
        self, boto: boto3.session.Session, http: urllib3.PoolManager
    ) -> None:
        began, seconds = datetime.now(UTC), count()
        with (
            S3Peer(S3, now=lambda: began + timedelta(seconds=next(seconds))) as s3,
            closing(boto.client("s3", endpoint_url=s3.url, config=CONFIG)) as client,
        ):
            bucket = Bucket(client, BUCKET, http=http, credentials=CREDENTIALS)
            begun(bucket)
            newest = begun(bucket)
            found = bucket.resume(TALK)
            assert found
            assert unfinished(s3) == [found.upload_id] == [newest.upload_id]

    def test_with_nothing_where_nothing_is(self, s3: S3Peer, bucket: Bucket) -> None:
        assert bucket.resume(TALK) is None
        assert s3.stats().operations == {"ListMultipartUploads": 1}


class TestRemoves:
    @pytest.mark.parametrize("other", OTHERS, ids=["etag", "size", "recording"])
    def test_another_versions(self, s3: S3Peer, bucket: Bucket, other: Destination) -> None:
        begun(bucket, other)
        assert bucket.resume(TALK) is None
        assert unfinished(s3) == []

    def test_what_has_no_mark(self, s3: S3Peer, bucket: Bucket) -> None:
        """Nothing tells whose parts they are."""
        begun(bucket, marked=False)
        assert bucket.resume(TALK) is None
        assert unfinished(s3) == []

    def test_what_has_a_mark_of_the_right_length(
        self, s3: S3Peer, bucket: Bucket, client: S3Client
    ) -> None:
        upload = begun(bucket, marked=False)
        mark = TALK.mark.replace(b"v1", b"v2")
        client.upload_part(
            Bucket=BUCKET,
            Key=KEY,
            UploadId=upload.upload_id,
            PartNumber=MARK_NUMBER,
            Body=mark,
            ChecksumAlgorithm="CRC32",
        )
        assert len(mark) == len(TALK.mark)
        assert bucket.resume(TALK) is None
        assert unfinished(s3) == []

    def test_everything_where_none_is_wanted(self, s3: S3Peer, bucket: Bucket) -> None:
        begun(bucket)
        begun(bucket, OTHERS[0])
        assert bucket.resume(TALK, discard_all=True) is None
        assert unfinished(s3) == []

    def test_nothing_of_another_key(self, s3: S3Peer, bucket: Bucket) -> None:
        others = [begun(bucket, replace(TALK, key=key)) for key in (f"{KEY}.txt", f"{KEY}2", "a")]
        assert bucket.resume(TALK) is None
        assert sorted(unfinished(s3)) == sorted(other.upload_id for other in others)
        assert not {"ListParts", "AbortMultipartUpload"} & set(s3.stats().operations)


class TestLists:
    def test_a_store_without_lists_has_nothing_to_go_on_with(
        self, s3: S3Peer, bucket: Bucket
    ) -> None:
        begun(bucket)
        failing(s3, "ListMultipartUploads", 404, "NoSuchKey")
        assert bucket.resume(TALK) is None

    @pytest.mark.parametrize("operation", ["ListMultipartUploads", "ListParts"])
    def test_a_list_that_is_denied_is_an_error(
        self, s3: S3Peer, bucket: Bucket, operation: str
    ) -> None:
        begun(bucket)
        failing(s3, operation, 403, "AccessDenied")
        with pytest.raises(ClientError, match="AccessDenied"):
            bucket.resume(TALK)
        assert len(unfinished(s3)) == 1

    def test_an_upload_that_somebody_ends_in_between(self, s3: S3Peer, bucket: Bucket) -> None:
        begun(bucket)
        failing(s3, "ListParts", 404, "NoSuchUpload")
        assert bucket.resume(TALK) is None

    def test_what_can_not_be_removed_stops_nothing(self, s3: S3Peer, bucket: Bucket) -> None:
        first = begun(bucket)
        begun(bucket, OTHERS[0])
        failing(s3, "AbortMultipartUpload", 403, "AccessDenied")
        found = bucket.resume(TALK)
        assert found
        assert found.upload_id == first.upload_id


class TestMark:
    def test_it_tells_the_version_and_what_is_to_be(self, bucket: Bucket, s3: S3Peer) -> None:
        upload = bucket.begin(TALK)
        before = upload.is_marked
        bucket.mark(upload)
        assert (before, upload.is_marked) == (False, True)
        assert upload.stored == {}
        [part] = s3.uploads()[0].parts
        assert (part.number, part.size) == (MARK_NUMBER, len(TALK.mark))
        assert all(text in TALK.mark for text in (b'\\"v1\\"', b"30", KEY.encode(), b"f-1"))

    def test_of_an_upload_that_is_gone(self, bucket: Bucket) -> None:
        upload = bucket.begin(TALK)
        bucket.abort(upload)
        with pytest.raises(UploadGone):
            bucket.mark(upload)
        assert not upload.is_marked

    def test_a_failure_is_botocores(self, s3: S3Peer, bucket: Bucket) -> None:
        failing(s3, "UploadPart", 403, "AccessDenied")
        with pytest.raises(ClientError, match="AccessDenied"):
            bucket.mark(bucket.begin(TALK))

    @given(
        st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
        st.dictionaries(st.text(max_size=5), st.none() | st.integers(0, 9) | st.text(max_size=5)),
    )
    def test_it_is_the_same_however_it_is_put(
        self, metadata: dict[str, str], source: dict[str, Any]
    ) -> None:
        one = Destination("k", metadata, source)
        other = Destination("k", dict(reversed(metadata.items())), dict(reversed(source.items())))
        assert (one.mark, one.identity) == (other.mark, other.identity)
        assert replace(one, key="l").identity != one.identity
        assert replace(one, source={**source, "size": 100}).identity != one.identity


class TestSize:
    def whole(self, bucket: Bucket) -> None:
        upload = bucket.begin(TALK)
        bucket.send(upload, Part(1, 0, len(BYTES) - 1), [BYTES])
        bucket.complete(upload)

    def test_of_this_very_version(self, bucket: Bucket) -> None:
        self.whole(bucket)
        assert bucket.size_of(TALK) == len(BYTES)

    @pytest.mark.parametrize("other", OTHERS, ids=["etag", "size", "recording"])
    def test_another_version_is_none(self, bucket: Bucket, other: Destination) -> None:
        self.whole(bucket)
        assert bucket.size_of(other) is None

    def test_nor_is_what_somebody_else_put_there(self, bucket: Bucket, client: S3Client) -> None:
        client.put_object(Bucket=BUCKET, Key=KEY, Body=BYTES, Metadata=METADATA)
        assert bucket.size_of(TALK) is None

    def test_nothing_there(self, bucket: Bucket) -> None:
        assert bucket.size_of(TALK) is None

    def test_denied_is_how_s3_says_so_to_who_may_not_list(self, s3: S3Peer, bucket: Bucket) -> None:
        failing(s3, "HeadObject", 403, "AccessDenied")
        assert bucket.size_of(TALK) is None

    def test_a_failure_is_no_answer(self, s3: S3Peer, bucket: Bucket) -> None:
        self.whole(bucket)
        failing(s3, "HeadObject", 503, "SlowDown")
        with pytest.raises(ClientError, match="503"):
            bucket.size_of(TALK)
