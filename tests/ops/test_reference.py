"""The generated references, docs/commands.md and docs/api.md, are up to date and complete."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from cdk.names import FUNCTIONS
from ops.target import ROOT

NAMES = """
test codebuild package release update-requirements
stack.status stack.list stack.synth stack.diff stack.create stack.update stack.changeset
stack.delete
deploy.all
exec.on-demand exec.webhook exec.downloader exec.uploader exec.pipeline exec.reconcile
debug.on debug.off
queue.downloads queue.uploads queue.retry-downloads queue.retry-uploads
schedule.oc-import schedule.csv-import schedule.import-csv schedule.import-json schedule.remove
schedule.save-creds
logs.all logs.recording
stack.deploy
recordings secrets.status secrets.rotate migrate
local.up local.demo local.down local.status local.env
""".split()
"""Commands that stay for compatibility, and newer ones."""

OPTIONS = {
    "codebuild": "-r --revision",
    "package": "-f --function -u --upload-to-s3",
    "release": "-f -d --description --to",
    "deploy.all": "-f --do-release",
    "exec.on-demand": "--oc-series-id --oc-workflow --ingest-all-mp4 --allow-multiple-ingests",
    "exec.webhook": "--oc-series-id",
    "exec.pipeline": "--oc-series-id --ignore-schedule",
    "exec.downloader": "--series-id --ignore-schedule --qualifier",
    "exec.uploader": "--qualifier",
    "exec.reconcile": "--since --dry-run",
    "queue.downloads": "--limit",
    "queue.uploads": "--limit",
    "queue.retry-downloads": "--limit --uuid --all",
    "queue.retry-uploads": "--limit --uuid --all",
    "schedule.oc-import": "--endpoint",
    "schedule.remove": "--dry-run",
    "schedule.save-creds": "-f",
    "logs.all": "--watch --since",
    "logs.recording": "--function --json",
    "recordings": "--meeting --uuid --since --failed --json",
}


def written_by(module: str) -> str:
    """What a module prints as a program."""
    command = [sys.executable, "-m", module]
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'functions'}"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def made() -> str:
    return written_by("ops.reference")


@pytest.fixture(scope="module")
def rows(made: str) -> dict[str, str]:
    """The options of each command, by each of its names."""
    found = {}
    for line in made.splitlines():
        cells = line.split(" | ")
        for name in re.findall(r"`([a-z][a-z.-]+)[^`]*`", cells[0]) if line[:3] == "| `" else ():
            found[name] = cells[2]
    return found


def test_commands_md_is_up_to_date_with_the_commands(made: str) -> None:
    checked_in = (ROOT / "docs" / "commands.md").read_text("utf-8")
    assert checked_in == made, "Run: python -m ops.reference > docs/commands.md"


def test_api_md_is_up_to_date_with_openapi_yaml() -> None:
    checked_in = (ROOT / "docs" / "api.md").read_text("utf-8")
    up_to_date = checked_in == written_by("ops.api_reference")
    assert up_to_date, "Run: python -m ops.api_reference > docs/api.md"


def test_commands_md_lists_every_known_command(rows: dict[str, str]) -> None:
    of_functions = {
        f"{group}.{function.task}" for function in FUNCTIONS for group in ("deploy", "logs")
    }
    assert {*NAMES, *of_functions} <= set(rows)


@pytest.mark.parametrize("name", OPTIONS)
def test_commands_md_lists_every_known_option(rows: dict[str, str], name: str) -> None:
    typed = set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", rows[name]))
    assert set(OPTIONS[name].split()) <= typed


def test_commands_md_lists_deploy_and_logs_of_each_function(rows: dict[str, str]) -> None:
    for function in FUNCTIONS:
        assert "--do-release" in rows[f"deploy.{function.task}"]
        assert "--watch" in rows[f"logs.{function.task}"]


def test_each_command_says_in_one_line_what_it_does(made: str) -> None:
    for line in made.splitlines():
        if line.startswith("| `"):
            said = line.split(" | ")[1]
            assert re.fullmatch(r"[A-Z][^|]{10,90}\.", said), line


def test_invoke_list_has_one_line_for_each_command() -> None:
    """What is too long for 80 columns would be folded."""
    command = [sys.executable, "-m", "invoke", "--list"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = [line for line in listed.splitlines() if line.startswith("  ")]
    assert len(lines) > 50
    for line in lines:
        assert re.fullmatch(r"  [a-z][a-z.-]+ +[A-Z].*\.( \(.*\))?", line), line
