"""Unit tests of multipart uploads: send, complete and abort."""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from botocore.credentials import Credentials as Signing
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError

from bench.transfer.peers.content import Generated
from bench.transfer.peers.s3 import S3Peer
from bench.transfer.peers.s3_settings import Credentials, S3Fault
from ingester.errors import AwsFailed, SlowDown, TransferFailed, UploadGone
from ingester.recording.staging_bucket import RELEASED
from ingester.transfer.multipart import IDENTITY_KEY, Bucket, Destination, StoredPart, Upload
from ingester.transfer.parts import MARK_NUMBER, MIB, Part
from local.neighbours.https_server import text_answer
from tests.neighbours import Web
from tests.unit.transfer.copying import BUCKET, CREDENTIALS, KNOWN, METADATA, S3

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

KEY = "95846636714/1795446000/000-talk.mp4"
TALK = Destination(KEY, METADATA, {"etag": '"v1"', "size": 12})
BYTES = b"Hello, world"
PART = Part(1, 0, len(BYTES) - 1)
CRC32 = b64encode(zlib.crc32(BYTES).to_bytes(4, "big")).decode()


def faulty(s3: S3Peer, **fault: Any) -> None:
    s3.configure(replace(S3, faults=(S3Fault(**fault),)))


def numbers(s3: S3Peer) -> list[int]:
    return [part.number for upload in s3.uploads() for part in upload.parts]


class TestSend:
    @pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "TLS"])
    def test_object_has_the_bytes_of_its_parts_when_the_upload_is_completed(
        self,
        s3: S3Peer,
        client: S3Client,
        tls_client: S3Client,
        http: urllib3.PoolManager,
        is_tls: bool,
    ) -> None:
        # Parts may be sent in any order. The object doesn't contain the mark.
        s3_client = tls_client if is_tls else client
        bucket = Bucket(s3_client, BUCKET, http=http, credentials=CREDENTIALS, released=RELEASED)
        content = Generated("talk", 5 * MIB + 345)
        upload = bucket.begin(TALK)
        bucket.send(upload, Part(2, 5 * MIB, content.size - 1), content.views(5 * MIB, 345))
        bucket.mark(upload)
        bucket.send(upload, Part(1, 0, 5 * MIB - 1), content.views(0, 5 * MIB))
        assert numbers(s3) == [1, 2, MARK_NUMBER]
        assert bucket.complete(upload) == content.size
        [stored] = s3.objects()
        assert (stored.key, stored.size) == (KEY, content.size)
        assert stored.metadata == {**METADATA, IDENTITY_KEY: TALK.identity}
        assert stored.checksum.endswith("-2")
        assert s3.body(KEY) == content.read(0, content.size)
        assert s3.uploads() == []
        assert s3.stats().rejected == {}

    def test_sending_a_part_returns_the_stored_part_with_length_etag_and_crc32(
        self, s3: S3Peer, bucket: Bucket
    ) -> None:
        upload = bucket.begin(TALK)
        sent = bucket.send(upload, PART, [BYTES[:5], b"", memoryview(BYTES)[5:]])
        assert sent == StoredPart(1, len(BYTES), sent.etag, CRC32)
        assert upload.stored == {1: sent}
        [part] = s3.uploads()[0].parts
        assert (part.size, part.crc32) == (len(BYTES), zlib.crc32(BYTES))

    @pytest.mark.parametrize("name", ["ä b+c", "a=b&c?d#e", "%41", "a//b", "~(x)'*!"])
    def test_signature_of_a_part_is_valid_whatever_characters_the_object_key_has(
        self, s3: S3Peer, bucket: Bucket, name: str
    ) -> None:
        upload = bucket.begin(Destination(f"1/2/{name}.mp4", {}, {}))
        bucket.send(upload, PART, [BYTES])
        bucket.mark(upload)
        assert bucket.complete(upload) == len(BYTES)
        assert s3.body(f"1/2/{name}.mp4") == BYTES

    def test_parts_of_an_upload_share_a_connection(self, s3: S3Peer, bucket: Bucket) -> None:
        upload = bucket.begin(TALK)
        before = s3.stats().connections
        for number in range(1, 5):
            bucket.send(upload, Part(number, 0, len(BYTES) - 1), [BYTES])
        assert s3.stats().connections == before + 1

    def test_parts_are_signed_with_the_current_credentials(
        self, s3: S3Peer, client: S3Client, http: urllib3.PoolManager
    ) -> None:
        known = Renewed(KNOWN)
        bucket = Bucket(client, BUCKET, http=http, credentials=known, released=RELEASED)
        upload = bucket.begin(TALK)
        bucket.send(upload, PART, [BYTES])
        known.now = Credentials(access_key="AKIDNEW", secret_key="new", token="later")
        s3.configure(replace(S3, credentials=known.now), empty=False)
        bucket.send(upload, replace(PART, number=2), [BYTES])
        assert numbers(s3) == [1, 2]


