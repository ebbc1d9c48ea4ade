"""Tests of versions and the release alias in moto's Lambda."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import signal
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from invoke import Exit
from moto import mock_aws

from cdk.names import DOWNLOADER, UPLOADER, WEBHOOK, Function, Names
from ops.code import debug, deploy, release_index
from ops.code.archive import Archive, LatestBackup, restore_latest
from ops.code.releases import (
    AliasMove,
    Releases,
    ReleaseStopped,
    apply_changed_settings,
    release_all,
    roll_back,
)
from ops.command import OpsError
from tests.signals import heard

NAMES = Names("zip-test")
ALIAS = "live"
BUCKET = "code"
THREE = (WEBHOOK, DOWNLOADER, UPLOADER)


def package(code: str) -> bytes:
    """Return a package whose one file has the content `code`. Equal code gives equal bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(zipfile.ZipInfo("code.py"), code)
    return made.getvalue()


@dataclass
class Stack:
    """Three functions as CloudFormation makes them, each with an alias that points to version 1."""

    client: Any
    s3: Any
    releases: Releases

    def deploy(self, function: Function, code: str) -> None:
        """Store code in the bucket's archive, and deploy the code from there."""
        content = package(code)
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        key = NAMES.archive_key(function, digest)
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        self.releases.put_code(function, BUCKET, key)

    def debug(self, function: Function, value: str) -> AliasMove | None:
        return debug.set_debug(self.releases, function, value, self.archive)

    @property
    def archive(self) -> Archive:
        return Archive(self.s3, BUCKET, NAMES)

    def set(self, function: Function, **variables: str) -> None:
        """Change variables of the function as an update of the stack does."""
        now = self.releases.latest(function).variables
        self.releases.configure(function, {"Environment": {"Variables": {**now, **variables}}})

    def runs(self, function: Function) -> str:
        """Return the number of the released version."""
        return self.releases.released(function).version

    def code(self, function: Function, version: str = "$LATEST") -> str:
        name = self.releases.name(function)
        found = self.client.get_function_configuration(FunctionName=name, Qualifier=version)
        return str(found["CodeSha256"])


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        trust = {"Version": "2012-10-17", "Statement": []}
        role = boto3.client("iam", "us-east-1").create_role(
            RoleName="role", AssumeRolePolicyDocument=json.dumps(trust)
        )
        client, s3 = boto3.client("lambda", "us-east-1"), boto3.client("s3", "us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        made = Stack(client, s3, Releases(client, NAMES, ALIAS))
        for function in THREE:
            name = NAMES.function(function)
            client.create_function(
                FunctionName=name,
                Runtime="python3.13",
                Role=role["Role"]["Arn"],
                Handler="code.handler",
                Code={"ZipFile": package("first")},
                Environment={"Variables": {"STACK_NAME": "zip-test", "DEBUG": ""}},
            )
            made.deploy(function, "first")
            client.publish_version(FunctionName=name)
            client.create_alias(FunctionName=name, Name=ALIAS, FunctionVersion="1")
        yield made


def test_a_release_moves_the_alias_to_the_deployed_code(stack: Stack) -> None:
    stack.deploy(WEBHOOK, "second")
    assert stack.runs(WEBHOOK) == "1"
    moves = release_all(stack.releases, THREE, "v2")
    assert [(move.function, move.before, move.after) for move in moves] == [
        (WEBHOOK, "1", "2"),
        (DOWNLOADER, "1", "1"),
        (UPLOADER, "1", "1"),
    ]
    assert stack.code(WEBHOOK, "2") == stack.code(WEBHOOK)
    assert stack.releases.released(WEBHOOK).description == "v2"


def test_a_release_publishes_nothing_when_nothing_changed(stack: Stack) -> None:
    stack.deploy(WEBHOOK, "second")
    release_all(stack.releases, [WEBHOOK], "v2")
    (move,) = release_all(stack.releases, [WEBHOOK], "v2 again")
    assert not move.has_moved
    assert [code.version for code in stack.releases.versions(WEBHOOK)] == ["1", "2"]


def test_rollback_accepts_a_number_or_a_description(stack: Stack) -> None:
    for code in ("second", "third"):
        for function in (WEBHOOK, DOWNLOADER):
            stack.deploy(function, code)
        release_all(stack.releases, (WEBHOOK, DOWNLOADER), f"release-{code}")
    (move,) = roll_back(stack.releases, [WEBHOOK], "1", {})
    assert (move.before, move.after) == ("3", "1")
    moves = roll_back(stack.releases, (WEBHOOK, DOWNLOADER), "release-second", {})
    assert [move.after for move in moves] == ["2", "2"]


def test_rollback_to_2_means_version_2_even_if_a_later_version_has_the_description_2(
    stack: Stack,
) -> None:
    for code, description in (("second", ""), ("third", "2")):
        stack.deploy(WEBHOOK, code)
        release_all(stack.releases, [WEBHOOK], description)
    assert [move.after for move in roll_back(stack.releases, [WEBHOOK], "2", {})] == ["2"]


def test_rollback_prefers_a_version_number_to_a_release_of_the_same_name(stack: Stack) -> None:
    for code in ("second", "third"):
        stack.deploy(WEBHOOK, code)
        release_all(stack.releases, [WEBHOOK], "")
    release = {WEBHOOK.name: "3"}
    assert [move.after for move in roll_back(stack.releases, [WEBHOOK], "2", release)] == ["2"]
    assert [move.after for move in roll_back(stack.releases, [WEBHOOK], "7", release)] == ["3"]


def test_rollback_moves_nothing_when_the_name_of_the_version_is_empty(stack: Stack) -> None:
    stack.deploy(WEBHOOK, "second")
    with pytest.raises(OpsError, match="--to names no version, so nothing was moved"):
        roll_back(stack.releases, [WEBHOOK], "", {})
    assert stack.runs(WEBHOOK) == "1"


def test_rollback_restores_all_versions_of_a_named_release(stack: Stack) -> None:
    # A release publishes no version of a function that hasn't changed.
    stack.deploy(WEBHOOK, "second")
    release_all(stack.releases, THREE, "v2")
    versions = {function.name: stack.runs(function) for function in THREE}
    release_index.write(stack.s3, BUCKET, NAMES, "v2/é", versions)
    for function in THREE:
        stack.deploy(function, "third")
    release_all(stack.releases, THREE, "v3")
    known = release_index.read(stack.s3, BUCKET, NAMES, "v2/é")
    roll_back(stack.releases, THREE, "v2/é", known)
    assert [stack.runs(function) for function in THREE] == ["2", "1", "1"]
    assert release_index.read(stack.s3, BUCKET, NAMES, "v1") == {}
    assert list(release_index.releases(stack.s3, BUCKET, NAMES)) == ["v2/é"]
    said = str(deploy.unknown_release("v1", release_index.releases(stack.s3, BUCKET, NAMES)))
    assert said.startswith("There is no release v1, so nothing was moved. There are: v2/é (20")


def test_rollback_moves_nothing_when_one_function_lacks_the_version(stack: Stack) -> None:
    stack.deploy(WEBHOOK, "second")
    release_all(stack.releases, THREE, "v2")
    stack.deploy(WEBHOOK, "third")
    release_all(stack.releases, THREE, "v3")
    with pytest.raises(
        OpsError, match=r"zip-test-zoom-downloader has no version v2, so nothing was moved\..* 1\."
    ):
        roll_back(stack.releases, THREE, "v2", {})
    assert stack.runs(WEBHOOK) == "3"


def test_an_incomplete_release_can_be_repeated(stack: Stack) -> None:
    for function in THREE:
        stack.deploy(function, "second")
    name = NAMES.function(DOWNLOADER)
    stack.client.delete_alias(FunctionName=name, Name=ALIAS)
    with pytest.raises(ReleaseStopped) as stopped:
        release_all(stack.releases, THREE, "v2")
    assert str(stopped.value).startswith("Stopped at zoom-downloader: ")
    assert "Released before that: zoom-webhook 1 → 2." in str(stopped.value)
    assert "Not released: zoom-downloader, zoom-uploader." in str(stopped.value)
    assert stack.runs(UPLOADER) == "1"
    stack.client.create_alias(FunctionName=name, Name=ALIAS, FunctionVersion="1")
    moves = release_all(stack.releases, THREE, "v2")
    assert [(move.before, move.after) for move in moves] == [("2", "2"), ("1", "2"), ("1", "2")]


def test_a_changed_setting_is_released_without_new_code(stack: Stack) -> None:
    stack.set(WEBHOOK, WEBHOOK_DELAY_SECONDS="60")
    moves, waiting = apply_changed_settings(stack.releases, THREE)
    assert [(move.function, move.after) for move in moves] == [(WEBHOOK, "2")]
    assert waiting == []
    assert stack.releases.released(WEBHOOK).variables["WEBHOOK_DELAY_SECONDS"] == "60"
    assert stack.code(WEBHOOK, "2") == stack.code(WEBHOOK, "1")


def test_an_update_of_settings_keeps_debug_logging(stack: Stack) -> None:
    stack.debug(WEBHOOK, "1")
    stack.set(WEBHOOK, WEBHOOK_DELAY_SECONDS="60", DEBUG="")
    apply_changed_settings(stack.releases, THREE)
    for code in (stack.releases.released(WEBHOOK), stack.releases.latest(WEBHOOK)):
        assert code.variables["DEBUG"] == "1"
        assert code.variables["WEBHOOK_DELAY_SECONDS"] == "60"


def test_a_changed_setting_waits_for_a_release_when_unreleased_code_is_deployed(
    stack: Stack,
) -> None:
    stack.deploy(WEBHOOK, "second")
    stack.set(WEBHOOK, WEBHOOK_DELAY_SECONDS="60")
    assert apply_changed_settings(stack.releases, THREE) == ([], [WEBHOOK])
    assert stack.runs(WEBHOOK) == "1"
    release_all(stack.releases, [WEBHOOK], "")
    assert stack.releases.released(WEBHOOK).variables["WEBHOOK_DELAY_SECONDS"] == "60"


def test_switch_of_debug_logging_changes_no_other_variable_of_the_released_version_or_of_latest(
    stack: Stack,
) -> None:
    move = stack.debug(WEBHOOK, "1")
    assert move
    assert (move.before, move.after) == ("1", "2")
    for code in (stack.releases.released(WEBHOOK), stack.releases.latest(WEBHOOK)):
        assert code.variables == {"STACK_NAME": "zip-test", "DEBUG": "1"}
    assert stack.debug(WEBHOOK, "1") is None
    assert stack.debug(WEBHOOK, "")
    assert stack.releases.released(WEBHOOK).variables["DEBUG"] == ""
    assert stack.code(WEBHOOK, stack.runs(WEBHOOK)) == stack.code(WEBHOOK, "1")


def test_switch_of_debug_logging_keeps_unreleased_code_in_latest(stack: Stack) -> None:
    stack.deploy(WEBHOOK, "second")
    stack.set(WEBHOOK, WEBHOOK_DELAY_SECONDS="60")
    assert stack.debug(WEBHOOK, "1")
    released, latest = stack.releases.released(WEBHOOK), stack.releases.latest(WEBHOOK)
    assert released.sha256 == stack.code(WEBHOOK, "1")
    assert released.variables == {"STACK_NAME": "zip-test", "DEBUG": "1"}
    assert latest.sha256 != released.sha256
    assert latest.variables == {**released.variables, "WEBHOOK_DELAY_SECONDS": "60"}


class Killed(BaseException):
    """An exception that stands for the end of the process."""


class KilledHalfWay(Archive):
    """An archive that raises Killed in `set_debug` before `$LATEST` is restored."""

    def backup(self, function: Function) -> LatestBackup | None:
        if super().backup(function):
            raise Killed
        return None


def test_unreleased_code_is_restored_when_a_switch_of_debug_logging_was_killed(
    stack: Stack,
) -> None:
    stack.deploy(WEBHOOK, "second")
    stack.set(WEBHOOK, WEBHOOK_DELAY_SECONDS="60")
    before = stack.releases.latest(WEBHOOK)
    with pytest.raises(Killed):
        debug.set_debug(stack.releases, WEBHOOK, "1", KilledHalfWay(stack.s3, BUCKET, NAMES))
    assert stack.releases.latest(WEBHOOK).same_code(stack.releases.released(WEBHOOK))
    assert restore_latest(stack.releases, WEBHOOK, stack.archive)
    latest = stack.releases.latest(WEBHOOK)
    assert latest.same_code(before)
    assert latest.variables == {**before.variables, "DEBUG": "1"}
    assert not restore_latest(stack.releases, WEBHOOK, stack.archive)


def test_switch_of_debug_logging_changes_nothing_when_the_archive_lacks_the_package(
    stack: Stack,
) -> None:
    stack.deploy(WEBHOOK, "second")
    key = NAMES.archive_key(WEBHOOK, stack.code(WEBHOOK, "1"))
    stack.s3.delete_object(Bucket=BUCKET, Key=key)
    with pytest.raises(OpsError, match="zoom-webhook was left as it was"):
        stack.debug(WEBHOOK, "1")
    assert stack.runs(WEBHOOK) == "1"
    assert stack.releases.latest(WEBHOOK).variables["DEBUG"] == ""


CHANGES: dict[str, Callable[[Stack], object]] = {
    "release": lambda stack: release_all(stack.releases, [WEBHOOK], ""),
    "settings": lambda stack: apply_changed_settings(stack.releases, [WEBHOOK]),
    "debug": lambda stack: stack.debug(WEBHOOK, "1"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_alias_raises_an_error_when_somebody_else_moves_the_alias_meanwhile(
    stack: Stack, change: str
) -> None:
    stack.deploy(WEBHOOK, "second")
    release_all(stack.releases, [WEBHOOK], "")
    stack.set(WEBHOOK, WEBHOOK_DELAY_SECONDS="60")
    other_client = boto3.client("lambda", "us-east-1")

    def go_back_meanwhile(**_: object) -> None:
        name = NAMES.function(WEBHOOK)
        other_client.update_alias(FunctionName=name, Name=ALIAS, FunctionVersion="1")

    stack.client.meta.events.register("before-call.lambda.PublishVersion", go_back_meanwhile)
    with pytest.raises(OpsError, match="live of zip-test-zoom-webhook went from 2 to 1 in between"):
        CHANGES[change](stack)
    assert stack.runs(WEBHOOK) == "1"


def test_function_lacks_the_alias_when_its_alias_has_another_name(stack: Stack) -> None:
    assert not stack.releases.lacks_alias(WEBHOOK)
    renamed = Releases(stack.client, NAMES, "prod")
    assert renamed.lacks_alias(WEBHOOK)
    # The next update of the stack creates a missing function.
    assert not renamed.lacks_alias(Function("zoom-nothing", "nothing", "nothing", ()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM])
def test_code_of_latest_is_restored_when_a_signal_arrives_during_a_switch_of_debug_logging(
    stack: Stack, number: signal.Signals
) -> None:
    stack.deploy(WEBHOOK, "second")
    own = stack.code(WEBHOOK)
    publishing = "before-call.lambda.PublishVersion"
    stack.client.meta.events.register(publishing, lambda **_: signal.raise_signal(number))
    with heard(number), pytest.raises(Exit, match="goes on from here") as stopped:
        debug.set_debug_each(stack.releases, THREE, "1", stack.archive)
    assert stopped.value.code == 130
    assert stack.code(WEBHOOK) == own
    assert stack.releases.released(WEBHOOK).variables["DEBUG"] == "1"
    assert stack.releases.released(DOWNLOADER).variables["DEBUG"] == ""


def test_signal_during_the_last_switch_of_debug_logging_ends_the_command_after_the_switch(
    stack: Stack,
) -> None:
    publishing = "before-call.lambda.PublishVersion"
    stack.client.meta.events.register(publishing, lambda **_: signal.raise_signal(signal.SIGINT))
    with heard(signal.SIGINT), pytest.raises(Exit, match="debug logging is on in all") as stopped:
        debug.set_debug_each(stack.releases, [WEBHOOK], "1", stack.archive)
    assert stopped.value.code == 130
    assert stack.releases.released(WEBHOOK).variables["DEBUG"] == "1"


def test_reading_the_code_of_latest_raises_an_error_that_names_a_missing_function(
    stack: Stack,
) -> None:
    gone = Function("zoom-nothing", "nothing", "nothing", ())
    with pytest.raises(OpsError, match="There is no function zip-test-zoom-nothing"):
        stack.releases.latest(gone)
