"""`invoke stack.…`: create, change, show and delete the stack, from the CDK app in `cdk/`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from invoke import Collection, Context, Exit

from cdk import settings as stack_settings
from cdk.names import FUNCTIONS, Function
from cdk.settings import Settings
from cdk.stack_location import Place
from ops import terminal
from ops.code import package
from ops.code.deploy import releases_of, restore_all_latest
from ops.code.releases import Releases, apply_changed_settings
from ops.code.wheels import LAMBDA, Platform
from ops.command import OpsError, command, error_line
from ops.schedule.export import save_schedule
from ops.secrets import store as secrets
from ops.stack import opencast, overview, removal
from ops.stack.cdk_cli import CdkCli, OnLine, changed_resource
from ops.target import (
    ENV_FILE,
    ROOT,
    Ask,
    Target,
    announce,
    ask_on_terminal,
    configured_target,
    confirm_production,
    existing_target,
    may_ask,
    require_stack,
    stack_exists,
    target_of,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LAMBDA_ARCHITECTURE = "arm64"
LAMBDA_RUNTIME = "python3.13"
"""The runtime of the packages that `invoke package` builds (`lambda_` in ops/code/wheels.py)."""

NEXT_STEPS = (
    "Next: follow the link in the mail that AWS sends to NOTIFICATION_EMAIL, register webhook-url "
    "in the Zoom app, give ingest-url and status-url to Opencast, import the schedule "
    "(`invoke schedule.csv-import FILE`), and send a recording through "
    "(`invoke exec.pipeline UUID`)."
)


def load_settings() -> Settings:
    """Return the settings of the shell and `.env`, and Opencast's cached location if needed.

    Raises:
        SettingsError: See `cdk.settings.load`.
    """
    return stack_settings.load(os.environ, ENV_FILE)


def cli_for(settings: Settings, environment: Mapping[str, str]) -> CdkCli:
    """Return the CDK's command line for a stack, with the stack's region and profile."""
    place = settings.place
    region = {"AWS_REGION": place.region, "AWS_DEFAULT_REGION": place.region}
    profile = {"AWS_PROFILE": place.profile} if place.profile else {}
    return CdkCli({**environment, **region, **profile}, ENV_FILE)


def check_platform(settings: Settings, platform: Platform) -> None:
    """Raise OpsError if packages for Lambda don't fit the template's architecture and runtime."""
    made = {"LAMBDA_ARCHITECTURE": LAMBDA_ARCHITECTURE, "LAMBDA_RUNTIME": LAMBDA_RUNTIME}
    wanted = {
        "LAMBDA_ARCHITECTURE": settings.lambda_architecture,
        "LAMBDA_RUNTIME": settings.lambda_runtime,
    }
    for name, value in wanted.items():
        if platform.name == LAMBDA and value != made[name]:
            raise OpsError(
                f"{name} is {value}, but packages are made for {made[name]}: "
                "leave it unset for AWS."
            )


def check_code_bucket(s3: S3Client, bucket: str) -> None:
    """Raise OpsError if the bucket for the functions' packages can't be used."""
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        code = error.response["Error"].get("Code", "?")
        raise OpsError(
            f"LAMBDA_CODE_BUCKET {bucket} can't be reached (S3 says {code}): make the bucket, or "
            "name one of this account that these credentials may use."
        ) from error


def ensure_code_bucket(s3: S3Client, bucket: str, region: str) -> bool:
    """Create the code bucket if it doesn't exist, and return whether it was created.

    A new bucket blocks public access. The bucket holds packages and templates, so that the account
    doesn't need `cdk bootstrap`.

    Raises:
        OpsError: The bucket exists and can't be used.
        ClientError: S3 refuses to make the bucket, or to block public access.
    """
    try:
        s3.head_bucket(Bucket=bucket)
        return False
    except ClientError as error:
        if error.response["Error"].get("Code") not in {"404", "NoSuchBucket"}:
            check_code_bucket(s3, bucket)
            return False
    if region == "us-east-1":
        s3.create_bucket(Bucket=bucket)
    else:
        # S3 refuses us-east-1 as a LocationConstraint, and requires any other region:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
        s3.create_bucket(
            Bucket=bucket,
            CreateBucketConfiguration={"LocationConstraint": region},  # type: ignore[typeddict-item]
        )
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    return True


def functions_without_code(target: Target) -> list[Function]:
    """Return the functions without a package in the code bucket.

    Raises:
        ClientError: STS or S3 refuses a request.
    """
    s3, bucket = target.own_s3(), target.place.code_bucket
    return [
        function
        for function in FUNCTIONS
        if not s3.list_objects_v2(Bucket=bucket, Prefix=target.names.code_key(function))["KeyCount"]
    ]


def upload_code_and_secrets(
    target: Target, settings: Settings, functions: Sequence[Function]
) -> None:
    """Build and upload the packages of `functions`, write the secrets, and print both results.

    Raises:
        OpsError: `PACKAGE_PLATFORM` is wrong, or the packages can't be built or uploaded, or
            wouldn't run in Lambda.
        ClientError: AWS refuses a request other than an upload.
    """
    platform = package.platform_of(os.environ)
    check_platform(settings, platform)
    if functions:
        packages = package.build_showing(functions, platform, ROOT / package.DIST)
        with terminal.working("Uploading packages"):
            package.upload(packages, target.own_s3(), target.place.code_bucket, target.names)
        terminal.say(f"Packages in s3://{target.place.code_bucket}: {len(functions)}")
    with terminal.working("Writing the secrets"):
        written = secrets.write(
            target.client("ssm"), target.names, settings.secrets(), settings.generated_secrets
        )
    for line in written.lines():
        terminal.say(line)


def prepare(settings: Settings, *, expect_stack: bool | None) -> tuple[Target, bool]:
    """Print the target, check whether the stack exists, and ask to confirm a production change.

    Return the target, and whether the stack exists. If `expect_stack` is None, the stack may exist
    or not.

    Raises:
        OpsError: The stack's existence isn't as expected, or the change isn't confirmed.
        SettingsError: See `may_ask`.
        ProfileNotFound, ClientError, EOFError: See `target_to_change`.
    """
    target = target_of(settings.place)
    name, region = settings.stack_name, settings.place.region
    announce(target)
    there = stack_exists(target.client("cloudformation"), name)
    if expect_stack is not None and there != expect_stack:
        raise OpsError(
            f"There is no stack {name} in {region}: `invoke stack.create` makes it."
            if expect_stack
            else f"The stack {name} is there already: `invoke stack.update` changes it."
        )
    if may_ask():
        confirm_production(name, ask_on_terminal)
    return target, there


def check_alias(target: Target) -> None:
    """Raise OpsError if an existing function lacks the release alias.

    CloudFormation would create the alias at version 1, so the old code of version 1 would run. See
    docs/decisions/0003-arm64-versions-alias.md.
    """
    releases = Releases(target.client("lambda"), target.names, target.place.release_alias)
    without = [function.name for function in FUNCTIONS if releases.lacks_alias(function)]
    if without:
        raise OpsError(
            f"{', '.join(without)}: there is no alias {releases.alias}, and it would be made at "
            "version 1, so that old code would run: LAMBDA_RELEASE_ALIAS has to be the one that "
            "the stack was made with."
        )


def deploy_stack(*, expect_stack: bool | None) -> None:
    """Create the stack, or change it if it exists. If `may_ask`, ask for consent first.

    Look Opencast up (`ensure_location`), upload packages, write the secrets, and print each step.
    For a new stack, make a missing code bucket and upload all packages. For an existing stack, call
    `restore_all_latest` before the change, upload only packages that the code bucket lacks, and
    release changed settings after the change. For `expect_stack`, see `prepare`.

    Raises:
        SettingsError: Settings are missing or wrong.
        OpsError: A check or a step failed, or a production change isn't confirmed.
        ClientError: AWS refuses a request.
        BotoCoreError: See `restore_latest`.
        ProfileNotFound, EOFError: See `target_to_change`.
        Exit: The operator doesn't consent to the deployment, or pressed ^C at that question or
            during the deployment. A deployment that has begun continues.
    """
    opencast.ensure_location(os.environ, ENV_FILE)
    settings = load_settings()
    target, there = prepare(settings, expect_stack=expect_stack)
    cli = cli_for(settings, os.environ)
    if may_ask():
        confirm_deployment(cli, settings.place, ask_on_terminal, there=there)
    s3 = target.own_s3()
    if there:
        check_alias(target)
        check_code_bucket(s3, target.place.code_bucket)
        # The restore comes before the deployment, because a restored `$LATEST` has its old
        # configuration, which CloudFormation has to change.
        restore_all_latest(target, FUNCTIONS)
        upload_code_and_secrets(target, settings, functions_without_code(target))
    else:
        if ensure_code_bucket(s3, target.place.code_bucket, target.place.region):
            terminal.say(f"Made the bucket {target.place.code_bucket}")
        upload_code_and_secrets(target, settings, FUNCTIONS)
    try:
        with terminal.working(f"Deploying {settings.stack_name}") as activity:
            cli.deploy(settings.stack_name, changes_to(activity))
    except KeyboardInterrupt:
        raise Exit(
            "Interrupted. CloudFormation continues automatically. Functions get changed settings "
            "only when the same command runs to its end: run it again.",
            code=130,
        ) from None
    if there:
        apply_settings(target)
    else:
        overview.show_outputs(target)
        terminal.say(NEXT_STEPS)


def changes_to(activity: terminal.Activity) -> OnLine:
    """Return a function that prints changes of resources.

    The function takes a line of the CDK's output, and prints nothing if the line reports no change.
    """

    def show(line: str) -> None:
        if change := changed_resource(line):
            activity.say(f"  {change}")

    return show


def show_differences(cli: CdkCli, stack_name: str) -> None:
    """Print the changes that an update would make.

    Raises:
        OpsError: The CDK's command line is missing or failed.
    """
    with terminal.working("Comparing the settings with the stack"):
        found = cli.differences(stack_name, colour=terminal.has_colours())
    print(found, flush=True)


def confirm_deployment(cli: CdkCli, place: Place, ask: Ask, *, there: bool) -> None:
    """Show the changes of a deployment if the stack exists (`there`), and ask for consent.

    Raises:
        Exit: The operator doesn't consent, or pressed ^C. The exit code is 130.
        OpsError: The CDK's command line is missing or failed.
    """
    name = place.stack_name
    question = f"Create {name} in {place.region}? [y/N] "
    try:
        if there:
            show_differences(cli, name)
            question = f"Change {name} like this? [y/N] "
        if ask(question).strip().lower() == "y":
            return
    except KeyboardInterrupt:
        print()
    raise Exit(f"{name} was left as it is.", code=130)


def apply_settings(target: Target) -> None:
    """Release changed settings. Print the functions whose settings changed or wait for a release.

    Raises:
        ReleaseStopped: A function's settings can't be released.
    """
    releases = releases_of(target)
    with terminal.working("Releasing changed settings"):
        moves, waiting = apply_changed_settings(releases, FUNCTIONS)
    for move in moves:
        terminal.say(
            f"{move.function.name}: the changed settings run ({releases.alias}: version "
            f"{move.before} → {move.after}, the same code)."
        )
    for function in waiting:
        terminal.say(
            f"{function.name}: the changed settings wait for a release, for $LATEST holds code "
            f"that isn't released: `invoke release -f {function.task}` brings both."
        )
    if not (moves or waiting):
        terminal.say("No function's settings changed.")


@command()
def synth(_context: Context) -> None:
    """Print the CloudFormation template (needs no AWS)."""
    # Outside of EC2, the look-up of an instance role's credentials takes seconds.
    environment = {**os.environ, "AWS_EC2_METADATA_DISABLED": "true"}
    cli = cli_for(load_settings(), environment)
    with terminal.working("Making the template"):
        template = cli.output_of("synth")
    sys.stdout.write(template)


@command()
def diff(_context: Context) -> None:
    """Show what `stack.update` would change."""
    opencast.ensure_location(os.environ, ENV_FILE)
    settings = load_settings()
    # Without credentials this check fails with a clear error. The CDK's errors don't mention them.
    target_of(settings.place).client("sts").get_caller_identity()
    show_differences(cli_for(settings, os.environ), settings.stack_name)


@command(name="list")
def list_stacks(_context: Context) -> None:
    """Print this stack's name, and those of others."""
    own = configured_target()
    print(own.place.stack_name, flush=True)
    try:
        others = overview.pipeline_stacks(own.client("cloudformation"))
    except (BotoCoreError, ClientError) as error:
        said = f"Other stacks can't be listed: {error_line(error)}"
        print(terminal.fitted(said, sys.stderr), file=sys.stderr)
        return
    for name in sorted(others - {own.place.stack_name}):
        print(name)


