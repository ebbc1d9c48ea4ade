"""The staging bucket, which holds recordings between Zoom and Opencast."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.at_rest import AtRest
from cdk.names import Names

RELEASED = "released"
"""Key of the tag that the uploader gives to files that Opencast has taken."""


class StagingBucket(Construct):
    """The construct whose attribute `bucket` is the staging bucket.

    CloudFormation deletes the bucket with the stack, after `stack.delete` has emptied it. (CDK
    could empty the bucket, but only with an additional function in the stack.)
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        names: Names,
        at_rest: AtRest,
        staging_days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        key = at_rest.key
        self.bucket = s3.Bucket(
            self,
            "Files",
            bucket_name=names.bucket,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=key,
            # KMS bills each request. A bucket key saves requests, because it serves many parts. A
            # lecture of 2 GB has more than 100 parts.
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
            bucket_key_enabled=True if key else None,
            enforce_ssl=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=Duration.days(staging_days),
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                ),
                # This rule expires files that Opencast has taken. If two rules match, the earlier
                # expiry wins.
                # https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-conflicts.html
                s3.LifecycleRule(expiration=Duration.days(1), tag_filters={RELEASED: "yes"}),
            ],
            removal_policy=RemovalPolicy.DESTROY,
        )
