"""The stack in the local cloud: the template that AWS gets, put there by the CDK's command line.

What takes time is done side by side by `local/stack.py`: the template is synthesized while the
cloud starts and packages are made; then one CDK run deploys what was synthesized.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import boto3
import msgspec
from botocore.config import Config
from botocore.session import Session

from cdk.names import FUNCTIONS
from local.cloud import OPERATOR_KEY
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
    """How to reach the local cloud as its account's root."""

    url: str
    ca_bundle: Path
    region: str

    @classmethod
    def of(cls, state: State) -> Self:
        """To the cloud of the stack with this state."""
        return cls(state.aws_endpoint_url, Path(state.ca_bundle), state.region)

    def client(self, service: str) -> Any:
        """A boto3 client of any service, untouched by the caller's own AWS configuration."""
        return self._session().client(  # type: ignore[call-overload]  # any service by its name
            service, **self._options()
        )

    def resource(self, service: str) -> Any:
        """A boto3 resource of any service that has them, untouched in the same way."""
        return self._session().resource(  # type: ignore[call-overload]  # as above
            service, **self._options()
        )

    def _session(self) -> boto3.Session:
        # An AWS_PROFILE that isn't there would be an error even with a key given.
        of_the_caller = {
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
        }
        return boto3.Session(
            aws_access_key_id=OPERATOR_KEY,
            aws_secret_access_key=OPERATOR_KEY,
            region_name=self.region,
            botocore_session=Session(session_vars=of_the_caller),
        )

    def _options(self) -> dict[str, Any]:
        return {
            "endpoint_url": self.url,
            "verify": str(self.ca_bundle),
            "config": Config(proxies={}, retries={"total_max_attempts": 2}),
        }


@dataclass(frozen=True)
class Cdk:
    """The CDK's command line for a local stack. `environment` is all that it gets to see."""

    environment: Mapping[str, str]
    processes: Processes
    folder: Path

    @property
    def output(self) -> Path:
        """Where the synthesized stack is."""
        return self.folder / "cdk.out"

    def synth(self) -> None:
        """Make the template from the settings in the environment. ProcessFailed if that fails."""
        command = CdkCli(self.environment, output=self.output).command("synth", "--quiet")
        self.processes.run("synth", command, self._environment(), SYNTH_SECONDS)

    def deploy(self, stack_name: str) -> None:
        """Make the stack from the synthesized template. ProcessFailed if that fails."""
        how = ("--method=direct", "--require-approval=never", "--ci")
        command = [str(PROGRAM), "deploy", stack_name, *how, *OPTIONS, "--app", str(self.output)]
        self.processes.run("deploy", command, self._environment(), DEPLOY_SECONDS)

    def template(self, stack_name: str) -> dict[str, Any]:
        """The synthesized template."""
        template = self.output / f"{stack_name}.template.json"
        return msgspec.json.decode(template.read_bytes(), type=dict[str, Any])

    def _environment(self) -> dict[str, str]:
        # A cache of its own, or the account ids of real stacks mislead the CLI.
        return {**self.environment, **QUIET, "CDK_HOME": str(self.folder / "cdk-home")}


def build_packages(folder: Path) -> list[Package]:
    """The functions' zips for this machine, those that changed anew."""
    return package.build(FUNCTIONS, host(), folder)


def make_bucket(s3: Any, bucket: str, region: str) -> None:
    """Make a bucket. S3 refuses its oldest region as a location constraint."""
    constraint = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=bucket, **({} if region == "us-east-1" else constraint))


def physical_names(cloudformation: Any, stack_name: str) -> dict[str, str]:
    """The resources' names in the cloud by their logical ids."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_name)
    return {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for page in pages
        for resource in page["StackResourceSummaries"]
    }
