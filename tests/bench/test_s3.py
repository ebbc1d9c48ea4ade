"""Tests of the S3 peer's uploads, objects, refusals, signatures and faults."""

from __future__ import annotations

import base64
import hashlib
import io
import zlib
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

from bench.transfer.peers.content import Generated
from bench.transfer.peers.s3 import S3Peer
from bench.transfer.peers.s3_settings import Credentials, S3Fault, S3Part
from tests.bench.conftest import BUCKET, CREDENTIALS, S3, MakeClient, Upload, Wire

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

MIB = 1024 * 1024
BIG = bytes(5 * MIB)
SMALL = b"the rest"
SIZE = 12 * MIB + 345
CONTENT = Generated("talk", SIZE)
WHOLE = CONTENT.read(0, SIZE)
WITH_CRC32 = {"x_amz_checksum_algorithm": "CRC32"}
TRAILER = {
    "x_amz_content_sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "content_encoding": "aws-chunked",
    "x_amz_trailer": "x-amz-checksum-crc32",
    "x_amz_decoded_content_length": "8",
}


class Unseekable(io.BytesIO):
    """A stream like a download, in which boto3 can't seek."""

    def seekable(self) -> bool:
        return False


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def composite(parts: list[bytes]) -> str:
    joined = b"".join(zlib.crc32(part).to_bytes(4, "big") for part in parts)
    return f"{crc32(joined)}-{len(parts)}"


def with_trailer(checksum: str) -> bytes:
    trailer = f"x-amz-checksum-crc32:{checksum}\r\n" if checksum else ""
    return f"8\r\nthe rest\r\n0\r\n{trailer}\r\n".encode()


def stored_numbers(s3: S3Peer) -> list[int]:
    return [part.number for upload in s3.uploads() for part in upload.parts]


@pytest.fixture
def upload(client: S3Client) -> Upload:
    """Return an upload with two stored parts."""
    made = Upload(client)
    made.send(1, BIG)
    made.send(2, SMALL)
    return made


