"""The staging bucket through moto: ranges, and addresses that hold for a while."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from ingester.neighbours.staging import Staging
from tests.cloud import BUCKET, Cloud

KEY = "95846636714/1791986412/000-active_speaker.mp4"


@pytest.fixture
def staging(aws: Cloud) -> Staging:
    return Staging(aws.s3, BUCKET)


@pytest.mark.parametrize(
    ("offset", "length", "content"), [(0, 4, b"0123"), (3, 2, b"34"), (8, 50, b"89")]
)
def test_ranges(aws: Cloud, staging: Staging, offset: int, length: int, content: bytes) -> None:
    aws.s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"0123456789")
    assert staging.read_range(KEY, offset, length) == content


class TestPresigned:
    @pytest.mark.parametrize("seconds", [60, 21_600])
    def test_it_holds_for_so_long(self, staging: Staging, seconds: int) -> None:
        query = parse_qs(urlsplit(staging.presign(KEY, seconds)).query)
        assert query["X-Amz-Expires"] == [str(seconds)]
        assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
        assert "X-Amz-Signature" in query

    def test_it_hands_out_the_object(self, aws: Cloud, staging: Staging) -> None:
        aws.s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"the file")
        url = staging.presign(KEY, 60)
        assert urlsplit(url).path.endswith("/000-active_speaker.mp4")
        assert requests.get(url, timeout=5).content == b"the file"
