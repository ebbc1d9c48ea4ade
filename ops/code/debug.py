"""`invoke debug.…`: debug logging of every function, in what runs and in what was deployed.

A version's environment is fixed for good, so what runs gets a new version: the released code and
settings with the other `DEBUG`. Where `$LATEST` holds something that isn't released, it lends its
place for that moment and gets its own back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from invoke import Collection, Context, Exit

from cdk.names import FUNCTIONS, Function, Names
from ops import terminal
from ops.code.deploy import releases_of
from ops.code.releases import Code, Move, Releases
from ops.command import OpsError, command
from ops.interrupts import noted
from ops.target import changing

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Find = Callable[[Function, Code], str]


def finder(s3: S3Client, bucket: str, names: Names) -> Find:
    """Finds the key of a version's package in the code bucket; OpsError if it isn't there."""

    def find(function: Function, code: Code) -> str:
        key = names.archive_key(function, code.sha256)
        try:
            s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            raise OpsError(
                f"{function.name} was left as it was: $LATEST isn't what runs, and the package of "
                f"version {code.version} isn't in s3://{bucket}/{key}. Deploy and release it anew."
            ) from error
        return key

    return find


def switch(
    releases: Releases, function: Function, value: str, bucket: str, find: Find
) -> Move | None:
    """Set `DEBUG` in what runs and in `$LATEST`; None if it was so already.

    OpsError or a ClientError leaves what runs as it was.
    """
    latest, released = releases.latest(function), releases.released(function)
    if latest.variables.get("DEBUG", "") == released.variables.get("DEBUG", "") == value:
        return None
    wanted = released.with_debug(value)
    if latest.same_code(released) and latest.with_debug(value) == wanted:
        configure(releases, function, latest, wanted)
        return publish(releases, function, released)
    borrowed, own = find(function, released), find(function, latest)
    try:
        releases.put_code(function, bucket, borrowed)
        configure(releases, function, latest, wanted)
        return publish(releases, function, released)
    finally:
        releases.put_code(function, bucket, own)
        configure(releases, function, releases.latest(function), latest.with_debug(value))


def configure(releases: Releases, function: Function, now: Code, wanted: Mapping[str, Any]) -> None:
    """Bring `$LATEST` from one configuration to another: only what differs is sent."""
    differing = {
        name: value for name, value in wanted.items() if now.configuration.get(name) != value
    }
    if differing:
        releases.configure(function, differing)


def publish(releases: Releases, function: Function, released: Code) -> Move:
    """Let `$LATEST` run, which holds the released code: the new version keeps its description."""
    version = releases.publish(function, released, released.description)
    return releases.move(function, version, expected=released.version)


def switch_each(
    releases: Releases, functions: Sequence[Function], value: str, bucket: str, find: Find
) -> None:
    """Set `DEBUG` in one function after the other, and say so of each.

    Exit with 130 if it was interrupted: only between two, so that no `$LATEST` loses what it lent
    its place for.
    """
    word = "on" if value else "off"
    with noted() as stopped:
        for function in functions:
            if stopped():
                raise Exit("Interrupted. The same command again goes on from here.", code=130)
            move = switch(releases, function, value, bucket, find)
            if move is None:
                terminal.say(f"{function.name}: debug logging was {word} already")
            else:
                terminal.say(
                    f"{function.name}: debug logging is {word} ({releases.alias} {move.before} → "
                    f"{move.after}, the same code)"
                )


def switch_all(value: str) -> None:
    """What both tasks do."""
    target = changing()
    bucket = target.place.code_bucket
    find = finder(target.client("s3"), bucket, target.names)
    switch_each(releases_of(target), FUNCTIONS, value, bucket, find)


@command()
def on(_context: Context) -> None:
    """Log debug records, in what runs too."""
    switch_all("1")


@command()
def off(_context: Context) -> None:
    """Stop logging debug records, in what runs too."""
    switch_all("")


collection = Collection("debug", on, off)
