"""The operator at a terminal: `invoke …` as a program of its own, on the local stack."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values

from local.state import ENVIRONMENT
from ops.target import ROOT

SECONDS = 120.0


@dataclass(frozen=True)
class Done:
    """How a command ended: its exit code, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line on stderr of a command that failed."""
        assert self.code != 0, self.out
        assert self.err.count("\n") == 1, self.err
        return self.err.rstrip("\n")


@dataclass(frozen=True)
class Operator:
    """Somebody whose shell has the settings of a stack, in a checkout of the project.

    `heard` is everything that any of the commands printed.
    """

    environment: Mapping[str, str]
    checkout: Path = ROOT
    heard: list[str] = field(default_factory=list)

    def __call__(self, *arguments: str, answer: str = "", **environment: str) -> Done:
        """Run a command to its end. `answer` is what is typed; `environment` goes on top."""
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
        self.heard.extend((done.stdout, done.stderr))
        return Done(done.returncode, done.stdout, done.stderr)

    def did(self, *arguments: str, answer: str = "", **environment: str) -> str:
        """Run a command that has to succeed; what it printed."""
        done = self(*arguments, answer=answer, **environment)
        assert done.code == 0, f"{arguments}: {done.out}\n{done.err}"
        return done.out


INSTALLED = (".venv", ".venv-cloud", "node_modules", ".local/wheels", ".local/jsii")


def check_out(folder: Path) -> Path:
    """The project as it is here, in a folder of its own that tests may change.

    What `make setup` installed is linked, since it depends on the locks alone. (`make setup` must
    not be run there: it would begin by emptying what is not its own.)
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


def operator_of(home: Path) -> Operator:
    """The operator of the local stack whose files are in `home`."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    settings = {name: value or "" for name, value in dotenv_values(home / ENVIRONMENT).items()}
    return Operator({**kept, **settings, "NONINTERACTIVE": "1"})
