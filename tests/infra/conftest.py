"""Fixtures with the template, which CDK's command line synthesizes once in each test process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ops.stack.cdk_cli import CdkCli
from tests.infra.template import SETTINGS, STACK, Changed, Template, synthesize


@pytest.fixture(scope="session")
def template_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthesize a template from a `.env`, without AWS credentials. Return the template's path."""
    folder = tmp_path_factory.mktemp("synth")
    env_file = folder / "settings.env"
    env_file.write_text("".join(f"{name}='{value}'\n" for name, value in SETTINGS.items()))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    cli = CdkCli(environment, env_file, output=folder / "cdk.out", home=folder / "cdk-home")
    with (folder / "log").open("wb") as log:
        cli.run("synth", "--quiet", log=log)
    return folder / "cdk.out" / f"{STACK}.template.json"


@pytest.fixture(scope="session")
def template(template_file: Path) -> Template:
    """Return the template of the tests' settings."""
    return Template(template_file.read_text())


@pytest.fixture
def changed(tmp_path: Path) -> Changed:
    """Return a function that synthesizes the template with changed settings, in this process."""
    return lambda changes: synthesize(tmp_path, changes)
