"""Make AWS clients. The code that uses a client gets it as an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import NoCredentialsError

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_lambda.client import LambdaClient
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_sns.client import SNSClient
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_ssm.client import SSMClient

_CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 4},
)

_S3_CONFIG = _CONFIG.merge(Config(signature_version="s3v4"))


def ssm() -> SSMClient:
    return boto3.client("ssm", config=_CONFIG)


def lambda_() -> LambdaClient:
    return boto3.client("lambda", config=_CONFIG)


def sqs() -> SQSClient:
    return boto3.client("sqs", config=_CONFIG)


def sns() -> SNSClient:
    return boto3.client("sns", config=_CONFIG)


def s3() -> S3Client:
    """Make an S3 client that signs presigned URLs with SigV4."""
    return boto3.client("s3", config=_S3_CONFIG)


def s3_for_uploads(connections: int) -> tuple[S3Client, Credentials]:
    """Make an S3 client for uploads, and get credentials to sign the requests that send parts.

    `connections` is the number of connections in the client's pool.

    Raises:
        NoCredentialsError: boto3 finds no credentials.
    """
    session = boto3.Session()
    config = _S3_CONFIG.merge(Config(max_pool_connections=connections))
    client, credentials = session.client("s3", config=config), session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    return client, credentials


def table(name: str) -> Table:
    return boto3.resource("dynamodb", config=_CONFIG).Table(name)
