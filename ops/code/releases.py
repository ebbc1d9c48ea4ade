"""Versions of the functions, and the release alias that decides which version runs.

`$LATEST` holds the deployed code. A version is a published copy of `$LATEST`, code and
configuration. All callers invoke the alias, which points to a version. See
docs/decisions/0003-arm64-versions-alias.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.command import OpsError, error_line

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

    from cdk.names import Function, Names

LATEST = "$LATEST"

CONFIGURATION_PARTS = ("Environment", "Timeout", "MemorySize", "Handler", "Runtime", "VpcConfig")
"""Fields of a function's configuration that the stack's template sets and a version keeps."""


@dataclass(frozen=True)
class Code:
    """A version or the `$LATEST` of a function: the code's hash, and the CONFIGURATION_PARTS.

    `modified` is Lambda's time of the last change (ISO 8601). `description`, `modified` and
    `revision` are "" if Lambda's answer lacks them.
    """

    version: str
    sha256: str
    configuration: Mapping[str, Any]
    description: str
    modified: str
    revision: str

    @property
    def variables(self) -> dict[str, str]:
        """The function's environment variables."""
        return dict(self.configuration.get("Environment", {}).get("Variables", {}))

    @property
    def debug(self) -> str:
        """The value of `DEBUG`, which turns on debug logging; "" for off."""
        return self.variables.get("DEBUG", "")

    def with_debug(self, value: str) -> dict[str, Any]:
        """Return the configuration with `value` as `DEBUG`, and all else unchanged."""
        variables = {**self.variables, "DEBUG": value}
        return {**self.configuration, "Environment": {"Variables": variables}}

    def same_code(self, other: Code) -> bool:
        return self.sha256 == other.sha256

    def is_same(self, other: Code) -> bool:
        """Return whether code and configuration are the same as those of `other`."""
        return self.same_code(other) and self.configuration == other.configuration


@dataclass(frozen=True)
class AliasMove:
    """A move of a function's alias from the version `before` to the version `after`.

    If `before` equals `after`, the alias wasn't moved.
    """

    function: Function
    before: str
    after: str

    @property
    def has_moved(self) -> bool:
        return self.before != self.after


class ReleaseStopped(OpsError):
    """An error that stopped `release_all`, `roll_back` or `apply_changed_settings`.

    The text names the functions whose alias has moved, and the functions that are left.
    """

    def __init__(
        self, error: Exception, moved: Sequence[AliasMove], left: Sequence[Function]
    ) -> None:
        done = ", ".join(f"{move.function.name} {move.before} → {move.after}" for move in moved)
        super().__init__(
            f"Stopped at {left[0].name}: {error_line(error)} Released before that: "
            f"{done or 'none'}. Not released: {', '.join(function.name for function in left)}. "
            "The same command again goes on from here."
        )


