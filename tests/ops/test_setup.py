"""Tests of `make setup`: its error messages, and the updates of its folders."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from ops import setup

ROOT = Path(setup.__file__).parent.parent


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project with only its set-up, and an empty folder for programs."""
    (tmp_path / "ops").mkdir()
    (tmp_path / "bin").mkdir()
    for name in ("__init__.py", "setup.py"):
        shutil.copy(ROOT / "ops" / name, tmp_path / "ops" / name)
    return tmp_path


def program(project: Path, name: str, prints: str, folder: str = "bin") -> None:
    """Write a program to a folder of the project. The program prints the line `prints`."""
    path = project / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {prints}\n")
    path.chmod(0o755)


def failure(project: Path, *arguments: str) -> str:
    """Run the set-up, which has to fail, and return its one line on stderr."""
    done = subprocess.run(
        [sys.executable, *(arguments or ("-m", "ops.setup"))],
        cwd=project,
        env={"PATH": str(project / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done
    return done.stderr


@pytest.mark.parametrize(
    ("programs", "reason"),
    [
        ({}, "node is not on the PATH"),
        ({"node": "v22.1.0"}, "npm is not on the PATH"),
        ({"node": "v18.19.0", "npm": "10.0.0"}, "Node.js 20 or newer is needed, and {node} is v18"),
    ],
    ids=["no node", "no npm", "old node"],
)
def test_setup_says_that_node_or_npm_is_missing_or_that_node_is_too_old(
    project: Path, programs: dict[str, str], reason: str
) -> None:
    for name, version in programs.items():
        program(project, name, version)
    assert reason.format(node=project / "bin" / "node") in failure(project)


OLD_PYTHON = """
import runpy, sys
sys.version_info = (3, 9, 2, "final", 0)
runpy.run_module("ops.setup", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("content", "version"),
    [(b"\x7fELF of another machine", "broken"), (b"#!/bin/sh\nprintf '\\377'\n", "\ufffd")],
    ids=["cannot be run", "prints no text"],
)
def test_setup_refuses_a_node_that_tells_no_version(
    project: Path, content: bytes, version: str
) -> None:
    for name in ("node", "npm"):
        program(project, name, "")
        (project / "bin" / name).write_bytes(content)
    assert f"is needed, and {project / 'bin' / 'node'} is {version}" in failure(project)


def test_setup_says_that_python_is_too_old(project: Path) -> None:
    text = failure(project, "-c", OLD_PYTHON)
    assert f"Python 3.11 or newer is needed, and {sys.executable} is 3.9.2" in text
    assert "make setup PYTHON=python3.11" in text


def test_setup_has_the_syntax_of_python_3_6() -> None:
    ast.parse((ROOT / "ops" / "setup.py").read_text(), feature_version=(3, 6))


def test_setup_names_the_free_and_the_needed_gb_when_the_disk_is_too_small() -> None:
    with pytest.raises(setup.SetupError, match=r"GB of free disk, and 1000000000 GB are needed"):
        setup.check_disk(1e9)


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-m", "pip", "--retries=1", "download", "-i", "http://127.0.0.1:9", "six"],
        ["npm", "view", "six", "--registry=http://127.0.0.1:9", "--fetch-retries=0"],
    ],
    ids=["pip", "npm"],
)
def test_setup_says_that_the_registry_cannot_be_reached(command: list[str], tmp_path: Path) -> None:
    with (
        (tmp_path / "log").open("wb+") as log,
        pytest.raises(setup.SetupError, match="registry can't be reached"),
    ):
        setup.call(command, log)


def test_setup_reports_the_error_of_pip(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "-r", "no-such-lock.txt"]
    with (
        (tmp_path / "log").open("wb+") as log,
        pytest.raises(setup.SetupError, match=r"(?i)^error: could not open requirements file"),
    ):
        setup.call(command, log)


class Installation:
    """A fake installation, which records for each run whether the folder has to be fresh."""

    def __init__(self) -> None:
        self.runs: list[bool] = []
        self.broken = False

    def __call__(self, folder: str, fresh: bool, _log: BinaryIO) -> None:
        self.runs.append(fresh)
        Path(folder).mkdir(exist_ok=True)
        if self.broken:
            raise setup.SetupError("cut short")


def fail_unexpectedly(_folder: str, _fresh: bool, _log: BinaryIO) -> None:
    raise UnicodeDecodeError("utf-8", b"x", 0, 1, "no text")


LOCK = Path("lock.txt")


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """Enter a folder that contains a lock file, and return a fake installation."""
    monkeypatch.chdir(tmp_path)
    Path(setup.STATE).mkdir()
    LOCK.write_text("one")
    return Installation()


def step_of(installation: Installation, folder: str = "folder", python: str = "3.11") -> setup.Step:
    return setup.Step(folder, (LOCK,), f"Python {python}", installation)


def test_setup_folder_is_updated_after_a_change_of_its_lock_file_and_refilled_after_a_failure(
    installation: Installation,
) -> None:
    step = step_of(installation)
    step.run()
    assert step.stored_stamp() == step.current_stamp()

    LOCK.write_text("two")
    assert step.stored_stamp() != step.current_stamp()
    step.run()
    assert step.stored_stamp() == step.current_stamp()

    installation.broken = True
    LOCK.write_text("three")
    with pytest.raises(setup.SetupError, match="cut short"):
        step.run()
    installation.broken = False
    step.run()
    assert installation.runs == [True, False, False, True]


@pytest.mark.parametrize("is_active", [False, True])
def test_setup_prints_how_a_shell_finds_invoke_unless_the_shell_finds_it(
    project: Path, capsys: pytest.CaptureFixture[str], is_active: bool
) -> None:
    program(project, "invoke", "", folder=".venv/bin")
    path = str(project / (".venv/bin" if is_active else "bin"))
    setup.say_how_to_use(project, shutil.which("invoke", path=path))
    said = "Before you use `invoke` in a shell: . .venv/bin/activate\n"
    assert capsys.readouterr().out == ("" if is_active else said)


def test_setup_updates_a_folder_only_when_the_folder_is_out_of_date(
    installation: Installation,
) -> None:
    assert setup.bring_up_to_date("Python", [step_of(installation)], disk_needed=0)
    assert not setup.bring_up_to_date("Python", [step_of(installation)], disk_needed=0)
    assert installation.runs == [True]


def test_setup_replaces_a_link_and_keeps_the_target_of_the_link(installation: Installation) -> None:
    others = Path("another's")
    others.mkdir()
    (others / "tool").write_text("theirs")
    Path("folder").symlink_to(others)
    step_of(installation).run()
    assert [path.name for path in others.iterdir()] == ["tool"]
    assert installation.runs == [True]
    assert not Path("folder").is_symlink()


def test_setup_refills_a_folder_when_the_python_version_changes(installation: Installation) -> None:
    step_of(installation).run()
    other = step_of(installation, python="3.12")
    assert other.stored_stamp() != other.current_stamp()
    other.run()
    assert installation.runs == [True, True]


def test_setup_reports_a_common_reason_of_several_steps_once(installation: Installation) -> None:
    installation.broken = True
    with pytest.raises(setup.SetupError) as error:
        setup.run_all([step_of(installation, folder) for folder in ("one", "two")])
    text = str(error.value)
    assert text.count("cut short") == 1
    assert all(word in text for word in ("one", "two", "setup-one.log", "setup-two.log"))


def test_setup_fails_when_a_step_raises_an_unexpected_error(installation: Installation) -> None:
    assert installation.runs == []
    with pytest.raises(setup.SetupError, match="UnicodeDecodeError"):
        setup.run_all([setup.Step("one", (LOCK,), "Python 3.11", fail_unexpectedly)])


@pytest.mark.parametrize("made", [True, False])
def test_make_setup_uses_the_python_of_the_project_when_the_project_has_one(
    made: bool, tmp_path: Path
) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    if made:
        program(tmp_path, "python", "the project's", folder=".venv/bin")
    printed = subprocess.check_output(
        ["make", "-n", "setup"], cwd=tmp_path, env={"PATH": os.environ["PATH"]}, text=True
    )
    assert printed == f"{'.venv/bin/python' if made else 'python3'} -m ops.setup\n"


def test_make_setup_ends_without_output_within_5_seconds_when_the_project_is_set_up() -> None:
    done = subprocess.run(
        ["make", "setup", f"PYTHON={setup.interpreter_outside()}"],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
        timeout=5,
    )
    assert done.stdout == ""
