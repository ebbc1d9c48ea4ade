"""Encryption and retention of the data that the stack keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.settings import Settings


@dataclass(frozen=True)
class AtRest:
    """Encryption at rest and retention of logs.

    `key` is the site's KMS key; None if the settings name no key. `log_days` is the retention in
    days.
    """

    key: kms.IKey | None
    log_days: int

    @classmethod
    def of(cls, scope: Construct, settings: Settings) -> AtRest:
        """Return the key and retention that the settings name. The stack doesn't own the key."""
        arn = settings.kms_key_arn
        key = kms.Key.from_key_arn(scope, "SiteKey", arn) if arn else None
        return cls(key, settings.log_retention_days)

    def log_group(self, scope: Construct, construct_id: str, name: str) -> logs.LogGroup:
        """Return a new log group, which is deleted with the stack."""
        made = logs.LogGroup(
            scope,
            construct_id,
            log_group_name=name,
            encryption_key=self.key,
            removal_policy=RemovalPolicy.DESTROY,
        )
        # CDK's `LogGroup` accepts only members of `RetentionDays`, but the setting is a number.
        cast(logs.CfnLogGroup, made.node.default_child).retention_in_days = self.log_days
        return made
