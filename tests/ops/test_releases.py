"""Versions and the release alias: in a Lambda that keeps them as AWS does (moto)."""

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
    """A zip with this as its one file, the same bytes each time."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(zipfile.ZipInfo("code.py"), code)
    return made.getvalue()


@dataclass
class Site:
    """Three functions as the stack makes them: version 1 of each, and the alias on it."""

    client: Any
    s3: Any
    releases: Releases

    def deploy(self, function: Function, code: str) -> None:
        """As `deploy.<function>` does: by way of the bucket, which keeps it."""
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
        """Change the function's variables, as an update of the stack does."""
        now = self.releases.latest(function).variables
        self.releases.configure(function, {"Environment": {"Variables": {**now, **variables}}})

    def runs(self, function: Function) -> str:
        """The number of the version that runs."""
        return self.releases.released(function).version

    def code(self, function: Function, version: str = "$LATEST") -> str:
        name = self.releases.name(function)
        found = self.client.get_function_configuration(FunctionName=name, Qualifier=version)
        return str(found["CodeSha256"])


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        trust = {"Version": "2012-10-17", "Statement": []}
        role = boto3.client("iam", "us-east-1").create_role(
            RoleName="role", AssumeRolePolicyDocument=json.dumps(trust)
        )
        client, s3 = boto3.client("lambda", "us-east-1"), boto3.client("s3", "us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        made = Site(client, s3, Releases(client, NAMES, ALIAS))
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


def test_a_release_moves_the_alias_to_what_was_deployed(site: Site) -> None:
    site.deploy(WEBHOOK, "second")
    assert site.runs(WEBHOOK) == "1"
    moves = release_all(site.releases, THREE, "v2")
    assert [(move.function, move.before, move.after) for move in moves] == [
        (WEBHOOK, "1", "2"),
        (DOWNLOADER, "1", "1"),
        (UPLOADER, "1", "1"),
    ]
    assert site.code(WEBHOOK, "2") == site.code(WEBHOOK)
    assert site.releases.released(WEBHOOK).description == "v2"


def test_a_release_publishes_nothing_when_nothing_changed(site: Site) -> None:
    site.deploy(WEBHOOK, "second")
    release_all(site.releases, [WEBHOOK], "v2")
    (move,) = release_all(site.releases, [WEBHOOK], "v2 again")
    assert not move.moved
    assert [code.version for code in site.releases.versions(WEBHOOK)] == ["1", "2"]


def test_roll_back_accepts_a_number_or_a_description(site: Site) -> None:
    for code in ("second", "third"):
        for function in (WEBHOOK, DOWNLOADER):
            site.deploy(function, code)
        release_all(site.releases, (WEBHOOK, DOWNLOADER), f"release-{code}")
    (move,) = roll_back(site.releases, [WEBHOOK], "1", {})
    assert (move.before, move.after) == ("3", "1")
    moves = roll_back(site.releases, (WEBHOOK, DOWNLOADER), "release-second", {})
    assert [move.after for move in moves] == ["2", "2"]


def test_roll_back_prefers_a_number_to_a_later_description(site: Site) -> None:
    for code, description in (("second", ""), ("third", "2")):
        site.deploy(WEBHOOK, code)
        release_all(site.releases, [WEBHOOK], description)
    assert [move.after for move in roll_back(site.releases, [WEBHOOK], "2", {})] == ["2"]


def test_roll_back_prefers_a_number_to_a_release_of_that_name(site: Site) -> None:
    for code in ("second", "third"):
        site.deploy(WEBHOOK, code)
        release_all(site.releases, [WEBHOOK], "")
    release = {WEBHOOK.name: "3"}
    assert [move.after for move in roll_back(site.releases, [WEBHOOK], "2", release)] == ["2"]
    assert [move.after for move in roll_back(site.releases, [WEBHOOK], "7", release)] == ["3"]


def test_roll_back_moves_nothing_when_the_name_is_empty(site: Site) -> None:
    site.deploy(WEBHOOK, "second")
    with pytest.raises(OpsError, match="--to names no version, so nothing was moved"):
        roll_back(site.releases, [WEBHOOK], "", {})
    assert site.runs(WEBHOOK) == "1"


def test_roll_back_restores_what_ran_as_of_a_release(site: Site) -> None:
    """A release brings versions of those functions only that changed."""
    site.deploy(WEBHOOK, "second")
    release_all(site.releases, THREE, "v2")
    versions = {function.name: site.runs(function) for function in THREE}
    release_index.write(site.s3, BUCKET, NAMES, "v2/é", versions)
    for function in THREE:
        site.deploy(function, "third")
    release_all(site.releases, THREE, "v3")
    known = release_index.read(site.s3, BUCKET, NAMES, "v2/é")
    roll_back(site.releases, THREE, "v2/é", known)
    assert [site.runs(function) for function in THREE] == ["2", "1", "1"]
    assert release_index.read(site.s3, BUCKET, NAMES, "v1") == {}
    assert list(release_index.releases(site.s3, BUCKET, NAMES)) == ["v2/é"]
    said = str(deploy.unknown_release("v1", release_index.releases(site.s3, BUCKET, NAMES)))
    assert said.startswith("There is no release v1, so nothing was moved. There are: v2/é (20")


def test_roll_back_moves_nothing_when_one_function_lacks_the_version(site: Site) -> None:
    site.deploy(WEBHOOK, "second")
    release_all(site.releases, THREE, "v2")
    with pytest.raises(
        OpsError, match=r"zip-test-zoom-downloader has no version v2, so nothing was moved\..* 1\."
    ):
        roll_back(site.releases, THREE, "v2", {})
    assert site.runs(WEBHOOK) == "2"


def test_a_release_that_stopped_half_way_can_be_repeated(site: Site) -> None:
    for function in THREE:
        site.deploy(function, "second")
    name = NAMES.function(DOWNLOADER)
    site.client.delete_alias(FunctionName=name, Name=ALIAS)
    with pytest.raises(ReleaseStopped) as stopped:
        release_all(site.releases, THREE, "v2")
    assert str(stopped.value).startswith("Stopped at zoom-downloader: ")
    assert "Released before that: zoom-webhook 1 → 2." in str(stopped.value)
    assert "Not released: zoom-downloader, zoom-uploader." in str(stopped.value)
    assert site.runs(UPLOADER) == "1"
    site.client.create_alias(FunctionName=name, Name=ALIAS, FunctionVersion="1")
    moves = release_all(site.releases, THREE, "v2")
    assert [(move.before, move.after) for move in moves] == [("2", "2"), ("1", "2"), ("1", "2")]


def test_a_changed_setting_reaches_the_alias_without_other_code(site: Site) -> None:
    site.set(WEBHOOK, WEBHOOK_DELAY_SECONDS="60")
    moves, waiting = apply_changed_settings(site.releases, THREE)
    assert [(move.function, move.after) for move in moves] == [(WEBHOOK, "2")]
    assert waiting == []
    assert site.releases.released(WEBHOOK).variables["WEBHOOK_DELAY_SECONDS"] == "60"
    assert site.code(WEBHOOK, "2") == site.code(WEBHOOK, "1")


def test_an_update_of_settings_keeps_debug_logging(site: Site) -> None:
    site.debug(WEBHOOK, "1")
    site.set(WEBHOOK, WEBHOOK_DELAY_SECONDS="60", DEBUG="")
    apply_changed_settings(site.releases, THREE)
    for code in (site.releases.released(WEBHOOK), site.releases.latest(WEBHOOK)):
        assert code.variables["DEBUG"] == "1"
        assert code.variables["WEBHOOK_DELAY_SECONDS"] == "60"


def test_a_changed_setting_waits_when_unreleased_code_is_deployed(site: Site) -> None:
    site.deploy(WEBHOOK, "second")
    site.set(WEBHOOK, WEBHOOK_DELAY_SECONDS="60")
    assert apply_changed_settings(site.releases, THREE) == ([], [WEBHOOK])
    assert site.runs(WEBHOOK) == "1"
    release_all(site.releases, [WEBHOOK], "")
    assert site.releases.released(WEBHOOK).variables["WEBHOOK_DELAY_SECONDS"] == "60"


def test_debug_changes_only_its_variable_in_alias_and_latest(site: Site) -> None:
    move = site.debug(WEBHOOK, "1")
    assert move
    assert (move.before, move.after) == ("1", "2")
    for code in (site.releases.released(WEBHOOK), site.releases.latest(WEBHOOK)):
        assert code.variables == {"STACK_NAME": "zip-test", "DEBUG": "1"}
    assert site.debug(WEBHOOK, "1") is None
    assert site.debug(WEBHOOK, "")
    assert site.releases.released(WEBHOOK).variables["DEBUG"] == ""
    assert site.code(WEBHOOK, site.runs(WEBHOOK)) == site.code(WEBHOOK, "1")


def test_debug_keeps_unreleased_code_in_latest(site: Site) -> None:
    site.deploy(WEBHOOK, "second")
    site.set(WEBHOOK, WEBHOOK_DELAY_SECONDS="60")
    assert site.debug(WEBHOOK, "1")
    released, latest = site.releases.released(WEBHOOK), site.releases.latest(WEBHOOK)
    assert released.sha256 == site.code(WEBHOOK, "1")
    assert released.variables == {"STACK_NAME": "zip-test", "DEBUG": "1"}
    assert latest.sha256 != released.sha256
    assert latest.variables == {**released.variables, "WEBHOOK_DELAY_SECONDS": "60"}


class Killed(BaseException):
    """What ends a process, as far as a test can."""


class KilledHalfWay(Archive):
    """Whoever would give back what was lent is gone."""

    def backup(self, function: Function) -> LatestBackup | None:
        if super().backup(function):
            raise Killed
        return None


def test_the_next_command_restores_latest_after_debug_was_killed(site: Site) -> None:
    site.deploy(WEBHOOK, "second")
    site.set(WEBHOOK, WEBHOOK_DELAY_SECONDS="60")
    before = site.releases.latest(WEBHOOK)
    with pytest.raises(Killed):
        debug.set_debug(site.releases, WEBHOOK, "1", KilledHalfWay(site.s3, BUCKET, NAMES))
    assert site.releases.latest(WEBHOOK).has_same_code(site.releases.released(WEBHOOK))
    assert restore_latest(site.releases, WEBHOOK, site.archive)
    latest = site.releases.latest(WEBHOOK)
    assert latest.has_same_code(before)
    assert latest.variables == {**before.variables, "DEBUG": "1"}
    assert not restore_latest(site.releases, WEBHOOK, site.archive)


def test_debug_changes_nothing_when_the_archive_lacks_the_package(site: Site) -> None:
    site.deploy(WEBHOOK, "second")
    key = NAMES.archive_key(WEBHOOK, site.code(WEBHOOK, "1"))
    site.s3.delete_object(Bucket=BUCKET, Key=key)
    with pytest.raises(OpsError, match="zoom-webhook was left as it was"):
        site.debug(WEBHOOK, "1")
    assert site.runs(WEBHOOK) == "1"
    assert site.releases.latest(WEBHOOK).variables["DEBUG"] == ""


CHANGES: dict[str, Callable[[Site], object]] = {
    "release": lambda site: release_all(site.releases, [WEBHOOK], ""),
    "settings": lambda site: apply_changed_settings(site.releases, [WEBHOOK]),
    "debug": lambda site: site.debug(WEBHOOK, "1"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_move_of_the_alias_by_somebody_else_stays(site: Site, change: str) -> None:
    site.deploy(WEBHOOK, "second")
    release_all(site.releases, [WEBHOOK], "")
    site.set(WEBHOOK, WEBHOOK_DELAY_SECONDS="60")
    somebody = boto3.client("lambda", "us-east-1")

    def go_back_meanwhile(**_: object) -> None:
        name = NAMES.function(WEBHOOK)
        somebody.update_alias(FunctionName=name, Name=ALIAS, FunctionVersion="1")

    site.client.meta.events.register("before-call.lambda.PublishVersion", go_back_meanwhile)
    with pytest.raises(OpsError, match="live of zip-test-zoom-webhook went from 2 to 1 in between"):
        CHANGES[change](site)
    assert site.runs(WEBHOOK) == "1"


def test_lacks_alias_notices_another_name_of_the_alias(site: Site) -> None:
    assert not site.releases.lacks_alias(WEBHOOK)
    renamed = Releases(site.client, NAMES, "prod")
    assert renamed.lacks_alias(WEBHOOK)
    # One that only comes with the update.
    assert not renamed.lacks_alias(Function("zoom-nothing", "nothing", "nothing", ()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM])
def test_debug_restores_latest_before_an_interrupt_takes_effect(
    site: Site, number: signal.Signals
) -> None:
    site.deploy(WEBHOOK, "second")
    own = site.code(WEBHOOK)
    publishing = "before-call.lambda.PublishVersion"
    site.client.meta.events.register(publishing, lambda **_: signal.raise_signal(number))
    with heard(number), pytest.raises(Exit, match="goes on from here") as stopped:
        debug.set_debug_each(site.releases, THREE, "1", site.archive)
    assert stopped.value.code == 130
    assert site.code(WEBHOOK) == own
    assert site.releases.released(WEBHOOK).variables["DEBUG"] == "1"
    assert site.releases.released(DOWNLOADER).variables["DEBUG"] == ""


def test_a_missing_function_is_named(site: Site) -> None:
    gone = Function("zoom-nothing", "nothing", "nothing", ())
    with pytest.raises(OpsError, match="There is no function zip-test-zoom-nothing"):
        site.releases.latest(gone)
