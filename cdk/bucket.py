"""The staging bucket, which holds recordings between Zoom and Opencast."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.names import Names

RELEASED = "released"
"""Key of the tag that the uploader gives to files that Opencast has taken."""


class StagingBucket(Construct):
    """The staging bucket, as `bucket`.

    CloudFormation deletes it with the stack after `stack.delete` has emptied it. (CDK could empty
    it, but would add a function to the stack for that.)
    """

    def __init__(
        self, scope: Construct, construct_id: str, names: Names, staging_days: int
    ) -> None:
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Files",
            bucket_name=names.bucket,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=Duration.days(staging_days),
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                ),
                # What Opencast has taken. Of two rules for an object, S3 takes the earlier end.
                s3.LifecycleRule(expiration=Duration.days(1), tag_filters={RELEASED: "yes"}),
            ],
            removal_policy=RemovalPolicy.DESTROY,
        )