@command()
def create(_context: Context) -> None:
    """Make the stack; version 1 of every function runs."""
    deploy_stack(expect_stack=False)


@command()
def update(_context: Context) -> None:
    """Apply the settings; released code stays."""
    deploy_stack(expect_stack=True)


@command()
def deploy(_context: Context) -> None:
    """Make the stack or bring it up to date."""
    deploy_stack(expect_stack=None)


@command()
def changeset(_context: Context) -> None:
    """Show what an update would do, as a change set."""
    opencast.ensure_location(os.environ, ENV_FILE)
    settings = load_settings()
    target, _ = prepare(settings, expect_stack=True)
    check_alias(target)
    name = f"by-hand-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    with terminal.working("Making the change set"):
        cli_for(settings, os.environ).prepare_change_set(settings.stack_name, name)
    overview.show_change_set(target, name)


@command(help={"json": "print JSON"})
def status(_context: Context, json: bool = False) -> None:
    """Show addresses, versions, queues, alarms."""
    target = existing_target()
    with terminal.working("Asking AWS"):
        found = overview.read_overview(target, stack_settings.weaknesses(os.environ, ENV_FILE))
    if json:
        terminal.show_json(found.as_json())
    else:
        overview.show(found)


@command(help={"dry-run": "only list what would be deleted, and what would stay"})
def delete(_context: Context, dry_run: bool = False) -> None:
    """Delete the stack; save its schedule before."""
    settings = load_settings()
    target = configured_target(needs_code=True)
    announce(target)
    there = stack_exists(target.client("cloudformation"), settings.stack_name)
    # If an earlier deletion failed after the stack was gone, this command completes the deletion.
    if not there and not removal.has_leftovers(target):
        require_stack(target)
    if dry_run:
        show_deletion(target, there=there)
        return
    if may_ask():
        confirm_deletion(target, there=there)
    if there:
        delete_stack(target, settings)
    secrets.delete_all(target.client("ssm"), target.names)
    bucket = target.place.code_bucket
    with terminal.working(f"Deleting the packages in {bucket}"):
        removal.delete_below(target.own_s3(), bucket, f"{settings.stack_name}/")
    *kept, last = removal.kept_by_a_deletion(target)
    terminal.say(f"{settings.stack_name} is gone. Left: {', '.join(kept)}, and {last}.")


