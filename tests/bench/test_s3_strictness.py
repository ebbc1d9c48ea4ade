"""What S3 refuses, the fake one refuses: parts that make no object, wrong checksums, odd bodies."""

from __future__ import annotations

import base64
import http.client
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from bench.transfer.peers.s3 import S3Peer
from bench.transfer.peers.s3_settings import S3Settings
from tests.bench.conftest import BUCKET

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

BIG = bytes(5 * 1024 * 1024)
SMALL = b"the rest"


def crc(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


class Upload:
    """One upload to try things on."""

    def __init__(self, client: S3Client, algorithm: str | None = "CRC32") -> None:
        self.client = client
        told: Any = {"ChecksumAlgorithm": algorithm} if algorithm else {}
        made = client.create_multipart_upload(Bucket=BUCKET, Key="k", **told)
        self.upload_id = made["UploadId"]
        self.parts: list[Any] = []

    def part(self, number: int, body: bytes, **more: Any) -> None:
        told = self.client.upload_part(
            Bucket=BUCKET,
            Key="k",
            UploadId=self.upload_id,
            PartNumber=number,
            Body=body,
            **more,
        )
        self.parts.append(
            {"PartNumber": number, "ETag": told["ETag"], "ChecksumCRC32": told["ChecksumCRC32"]}
        )

    def complete(self, **more: Any) -> None:
        self.client.complete_multipart_upload(
            Bucket=BUCKET,
            Key="k",
            UploadId=self.upload_id,
            MultipartUpload={"Parts": self.parts},
            **more,
        )


@pytest.fixture
def upload(client: S3Client) -> Upload:
    """Two parts that make an object."""
    made = Upload(client)
    made.part(1, BIG)
    made.part(2, SMALL)
    return made


def test_two_parts_make_an_object(s3: S3Peer, upload: Upload) -> None:
    upload.complete(MpuObjectSize=len(BIG) + len(SMALL))
    assert s3.body("k") == BIG + SMALL
    with pytest.raises(ClientError, match="NoSuchUpload"):
        upload.complete()
    with pytest.raises(ClientError, match="NoSuchUpload"):
        upload.part(3, SMALL)


def test_a_part_replaces_an_earlier_one(s3: S3Peer, upload: Upload) -> None:
    upload.parts.pop()
    upload.part(2, b"other")
    upload.complete()
    assert s3.body("k") == BIG + b"other"


def without_checksum(upload: Upload) -> None:
    del upload.parts[1]["ChecksumCRC32"]


def swapped_checksums(upload: Upload) -> None:
    upload.parts[0]["ChecksumCRC32"] = upload.parts[1]["ChecksumCRC32"]


def wrong_tag(upload: Upload) -> None:
    upload.parts[0]["ETag"] = upload.parts[1]["ETag"]


def unknown_part(upload: Upload) -> None:
    upload.parts[1]["PartNumber"] = 3


def small_first(upload: Upload) -> None:
    upload.part(3, SMALL)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (without_checksum, "InvalidRequest.*missing for part 2"),
        (swapped_checksums, "InvalidPart"),
        (wrong_tag, "InvalidPart"),
        (unknown_part, "InvalidPart"),
        (small_first, "EntityTooSmall"),
        (lambda upload: upload.parts.reverse(), "InvalidPartOrder"),
        (lambda upload: upload.parts.append(upload.parts[1]), "InvalidPartOrder"),
        (lambda upload: upload.parts.clear(), "MalformedXML"),
    ],
)
def test_parts_that_make_no_object(
    s3: S3Peer, upload: Upload, spoil: Callable[[Upload], None], code: str
) -> None:
    spoil(upload)
    with pytest.raises(ClientError, match=code):
        upload.complete()
    assert s3.objects() == []
    assert s3.stats().open_uploads == 1
    assert sum(s3.stats().rejected.values()) == 1


def test_the_size_that_is_expected(s3: S3Peer, upload: Upload) -> None:
    with pytest.raises(ClientError, match="mp-object-size"):
        upload.complete(MpuObjectSize=len(BIG))
    assert s3.objects() == []


def test_an_object_that_has_to_be_new(s3: S3Peer, client: S3Client, upload: Upload) -> None:
    client.put_object(Bucket=BUCKET, Key="k", Body=b"old")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        upload.complete(IfNoneMatch="*")
    assert s3.body("k") == b"old"
    upload.complete()
    assert s3.body("k") == BIG + SMALL


@pytest.mark.parametrize("number", [0, 10001])
def test_part_numbers_have_bounds(client: S3Client, number: int) -> None:
    with pytest.raises(ClientError, match="InvalidArgument"):
        Upload(client).part(number, SMALL)


def test_other_uploads_keys_and_buckets(client: S3Client, upload: Upload) -> None:
    with pytest.raises(ClientError, match="NoSuchUpload"):
        client.list_parts(Bucket=BUCKET, Key="other", UploadId=upload.upload_id)
    with pytest.raises(ClientError, match="NoSuchUpload"):
        client.abort_multipart_upload(Bucket=BUCKET, Key="k", UploadId="x")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        client.create_multipart_upload(Bucket="other", Key="k")


