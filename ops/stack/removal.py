"""List the things that a stack's deletion deletes and keeps, and empty the stack's bucket."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ops.command import OpsError
from ops.secrets import store
from ops.stack import overview
from ops.target import Target

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef


def has_leftovers(target: Target) -> bool:
    """Return whether secrets or packages of a stack exist, with or without the stack itself.

    Raises:
        ClientError: AWS refuses a request for another reason than a missing code bucket.
    """
    if store.described(target.client("ssm"), target.names):
        return True
    s3, prefix = target.own_s3(), f"{target.place.stack_name}/"
    try:
        found = s3.list_objects_v2(Bucket=target.place.code_bucket, Prefix=prefix, MaxKeys=1)
    except s3.exceptions.NoSuchBucket:
        return False
    return bool(found.get("KeyCount"))


def deleted_by_a_deletion(target: Target, *, there: bool) -> list[tuple[str, str]]:
    """Return the things that `stack.delete` deletes, each with the number or the names.

    `there` says whether CloudFormation still has the stack.

    Raises:
        ClientError: AWS refuses a request.
    """
    names, s3 = target.names, target.own_s3()
    found: list[tuple[str, str]] = []
    if there:
        types = _resource_types(target)
        found.append((f"stack {names.stack}", f"{types.total()} resources"))
        found += [(kind, str(count)) for kind, count in sorted(types.items())]
        found += [
            (f"messages in {queue}", str(count))
            for queue, count in overview.message_counts(target).items()
        ]
        found.append((f"files in s3://{names.bucket}", str(_count_below(s3, names.bucket, ""))))
    bucket, prefix = target.place.code_bucket, f"{names.stack}/"
    found.append((f"packages in s3://{bucket}/{prefix}", str(_count_below(s3, bucket, prefix))))
    stored = sorted(store.described(target.client("ssm"), names))
    found.append((f"secrets below {names.secrets_path}", ", ".join(stored) or "0"))
    return found


def kept_by_a_deletion(target: Target) -> list[str]:
    """Return the things that `stack.delete` keeps, in words."""
    return [
        f"the bucket {target.place.code_bucket}",
        "the CSV file",
        "the role by which API Gateway writes this account's logs (other APIs may log by it)",
    ]


def _resource_types(target: Target) -> Counter[str]:
    pages = (
        target.client("cloudformation")
        .get_paginator("list_stack_resources")
        .paginate(StackName=target.names.stack)
    )
    return Counter(
        resource["ResourceType"] for page in pages for resource in page["StackResourceSummaries"]
    )


def _count_below(s3: S3Client, bucket: str, prefix: str) -> int:
    """Return the number of files whose keys begin with `prefix`; 0 if the bucket doesn't exist."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    try:
        return sum(page["KeyCount"] for page in pages)
    except s3.exceptions.NoSuchBucket:
        return 0


def empty_bucket(s3: S3Client, bucket: str) -> None:
    """Delete every file and every unfinished upload of a bucket, if the bucket exists.

    Raises:
        ClientError: S3 refuses a request, although the bucket exists.
        OpsError: S3 refuses a deletion.
    """
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
    """Delete a bucket's files whose keys begin with `prefix`.

    Raises:
        ClientError: S3 refuses a request, for example because the bucket doesn't exist.
        OpsError: S3 refuses a deletion.
    """
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
