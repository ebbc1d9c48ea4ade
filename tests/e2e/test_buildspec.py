"""What CodeBuild would run, run here: the buildspec's own commands, by the build's own role.

All but `make setup`, which needs the network that no test has; who runs the tests has run it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdk.names import STATUS_QUERY, Names
from local.cloud import trust
from local.driver import Driver
from local.state import State
from ops.code.releases import Code, Releases
from tests.e2e.operator import Operator, check_out

REVISION = "release-2026-11"
CHECKS = "conformance"
"""In place of all the checks, which are what runs this test."""

PHASES = ("pre_build", "build", "post_build")
SECONDS = 300.0


@dataclass(frozen=True)
class Builder:
    """A build: a clean clone, the project's variables, and its role's credentials."""

    clone: Path
    environment: dict[str, str]

    def run(self, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.clone,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )


@pytest.fixture
def driver(state: State) -> Iterator[Driver]:
    driver = Driver(state)
    yield driver
    driver.close()


@contextmanager
def asked_for_list_aliases(driver: Driver, role: str) -> Iterator[None]:
    """The local cloud wants the right to ListAliases for a GetAlias, which AWS doesn't."""
    iam, policy = driver.client("iam"), {"RoleName": role, "PolicyName": "local-cloud"}
    statement = {"Effect": "Allow", "Action": "lambda:ListAliases", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(**policy, PolicyDocument=document)
    try:
        yield
    finally:
        iam.delete_role_policy(**policy)


@pytest.fixture
def builder(driver: Driver, operator: Operator, tmp_path: Path) -> Iterator[Builder]:
    name = Names(driver.state.stack_name).codebuild
    (project,) = driver.client("codebuild").batch_get_projects(names=[name])["projects"]
    role = driver.client("sts").assume_role(
        RoleArn=project["serviceRole"], RoleSessionName="build"
    )["Credentials"]
    variables = {
        one["name"]: one["value"] for one in project["environment"]["environmentVariables"]
    }
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        **trust(Path(driver.state.ca_bundle)),
        **variables,
        "AWS_ENDPOINT_URL": driver.state.aws_endpoint_url,
        "AWS_REGION": driver.state.region,
        "AWS_ACCESS_KEY_ID": role["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": role["SecretAccessKey"],
        "AWS_SESSION_TOKEN": role["SessionToken"],
        "PACKAGE_PLATFORM": operator.environment["PACKAGE_PLATFORM"],
        "CODEBUILD_SOURCE_VERSION": REVISION,
        "CODEBUILD_BUILD_SUCCEEDING": "1",
        "CHECKS": CHECKS,
    }
    with asked_for_list_aliases(driver, project["serviceRole"].rpartition("/")[2]):
        yield Builder(check_out(tmp_path), environment)


def commands(clone: Path) -> Iterator[tuple[str, str]]:
    """The buildspec's phases and their commands, in the order in which CodeBuild runs them."""
    spec: dict[str, Any] = yaml.safe_load((clone / "buildspec.yml").read_text("utf-8"))
    assert list(spec["phases"]) == ["install", *PHASES]
    assert spec["phases"]["install"]["commands"] == ["make setup"]
    for phase in PHASES:
        for command in spec["phases"][phase]["commands"]:
            yield phase, command


def test_the_buildspec_releases_a_revision(
    builder: Builder, driver: Driver, operator: Operator
) -> None:
    names = Names(driver.state.stack_name)
    releases = Releases(driver.client("lambda"), names, "live")
    before = releases.released(STATUS_QUERY)
    source = builder.clone / "functions" / "status_query.py"
    source.write_text(f"{source.read_text('utf-8')}\n# This revision.\n", "utf-8")
    try:
        released = run_phases(builder, releases, before)
        assert released.description == REVISION
        assert not released.same_code(before)
        assert released.configuration == before.configuration
    finally:
        operator.did("deploy.status-query", "--do-release")


def run_phases(builder: Builder, releases: Releases, before: Code) -> Code:
    """Run every command; nothing runs but what did before until the last phase."""
    for phase, command in commands(builder.clone):
        done = builder.run(command)
        assert done.returncode == 0, f"{phase}: {command}\n{done.stdout}\n{done.stderr}"
        if phase != "post_build":
            assert releases.released(STATUS_QUERY) == before
    return releases.released(STATUS_QUERY)


def test_a_failed_build_releases_nothing(builder: Builder) -> None:
    (first, *_) = [command for phase, command in commands(builder.clone) if phase == "post_build"]
    assert builder.run(first, CODEBUILD_BUILD_SUCCEEDING="0").returncode != 0
