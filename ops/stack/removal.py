"""Prepare the deletion of a stack: find what it leaves, and empty its bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ops.command import OpsError
from ops.secrets import store
from ops.target import Target

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef


def has_leftovers(target: Target) -> bool:
    """Tell whether secrets or packages of a stack exist, with or without the stack itself."""
    if store.described(target.client("ssm"), target.names):
        return True
    s3, prefix = target.own_s3(), f"{target.place.stack_name}/"
    try:
        found = s3.list_objects_v2(Bucket=target.place.code_bucket, Prefix=prefix, MaxKeys=1)
    except s3.exceptions.NoSuchBucket:
        return False
    return bool(found.get("KeyCount"))


def empty_bucket(s3: S3Client, bucket: str) -> None:
    """Delete every file and every unfinished upload of a bucket, if it exists."""
    try:
        _abort_uploads(s3, bucket)
        delete_below(s3, bucket, "")
    except ClientError as error:
        if error.response["Error"].get("Code") != "NoSuchBucket":
            raise


def _abort_uploads(s3: S3Client, bucket: str) -> None:
    for uploads in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in uploads.get("Uploads", ()):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


def delete_below(s3: S3Client, bucket: str, prefix: str) -> None:
    """Delete a bucket's files whose keys begin with `prefix`. Raises OpsError if S3 refuses."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        keys: list[ObjectIdentifierTypeDef] = [
            {"Key": file["Key"]} for file in page.get("Contents", ())
        ]
        if keys:
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
            refused = answer.get("Errors", [])
            if refused:
                raise OpsError(f"{bucket} can't be emptied: {refused[0].get('Message')}.")
