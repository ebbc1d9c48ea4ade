"""The programs to measure: the project's programs, and those of a JSON file (--suts)."""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[3]


class UnknownProgram(Exception):
    """Error for a name that no program has."""


@dataclass(frozen=True)
class Program:
    """A program that the benchmark measures.

    Attributes:
        name: Name in results and options.
        command: Command line.
        environment: Additional environment variables.
        needs: A command that has to be installed; "" if the program needs no command.
        cases: Names of the cases in which the program is measured; empty for all cases.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: str = ""
    cases: frozenset[str] = frozenset()

    @property
    def missing(self) -> str:
        """The command that isn't installed, or "" if nothing is missing."""
        return "" if not self.needs or shutil.which(self.needs) else self.needs


class _Entry(msgspec.Struct, frozen=True):
    """A program in a JSON file."""

    cmd: list[str]
    env: dict[str, str] = {}


def _module(name: str, module: str, needs: str = "", cases: str = "") -> Program:
    command = (sys.executable, "-m", f"bench.transfer.{module}")
    return Program(name, command, {}, needs, frozenset(cases.split()))


ENGINE = _module("engine", "sut")
ONE_STREAM = _module("s3transfer", "programs.one_stream")
CURL = _module("curl", "programs.curl_relay", needs="curl", cases="i vii")
"""A program with one connection for each file and direction.

The program isn't measured in cases with faults or with a low speed limit per connection.
"""

OWN = {program.name: program for program in (ENGINE, ONE_STREAM, CURL)}


def programs(names: str, more: Path | None = None) -> list[Program]:
    """Return the programs named in `names`, separated by commas. `more` is a JSON file of programs.

    Raises:
        UnknownProgram: No program has one of the names.
    """
    known = OWN | (_from_file(more) if more else {})
    chosen = [name.strip() for name in names.split(",")]
    for name in chosen:
        if name not in known:
            raise UnknownProgram(f"There is no program {name}, only {', '.join(sorted(known))}.")
    return [known[name] for name in chosen]


def _from_file(path: Path) -> dict[str, Program]:
    """Return the programs of a JSON file `{"<name>": {"cmd": [...], "env": {...}}}` by name.

    In the file's texts, `{PY}` stands for the path of the running Python, and `{HERE}` for the path
    of the file's folder.
    """
    entries = msgspec.json.decode(path.read_bytes(), type=dict[str, _Entry])
    here = str(path.resolve().parent)

    def filled(text: str) -> str:
        return text.replace("{PY}", sys.executable).replace("{HERE}", here)

    return {
        name: Program(
            name,
            tuple(map(filled, entry.cmd)),
            {key: filled(value) for key, value in entry.env.items()},
        )
        for name, entry in entries.items()
    }
