"""The fake S3 as boto3 meets it: uploads in parts, lists, objects, and what is told of them."""

from __future__ import annotations

import base64
import hashlib
import io
import zlib
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from bench.transfer.peers.content import Generated
from bench.transfer.peers.s3 import S3Peer
from bench.transfer.peers.s3_settings import S3Object, S3Part
from tests.bench.conftest import BUCKET, S3, MakeClient

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

MIB = 1024 * 1024
SIZE = 12 * MIB + 345
CONTENT = Generated("talk", SIZE)
WHOLE = CONTENT.read(0, SIZE)


class Unseekable(io.BytesIO):
    """As a download is: boto3 then can't look at it before it sends it."""

    def seekable(self) -> bool:
        return False


def composite(parts: list[bytes]) -> str:
    joined = b"".join(zlib.crc32(part).to_bytes(4, "big") for part in parts)
    return f"{base64.b64encode(zlib.crc32(joined).to_bytes(4, 'big')).decode()}-{len(parts)}"


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("mode", ["discard", "hash", "keep"])
def test_boto3_uploads_a_stream(s3: S3Peer, client_of: MakeClient, is_tls: bool, mode: str) -> None:
    """Over TLS boto3 sends the checksum in a trailer, without TLS in a header."""
    s3.configure(replace(S3, mode=mode))  # type: ignore[arg-type]
    client = client_of(s3.tls_url if is_tls else s3.url)
    client.upload_fileobj(
        Unseekable(WHOLE),
        BUCKET,
        "a/talk.mp4",
        ExtraArgs={"Metadata": {"uuid": "abc=="}, "ContentType": "video/mp4"},
        Config=TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB),
    )
    pieces = [WHOLE[: 8 * MIB], WHOLE[8 * MIB :]]
    [stored] = s3.objects()
    assert stored == S3Object(
        key="a/talk.mp4",
        size=SIZE,
        etag=stored.etag,
        checksum=composite(pieces),
        content_type="video/mp4",
        metadata={"uuid": "abc=="},
        parts=(
            S3Part(number=1, size=8 * MIB, crc32=CONTENT.crc32(0, 8 * MIB - 1)),
            S3Part(number=2, size=SIZE - 8 * MIB, crc32=CONTENT.crc32(8 * MIB, SIZE - 1)),
        ),
    )
    head = client.head_object(Bucket=BUCKET, Key="a/talk.mp4", ChecksumMode="ENABLED")
    assert head["ChecksumCRC32"] == composite(pieces)
    assert head["ChecksumType"] == "COMPOSITE"
    assert (head["ContentLength"], head["ETag"]) == (SIZE, stored.etag)
    assert head["Metadata"] == {"uuid": "abc=="}
    stats = s3.stats()
    assert (stats.body_bytes, stats.open_uploads, stats.rejected) == (SIZE, 0, {})
    assert stats.operations["UploadPart"] == 2


def test_what_is_kept_comes_back(s3: S3Peer, client: S3Client) -> None:
    client.upload_fileobj(io.BytesIO(WHOLE), BUCKET, "talk.mp4")
    assert s3.body("talk.mp4") == WHOLE
    assert client.get_object(Bucket=BUCKET, Key="talk.mp4")["Body"].read() == WHOLE
    for asked, expected in (
        ("bytes=8388600-8388700", WHOLE[8388600:8388701]),
        ("bytes=-5", WHOLE[-5:]),
        ("bytes=12582912-", WHOLE[12582912:]),
    ):
        part = client.get_object(Bucket=BUCKET, Key="talk.mp4", Range=asked)
        assert part["Body"].read() == expected
    with pytest.raises(ClientError, match="InvalidRange"):
        client.get_object(Bucket=BUCKET, Key="talk.mp4", Range=f"bytes={SIZE}-")
    client.delete_object(Bucket=BUCKET, Key="talk.mp4")
    with pytest.raises(ClientError, match="NoSuchKey"):
        client.get_object(Bucket=BUCKET, Key="talk.mp4")
    with pytest.raises(ClientError, match="404"):
        client.head_object(Bucket=BUCKET, Key="talk.mp4")


def test_a_small_object(s3: S3Peer, client: S3Client) -> None:
    put = client.put_object(Bucket=BUCKET, Key="ä b/c+d.txt", Body=b"text")
    assert put["ETag"] == '"1cb251ec0d568de6a929b520c4aed8d1"'
    got = client.get_object(Bucket=BUCKET, Key="ä b/c+d.txt", ChecksumMode="ENABLED")
    assert (got["Body"].read(), got["ChecksumType"]) == (b"text", "FULL_OBJECT")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.put_object(Bucket=BUCKET, Key="ä b/c+d.txt", Body=b"text", IfNoneMatch="*")
    assert [one.key for one in s3.objects()] == ["ä b/c+d.txt"]


def test_parts_are_listed_by_pages(s3: S3Peer, client: S3Client) -> None:
    s3.configure(replace(S3, page=2))
    upload_id = client.create_multipart_upload(Bucket=BUCKET, Key="k", ChecksumAlgorithm="CRC32")[
        "UploadId"
    ]
    for number in (7, 3, 1, 9, 2):
        client.upload_part(
            Bucket=BUCKET, Key="k", UploadId=upload_id, PartNumber=number, Body=b"x" * number
        )
    pages = client.get_paginator("list_parts").paginate(Bucket=BUCKET, Key="k", UploadId=upload_id)
    told = [page["Parts"] for page in pages]
    assert [[part["PartNumber"] for part in page] for page in told] == [[1, 2], [3, 7], [9]]
    assert told[1][1]["Size"] == 7
    crc32 = zlib.crc32(b"x" * 7).to_bytes(4, "big")
    assert told[1][1]["ChecksumCRC32"] == base64.b64encode(crc32).decode()
    assert told[1][1]["ETag"] == f'"{hashlib.md5(b"x" * 7, usedforsecurity=False).hexdigest()}"'
    [upload] = s3.uploads()
    assert [part.number for part in upload.parts] == [1, 2, 3, 7, 9]
    assert s3.stats().open_bytes == 22


def test_uploads_are_listed_by_pages(s3: S3Peer, client: S3Client) -> None:
    s3.configure(replace(S3, page=2))
    keys = ["a/1", "a/2", "a/2", "b/1", "a/3", "a/4"]
    made = [client.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"] for key in keys]
    pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=BUCKET, Prefix="a/")
    told = [[(one["Key"], one["UploadId"]) for one in page["Uploads"]] for page in pages]
    expected = [("a/1", 0), ("a/2", 1), ("a/2", 2), ("a/3", 4), ("a/4", 5)]
    assert list(chain(*told)) == [(key, made[number]) for key, number in expected]
    assert [len(page) for page in told] == [2, 2, 1]
    client.abort_multipart_upload(Bucket=BUCKET, Key="a/1", UploadId=made[0])
    first = client.list_multipart_uploads(Bucket=BUCKET, Prefix="a/1")
    assert list(first.get("Uploads", [])) == []
    assert s3.stats().open_uploads == 5


def test_settings_can_change_without_emptying_the_bucket(s3: S3Peer, client: S3Client) -> None:
    client.put_object(Bucket=BUCKET, Key="k", Body=b"text")
    s3.configure(S3, empty=False)
    assert s3.stats().operations == {}
    assert s3.body("k") == b"text"
    s3.configure(S3)
    assert s3.objects() == []