def show_deletion(target: Target, *, there: bool) -> None:
    """Print the things that a deletion would delete and keep.

    `there` says whether the stack exists.

    Raises:
        ClientError: AWS refuses a request.
    """
    with terminal.working("Counting what would be deleted"):
        deleted = removal.deleted_by_a_deletion(target, there=there)
    terminal.show("Would be deleted", ("what", "how many"), deleted)
    schedule = Path(f"{target.names.schedule_table}.csv")
    if there:
        terminal.say(f"Would be saved before: the schedule, in {schedule}")
    *kept, last = removal.kept_by_a_deletion(target)
    terminal.say(f"Would stay: {', '.join(kept)}, and {last}.")


def confirm_deletion(target: Target, *, there: bool) -> None:
    """Print how many messages wait, and ask whether to delete the stack and everything in it.

    `there` says whether the stack exists.

    Raises:
        OpsError: The answer isn't the stack's name, or a production change isn't confirmed.
        ClientError: SQS or CloudWatch refuses a request.
        EOFError: Nobody is at the terminal.
    """
    name = target.place.stack_name
    confirm_production(name, ask_on_terminal)
    waiting = overview.message_counts(target) if there else {}
    for queue, count in waiting.items():
        terminal.say(f"Messages in {queue}, which go with it: {count}")
    answer = ask_on_terminal(
        f"This deletes {name} with its tables, queues and files. Its name again: "
    )
    if answer.strip() != name:
        raise OpsError(f"{name} was left as it is.")


def delete_stack(target: Target, settings: Settings) -> None:
    """Save the schedule, empty the staging bucket, delete the stack itself, and print each step.

    Raises:
        OpsError: The schedule can't be saved, S3 refuses a deletion, or the CDK's command line is
            missing or failed.
        ClientError: AWS refuses a request.
    """
    names = target.names
    backup = Path(f"{names.schedule_table}.csv")
    count = save_schedule(target.table(names.schedule_table), backup)
    if count is None:
        terminal.say("The schedule's table is gone already.")
    else:
        terminal.say(f"The schedule ({count} classes) is in {backup}")
    with terminal.working(f"Emptying {names.bucket}"):
        removal.empty_bucket(target.own_s3(), names.bucket)
    with terminal.working(f"Deleting {settings.stack_name}") as activity:
        cli_for(settings, os.environ).destroy(settings.stack_name, changes_to(activity))


collection = Collection(
    "stack", status, list_stacks, synth, diff, create, update, deploy, changeset, delete
)
