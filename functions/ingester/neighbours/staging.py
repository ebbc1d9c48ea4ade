"""The staging bucket: files between Zoom and Opencast. Written by `transfer.multipart`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


class Staging:
    """One bucket."""

    def __init__(self, s3: S3Client, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        """`length` bytes of an object from `offset`; fewer at its end."""
        answer = self._s3.get_object(
            Bucket=self._bucket, Key=key, Range=f"bytes={offset}-{offset + length - 1}"
        )
        with answer["Body"] as body:
            return body.read()

    def presign(self, key: str, seconds: int) -> str:
        """A URL that hands out an object for `seconds`, or until our credentials end."""
        return self._s3.generate_presigned_url(
            "get_object",
            Params={"Bucket": self._bucket, "Key": key},
            ExpiresIn=seconds,
        )