class TestUploads:
    @pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "TLS"])
    @pytest.mark.parametrize("mode", ["discard", "hash", "keep"])
    def test_boto3_can_upload_a_stream_to_the_s3_peer(
        self, s3: S3Peer, client_of: MakeClient, is_tls: bool, mode: Any
    ) -> None:
        # TLS is a case of its own, because boto3 then sends the checksum in a trailer, not in a
        # header.
        s3.configure(replace(S3, mode=mode))
        client = client_of(s3.tls_url if is_tls else s3.url)
        client.upload_fileobj(
            Unseekable(WHOLE),
            BUCKET,
            "a/talk.mp4",
            ExtraArgs={"Metadata": {"uuid": "abc=="}, "ContentType": "video/mp4"},
            Config=TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB),
        )
        checksum = composite([WHOLE[: 8 * MIB], WHOLE[8 * MIB :]])
        [stored] = s3.objects()
        assert (stored.key, stored.size, stored.checksum) == ("a/talk.mp4", SIZE, checksum)
        assert (stored.content_type, stored.metadata) == ("video/mp4", {"uuid": "abc=="})
        assert stored.parts == (
            S3Part(number=1, size=8 * MIB, crc32=CONTENT.crc32(0, 8 * MIB - 1)),
            S3Part(number=2, size=SIZE - 8 * MIB, crc32=CONTENT.crc32(8 * MIB, SIZE - 1)),
        )
        head = client.head_object(Bucket=BUCKET, Key="a/talk.mp4", ChecksumMode="ENABLED")
        assert (head["ChecksumCRC32"], head["ChecksumType"]) == (checksum, "COMPOSITE")
        assert (head["ContentLength"], head["ETag"]) == (SIZE, stored.etag)
        assert head["Metadata"] == {"uuid": "abc=="}
        stats = s3.stats()
        assert (stats.body_bytes, stats.open_uploads, stats.rejected) == (SIZE, 0, {})
        assert stats.operations["UploadPart"] == 2

    def test_s3_peer_returns_an_object_whole_and_in_ranges(
        self, s3: S3Peer, client: S3Client
    ) -> None:
        put = client.put_object(Bucket=BUCKET, Key="ä b/c+d.txt", Body=b"text")
        assert put["ETag"] == '"1cb251ec0d568de6a929b520c4aed8d1"'
        names: Any = {"Bucket": BUCKET, "Key": "ä b/c+d.txt"}
        got = client.get_object(**names, ChecksumMode="ENABLED")
        assert (got["Body"].read(), got["ChecksumType"]) == (b"text", "FULL_OBJECT")
        assert client.get_object(**names, Range="bytes=1-9")["Body"].read() == b"ext"
        with pytest.raises(ClientError, match="InvalidRange"):
            client.get_object(**names, Range="bytes=4-5")
        assert s3.body("ä b/c+d.txt") == b"text"
        for ask in (client.get_object, client.head_object):
            with pytest.raises(ClientError, match=r"NoSuchKey|404"):
                ask(Bucket=BUCKET, Key="other")

    def test_s3_peer_lists_parts_in_pages(self, s3: S3Peer, client: S3Client) -> None:
        s3.configure(replace(S3, page=2))
        upload = Upload(client)
        for number in (7, 3, 1, 9, 2):
            upload.send(number, b"x" * number)
        pages = client.get_paginator("list_parts").paginate(
            Bucket=BUCKET, Key="k", UploadId=upload.upload_id
        )
        listed = [page["Parts"] for page in pages]
        assert [[part["PartNumber"] for part in page] for page in listed] == [[1, 2], [3, 7], [9]]
        part = listed[1][1]
        assert (part["Size"], part["ChecksumCRC32"]) == (7, crc32(b"x" * 7))
        assert part["ETag"] == f'"{hashlib.md5(b"x" * 7, usedforsecurity=False).hexdigest()}"'
        assert stored_numbers(s3) == [1, 2, 3, 7, 9]

    def test_s3_peer_lists_uploads_in_pages(self, s3: S3Peer, client: S3Client) -> None:
        s3.configure(replace(S3, page=2))
        keys = ["a/1", "a/2", "a/2", "b/1", "a/3", "a/4"]
        made = [Upload(client, key).upload_id for key in keys]
        pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=BUCKET, Prefix="a/")
        listed = [[(item["Key"], item["UploadId"]) for item in page["Uploads"]] for page in pages]
        expected = [("a/1", 0), ("a/2", 1), ("a/2", 2), ("a/3", 4), ("a/4", 5)]
        assert list(chain(*listed)) == [(key, made[number]) for key, number in expected]
        assert [len(page) for page in listed] == [2, 2, 1]
        client.abort_multipart_upload(Bucket=BUCKET, Key="a/1", UploadId=made[0])
        assert "Uploads" not in client.list_multipart_uploads(Bucket=BUCKET, Prefix="a/1")
        assert s3.stats().open_uploads == 5

    def test_s3_peer_keeps_objects_when_new_settings_do_not_empty_the_bucket(
        self, s3: S3Peer, client: S3Client
    ) -> None:
        client.put_object(Bucket=BUCKET, Key="k", Body=b"text")
        s3.configure(S3, empty=False)
        assert s3.stats().operations == {}
        assert s3.body("k") == b"text"
        s3.configure(S3)
        assert s3.objects() == []


