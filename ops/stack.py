"""`invoke stack.…`: the stack in AWS, from the CDK app in `cdk/`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError
from invoke import Collection, Context

from cdk import settings as stack_settings
from cdk.names import FUNCTIONS, Names
from cdk.settings import Settings
from ops import package, removal, secrets
from ops.cdk_cli import ROOT, CdkCli
from ops.command import OpsError, command
from ops.wheels import LAMBDA

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_s3 import S3Client

ENV_FILE = ROOT / ".env"
LAMBDA_ARCHITECTURE = "arm64"
LAMBDA_RUNTIME = "python3.13"
"""What `invoke package` makes for AWS: see `LAMBDA` in ops/wheels.py."""

Ask = Callable[[str], str]


def load_settings() -> Settings:
    """The settings of the shell and `.env`. SettingsError names all that are wrong."""
    return stack_settings.load(os.environ, ENV_FILE)


def session_for(settings: Settings) -> boto3.Session:
    """The AWS session of a stack: its profile and region."""
    return boto3.Session(profile_name=settings.profile or None, region_name=settings.region)


def cli_for(settings: Settings, environment: Mapping[str, str]) -> CdkCli:
    """The CDK's command line for a stack, with its region and profile."""
    region = {"AWS_REGION": settings.region, "AWS_DEFAULT_REGION": settings.region}
    profile = {"AWS_PROFILE": settings.profile} if settings.profile else {}
    return CdkCli({**environment, **region, **profile}, ENV_FILE)


def interactive(environment: Mapping[str, str]) -> bool:
    """Whether somebody may be asked: NONINTERACTIVE is not set."""
    return not environment.get("NONINTERACTIVE")


def confirm_production(stack_name: str, ask: Ask) -> None:
    """Ask before a stack is changed that has `prod` in its name. OpsError if it isn't meant."""
    if "prod" in stack_name and ask(f"Change {stack_name}? [y/N] ").strip().lower() != "y":
        raise OpsError(f"{stack_name} was left as it is.")


def exists(cloudformation: CloudFormationClient, stack_name: str) -> bool:
    """Whether there is a stack of this name. ClientError if AWS doesn't say."""
    try:
        cloudformation.describe_stacks(StackName=stack_name)
    except ClientError as error:
        if "does not exist" in error.response["Error"].get("Message", ""):
            return False
        raise
    return True


def check_code_bucket(s3: S3Client, bucket: str) -> None:
    """OpsError if the bucket for the functions' packages can't be used."""
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        code = error.response["Error"].get("Code", "?")
        raise OpsError(
            f"LAMBDA_CODE_BUCKET {bucket} can't be reached (S3 says {code}): make the bucket, or "
            "name one that these credentials may use."
        ) from error


def prepare(settings: Settings, session: boto3.Session) -> list[str]:
    """What has to be there before a stack is deployed: its packages in S3, its secrets in SSM.

    Returns the names of the secrets that were changed. OpsError if the code bucket is missing or
    a package can't be made.
    """
    if settings.architecture != LAMBDA_ARCHITECTURE:
        raise OpsError(
            f"LAMBDA_ARCHITECTURE is {settings.architecture}, but packages are made for "
            f"{LAMBDA_ARCHITECTURE}: leave it unset for AWS."
        )
    if settings.runtime != LAMBDA_RUNTIME:
        raise OpsError(
            f"LAMBDA_RUNTIME is {settings.runtime}, but packages are made for {LAMBDA_RUNTIME}: "
            "leave it unset for AWS."
        )
    names = Names(settings.stack_name)
    check_code_bucket(session.client("s3"), settings.code_bucket)
    packages = package.build(FUNCTIONS, LAMBDA, ROOT / package.DIST)
    package.upload(packages, package.Destination(settings.code_bucket, names, session))
    return secrets.write(session.client("ssm"), names, settings.secrets())


def deploy(*, expect_stack: bool) -> None:
    """Make or change the stack, whichever `expect_stack` says; the rest of both is the same."""
    settings = load_settings()
    session = session_for(settings)
    name = settings.stack_name
    asking = interactive(os.environ)
    if asking:
        confirm_production(name, input)
    if exists(session.client("cloudformation"), name) != expect_stack:
        raise OpsError(
            f"There is no stack {name} in {settings.region}: `invoke stack.create` makes it."
            if expect_stack
            else f"The stack {name} is there already: `invoke stack.update` changes it."
        )
    changed = prepare(settings, session)
    if changed:
        print(f"Secrets written to SSM: {', '.join(changed)}")
    cli_for(settings, os.environ).deploy(name, approval="broadening" if asking else "never")


@command()
def synth(_context: Context) -> None:
    """Print the CloudFormation template (needs no AWS)."""
    # No look for an instance role's credentials, which would take seconds elsewhere than on EC2.
    environment = {**os.environ, "AWS_EC2_METADATA_DISABLED": "true"}
    cli_for(load_settings(), environment).run("synth")


@command()
def diff(_context: Context) -> None:
    """Show what an update would change."""
    settings = load_settings()
    # Without credentials the CDK's command line speaks of everything but credentials.
    session_for(settings).client("sts").get_caller_identity()
    cli_for(settings, os.environ).run("diff", settings.stack_name)


@command(name="list")
def list_stacks(_context: Context) -> None:
    """Print the name of the stack that the settings describe."""
    cli_for(load_settings(), os.environ).run("list")


@command()
def create(_context: Context) -> None:
    """Make the stack: packages, secrets, then all AWS resources."""
    deploy(expect_stack=False)


@command()
def update(_context: Context) -> None:
    """Bring the stack to the settings and to cdk/; code and alias stay as they are."""
    deploy(expect_stack=True)


@command()
def delete(_context: Context) -> None:
    """Delete the stack and all it holds; the schedule is written to a CSV file first."""
    settings = load_settings()
    session = session_for(settings)
    name, names = settings.stack_name, Names(settings.stack_name)
    if not exists(session.client("cloudformation"), name):
        raise OpsError(f"There is no stack {name} in {settings.region}.")
    if interactive(os.environ):
        answer = input(f"This deletes {name} with its tables, queues and files. Its name again: ")
        if answer.strip() != name:
            raise OpsError(f"{name} was left as it is.")
    backup = Path(f"{names.schedule_table}.csv")
    count = removal.save_schedule(session.resource("dynamodb").Table(names.schedule_table), backup)
    print(f"The schedule ({count} classes) is in {backup}")
    removal.empty_bucket(session.client("s3"), names.bucket)
    cli_for(settings, os.environ).destroy(name)
    secrets.delete_all(session.client("ssm"), names)


collection = Collection("stack", synth, diff, list_stacks, create, update, delete)