class Releases:
    """The functions of one stack in Lambda."""

    def __init__(self, client: LambdaClient, names: Names, alias: str) -> None:
        self._lambda = client
        self._names = names
        self.alias = alias

    def latest(self, function: Function) -> Code:
        """Return the code and configuration of `$LATEST`.

        Raises:
            OpsError: The function doesn't exist.
            ClientError: Lambda refuses the request.
        """
        return self._code(function, LATEST)

    def released(self, function: Function) -> Code:
        """Return the version to which the alias points.

        Raises:
            OpsError: The function or the alias doesn't exist.
            ClientError: Lambda refuses a request.
        """
        try:
            version = self._lambda.get_alias(FunctionName=self.name(function), Name=self.alias)
        except self._lambda.exceptions.ResourceNotFoundException:
            raise OpsError(
                f"{self.name(function)} has no alias {self.alias}: is LAMBDA_RELEASE_ALIAS the one "
                "that the stack was made with, and the function there (`invoke stack.update`)?"
            ) from None
        return self._code(function, version["FunctionVersion"])

    def lacks_alias(self, function: Function) -> bool:
        """Return whether the function exists without the alias."""
        name, gone = self.name(function), self._lambda.exceptions.ResourceNotFoundException
        try:
            self._lambda.get_function_configuration(FunctionName=name)
        except gone:
            return False
        try:
            self._lambda.get_alias(FunctionName=name, Name=self.alias)
        except gone:
            return True
        return False

    def version(self, function: Function, version: str) -> Code:
        """Return a published version.

        Raises:
            OpsError: The function doesn't exist, or has no version with this number.
            ClientError: Lambda refuses the request.
        """
        return self._code(function, version)

    def versions(self, function: Function) -> list[Code]:
        """Return every published version, the oldest first.

        Raises:
            ClientError: The function doesn't exist.
        """
        pages = self._lambda.get_paginator("list_versions_by_function").paginate(
            FunctionName=self.name(function)
        )
        found = [
            _code(version)
            for page in pages
            for version in page["Versions"]
            if version["Version"] != LATEST
        ]
        return sorted(found, key=lambda code: int(code.version))

    def publish(self, function: Function, expected: Code, description: str = "") -> str:
        """Publish `$LATEST`, whose code has to be that of `expected`. Return the version's number.

        This method waits until the version is active. If nothing changed since the newest version,
        Lambda returns that version's number. `description` is cut to Lambda's limit of 256
        characters.
        https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html

        Raises:
            ClientError: `$LATEST` has other code.
            BotoCoreError: An update of `$LATEST` fails or takes too long, or the version doesn't
                become active (WaiterError).
        """
        self.wait_until_updated(function)
        answer = self._lambda.publish_version(
            FunctionName=self.name(function),
            CodeSha256=expected.sha256,
            Description=description[:256],
        )
        name, version = self.name(function), answer["Version"]
        self._lambda.get_waiter("published_version_active").wait(
            FunctionName=name, Qualifier=version
        )
        return version

    def move(self, function: Function, version: str, expected: str | None = None) -> AliasMove:
        """Point the alias to a version, and return the move.

        Raises:
            OpsError: The alias doesn't point to `expected` any more, because somebody else has
                moved it.
            ClientError: The alias doesn't exist, or somebody else changes the alias at the same
                time.
        """
        name = self.name(function)
        before = self._lambda.get_alias(FunctionName=name, Name=self.alias)
        if expected not in {None, before["FunctionVersion"]}:
            raise OpsError(
                f"{self.alias} of {name} went from {expected} to {before['FunctionVersion']} in "
                "between, and stays there: see who releases (`invoke stack.status`)."
            )
        if before["FunctionVersion"] != version:
            self._lambda.update_alias(
                FunctionName=name,
                Name=self.alias,
                FunctionVersion=version,
                RevisionId=before["RevisionId"],
            )
        return AliasMove(function, before["FunctionVersion"], version)

    def release(self, function: Function, description: str = "") -> AliasMove:
        """Publish `$LATEST`, point the alias to the new version, and return the move.

        If the alias points to the same code and configuration already, nothing changes.

        Raises:
            OpsError: The function or the alias doesn't exist, or somebody else moved the alias
                meanwhile.
            ClientError: Somebody else deploys, or changes the alias, at the same time.
            BotoCoreError: See `publish`.
        """
        latest, released = self.latest(function), self.released(function)
        if latest.is_same(released):
            return AliasMove(function, released.version, released.version)
        version = self.publish(function, latest, description)
        return self.move(function, version, expected=released.version)

    def put_code(self, function: Function, bucket: str, key: str) -> Code:
        """Deploy a package from S3 to `$LATEST`, and wait until Lambda has finished.

        `key` is the package's key in the archive, which contains the package's hash. Return the new
        `$LATEST`.

        Raises:
            OpsError: Lambda got another package.
            ClientError: Lambda refuses the package, for example because S3 doesn't hold it.
            BotoCoreError: See `wait_until_updated`.
        """
        name = self.name(function)
        self._lambda.update_function_code(FunctionName=name, S3Bucket=bucket, S3Key=key)
        self.wait_until_updated(function)
        latest = self.latest(function)
        if self._names.archive_key(function, latest.sha256) != key:
            raise OpsError(
                f"{function.name}: Lambda got another package from s3://{bucket}/{key} than the "
                f"name says: its hash is {latest.sha256}. Somebody has replaced it, or deploys at "
                "the same time. Don't release; see who writes to the bucket, and deploy again."
            )
        return latest

    def configure(self, function: Function, configuration: Mapping[str, Any]) -> None:
        """Change the configuration of `$LATEST`, and wait until Lambda has finished.

        Raises:
            ClientError: Lambda refuses the change.
            BotoCoreError: See `wait_until_updated`.
        """
        self._lambda.update_function_configuration(
            FunctionName=self.name(function), **configuration
        )
        self.wait_until_updated(function)

    def reconfigure(self, function: Function, wanted: Mapping[str, Any]) -> None:
        """Give `$LATEST` the configuration `wanted`, by sending only the differences.

        Raises:
            OpsError: The function doesn't exist.
            ClientError, BotoCoreError: See `configure`.
        """
        now = self.latest(function).configuration
        differing = {name: value for name, value in wanted.items() if now.get(name) != value}
        if differing:
            self.configure(function, differing)

    def wait_until_updated(self, function: Function) -> None:
        """Wait until Lambda has finished the last update of `$LATEST`.

        Raises:
            BotoCoreError: The update fails or takes too long (WaiterError).
        """
        self._lambda.get_waiter("function_updated_v2").wait(FunctionName=self.name(function))

    def name(self, function: Function) -> str:
        """Return the function's name in AWS."""
        return self._names.function(function)

    def _code(self, function: Function, version: str) -> Code:
        try:
            found = self._lambda.get_function_configuration(
                FunctionName=self.name(function), Qualifier=version
            )
        except self._lambda.exceptions.ResourceNotFoundException:
            raise OpsError(
                f"There is no function {self.name(function)} with a version {version}: bring the "
                "stack up to date (`invoke stack.update`), or see `invoke stack.status`."
            ) from None
        return _code(found)


