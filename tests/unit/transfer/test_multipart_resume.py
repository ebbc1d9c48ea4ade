"""Unit tests of multipart uploads and objects of earlier runs."""

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
from ingester.recording.staging_bucket import RELEASED
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
"""Destinations with the same key and another version or recording."""
BYTES = b"0123456789"


def begun(bucket: Bucket, destination: Destination = TALK, *, marked: bool = True) -> Upload:
    """Begin an upload, mark it if `marked` is true, send three parts, and return the upload."""
    upload = bucket.begin(destination)
    if marked:
        bucket.mark(upload)
    for number in (3, 1, 2):
        bucket.send(upload, Part(number, 0, len(BYTES) - 1), [BYTES])
    return upload


def unfinished(s3: S3Peer) -> list[str]:
    return [upload.upload_id for upload in s3.uploads()]


def failing(s3: S3Peer, operation: str, status: int, code: str) -> None:
    """Make an operation fail from now on, without removing objects and uploads."""
    fault = S3Fault(kind="status", operation=operation, status=status, code=code, times=99)
    s3.configure(replace(S3, faults=(fault,)), empty=False)


class TestResume:
    def test_resumption_returns_the_upload_with_its_stored_parts(
        self, s3: S3Peer, bucket: Bucket
    ) -> None:
        first = begun(bucket)
        resumed = bucket.resume(TALK)
        assert resumed == first
        assert resumed is not first
        assert sorted(resumed.stored) == [1, 2, 3]
        assert resumed.is_marked
        assert unfinished(s3) == [first.upload_id]

    def test_resumed_upload_can_be_completed(self, s3: S3Peer, bucket: Bucket) -> None:
        upload = bucket.begin(TALK)
        bucket.mark(upload)
        bucket.send(upload, Part(1, 0, len(BYTES) - 1), [BYTES])
        resumed = bucket.resume(TALK)
        assert resumed
        assert bucket.complete(resumed) == len(BYTES)
        assert s3.body(KEY) == BYTES

    def test_resumption_reads_all_pages_of_uploads_and_parts(
        self, s3: S3Peer, bucket: Bucket
    ) -> None:
        # S3 returns lists of parts and uploads in pages.
        s3.configure(replace(S3, page=2))
        old = [begun(bucket, OTHERS[0]).upload_id for _ in range(3)]
        first = begun(bucket)
        resumed = bucket.resume(TALK)
        assert resumed
        assert resumed.stored == first.stored
        assert s3.stats().operations["ListParts"] == 2 * (len(old) + 1)
        assert s3.stats().operations["ListMultipartUploads"] == 2
        assert unfinished(s3) == [first.upload_id]

    def test_resumption_returns_the_newest_upload_and_aborts_the_older_upload(
        self, boto: boto3.session.Session, http: urllib3.PoolManager
    ) -> None:
        began, seconds = datetime.now(UTC), count()
        with (
            S3Peer(S3, now=lambda: began + timedelta(seconds=next(seconds))) as s3,
            closing(boto.client("s3", endpoint_url=s3.url, config=CONFIG)) as client,
        ):
            bucket = Bucket(client, BUCKET, http=http, credentials=CREDENTIALS, released=RELEASED)
            begun(bucket)
            newest = begun(bucket)
            resumed = bucket.resume(TALK)
            assert resumed
            assert unfinished(s3) == [resumed.upload_id] == [newest.upload_id]

    def test_resumption_returns_none_when_there_is_no_upload(
        self, s3: S3Peer, bucket: Bucket
    ) -> None:
        assert bucket.resume(TALK) is None
        assert s3.stats().operations == {"ListMultipartUploads": 1}


