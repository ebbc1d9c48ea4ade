"""The operator at a terminal: `invoke …` as a program, with the settings of the local stack."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values

from local.state import ENVIRONMENT
from ops.target import ROOT

SECONDS = 600.0
"""Longest time in seconds that a command may take, also on a busy machine."""

SLOW_STEP = re.compile(r" … \d+ s$")
"""Pattern of a line about a slow step, which a command writes if stderr is no terminal."""

INSTALLED = (".venv", ".venv-cloud", "node_modules", ".local/wheels", ".local/jsii")


@dataclass(frozen=True)
class Done:
    """The exit code and the output of a command that has ended."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The lines on stderr, except the lines about slow steps."""
        return [line for line in self.err.splitlines() if not SLOW_STEP.search(line)]

    @property
    def error(self) -> str:
        """The only line on stderr of a failed command, not counting lines about slow steps."""
        assert self.code != 0, self.out
        (line,) = self.errors
        return line


@dataclass(frozen=True)
class Running:
    """A running command, with pipes as stdout and stderr."""

    program: subprocess.Popen[str]

    def await_line(self, part: str) -> str:
        """Read stdout up to a line with `part`, and return the line.

        Raises:
            AssertionError: The program ended without such a line.
        """
        assert self.program.stdout
        read = []
        for line in iter(self.program.stdout.readline, ""):
            read.append(line)
            if part in line:
                return line
        raise AssertionError(f"No line has {part!r}: {read}")

    def interrupt(self) -> None:
        """Send SIGINT, as ^C does."""
        self.program.send_signal(signal.SIGINT)

    def close_stdout(self) -> None:
        """Close the pipe from stdout, as `head` does after its last line."""
        assert self.program.stdout
        self.program.stdout.close()

    def end(self) -> Done:
        """Wait for the end of the command, and return the result without stdout."""
        assert self.program.stderr
        err = self.program.stderr.read()
        return Done(self.program.wait(SECONDS), "", err)


@dataclass(frozen=True)
class Operator:
    """A person at a shell in a checkout of the project, with the settings of a stack.

    `printed` collects the output of the commands that `run` and `output` run.
    """

    environment: Mapping[str, str]
    checkout: Path = ROOT
    printed: list[str] = field(default_factory=list)

    def run(self, *arguments: str, answer: str = "", **environment: str) -> Done:
        """Run a command to its end, with `answer` as input. `environment` overrides settings."""
        done = subprocess.run(
            [sys.executable, "-m", "invoke", *arguments],
            cwd=self.checkout,
            env={**self.environment, **environment},
            input=answer,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        self.printed.extend((done.stdout, done.stderr))
        return Done(done.returncode, done.stdout, done.stderr)

    def output(self, *arguments: str, answer: str = "", **environment: str) -> str:
        """Run a command, assert that it succeeds, and return its stdout."""
        done = self.run(*arguments, answer=answer, **environment)
        assert done.code == 0, f"{arguments}: {done.out}\n{done.err}"
        return done.out

    @contextmanager
    def start(self, *arguments: str) -> Iterator[Running]:
        """Start a command, and yield the running command."""
        with subprocess.Popen(
            [sys.executable, "-m", "invoke", *arguments],
            cwd=self.checkout,
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as program:
            yield Running(program)


def check_out(folder: Path) -> Path:
    """Copy the project's files into a folder, where tests may change them.

    Return the folder. Installed files are linked, because they depend only on the lock files of
    requirements and npm. `make setup` must not run in the folder, because it would replace the
    links with installations.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".local").mkdir()
    for name in INSTALLED:
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    return folder


def shell_environment() -> dict[str, str]:
    """Return the variables of this process that a program needs, without any settings."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def operator_of(home: Path) -> Operator:
    """Return the operator of the local stack whose files are in `home`."""
    settings = {name: value or "" for name, value in dotenv_values(home / ENVIRONMENT).items()}
    return Operator({**shell_environment(), **settings, "NONINTERACTIVE": "1"})
