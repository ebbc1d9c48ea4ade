"""Tests that the generated documents (commands, API, settings, example.env) are up to date."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from shutil import copy, copytree, ignore_patterns

import pytest
from dotenv import dotenv_values

from cdk.names import FUNCTIONS
from cdk.settings import TABLE
from ops import api_reference, settings_documents
from ops.target import ROOT

SETTINGS_FILES = settings_documents.files(ROOT)
DOCUMENTS = {"ops.reference": "commands", "ops.api_reference": "api"}

NAMES = """
test audit codebuild package release update-requirements
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
recordings recordings.forget secrets.status secrets.rotate migrate
local.up local.demo local.down local.status local.env
""".split()
"""Commands that sites use, and that may be neither removed nor renamed."""

OPTIONS = {
    "codebuild": "-r --revision",
    "package": "-f --function -u --upload-to-s3 --sbom --verify",
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
    "recordings.list": "--meeting --uuid --since --failed --json",
    "recordings.forget": "--uuid --even-if-running",
}


@pytest.fixture(scope="module")
def made() -> str:
    """Return the text of docs/commands.md, made by a fresh process.

    Another test of this process may have read a task's help texts, which invoke then removes.
    """
    program = "import tasks; from ops import reference; print(reference.document(tasks.namespace))"
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'functions'}"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.removesuffix("\n")


@pytest.fixture(scope="module")
def options(made: str) -> dict[str, str]:
    """Return the options of each command, under each of its names."""
    cells = re.findall(r"^\| (`.+?) \| ", made, re.MULTILINE)
    found = {name: "" for cell in cells for name in re.findall(r"`([a-z][a-z.-]+)", cell)}
    for heading, listed in re.findall(r"^(`.+`):\n\n((?:- .+\n)+)", made, re.MULTILINE):
        found |= dict.fromkeys(re.findall(r"`([a-z.-]+)`", heading), listed)
    return found


def test_commands_md_is_up_to_date_with_the_commands(made: str) -> None:
    checked_in = (ROOT / "docs" / "commands.md").read_text("utf-8")
    assert checked_in == made, "Run: .venv/bin/python -m ops.reference"


def test_api_md_is_up_to_date_with_openapi_yaml() -> None:
    checked_in = (ROOT / "docs" / "api.md").read_text("utf-8")
    up_to_date = checked_in == api_reference.text_of(api_reference.load())
    assert up_to_date, "Run: .venv/bin/python -m ops.api_reference"


@pytest.mark.parametrize("module", DOCUMENTS)
def test_a_generator_writes_its_document_and_prints_nothing(module: str, tmp_path: Path) -> None:
    # A generator finds its document relative to its own file, so a copied generator writes into the
    # copied project.
    for folder in ("cdk", "docs", "functions", "local", "ops"):
        copytree(ROOT / folder, tmp_path / folder, ignore=ignore_patterns("__pycache__"))
    for name in ("tasks.py", "pyproject.toml"):
        copy(ROOT / name, tmp_path)
    document = tmp_path / "docs" / f"{DOCUMENTS[module]}.md"
    expected = document.read_text("utf-8")
    document.unlink()
    environment = {"PYTHONPATH": f"{tmp_path}:{tmp_path / 'functions'}"}
    command = [sys.executable, "-m", module]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert document.read_text("utf-8") == expected


def test_commands_md_lists_every_command_that_sites_use(options: dict[str, str]) -> None:
    of_functions = {
        f"{group}.{function.task}" for function in FUNCTIONS for group in ("deploy", "logs")
    }
    assert {*NAMES, *of_functions} <= set(options)


@pytest.mark.parametrize("name", OPTIONS)
def test_commands_md_lists_the_expected_options_of_a_command(
    options: dict[str, str], name: str
) -> None:
    typed = set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", options[name]))
    assert set(OPTIONS[name].split()) <= typed


def test_commands_md_lists_deploy_and_logs_of_each_function(options: dict[str, str]) -> None:
    for function in FUNCTIONS:
        assert "--do-release" in options[f"deploy.{function.task}"]
        assert "--watch" in options[f"logs.{function.task}"]


def test_each_command_has_a_description_of_one_line(made: str) -> None:
    for line in made.splitlines():
        if line.startswith("| `"):
            said = line.split(" | ")[1].removesuffix(" |")
            assert re.fullmatch(r"[A-Z][^|]{10,90}\.", said), line


def test_invoke_list_has_one_line_for_each_command() -> None:
    # invoke folds a description that doesn't fit beside the names in 80 columns.
    command = [sys.executable, "-m", "invoke", "--list"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = [line for line in listed.splitlines() if line.startswith("  ")]
    assert len(lines) > 50
    for line in lines:
        assert re.fullmatch(r"  [a-z][a-z.-]+ +[A-Z].*\.( \(.*\))?", line), line


@pytest.mark.parametrize("path", SETTINGS_FILES, ids=lambda path: path.name)
def test_a_settings_document_is_up_to_date_with_the_settings_table(path: Path) -> None:
    up_to_date = path.read_text("utf-8") == SETTINGS_FILES[path]
    assert up_to_date, f"{path} is out of date: run `.venv/bin/python -m ops.settings_documents`."


def test_the_example_file_has_every_setting_with_its_example_or_default() -> None:
    expected = {name: row.example_text for name, row in TABLE.items()}
    assert dotenv_values(ROOT / "example.env") == expected


def test_the_example_file_explains_every_setting_in_lines_of_limited_width() -> None:
    lines = settings_documents.example_file().splitlines()
    for above, line in pairwise(lines):
        assert len(line) <= settings_documents.WIDTH
        if re.match(r"[A-Z_]+=", line):
            assert above.startswith("# "), f"{line} stands without a comment"


def test_settings_md_has_every_setting_once() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \|", settings_documents.document(), re.MULTILINE)
    assert rows == list(TABLE)


def test_the_description_of_a_setting_is_a_sentence_that_fits_into_a_table_cell() -> None:
    for row in TABLE.values():
        assert re.fullmatch(r"[A-Z][^|\n]{8,250}\.", row.line), row.name


def test_each_section_of_the_settings_table_appears_once() -> None:
    titles = [section.title for section, _ in settings_documents.sections()]
    assert len(titles) == len(set(titles))
