"""The index of named releases, which has the version of each function in a release.

A release publishes new versions only of functions whose code or configuration changed. So the
versions' descriptions don't name all functions of a release. The index is a small file for each
release in the code bucket.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote

from botocore.exceptions import ClientError

from cdk.names import Names

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NOT_THERE = {"404", "NoSuchKey", "NoSuchBucket", "AccessDenied"}
"""S3's error codes for a missing key or bucket.

For a missing key, a caller that may not list the bucket gets AccessDenied:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
"""


def write(
    s3: S3Client, bucket: str, names: Names, release: str, versions: Mapping[str, str]
) -> None:
    """Write the index of a release. `versions` has the versions by the functions' names.

    Raises:
        ClientError: S3 refuses the request.
    """
    content = json.dumps(versions, indent=2, sort_keys=True).encode()
    s3.put_object(Bucket=bucket, Key=names.release_key(release), Body=content)


def releases(s3: S3Client, bucket: str, names: Names, most: int = 20) -> dict[str, str]:
    """Return the times (UTC) of the last `most` releases by name, the newest first.

    Raises:
        ClientError: S3 refuses the request.
    """
    prefix = names.releases_path
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    files = (file for page in pages for file in page.get("Contents", ()))
    found = [(file["LastModified"], file["Key"]) for file in files]
    return {
        unquote(key.removeprefix(prefix).removesuffix(".json")): f"{when:%Y-%m-%d %H:%M}"
        for when, key in sorted(found, reverse=True)[:most]
    }


def read(s3: S3Client, bucket: str, names: Names, release: str) -> dict[str, str]:
    """Return the versions of a release by the functions' names; {} if the release is unknown.

    Raises:
        ClientError: S3 answers with an error that isn't in NOT_THERE.
    """
    try:
        found = s3.get_object(Bucket=bucket, Key=names.release_key(release))
    except ClientError as error:
        if error.response["Error"].get("Code") in NOT_THERE:
            return {}
        raise
    return {str(name): str(version) for name, version in json.load(found["Body"]).items()}
