"""Access to the local cloud, and the deploy of the stack with the CDK's command line.

The CDK runs twice, because the CDK can synthesize the template while the cloud starts.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import boto3
import msgspec
from botocore.config import Config
from botocore.session import Session

from cdk.names import FUNCTIONS
from local.cloud import OPERATOR_KEY_ID
from local.processes import Processes
from local.state import State
from ops.code import package
from ops.code.package import Package
from ops.code.wheels import host
from ops.stack.cdk_cli import OPTIONS, PROGRAM, QUIET, CdkCli

SYNTH_SECONDS = 180.0
DEPLOY_SECONDS = 180.0


@dataclass(frozen=True)
class Access:
    """Access to a local cloud as the account's root. `secret` is the root's secret access key."""

    url: str
    ca_bundle: Path
    region: str
    secret: str = field(repr=False)

    @classmethod
    def of(cls, state: State) -> Self:
        """Return the access to the cloud of the stack with this state."""
        return cls(
            state.aws_endpoint_url,
            Path(state.ca_bundle),
            state.region,
            state.aws_secret_access_key,
        )

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service. The caller's own AWS configuration is ignored."""
        return self._session().client(  # type: ignore[call-overload]  # any service by its name
            service, **self._options()
        )

    def resource(self, service: str) -> Any:
        """Return a boto3 resource of a service. The caller's own AWS configuration is ignored."""
        return self._session().resource(  # type: ignore[call-overload]  # as above
            service, **self._options()
        )

    def _session(self) -> boto3.Session:
        """Return a session with the root's key, without the caller's AWS configuration."""
        # boto3 fails for an unknown AWS_PROFILE even when keys are passed. botocore's
        # `session_vars` takes tuples of config name, environment variable, default and converter.
        ignored = {
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
        }
        return boto3.Session(
            aws_access_key_id=OPERATOR_KEY_ID,
            aws_secret_access_key=self.secret,
            region_name=self.region,
            botocore_session=Session(session_vars=ignored),
        )

    def _options(self) -> dict[str, Any]:
        return {
            "endpoint_url": self.url,
            "verify": str(self.ca_bundle),
            "config": Config(proxies={}, retries={"total_max_attempts": 2}),
        }


@dataclass(frozen=True)
class Cdk:
    """The CDK's command line for a local stack.

    `environment` has the stack's settings and the access to the cloud.
    """

    environment: Mapping[str, str]
    processes: Processes
    folder: Path

    @property
    def output(self) -> Path:
        """The folder of the synthesized stack."""
        return self.folder / "cdk.out"

    def synth(self) -> None:
        """Synthesize the template from the settings.

        Raises:
            ProcessFailed: The CDK fails or takes too long, or the processes were stopped before.
        """
        command = CdkCli(self.environment, output=self.output).command("synth", "--quiet")
        self.processes.run("synth", command, self._environment(), SYNTH_SECONDS)

    def deploy(self, stack_name: str) -> None:
        """Deploy the synthesized template.

        Raises:
            ProcessFailed: The CDK fails or takes too long, or the processes were stopped before.
        """
        how = ("--method=direct", "--require-approval=never", "--ci")
        command = [str(PROGRAM), "deploy", stack_name, *how, *OPTIONS, "--app", str(self.output)]
        self.processes.run("deploy", command, self._environment(), DEPLOY_SECONDS)

    def template(self, stack_name: str) -> dict[str, Any]:
        """Return the synthesized template."""
        template = self.output / f"{stack_name}.template.json"
        return msgspec.json.decode(template.read_bytes(), type=dict[str, Any])

    def _environment(self) -> dict[str, str]:
        # The CDK's CLI caches ids of real accounts in CDK_HOME. So the local cloud needs another
        # folder.
        return {**self.environment, **QUIET, "CDK_HOME": str(self.folder / "cdk-home")}


def build_packages(folder: Path) -> list[Package]:
    """Return the functions' packages for this machine. Build packages that aren't up to date.

    For errors, see `ops.code.package.build`.
    """
    return package.build(FUNCTIONS, host(), folder)


def make_bucket(s3: Any, bucket: str, region: str) -> None:
    """Create a bucket in a region.

    S3 refuses us-east-1 as a location constraint:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
    """
    constraint = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=bucket, **({} if region == "us-east-1" else constraint))


def physical_names(cloudformation: Any, stack_name: str) -> dict[str, str]:
    """Return the physical ids of a stack's resources, by logical id."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_name)
    return {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for page in pages
        for resource in page["StackResourceSummaries"]
    }