def release_all(
    releases: Releases, functions: Sequence[Function], description: str
) -> list[AliasMove]:
    """Release each function, and return the moves of the alias.

    Raises:
        ReleaseStopped: A function can't be released. The functions before that function are
            released.
    """
    return _apply_each(functions, lambda function: releases.release(function, description))


def roll_back(
    releases: Releases, functions: Sequence[Function], to: str, known: Mapping[str, str]
) -> list[AliasMove]:
    """Point each alias to the version that `to` names, and return the moves.

    `to` is a version's number, the name of a release (`known` has the release's versions by the
    functions' names) or a version's description. A number takes precedence over a release of the
    same name.

    Raises:
        OpsError: `to` is empty or names no version of a function. No alias was moved.
        ClientError: A function doesn't exist. No alias was moved.
        ReleaseStopped: An alias can't be moved.
    """
    targets = find_versions(releases, functions, to, known)
    return _apply_each(functions, lambda function: releases.move(function, targets[function]))


def find_versions(
    releases: Releases, functions: Sequence[Function], to: str, known: Mapping[str, str]
) -> dict[Function, str]:
    """Return the version to which each function goes back; see `roll_back`.

    Raises:
        OpsError: `to` is empty or names no version of a function.
        ClientError: A function doesn't exist.
    """
    if not to:
        raise OpsError("--to names no version, so nothing was moved: a number, or a description.")
    if known and any(
        code.version == to for function in functions for code in releases.versions(function)
    ):
        known = {}
    return {
        function: find_version(releases, function, known.get(function.name, to))
        for function in functions
    }


def find_version(releases: Releases, function: Function, wanted: str) -> str:
    """Return the number of the newest version whose number or description is `wanted`.

    A number takes precedence over a description.

    Raises:
        OpsError: No version has `wanted` as number or description. The text lists the newest ten
            versions.
        ClientError: The function doesn't exist.
    """
    versions = releases.versions(function)
    for code in reversed(versions):
        if code.version == wanted:
            return code.version
    for code in reversed(versions):
        if code.description == wanted:
            return code.version
    known = ", ".join(
        f"{code.version} ({code.description})" if code.description else code.version
        for code in versions[-10:]
    )
    raise OpsError(
        f"{releases.name(function)} has no version {wanted}, so nothing was moved. "
        f"There are: {known or 'none'}."
    )


def apply_changed_settings(
    releases: Releases, functions: Sequence[Function]
) -> tuple[list[AliasMove], list[Function]]:
    """Release changed settings of each function whose `$LATEST` holds the released code.

    Return the alias's moves, and the functions whose changed settings have to wait for the next
    release because `$LATEST` holds unreleased code. An update of the stack turns debug logging off
    in functions with changed settings, so this function restores `DEBUG` as released.

    Raises:
        ReleaseStopped: A function's settings can't be released. The settings of the functions
            before that function are released or wait.
    """
    waiting: list[Function] = []

    def release_settings(function: Function) -> AliasMove:
        latest, released = releases.latest(function), releases.released(function)
        if latest.debug != released.debug:
            wanted = latest.with_debug(released.debug)["Environment"]
            releases.configure(function, {"Environment": wanted})
            latest = releases.latest(function)
        if latest.same_code(released):
            return releases.release(function, released.description)
        if latest.configuration != released.configuration:
            waiting.append(function)
        return AliasMove(function, released.version, released.version)

    moves = _apply_each(functions, release_settings)
    return [move for move in moves if move.has_moved], waiting


def _apply_each(functions: Sequence[Function], work: Any) -> list[AliasMove]:
    moves: list[AliasMove] = []
    for index, function in enumerate(functions):
        try:
            moves.append(work(function))
        except (BotoCoreError, ClientError, OpsError) as error:
            moved = [move for move in moves if move.has_moved]
            raise ReleaseStopped(error, moved, functions[index:]) from error
    return moves


def _code(found: Mapping[str, Any]) -> Code:
    # Only some of Lambda's answers have empty values, so all answers are brought into one form.
    network = found.get("VpcConfig") or {}
    known = {
        "SubnetIds": sorted(network.get("SubnetIds") or ()),
        "SecurityGroupIds": sorted(network.get("SecurityGroupIds") or ()),
    }
    configuration = {name: found[name] for name in CONFIGURATION_PARTS if found.get(name)}
    configuration["VpcConfig"] = known
    return Code(
        version=found["Version"],
        sha256=found["CodeSha256"],
        configuration=configuration,
        description=found.get("Description", ""),
        modified=found.get("LastModified", ""),
        revision=found.get("RevisionId", ""),
    )