class TestCompletion:
    def test_s3_peer_makes_a_completed_upload_an_object(self, s3: S3Peer, upload: Upload) -> None:
        upload.complete(MpuObjectSize=len(BIG) + len(SMALL))
        assert s3.body("k") == BIG + SMALL
        with pytest.raises(ClientError, match="NoSuchUpload"):
            upload.complete()
        with pytest.raises(ClientError, match="NoSuchUpload"):
            upload.send(3, SMALL)

    def test_s3_peer_replaces_a_stored_part_of_the_same_number(
        self, s3: S3Peer, upload: Upload
    ) -> None:
        upload.parts.pop()
        upload.send(2, b"other")
        upload.complete()
        assert s3.body("k") == BIG + b"other"

    @pytest.mark.parametrize(
        ("spoil", "code"),
        [
            (lambda parts: parts[1].pop("ChecksumCRC32"), "InvalidRequest.*missing for part 2"),
            (
                lambda parts: parts[0].update(ChecksumCRC32=parts[1]["ChecksumCRC32"]),
                "InvalidPart",
            ),
            (lambda parts: parts[0].update(ETag=parts[1]["ETag"]), "InvalidPart"),
            (lambda parts: parts[1].update(PartNumber=3), "InvalidPart"),
            (lambda parts: parts.reverse(), "InvalidPartOrder"),
            (lambda parts: parts.append(parts[1]), "InvalidPartOrder"),
            (lambda parts: parts.clear(), "MalformedXML"),
        ],
        ids=[
            "missing checksum",
            "wrong checksum",
            "wrong ETag",
            "unknown part",
            "wrong order",
            "repeated part",
            "no part",
        ],
    )
    def test_s3_peer_keeps_an_upload_open_when_the_named_parts_are_wrong(
        self, s3: S3Peer, upload: Upload, spoil: Callable[[list[Any]], object], code: str
    ) -> None:
        spoil(upload.parts)
        with pytest.raises(ClientError, match=code):
            upload.complete()
        assert s3.objects() == []
        assert s3.stats().open_uploads == 1
        assert sum(s3.stats().rejected.values()) == 1

    def test_s3_peer_refuses_a_completion_when_an_inner_part_is_too_small(
        self, s3: S3Peer, upload: Upload
    ) -> None:
        upload.send(3, SMALL)
        with pytest.raises(ClientError, match="EntityTooSmall"):
            upload.complete()
        assert (s3.objects(), s3.stats().open_uploads) == ([], 1)

    def test_s3_peer_refuses_a_completion_when_it_names_another_size(
        self, s3: S3Peer, upload: Upload
    ) -> None:
        with pytest.raises(ClientError, match="mp-object-size"):
            upload.complete(MpuObjectSize=len(BIG))
        assert (s3.objects(), s3.stats().open_uploads) == ([], 1)

    @pytest.mark.parametrize("body", [b"", b"<", b"<a/>", b"<CompleteMultipartUpload/>"])
    def test_s3_peer_refuses_a_list_of_parts_when_its_xml_is_wrong(
        self, wire: Wire, body: bytes
    ) -> None:
        target = wire.begin().replace("partNumber=1&", "")
        assert wire.send("POST", target, body)[:2] == (400, "MalformedXML")


