"""The staging bucket: files between Zoom and Opencast."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

logger = logging.getLogger("ingester.staging")

PART_BYTES = 16 * 1024 * 1024
"""Also what a copy holds in memory. S3 takes 10,000 parts of at least 5 MiB: 160 GB here."""


class Staging:
    """One bucket."""

    def __init__(self, s3: S3Client, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def store(self, key: str, chunks: Iterable[bytes], metadata: dict[str, str]) -> int:
        """Writes a stream as one object, a part at a time, and gives its size in bytes.

        Nothing is at `key` before every chunk is taken and stored: if `chunks` or S3 raises, the
        upload is aborted and the error goes on. S3 checks a CRC32 of each part.
        """
        upload = self._s3.create_multipart_upload(
            Bucket=self._bucket, Key=key, Metadata=metadata, ChecksumAlgorithm="CRC32"
        )
        upload_id = upload["UploadId"]
        try:
            size, parts = self._store_parts(key, upload_id, chunks)
            self._s3.complete_multipart_upload(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={"Parts": parts},
            )
        except BaseException:
            self._abort(key, upload_id)
            raise
        return size

    def _store_parts(
        self, key: str, upload_id: str, chunks: Iterable[bytes]
    ) -> tuple[int, list[CompletedPartTypeDef]]:
        parts: list[CompletedPartTypeDef] = []
        buffer = bytearray()
        size = 0

        def flush() -> None:
            number = len(parts) + 1
            answer = self._s3.upload_part(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                Body=bytes(buffer),
                ChecksumAlgorithm="CRC32",
            )
            part: CompletedPartTypeDef = {"PartNumber": number, "ETag": answer["ETag"]}
            if "ChecksumCRC32" in answer:
                part["ChecksumCRC32"] = answer["ChecksumCRC32"]
            parts.append(part)
            buffer.clear()

        for chunk in chunks:
            size += len(chunk)
            buffer += chunk
            if len(buffer) >= PART_BYTES:
                flush()
        if buffer:
            flush()
        return size, parts

    def _abort(self, key: str, upload_id: str) -> None:
        try:
            self._s3.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
        except (BotoCoreError, ClientError):
            # The bucket's rule removes unfinished uploads after a day; the first error matters.
            logger.exception("The unfinished upload of %s could not be aborted", key)

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
