"""The programs that can be measured, by name: those of this project, and any that a file names.

A file holds `{"<name>": {"cmd": ["…"], "env": {"…": "…"}}}`, where `{PY}` is this Python and
`{HERE}` the file's folder.
"""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[3]


class UnknownProgram(Exception):
    """There is no program of this name."""


@dataclass(frozen=True)
class Program:
    """How a program is started. `cases` are those in which it says something; empty is all."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: str = ""
    cases: frozenset[str] = frozenset()

    @property
    def missing(self) -> str:
        """What of the machine it lacks, empty if nothing."""
        return "" if not self.needs or shutil.which(self.needs) else self.needs


class _Named(msgspec.Struct, frozen=True):
    """An entry of a file."""

    cmd: list[str]
    env: dict[str, str] = {}


def _own(name: str, module: str, needs: str = "", cases: str = "") -> Program:
    command = (sys.executable, "-m", f"bench.transfer.{module}")
    return Program(name, command, {}, needs, frozenset(cases.split()))


ENGINE = _own("engine", "sut")
ONE_STREAM = _own("s3transfer", "programs.one_stream")
CURL = _own("curl", "programs.curl_relay", needs="curl", cases="i vii")
"""A relay of one connection: where a cap on it is the case, its speed is that cap."""

OWN = {program.name: program for program in (ENGINE, ONE_STREAM, CURL)}


def programs(names: str, more: Path | None = None) -> list[Program]:
    """The programs of a list of names, separated by commas. UnknownProgram if one isn't there."""
    known = OWN | (_from_file(more) if more else {})
    chosen = [name.strip() for name in names.split(",")]
    for name in chosen:
        if name not in known:
            raise UnknownProgram(f"There is no program {name}, only {', '.join(sorted(known))}.")
    return [known[name] for name in chosen]


def _from_file(path: Path) -> dict[str, Program]:
    named = msgspec.json.decode(path.read_bytes(), type=dict[str, _Named])
    here = str(path.resolve().parent)

    def filled(text: str) -> str:
        return text.replace("{PY}", sys.executable).replace("{HERE}", here)

    return {
        name: Program(
            name,
            tuple(map(filled, entry.cmd)),
            {key: filled(value) for key, value in entry.env.items()},
        )
        for name, entry in named.items()
    }