class TestRefusals:
    @pytest.mark.parametrize("number", [0, 10001])
    def test_s3_peer_refuses_a_part_when_its_number_is_out_of_bounds(
        self, client: S3Client, number: int
    ) -> None:
        with pytest.raises(ClientError, match="InvalidArgument"):
            Upload(client).send(number, SMALL)

    def test_s3_peer_refuses_a_request_when_upload_or_bucket_is_unknown(
        self, client: S3Client, upload: Upload
    ) -> None:
        with pytest.raises(ClientError, match="NoSuchUpload"):
            client.list_parts(Bucket=BUCKET, Key="other", UploadId=upload.upload_id)
        with pytest.raises(ClientError, match="NoSuchUpload"):
            client.abort_multipart_upload(Bucket=BUCKET, Key="k", UploadId="x")
        with pytest.raises(ClientError, match="NoSuchBucket"):
            client.create_multipart_upload(Bucket="other", Key="k")

    @pytest.mark.parametrize(
        ("body", "headers", "code"),
        [
            (SMALL, {"x_amz_checksum_crc32": crc32(b"other")}, "BadDigest"),
            (SMALL, {"x_amz_checksum_crc32": "AAA="}, "InvalidRequest"),
            (SMALL, {}, "InvalidRequest"),
            (with_trailer(crc32(b"other")), TRAILER, "BadDigest"),
            (with_trailer(""), TRAILER, "MalformedTrailerError"),
            (
                with_trailer(crc32(SMALL)),
                TRAILER | {"x_amz_decoded_content_length": "9"},
                "IncompleteBody",
            ),
        ],
        ids=[
            "wrong in a header",
            "malformed in a header",
            "none",
            "wrong in the trailer",
            "missing in the trailer",
            "wrong length",
        ],
    )
    def test_s3_peer_refuses_a_part_when_its_length_is_wrong_or_its_checksum_missing_or_wrong(
        self, wire: Wire, s3: S3Peer, body: bytes, headers: dict[str, str], code: str
    ) -> None:
        target = wire.begin(**WITH_CRC32)
        assert wire.send("PUT", target, body, **headers)[:2] == (400, code)
        assert stored_numbers(s3) == []

    @pytest.mark.parametrize(
        ("body", "headers"),
        [
            (SMALL, {"x_amz_checksum_crc32": crc32(SMALL)}),
            (with_trailer(crc32(SMALL)), TRAILER),
        ],
        ids=["header", "trailer"],
    )
    def test_s3_peer_stores_a_part_when_its_checksum_is_right(
        self, wire: Wire, body: bytes, headers: dict[str, str]
    ) -> None:
        target = wire.begin(**WITH_CRC32)
        assert wire.send("PUT", target, body, **headers) == (200, "", crc32(SMALL))

    def test_s3_peer_accepts_a_part_without_checksum_when_the_upload_has_no_algorithm(
        self, wire: Wire
    ) -> None:
        target = wire.begin()
        wrong = {"x_amz_checksum_crc32": crc32(b"other")}
        assert wire.send("PUT", target, SMALL, **wrong)[:2] == (400, "BadDigest")
        assert wire.send("PUT", target, SMALL) == (200, "", None)

    @pytest.mark.parametrize(
        ("method", "target", "headers"),
        [
            ("GET", "/bucket", {}),
            ("POST", "/bucket/k?uploads", {"x_amz_checksum_algorithm": "SHA256"}),
            ("POST", "/bucket/k?uploads", WITH_CRC32 | {"x_amz_checksum_type": "FULL_OBJECT"}),
            ("PUT", "/bucket/k", {"x_amz_checksum_sha1": "x"}),
        ],
    )
    def test_s3_peer_refuses_a_request_when_operation_or_checksum_is_not_supported(
        self, wire: Wire, method: str, target: str, headers: dict[str, str]
    ) -> None:
        assert wire.send(method, target, b"", **headers)[:2] == (501, "NotImplemented")


class TestSignatures:
    @pytest.mark.parametrize(
        ("credentials", "code"),
        [
            (replace(CREDENTIALS, access_key="OTHER"), "InvalidAccessKeyId"),
            (replace(CREDENTIALS, secret_key="other"), "SignatureDoesNotMatch"),
            (replace(CREDENTIALS, token=""), "InvalidToken"),
        ],
        ids=["access key", "secret key", "token"],
    )
    def test_s3_peer_refuses_a_request_when_its_credentials_are_wrong(
        self, s3: S3Peer, client_of: MakeClient, credentials: Credentials, code: str
    ) -> None:
        for url in (s3.url, s3.tls_url):
            with pytest.raises(ClientError, match=code):
                client_of(url, credentials).put_object(Bucket=BUCKET, Key="k", Body=b"text")
        assert s3.objects() == []
        assert s3.stats().rejected == {code: 2}

    def test_s3_peer_refuses_a_request_when_a_header_of_aws_is_not_signed(
        self, client: S3Client
    ) -> None:
        client.meta.events.register(
            "before-send.s3.PutObject",
            lambda request, **_: request.headers.update({"x-amz-meta-a": "b"}),
        )
        with pytest.raises(ClientError, match="not signed: x-amz-meta-a"):
            client.put_object(Bucket=BUCKET, Key="k", Body=b"text")

    def test_s3_peer_accepts_any_signature_only_when_no_credentials_are_configured(
        self, s3: S3Peer, wire: Wire
    ) -> None:
        assert wire.send("PUT", "/bucket/k", SMALL)[0] == 200
        s3.configure(S3)
        assert wire.send("PUT", "/bucket/k", SMALL)[1] == "AuthorizationHeaderMalformed"


