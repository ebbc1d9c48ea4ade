"""Unit tests of ranges and presigned URLs of the staging bucket, with moto's S3."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from botocore.exceptions import ClientError

from ingester.errors import StagedFileLost
from ingester.pipeline.messages import StagedFile
from ingester.recording.staging_bucket import Staging
from tests.cloud import BUCKET, Cloud
from tests.hooks import failing

KEY = "95846636714/1791986412/000-active_speaker.mp4"


@pytest.fixture
def staging(aws: Cloud) -> Staging:
    return Staging(aws.s3, BUCKET)


@pytest.mark.parametrize(
    ("offset", "length", "content"), [(0, 4, b"0123"), (3, 2, b"34"), (8, 50, b"89")]
)
def test_read_of_a_range_returns_at_most_the_requested_bytes_from_the_offset(
    aws: Cloud, staging: Staging, offset: int, length: int, content: bytes
) -> None:
    aws.s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"0123456789")
    assert staging.read_range(KEY, offset, length) == content


class TestPresign:
    @pytest.mark.parametrize("seconds", [60, 21_600])
    def test_presigned_url_is_valid_for_the_given_seconds(
        self, staging: Staging, seconds: int
    ) -> None:
        query = parse_qs(urlsplit(staging.presign(KEY, seconds)).query)
        assert query["X-Amz-Expires"] == [str(seconds)]
        assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
        assert "X-Amz-Signature" in query

    def test_presigned_url_returns_the_object(self, aws: Cloud, staging: Staging) -> None:
        aws.s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"the file")
        url = staging.presign(KEY, 60)
        assert urlsplit(url).path.endswith("/000-active_speaker.mp4")
        assert requests.get(url, timeout=5).content == b"the file"


class TestAddressOf:
    def file(self, size: int) -> StagedFile:
        time = "2026-10-14T14:00:12Z"
        return StagedFile(
            filename=KEY,
            segment_num=0,
            recording_start=time,
            recording_end=time,
            ffprobe_bytes=size,
            ffprobe_seconds=0,
        )

    @pytest.mark.parametrize("size", [8, 0])
    def test_url_of_a_file_is_presigned_when_its_size_is_the_expected_size_or_unknown(
        self, aws: Cloud, staging: Staging, size: int
    ) -> None:
        # An upload message has a size only for MP4s. Other files have the size 0.
        aws.s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"the file")
        assert "X-Amz-Signature" in staging.address_of(self.file(size), 60)

    @pytest.mark.parametrize("code", ["404", "403"])
    def test_staged_file_lost_is_raised_when_the_object_does_not_exist(
        self, aws: Cloud, staging: Staging, code: str
    ) -> None:
        # Without the grant `s3:ListBucket`, S3 answers 403 instead of 404.
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
        refused = failing(aws.s3, "s3.HeadObject", code, status=int(code))
        with refused, pytest.raises(StagedFileLost, match=r"gone from S3 .*: exec\.pipeline"):
            staging.address_of(self.file(8), 60)

    def test_staged_file_lost_is_raised_when_the_object_has_another_size(
        self, aws: Cloud, staging: Staging
    ) -> None:
        aws.s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"another file")
        with pytest.raises(StagedFileLost, match="are not as they were staged"):
            staging.address_of(self.file(8), 60)

    def test_client_error_is_raised_for_a_presigned_url_when_s3_throttles(
        self, aws: Cloud, staging: Staging
    ) -> None:
        busy = failing(aws.s3, "s3.HeadObject", "SlowDown", status=503)
        with busy, pytest.raises(ClientError, match="SlowDown"):
            staging.address_of(self.file(8), 60)
