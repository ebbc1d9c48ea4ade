"""The staging bucket: files between Zoom and Opencast. Written by `transfer.multipart`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ingester.errors import StagedFileLost
from ingester.pipeline import reasons
from ingester.pipeline.messages import StagedFile

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

    def address_of(self, file: StagedFile, seconds: int) -> str:
        """`presign` of a file that is still there, as it was staged; StagedFileLost if it isn't."""
        key = file.filename
        try:
            size = self._s3.head_object(Bucket=self._bucket, Key=key)["ContentLength"]
        except ClientError as error:
            # Without s3:ListBucket S3 says 403 of an object that isn't there.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (403, 404):
                raise
            raise StagedFileLost(
                f"{reasons.FILES_GONE} ({key}): exec.pipeline fetches them anew, while Zoom has "
                "them."
            ) from error
        # Of a chat no size is known.
        if file.ffprobe_bytes and size != file.ffprobe_bytes:
            raise StagedFileLost(
                f"{reasons.FILES_REPLACED} ({key}): exec.pipeline fetches them anew."
            )
        return self.presign(key, seconds)

    def presign(self, key: str, seconds: int) -> str:
        """A URL that hands out an object for `seconds`, or until our credentials end."""
        return self._s3.generate_presigned_url(
            "get_object",
            Params={"Bucket": self._bucket, "Key": key},
            ExpiresIn=seconds,
        )