class TestFaults:
    @pytest.mark.parametrize(
        ("moment", "status", "code"),
        [
            ("before", 503, "SlowDown"),
            ("middle", 400, "RequestTimeout"),
            ("after", 500, "InternalError"),
        ],
    )
    def test_s3_peer_refuses_only_the_second_part_when_a_fault_names_the_second_part(
        self, s3: S3Peer, client: S3Client, moment: Any, status: int, code: str
    ) -> None:
        fault = S3Fault(kind="status", nth=2, status=status, code=code, moment=moment)
        s3.configure(replace(S3, faults=(fault,)))
        upload = Upload(client)
        upload.send(1, BIG)
        with pytest.raises(ClientError, match=code):
            upload.send(2, BIG)
        assert stored_numbers(s3) == [1]
        upload.send(3, BIG)
        assert stored_numbers(s3) == [1, 3]
        assert s3.stats().rejected == {code: 1}

    @pytest.mark.parametrize("kind", ["rst", "fin", "stall"])
    @pytest.mark.parametrize(("moment", "numbers"), [("middle", []), ("after", []), ("done", [1])])
    def test_s3_peer_cuts_the_connection_at_the_moment_of_the_fault(
        self, s3: S3Peer, client: S3Client, kind: Any, moment: Any, numbers: list[int]
    ) -> None:
        fault = S3Fault(kind=kind, moment=moment, after=2_000_000, seconds=0.1)
        s3.configure(replace(S3, faults=(fault,)))
        with pytest.raises(BotoCoreError):
            Upload(client).send(1, BIG)
        assert stored_numbers(s3) == numbers
        stats = s3.stats()
        assert stats.cuts == 1
        if moment == "middle":
            assert 2_000_000 <= stats.body_bytes < len(BIG)

    def test_s3_peer_removes_open_uploads_when_a_fault_is_of_kind_gone(
        self, s3: S3Peer, client: S3Client
    ) -> None:
        s3.configure(replace(S3, faults=(S3Fault(kind="gone", nth=2),)))
        upload = Upload(client)
        upload.send(1, BIG)
        with pytest.raises(ClientError, match="NoSuchUpload"):
            upload.send(2, BIG)
        assert s3.uploads() == []

    def test_s3_peer_repeats_a_fault_as_often_as_configured(
        self, s3: S3Peer, client: S3Client
    ) -> None:
        fault = S3Fault(kind="status", operation="CreateMultipartUpload", times=2)
        s3.configure(replace(S3, faults=(fault,)))
        for _ in range(2):
            with pytest.raises(ClientError, match="SlowDown"):
                Upload(client)
        Upload(client)

    @pytest.mark.parametrize(("moment", "sizes"), [("after", []), ("done", [len(BIG)])])
    def test_completion_at_the_s3_peer_fails_when_a_fault_has_status_200_and_an_error_code(
        self, s3: S3Peer, client: S3Client, moment: Any, sizes: list[int]
    ) -> None:
        # S3 may answer CompleteMultipartUpload with status 200 and an error in the body:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
        fault = S3Fault(
            kind="status",
            operation="CompleteMultipartUpload",
            status=200,
            code="InternalError",
            moment=moment,
        )
        s3.configure(replace(S3, faults=(fault,)))
        upload = Upload(client)
        upload.send(1, BIG)
        with pytest.raises(ClientError, match="InternalError"):
            upload.complete()
        assert [stored.size for stored in s3.objects()] == sizes
