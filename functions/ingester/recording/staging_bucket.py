"""Write, read, presign and release objects of the staging bucket.

Only `transfer.multipart` writes Zoom's files into the bucket.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ingester.errors import AwsFailed, StagedFileLost
from ingester.pipeline import reasons
from ingester.pipeline.messages import CaptionTrack, StagedFile

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import TaggingTypeDef

logger = logging.getLogger("ingester.staging_bucket")

RELEASED = "released"
"""Key of the tag on objects that are no longer needed. A download copies a tagged file again.
`cdk.bucket` repeats this value, because the template imports no function code."""


class Staging:
    """The S3 bucket of staged files."""

    def __init__(self, s3: S3Client, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def write(self, key: str, content: bytes) -> None:
        """Write a WebVTT file into the bucket."""
        self._s3.put_object(
            Bucket=self._bucket, Key=key, Body=content, ContentType="text/vtt; charset=utf-8"
        )

    def read(self, key: str) -> bytes:
        """Return the content of a small object.

        Raises:
            StagedFileLost: The object isn't there any more.
        """
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (403, 404):
                raise
            raise StagedFileLost(f"{reasons.FILES_GONE} ({key}).") from error
        with answer["Body"] as body:
            return body.read()

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        """Return `length` bytes of an object from `offset` on, or fewer at the object's end."""
        answer = self._s3.get_object(
            Bucket=self._bucket, Key=key, Range=f"bytes={offset}-{offset + length - 1}"
        )
        with answer["Body"] as body:
            return body.read()

    def address_of(self, file: StagedFile, seconds: int) -> str:
        """Check a staged file's size, and return a presigned URL valid for `seconds`.

        Raises:
            StagedFileLost: The file isn't there any more, or has another size.
            BotoCoreError, ClientError: S3 failed.
        """
        return self._presign_checked(file.filename, file.ffprobe_bytes, seconds)

    def address_of_captions(self, track: CaptionTrack, seconds: int) -> str:
        """Check that captions are staged, and return their presigned URL, valid for `seconds`.

        Raises:
            StagedFileLost: The file isn't there any more.
            BotoCoreError, ClientError: S3 failed.
        """
        return self._presign_checked(track.filename, 0, seconds)

    def _presign_checked(self, key: str, expected_size: int, seconds: int) -> str:
        """Return an object's presigned URL after a check of the object's size.

        Args:
            key: Key of the object.
            expected_size: The size that the object must have, in bytes; 0 for any size.
            seconds: Time for which the URL is valid.

        Raises:
            StagedFileLost: The object isn't there any more, or has another size.
            BotoCoreError, ClientError: S3 failed.
        """
        try:
            size = self._s3.head_object(Bucket=self._bucket, Key=key)["ContentLength"]
        except ClientError as error:
            # Without the grant s3:ListBucket, S3 answers 403 for an object that doesn't exist:
            # https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (403, 404):
                raise
            raise StagedFileLost(
                f"{reasons.FILES_GONE} ({key}): exec.pipeline fetches them again, while Zoom has "
                "them."
            ) from error
        # The size isn't known for captions and, in a message, for a chat.
        if expected_size and size != expected_size:
            raise StagedFileLost(
                f"{reasons.FILES_REPLACED} ({key}): exec.pipeline fetches them again."
            )
        return self.presign(key, seconds)

    def release(self, keys: Iterable[str]) -> None:
        """Tag objects that are no longer needed, so that S3 deletes the objects after a day.

        A failure is only logged, because the objects are deleted after `STAGING_DAYS` in any case.
        """
        tags: TaggingTypeDef = {"TagSet": [{"Key": RELEASED, "Value": "yes"}]}
        for key in keys:
            try:
                self._s3.put_object_tagging(Bucket=self._bucket, Key=key, Tagging=tags)
            except (BotoCoreError, ClientError) as error:
                logger.warning("%s stays for longer. %s", key, AwsFailed.of(error))

    def presign(self, key: str, seconds: int) -> str:
        """Return a URL of an object, valid for `seconds` or until our credentials expire."""
        return self._s3.generate_presigned_url(
            "get_object",
            Params={"Bucket": self._bucket, "Key": key},
            ExpiresIn=seconds,
        )
