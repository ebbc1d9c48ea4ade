"""The buildspec's commands, run with the credentials of the build's role.

The tests leave out `make setup`, because it needs the network and has run on this machine already.
"""

from __future__ import annotations

import json
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
from ops.code.releases import Code, Releases
from tests.e2e.operator import Operator, check_out, shell_environment

REVISION = "release-2026-11"
CHECKS = "checked"
CHECK = f"""
[testenv:{CHECKS}]
commands = pytest tests/ops/test_layers.py --junit-xml {{tox_root}}/checked.xml
"""
"""The only check that the build runs in this test. `make test` runs the other checks anyway."""

PHASES = ("pre_build", "build", "post_build")
SECONDS = 1200.0
"""Longest time in seconds that a command may take, also on a busy machine."""


@dataclass(frozen=True)
class Builder:
    """A build: a copy of the project, the build's variables, and the build role's credentials."""

    checkout: Path
    environment: dict[str, str]

    def run(self, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.checkout,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )


@contextmanager
def list_aliases_allowed(driver: Driver, role: str) -> Iterator[None]:
    """Let a role list aliases in the `with` block.

    The local cloud requires ListAliases for GetAlias.
    """
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
    variables = project["environment"]["environmentVariables"]
    environment = {
        **shell_environment(),
        **trust(Path(driver.state.ca_bundle)),
        **{variable["name"]: variable["value"] for variable in variables},
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
    with list_aliases_allowed(driver, project["serviceRole"].rpartition("/")[2]):
        builder = Builder(check_out(tmp_path), environment)
        with (builder.checkout / "tox.ini").open("a", encoding="utf-8") as file:
            file.write(CHECK)
        yield builder


def commands(checkout: Path) -> Iterator[tuple[str, str]]:
    """Check the phases, and yield (phase, command) of the build's commands after `make setup`."""
    spec: dict[str, Any] = yaml.safe_load((checkout / "buildspec.yml").read_text("utf-8"))
    assert list(spec["phases"]) == ["install", *PHASES]
    assert spec["phases"]["install"]["commands"] == ["make setup"]
    for phase in PHASES:
        for command in spec["phases"][phase]["commands"]:
            yield phase, command


def test_the_commands_of_the_buildspec_release_a_revision(
    builder: Builder, driver: Driver, operator: Operator
) -> None:
    names = Names(driver.state.stack_name)
    releases = Releases(driver.client("lambda"), names, "live")
    before = releases.released(STATUS_QUERY)
    source = builder.checkout / "functions" / "status_query.py"
    source.write_text(f"{source.read_text('utf-8')}\n# This revision.\n", "utf-8")
    try:
        released = run_phases(builder, releases, before)
        assert released.description == REVISION
        assert not released.same_code(before)
        assert released.configuration == before.configuration
    finally:
        operator.output("deploy.status-query", "--do-release")


def run_phases(builder: Builder, releases: Releases, before: Code) -> Code:
    """Run every command, assert that it succeeds, and return the released code of status-query.

    Also assert that the check has run, and that the released code stays `before` until the last
    phase.
    """
    for phase, command in commands(builder.checkout):
        done = builder.run(command)
        assert done.returncode == 0, f"{phase}: {command}\n{done.stdout}\n{done.stderr}"
        if phase != "post_build":
            assert (builder.checkout / "checked.xml").is_file()
            assert releases.released(STATUS_QUERY) == before
    return releases.released(STATUS_QUERY)


def test_the_first_command_of_post_build_fails_when_the_build_has_failed(
    builder: Builder,
) -> None:
    (first, *_) = [text for phase, text in commands(builder.checkout) if phase == "post_build"]
    assert builder.run(first, CODEBUILD_BUILD_SUCCEEDING="0").returncode != 0
