"""The stack that a command works on, and the safeguards of commands that change the stack."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from cdk.names import PRODUCTION, Names
from cdk.settings import TABLE, read_place
from cdk.settings_reader import Reader, given_settings
from cdk.stack_location import Place
from ops import terminal
from ops.command import OpsError
from ops.waiting import show_waiting

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_s3 import S3Client

ROOT = Path(__file__).resolve().parent.parent
ENV_FILE = ROOT / ".env"

Ask = Callable[[str], str]


@dataclass(frozen=True)
class Target:
    """A stack and the AWS session that reaches it."""

    place: Place
    session: boto3.Session = field(repr=False)

    @property
    def names(self) -> Names:
        """The names of the stack's resources in AWS."""
        return Names(self.place.stack_name)

    def client(self, service: str, config: Config | None = None) -> Any:
        """Return a boto3 client of a service."""
        return self.session.client(service, config=config)  # type: ignore[call-overload]

    def own_s3(self) -> S3Client:
        """Return an S3 client whose requests fail for a bucket of another account.

        Another account may own a bucket with the name of a bucket that was deleted or never made.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html

        Raises:
            ClientError: STS refuses the request.
        """
        s3: S3Client = self.client("s3")
        account = self.client("sts").get_caller_identity()["Account"]
        s3.meta.events.register("before-parameter-build.s3", partial(_expect_owner, account))
        return s3

    def table(self, name: str) -> Any:
        """Return a DynamoDB table by name."""
        return self.session.resource("dynamodb").Table(name)

    def description(self) -> str:
        """Return the line that names the target to the operator: stack, region and profile."""
        profile = self.place.profile or "(not set)"
        return f"Stack {self.place.stack_name} in {self.place.region}, AWS_PROFILE {profile}"


def _expect_owner(account: str, params: dict[str, Any], model: OperationModel, **_: object) -> None:
    """Add the buckets' expected owner to a request, if the operation takes an expected owner."""
    known = model.input_shape.members if model.input_shape else {}
    for name in ("ExpectedBucketOwner", "ExpectedSourceBucketOwner"):
        if name in known:
            params[name] = account


def target_of(place: Place) -> Target:
    """Return the target for the stack, region and profile of `place`.

    Raises:
        ProfileNotFound: The profile doesn't exist.
        ClientError: See `show_waiting`.
    """
    session = boto3.Session(profile_name=place.profile or None, region_name=place.region)
    show_waiting(session)
    return Target(place, session)


def configured_target(*, needs_code: bool = False) -> Target:
    """Return the stack that the shell and `.env` name, whether the stack exists or not.

    `needs_code` says whether the command reads or writes the functions' packages.

    Raises:
        SettingsError: A setting that the command needs is missing or wrong, or `.env` isn't UTF-8.
        ProfileNotFound, ClientError: See `target_of`.
    """
    reader = Reader(given_settings(os.environ, ENV_FILE))
    place = read_place(reader, needs_code=needs_code)
    reader.check()
    return target_of(place)


def opencast_patience() -> timedelta:
    """Return the time for which an upload waits for an ingest whose outcome is unknown.

    The time comes from the shell or `.env`, or is the default.

    Raises:
        SettingsError: The text of `OC_INGEST_PATIENCE_HOURS` is wrong, or `.env` isn't UTF-8.
    """
    return timedelta(hours=_configured("OC_INGEST_PATIENCE_HOURS"))


def opencast_address() -> str:
    """Return Opencast's address from the shell or `.env`; "" if the address isn't set.

    Raises:
        SettingsError: `.env` isn't UTF-8.
    """
    return str(given_settings(os.environ, ENV_FILE).get("OPENCAST_BASE_URL", "")).strip()


def log_retention() -> timedelta:
    """Return the time for which CloudWatch keeps the stack's logs.

    The time comes from the shell or `.env`, or is the default.

    Raises:
        SettingsError: The text of `LOG_RETENTION_DAYS` is wrong, or `.env` isn't UTF-8.
    """
    return timedelta(days=_configured("LOG_RETENTION_DAYS"))


def _configured(name: str) -> Any:
    """Return the value of a setting in the shell or `.env`, or the setting's default.

    Raises:
        SettingsError: The setting's text is wrong, or `.env` isn't UTF-8.
    """
    reader = Reader(given_settings(os.environ, ENV_FILE))
    value = reader.read(TABLE[name])
    reader.check()
    return value