class TestDiscard:
    @pytest.mark.parametrize("other", OTHERS, ids=["etag", "size", "recording"])
    def test_resumption_aborts_an_upload_of_another_version_or_recording(
        self, s3: S3Peer, bucket: Bucket, other: Destination
    ) -> None:
        begun(bucket, other)
        assert bucket.resume(TALK) is None
        assert unfinished(s3) == []

    def test_resumption_aborts_an_upload_without_a_mark(self, s3: S3Peer, bucket: Bucket) -> None:
        # Without a mark, the version of the parts is unknown.
        begun(bucket, marked=False)
        assert bucket.resume(TALK) is None
        assert unfinished(s3) == []

    def test_resumption_aborts_an_upload_whose_mark_has_another_content_of_the_same_length(
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

    def test_resumption_aborts_all_uploads_when_discard_all_is_true(
        self, s3: S3Peer, bucket: Bucket
    ) -> None:
        begun(bucket)
        begun(bucket, OTHERS[0])
        assert bucket.resume(TALK, discard_all=True) is None
        assert unfinished(s3) == []

    def test_resumption_keeps_uploads_of_other_keys(self, s3: S3Peer, bucket: Bucket) -> None:
        others = [begun(bucket, replace(TALK, key=key)) for key in (f"{KEY}.txt", f"{KEY}2", "a")]
        assert bucket.resume(TALK) is None
        assert sorted(unfinished(s3)) == sorted(other.upload_id for other in others)
        assert not {"ListParts", "AbortMultipartUpload"} & set(s3.stats().operations)


class TestLists:
    def test_resumption_returns_none_when_a_store_with_the_api_of_s3_does_not_list_uploads(
        self, s3: S3Peer, bucket: Bucket
    ) -> None:
        begun(bucket)
        failing(s3, "ListMultipartUploads", 404, "NoSuchKey")
        assert bucket.resume(TALK) is None

    @pytest.mark.parametrize("operation", ["ListMultipartUploads", "ListParts"])
    def test_resumption_of_an_upload_raises_client_error_when_s3_denies_a_list(
        self, s3: S3Peer, bucket: Bucket, operation: str
    ) -> None:
        begun(bucket)
        failing(s3, operation, 403, "AccessDenied")
        with pytest.raises(ClientError, match="AccessDenied"):
            bucket.resume(TALK)
        assert len(unfinished(s3)) == 1

    def test_resumption_returns_none_when_another_run_ends_the_upload_at_the_same_time(
        self, s3: S3Peer, bucket: Bucket
    ) -> None:
        begun(bucket)
        failing(s3, "ListParts", 404, "NoSuchUpload")
        assert bucket.resume(TALK) is None

    def test_resumption_returns_the_upload_when_another_upload_cannot_be_aborted(
        self, s3: S3Peer, bucket: Bucket
    ) -> None:
        first = begun(bucket)
        begun(bucket, OTHERS[0])
        failing(s3, "AbortMultipartUpload", 403, "AccessDenied")
        resumed = bucket.resume(TALK)
        assert resumed
        assert resumed.upload_id == first.upload_id


class TestMark:
    def test_mark_contains_the_version_the_key_and_the_metadata(
        self, bucket: Bucket, s3: S3Peer
    ) -> None:
        upload = bucket.begin(TALK)
        before = upload.is_marked
        bucket.mark(upload)
        assert (before, upload.is_marked) == (False, True)
        assert upload.stored == {}
        [part] = s3.uploads()[0].parts
        assert (part.number, part.size) == (MARK_NUMBER, len(TALK.mark))
        assert all(text in TALK.mark for text in (b'\\"v1\\"', b"30", KEY.encode(), b"f-1"))

    def test_write_of_a_mark_raises_upload_gone_when_the_upload_does_not_exist(
        self, bucket: Bucket
    ) -> None:
        upload = bucket.begin(TALK)
        bucket.abort(upload)
        with pytest.raises(UploadGone):
            bucket.mark(upload)
        assert not upload.is_marked

    def test_write_of_a_mark_raises_client_error_when_s3_fails(
        self, s3: S3Peer, bucket: Bucket
    ) -> None:
        failing(s3, "UploadPart", 403, "AccessDenied")
        with pytest.raises(ClientError, match="AccessDenied"):
            bucket.mark(bucket.begin(TALK))

    @given(
        st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
        st.dictionaries(st.text(max_size=5), st.none() | st.integers(0, 9) | st.text(max_size=5)),
    )
    def test_identity_of_a_destination_depends_on_key_and_source_but_not_on_the_order_of_fields(
        self, metadata: dict[str, str], source: dict[str, Any]
    ) -> None:
        destination = Destination("k", metadata, source)
        other = Destination("k", dict(reversed(metadata.items())), dict(reversed(source.items())))
        assert (destination.mark, destination.identity) == (other.mark, other.identity)
        assert replace(destination, key="l").identity != destination.identity
        assert replace(destination, source={**source, "size": 100}).identity != destination.identity


class TestSizeOf:
    def write_object(self, bucket: Bucket) -> None:
        upload = bucket.begin(TALK)
        bucket.send(upload, Part(1, 0, len(BYTES) - 1), [BYTES])
        bucket.complete(upload)

    def test_object_size_is_known_when_the_object_has_the_identity_of_the_destination(
        self, bucket: Bucket
    ) -> None:
        self.write_object(bucket)
        assert bucket.size_of(TALK) == len(BYTES)

    @pytest.mark.parametrize("other", OTHERS, ids=["etag", "size", "recording"])
    def test_object_size_is_none_when_the_object_has_another_identity(
        self, bucket: Bucket, other: Destination
    ) -> None:
        self.write_object(bucket)
        assert bucket.size_of(other) is None

    def test_object_size_is_none_when_the_object_has_no_identity(
        self, bucket: Bucket, client: S3Client
    ) -> None:
        client.put_object(Bucket=BUCKET, Key=KEY, Body=BYTES, Metadata=METADATA)
        assert bucket.size_of(TALK) is None

    def test_object_size_is_none_when_there_is_no_object(self, bucket: Bucket) -> None:
        assert bucket.size_of(TALK) is None

    def test_object_counts_as_released_when_it_has_the_tag_released(
        self, bucket: Bucket, client: S3Client
    ) -> None:
        self.write_object(bucket)
        assert not bucket.is_released(KEY)
        tags: Any = {"TagSet": [{"Key": RELEASED, "Value": "yes"}]}
        client.put_object_tagging(Bucket=BUCKET, Key=KEY, Tagging=tags)
        assert bucket.is_released(KEY)

    def test_object_counts_as_not_released_when_s3_denies_reading_its_tags(
        self, s3: S3Peer, bucket: Bucket
    ) -> None:
        self.write_object(bucket)
        failing(s3, "GetObjectTagging", 403, "AccessDenied")
        assert not bucket.is_released(KEY)
        assert s3.stats().rejected == {"AccessDenied": 1}

    def test_object_size_is_none_when_s3_answers_403(self, s3: S3Peer, bucket: Bucket) -> None:
        failing(s3, "HeadObject", 403, "AccessDenied")
        assert bucket.size_of(TALK) is None

    def test_query_for_the_object_size_raises_client_error_when_s3_fails(
        self, s3: S3Peer, bucket: Bucket
    ) -> None:
        self.write_object(bucket)
        failing(s3, "HeadObject", 503, "SlowDown")
        with pytest.raises(ClientError, match="503"):
            bucket.size_of(TALK)