class Wire:
    """Requests by hand, to a peer that doesn't look at signatures."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)

    def send(
        self, method: str, target: str, body: bytes = b"", **headers: str
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, target, body, {"Authorization": "x", **named})
        answer = self._connection.getresponse()
        return answer.status, answer.read(), answer.headers

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def wire(s3: S3Peer) -> Any:
    s3.configure(S3Settings())
    made = Wire(s3.url)
    yield made
    made.close()


def part_address(wire: Wire, **headers: Any) -> str:
    _, body, _ = wire.send("POST", "/bucket/k?uploads", **headers)
    upload_id = body.split(b"<UploadId>")[1].split(b"<")[0].decode()
    return f"/bucket/k?partNumber=1&uploadId={upload_id}"


WITH = {"x_amz_checksum_algorithm": "CRC32"}
TRAILER = {
    "x_amz_content_sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "content_encoding": "aws-chunked",
    "x_amz_trailer": "x-amz-checksum-crc32",
    "x_amz_decoded_content_length": "8",
}


def trailed(checksum: str, size: int = 8) -> bytes:
    trailer = f"x-amz-checksum-crc32:{checksum}\r\n" if checksum else ""
    return f"{size:x}\r\nthe rest\r\n0\r\n{trailer}\r\n".encode()


def test_checksum_in_a_header(wire: Wire, s3: S3Peer) -> None:
    target = part_address(wire, **WITH)
    status, body, _ = wire.send("PUT", target, SMALL, x_amz_checksum_crc32=crc(b"other"))
    assert (status, b"BadDigest" in body) == (400, True)
    status, body, _ = wire.send("PUT", target, SMALL, x_amz_checksum_crc32="AAA=")
    assert (status, b"InvalidRequest" in body) == (400, True)
    assert s3.uploads()[0].parts == ()
    status, _, headers = wire.send("PUT", target, SMALL, x_amz_checksum_crc32=crc(SMALL))
    assert (status, headers["x-amz-checksum-crc32"]) == (200, crc(SMALL))


def test_checksum_in_a_trailer(wire: Wire, s3: S3Peer) -> None:
    target = part_address(wire, **WITH)
    for content, code in (
        (trailed(crc(b"other")), b"BadDigest"),
        (trailed(""), b"MalformedTrailerError"),
    ):
        status, body, _ = wire.send("PUT", target, content, **TRAILER)
        assert (status, code in body) == (400, True)
    other_length = TRAILER | {"x_amz_decoded_content_length": "9"}
    status, body, _ = wire.send("PUT", target, trailed(crc(SMALL)), **other_length)
    assert (status, b"IncompleteBody" in body) == (400, True)
    assert s3.uploads()[0].parts == ()
    status, _, headers = wire.send("PUT", target, trailed(crc(SMALL)), **TRAILER)
    assert (status, headers["x-amz-checksum-crc32"]) == (200, crc(SMALL))


def test_an_upload_with_checksums_takes_no_part_without(wire: Wire) -> None:
    with_crc32, without = part_address(wire, **WITH), part_address(wire)
    status, body, _ = wire.send("PUT", with_crc32, SMALL)
    assert (status, b"expected checksum Type: crc32, actual" in body) == (400, True)
    status, body, _ = wire.send("PUT", without, SMALL, x_amz_checksum_crc32=crc(b"other"))
    assert (status, b"BadDigest" in body) == (400, True)
    status, _, headers = wire.send("PUT", without, SMALL)
    assert (status, headers["x-amz-checksum-crc32"]) == (200, None)


def test_md5_and_sha256_have_to_match(wire: Wire) -> None:
    target = part_address(wire)
    status, body, _ = wire.send("PUT", target, SMALL, content_md5="AAAAAAAAAAAAAAAAAAAAAA==")
    assert (status, b"BadDigest" in body) == (400, True)
    status, body, _ = wire.send("PUT", target, SMALL, x_amz_content_sha256="0" * 64)
    assert (status, b"XAmzContentSHA256Mismatch" in body) == (400, True)


@pytest.mark.parametrize("body", [b"", b"<", b"<a/>", b"<CompleteMultipartUpload/>"])
def test_what_is_no_list_of_parts(wire: Wire, body: bytes) -> None:
    target = part_address(wire).replace("partNumber=1&", "")
    status, answer, _ = wire.send("POST", target, body)
    assert (status, b"MalformedXML" in answer) == (400, True)


def test_what_isn_t_spoken_is_said(wire: Wire) -> None:
    asked: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("GET", "/bucket", {}),
        ("POST", "/bucket/k?uploads", {"x_amz_checksum_algorithm": "SHA256"}),
        ("POST", "/bucket/k?uploads", WITH | {"x_amz_checksum_type": "FULL_OBJECT"}),
        ("PUT", "/bucket/k", {"x_amz_checksum_sha1": "x"}),
    )
    for method, target, headers in asked:
        status, body, _ = wire.send(method, target, **headers)
        assert (status, b"NotImplemented" in body) == (501, True)
