"""Where AWS clients are made. They are handed to whatever uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_ssm.client import SSMClient

_CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 4},
)


def ssm() -> SSMClient:
    return boto3.client("ssm", config=_CONFIG)


def sqs() -> SQSClient:
    return boto3.client("sqs", config=_CONFIG)


def s3() -> S3Client:
    """Presigned URLs are signed with SigV4 for the bucket's own region."""
    return boto3.client("s3", config=_CONFIG.merge(Config(signature_version="s3v4")))


def table(name: str) -> Table:
    return boto3.resource("dynamodb", config=_CONFIG).Table(name)