def staging_lifetime() -> timedelta:
    """Return the time for which the staging bucket keeps files that Opencast hasn't taken.

    The time comes from the shell or `.env`, or is the default.

    Raises:
        SettingsError: The text of `STAGING_DAYS` is wrong, or `.env` isn't UTF-8.
    """
    reader = Reader(given_settings(os.environ, ENV_FILE))
    days = reader.read(TABLE["STAGING_DAYS"])
    reader.check()
    return timedelta(days=days)


def existing_target(*, needs_code: bool = False) -> Target:
    """Return the stack for a command that changes nothing.

    `needs_code` says whether the command reads or writes the functions' packages.

    Raises:
        SettingsError: A setting that the command needs is missing or wrong, or `.env` isn't UTF-8.
        ProfileNotFound: The profile doesn't exist.
        OpsError: The stack doesn't exist.
        ClientError: STS or CloudFormation refuses a request.
    """
    target = configured_target(needs_code=needs_code)
    require_stack(target)
    return target


def target_to_change(*, needs_code: bool = False) -> Target:
    """Return the stack for a command that changes the stack, after `begin_change`.

    For `needs_code`, see `existing_target`.

    Raises:
        SettingsError: A setting that the command needs is missing or wrong, or `.env` isn't UTF-8.
        ProfileNotFound: The profile doesn't exist.
        OpsError: The stack doesn't exist, or the operator doesn't confirm the change.
        ClientError: STS or CloudFormation refuses a request.
        EOFError: Nobody is at the terminal to confirm the change.
    """
    target = configured_target(needs_code=needs_code)
    begin_change(target, given_settings(os.environ, ENV_FILE), ask_on_terminal)
    return target


def begin_change(target: Target, given: Mapping[str, str], ask: Ask) -> None:
    """Print the target, check that the stack exists, and ask to confirm a production change.

    If `given` sets NONINTERACTIVE, nothing is asked.

    Raises:
        OpsError: The stack doesn't exist, or the operator doesn't confirm the change.
        ClientError: See `stack_exists`.
    """
    announce(target)
    require_stack(target)
    if is_interactive(given):
        confirm_production(target.place.stack_name, ask)


def announce(target: Target) -> None:
    """Print the target, and let the command continue even if nobody reads the output any more."""
    terminal.survive_closed_output()
    print(target.description(), flush=True)


def is_interactive(given: Mapping[str, str]) -> bool:
    """Return whether commands may ask questions: `given` doesn't set NONINTERACTIVE."""
    return not given.get("NONINTERACTIVE")


def may_ask() -> bool:
    """Return whether commands may ask questions: neither the shell nor `.env` sets NONINTERACTIVE.

    Raises:
        SettingsError: `.env` isn't UTF-8.
    """
    return is_interactive(given_settings(os.environ, ENV_FILE))


def ask_on_terminal(question: str) -> str:
    """Print a question, and return the answer from the terminal.

    Raises:
        EOFError: Nobody is at the terminal.
    """
    try:
        return input(f"{terminal.fitted(question, sys.stdout).rstrip()} ")
    except RuntimeError as error:
        # Python raises RuntimeError if standard input is closed.
        raise EOFError from error


def confirm_production(stack_name: str, ask: Ask) -> None:
    """Ask the operator to confirm a change of a stack with `prod` in its name.

    Raises:
        OpsError: The operator doesn't confirm the change.
    """
    if PRODUCTION in stack_name and ask(f"Change {stack_name}? [y/N] ").strip().lower() != "y":
        raise OpsError(f"{stack_name} was left as it is.")


def require_stack(target: Target) -> None:
    """Raise OpsError if the stack doesn't exist. For ClientError, see `stack_exists`."""
    if not stack_exists(target.client("cloudformation"), target.place.stack_name):
        raise OpsError(
            f"There is no stack {target.place.stack_name} in {target.place.region}: set "
            "STACK_NAME and AWS_REGION to one that is there, or make it by `invoke stack.create`."
        )


def stack_exists(cloudformation: CloudFormationClient, stack_name: str) -> bool:
    """Return whether a stack exists.

    Raises:
        ClientError: The call fails for another reason than a missing stack.
    """
    try:
        cloudformation.describe_stacks(StackName=stack_name)
    except ClientError as error:
        if "does not exist" in error.response["Error"].get("Message", ""):
            return False
        raise
    return True
