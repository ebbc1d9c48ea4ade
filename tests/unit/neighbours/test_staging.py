"""The staging bucket through moto: parts, ranges, and addresses that hold for a while."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from ingester.neighbours.staging import PART_BYTES, Staging
from tests.cloud import BUCKET, Cloud
from tests.hooks import recorded

KEY = "95846636714/1791986412/000-active_speaker.mp4"


@pytest.fixture
def staging(aws: Cloud) -> Staging:
    return Staging(aws.s3, BUCKET)


def pieces(size: int, piece: int) -> Iterator[bytes]:
    """`size` bytes in pieces."""
    for start in range(0, size, piece):
        yield bytes([start % 251]) * min(piece, size - start)


class TestStore:
    def test_a_small_file_is_one_part(self, staging: Staging, aws: Cloud) -> None:
        with recorded(aws.s3, "s3.UploadPart") as parts:
            assert staging.store(KEY, [b"abc", b"", b"def"], {"uuid": "a//b=="}) == 6
        stored = aws.s3.get_object(Bucket=BUCKET, Key=KEY)
        assert (stored["Body"].read(), stored["Metadata"]) == (b"abcdef", {"uuid": "a//b=="})
        assert [one["PartNumber"] for one in parts] == [1]

    def test_parts_are_never_smaller_than_s3_takes(self, staging: Staging, aws: Cloud) -> None:
        """But for the last; each with a checksum that S3 compares."""
        size = PART_BYTES + 700_000
        with recorded(aws.s3, "s3.UploadPart") as parts:
            assert staging.store(KEY, pieces(size, 1_000_000), {}) == size
        lengths = [len(one["Body"]) for one in parts]
        assert lengths[0] >= PART_BYTES
        assert sum(lengths) == size
        assert {one["ChecksumAlgorithm"] for one in parts} == {"CRC32"}

    def test_whatever_stops_it_nothing_is_left(self, staging: Staging, aws: Cloud) -> None:
        def stopped() -> Iterator[bytes]:
            yield bytes(PART_BYTES)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            staging.store(KEY, stopped(), {})
        assert aws.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
        assert aws.s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0

    def test_an_earlier_object_stays_until_the_new_one_is_whole(
        self, staging: Staging, aws: Cloud
    ) -> None:
        staging.store(KEY, [b"earlier"], {})

        def looking() -> Iterator[bytes]:
            yield b"later"
            assert aws.s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == b"earlier"

        staging.store(KEY, looking(), {})
        assert aws.s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == b"later"


@pytest.mark.parametrize(
    ("offset", "length", "content"), [(0, 4, b"0123"), (3, 2, b"34"), (8, 50, b"89")]
)
def test_ranges(staging: Staging, offset: int, length: int, content: bytes) -> None:
    staging.store(KEY, [b"0123456789"], {})
    assert staging.read_range(KEY, offset, length) == content


class TestPresigned:
    @pytest.mark.parametrize("seconds", [60, 21_600])
    def test_it_holds_for_so_long(self, staging: Staging, seconds: int) -> None:
        query = parse_qs(urlsplit(staging.presign(KEY, seconds)).query)
        assert query["X-Amz-Expires"] == [str(seconds)]
        assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
        assert "X-Amz-Signature" in query

    def test_it_hands_out_the_object(self, staging: Staging) -> None:
        staging.store(KEY, [b"the file"], {})
        url = staging.presign(KEY, 60)
        assert urlsplit(url).path.endswith("/000-active_speaker.mp4")
        assert requests.get(url, timeout=5).content == b"the file"