@dataclass
class Renewed:
    """A fake of a role's credentials, which AWS renews."""

    now: Credentials

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        now = self.now
        return ReadOnlyCredentials(now.access_key, now.secret_key, now.token)


class Altered(urllib3.PoolManager):
    """A fake pool of connections that changes a byte of a part, or the checksum in the answer."""

    def __init__(self, *, body: bool) -> None:
        super().__init__()
        self._body = body

    def urlopen(self, method: str, url: str, **more: Any) -> urllib3.BaseHTTPResponse:  # type: ignore[override]
        if self._body:
            more["body"] = self._altered(more["body"])
        answer = super().urlopen(method, url, **more)
        if not self._body:
            answer.headers["x-amz-checksum-crc32"] = "AAAAAA=="
        return answer

    def _altered(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk.replace(b"H", b"h")


class TestSendFails:
    @pytest.mark.parametrize("body", [True, False], ids=["on the way", "in S3"])
    def test_sending_a_part_raises_aws_failed_when_the_bytes_or_the_checksum_change(
        self, s3: S3Peer, client: S3Client, body: bool
    ) -> None:
        with Altered(body=body) as connections:
            bucket = Bucket(
                client, BUCKET, http=connections, credentials=CREDENTIALS, released=RELEASED
            )
            upload = bucket.begin(TALK)
            with pytest.raises(AwsFailed, match=r"BadDigest|another checksum"):
                bucket.send(upload, PART, [BYTES])
        assert upload.stored == {}
        assert numbers(s3) == ([] if body else [1])

    def test_sending_a_part_raises_aws_failed_when_the_signature_is_wrong(
        self, s3: S3Peer, client: S3Client, http: urllib3.PoolManager
    ) -> None:
        signing = Signing(KNOWN.access_key, "other", KNOWN.token)
        bucket = Bucket(client, BUCKET, http=http, credentials=signing, released=RELEASED)
        with pytest.raises(AwsFailed, match="SignatureDoesNotMatch") as raised:
            bucket.send(bucket.begin(TALK), PART, [BYTES])
        assert not isinstance(raised.value, SlowDown)
        assert numbers(s3) == []

    def test_sending_a_part_raises_the_error_of_the_source_and_can_be_repeated(
        self, s3: S3Peer, bucket: Bucket
    ) -> None:
        def chunks() -> Iterator[bytes]:
            yield BYTES[:5]
            raise TransferFailed("The line broke.")

        upload = bucket.begin(TALK)
        with pytest.raises(TransferFailed, match="line broke"):
            bucket.send(upload, PART, chunks())
        assert (upload.stored, numbers(s3)) == ({}, [])
        bucket.send(upload, PART, [BYTES])
        assert numbers(s3) == [1]

    @pytest.mark.parametrize(
        ("status", "code", "error"),
        [
            (503, "SlowDown", SlowDown),
            (503, "ServiceUnavailable", SlowDown),
            (500, "InternalError", SlowDown),
            (400, "RequestTimeout", SlowDown),
            (403, "AccessDenied", AwsFailed),
            (400, "ExpiredToken", AwsFailed),
            (404, "NoSuchBucket", AwsFailed),
            (404, "NoSuchUpload", UploadGone),
        ],
    )
    def test_sending_a_part_raises_the_error_for_the_code_in_the_answer_of_s3(
        self, s3: S3Peer, bucket: Bucket, status: int, code: str, error: type[Exception]
    ) -> None:
        faulty(s3, kind="status", status=status, code=code)
        upload = bucket.begin(TALK)
        with pytest.raises(error) as raised:
            bucket.send(upload, PART, [BYTES])
        assert type(raised.value) is error
        assert code in str(raised.value) or error is UploadGone
        assert (upload.stored, numbers(s3)) == ({}, [])

    @pytest.mark.parametrize("moment", ["before", "middle"])
    def test_sending_a_part_raises_slow_down_when_s3_answers_503_before_the_whole_part_is_sent(
        self, s3: S3Peer, bucket: Bucket, moment: str
    ) -> None:
        # S3 may answer before it has read the whole part, and then stops reading.
        content = Generated("talk", 6 * MIB)
        faulty(s3, kind="status", moment=moment, after=MIB)
        with pytest.raises(SlowDown, match=r"SlowDown\.$"):
            bucket.send(
                bucket.begin(TALK),
                Part(1, 0, content.size - 1),
                content.views(0, content.size),
            )

    @pytest.mark.parametrize("kind", ["rst", "fin"])
    @pytest.mark.parametrize(("moment", "kept"), [("middle", []), ("after", []), ("done", [1])])
    def test_sending_a_part_raises_aws_failed_and_can_be_repeated_when_the_connection_breaks(
        self, s3: S3Peer, bucket: Bucket, kind: str, moment: str, kept: list[int]
    ) -> None:
        faulty(s3, kind=kind, moment=moment, after=5)
        upload = bucket.begin(TALK)
        with pytest.raises(AwsFailed, match=r"ProtocolError|SSLError"):
            bucket.send(upload, PART, [BYTES])
        assert (upload.stored, numbers(s3)) == ({}, kept)
        bucket.send(upload, PART, [BYTES])
        assert numbers(s3) == [1]

    def test_sending_a_part_raises_upload_gone_when_the_upload_does_not_exist(
        self, s3: S3Peer, bucket: Bucket
    ) -> None:
        faulty(s3, kind="gone")
        with pytest.raises(UploadGone):
            bucket.send(bucket.begin(TALK), PART, [BYTES])

    def test_sending_a_part_raises_slow_down_when_a_proxy_answers_502(
        self, bucket: Bucket, web: Web
    ) -> None:
        web.pages = {"/k": text_answer(502, "text/html", b"<html>Bad gateway</html>")}
        with pytest.raises(SlowDown, match="answered 502"):
            bucket.send(Upload(TALK, "upload", f"{web.url}/k"), PART, [BYTES])


class TestComplete:
    @pytest.mark.parametrize(
        "changed", [{"crc32": "AAAAAA=="}, {"etag": '"other"'}, {"length": 11}, {"number": 2}]
    )
    def test_completion_of_an_upload_raises_client_error_when_s3_has_a_different_part(
        self, s3: S3Peer, bucket: Bucket, changed: dict[str, Any]
    ) -> None:
        upload = bucket.begin(TALK)
        part = replace(bucket.send(upload, PART, [BYTES]), **changed)
        upload.stored = {part.number: part}
        with pytest.raises(ClientError, match=r"InvalidPart|InvalidRequest"):
            bucket.complete(upload)
        assert s3.objects() == []
        assert numbers(s3) == [1]

    def test_completion_of_an_upload_raises_upload_gone_when_the_upload_does_not_exist(
        self, bucket: Bucket
    ) -> None:
        upload = bucket.begin(TALK)
        bucket.send(upload, PART, [BYTES])
        bucket.abort(upload)
        with pytest.raises(UploadGone, match="somebody else ended it"):
            bucket.complete(upload)

    @pytest.mark.parametrize("status", [200, 500, 503])
    def test_completion_of_an_upload_raises_client_error_when_s3_fails(
        self, s3: S3Peer, bucket: Bucket, status: int
    ) -> None:
        # S3 reports some errors with status 200.
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
        operation, code = "CompleteMultipartUpload", "InternalError"
        faulty(s3, kind="status", operation=operation, status=status, code=code)
        upload = bucket.begin(TALK)
        bucket.send(upload, PART, [BYTES])
        with pytest.raises(ClientError, match=code):
            bucket.complete(upload)
        assert s3.objects() == []

    def test_earlier_object_is_kept_until_the_upload_is_completed(
        self, s3: S3Peer, bucket: Bucket, client: S3Client
    ) -> None:
        client.put_object(Bucket=BUCKET, Key=KEY, Body=b"earlier")
        upload = bucket.begin(TALK)
        bucket.send(upload, PART, [BYTES])
        assert s3.body(KEY) == b"earlier"
        bucket.complete(upload)
        assert s3.body(KEY) == BYTES


class TestAbort:
    def test_abort_of_an_upload_removes_the_upload_and_a_second_abort_raises_nothing(
        self, s3: S3Peer, bucket: Bucket
    ) -> None:
        upload = bucket.begin(TALK)
        bucket.send(upload, PART, [BYTES])
        bucket.abort(upload)
        assert s3.uploads() == []
        bucket.abort(upload)

    def test_abort_of_an_upload_logs_an_error_and_does_not_raise_it_when_s3_refuses(
        self, s3: S3Peer, bucket: Bucket, caplog: pytest.LogCaptureFixture
    ) -> None:
        faulty(s3, kind="status", operation="AbortMultipartUpload", status=403, code="AccessDenied")
        bucket.abort(bucket.begin(TALK))
        assert "could not be removed" in caplog.text
        assert len(s3.uploads()) == 1

    def test_abort_of_an_upload_logs_nothing_when_the_upload_does_not_exist(
        self, bucket: Bucket, caplog: pytest.LogCaptureFixture
    ) -> None:
        bucket.abort(replace(bucket.begin(TALK), upload_id="unknown"))
        assert caplog.text == ""
