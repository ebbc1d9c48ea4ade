"""What goes wrong in the fake S3, and when."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from bench.transfer.peers.s3 import S3Peer
from bench.transfer.peers.s3_settings import S3Fault
from tests.bench.conftest import BUCKET, S3

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

BODY = bytes(6 * 1024 * 1024)


def faulty(s3: S3Peer, *faults: S3Fault) -> None:
    s3.configure(replace(S3, faults=faults))


def create(client: S3Client) -> str:
    return client.create_multipart_upload(Bucket=BUCKET, Key="k", ChecksumAlgorithm="CRC32")[
        "UploadId"
    ]


def send(client: S3Client, upload_id: str, number: int = 1) -> None:
    client.upload_part(Bucket=BUCKET, Key="k", UploadId=upload_id, PartNumber=number, Body=BODY)


def numbers(s3: S3Peer) -> list[int]:
    return [part.number for upload in s3.uploads() for part in upload.parts]


@pytest.mark.parametrize(
    ("moment", "status", "code"),
    [
        ("before", 503, "SlowDown"),
        ("middle", 400, "RequestTimeout"),
        ("after", 500, "InternalError"),
        ("after", 403, "ExpiredToken"),
    ],
)
def test_a_part_is_refused(
    s3: S3Peer, client: S3Client, moment: str, status: int, code: str
) -> None:
    fault = S3Fault(what="status", nth=2, status=status, code=code)
    faulty(s3, replace(fault, moment=moment))  # type: ignore[arg-type]
    upload_id = create(client)
    send(client, upload_id, 1)
    with pytest.raises(ClientError, match=code):
        send(client, upload_id, 2)
    assert numbers(s3) == [1]
    send(client, upload_id, 3)
    assert numbers(s3) == [1, 3]
    assert s3.stats().rejected == {code: 1}


@pytest.mark.parametrize("what", ["rst", "fin", "stall"])
@pytest.mark.parametrize(
    ("moment", "is_stored"), [("middle", False), ("after", False), ("done", True)]
)
def test_no_answer_comes(
    s3: S3Peer, client: S3Client, what: str, moment: str, is_stored: bool
) -> None:
    fault = S3Fault(what="rst", after=2_000_000, seconds=0.1)
    faulty(s3, replace(fault, what=what, moment=moment))  # type: ignore[arg-type]
    upload_id = create(client)
    with pytest.raises(BotoCoreError):
        send(client, upload_id)
    assert numbers(s3) == ([1] if is_stored else [])
    stats = s3.stats()
    assert stats.cuts == 1
    if moment == "middle":
        assert 2_000_000 <= stats.body_bytes < len(BODY)


def test_an_upload_vanishes(s3: S3Peer, client: S3Client) -> None:
    faulty(s3, S3Fault(what="gone", nth=2))
    upload_id = create(client)
    send(client, upload_id, 1)
    with pytest.raises(ClientError, match="NoSuchUpload"):
        send(client, upload_id, 2)
    assert s3.uploads() == []


def test_several_times_and_any_operation(s3: S3Peer, client: S3Client) -> None:
    faulty(s3, S3Fault(what="status", operation="CreateMultipartUpload", times=2))
    for _ in range(2):
        with pytest.raises(ClientError, match="SlowDown"):
            create(client)
    create(client)


@pytest.mark.parametrize(("moment", "is_whole"), [("after", False), ("done", True)])
def test_a_failure_with_status_200(
    s3: S3Peer, client: S3Client, moment: str, is_whole: bool
) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html"""
    operation = "CompleteMultipartUpload"
    fault = S3Fault(what="status", operation=operation, status=200, code="InternalError")
    faulty(s3, replace(fault, moment=moment))  # type: ignore[arg-type]
    upload_id = create(client)
    send(client, upload_id)
    [part] = client.list_parts(Bucket=BUCKET, Key="k", UploadId=upload_id)["Parts"]
    named = {name: part[name] for name in ("PartNumber", "ETag", "ChecksumCRC32")}
    with pytest.raises(ClientError, match="InternalError"):
        client.complete_multipart_upload(
            Bucket=BUCKET,
            Key="k",
            UploadId=upload_id,
            MultipartUpload={"Parts": [named]},  # type: ignore[list-item]
        )
    assert [one.size for one in s3.objects()] == ([len(BODY)] if is_whole else [])
