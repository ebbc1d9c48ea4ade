"""What can be said to every command."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

Thing = TypeVar("Thing")


class UnknownName(Exception):
    """There is no such case or load."""


class Options(argparse.Namespace):
    """The options of all commands, and those of each."""

    out: Path | None
    markdown: bool
    reps: int
    sut: str
    suts: Path | None
    case: str
    load: str
    plain: bool
    tls: bool
    check: bool
    numbers: str
    megabytes: str
    seeds: int
    one_copy: bool
    link_mbps: float
    conn_mbps: float
    seconds: float
    files: list[Path]
    folder: Path

    def say(self, text: str) -> None:
        """Tells how it goes, beside the table."""
        print(text, file=sys.stderr, flush=True)


def add_common(parser: argparse.ArgumentParser) -> None:
    """The options that all commands have."""
    parser.add_argument("--out", type=Path, help="append every result to this file (.jsonl)")
    parser.add_argument("--markdown", action="store_true", help="tables as Markdown")
    parser.add_argument("--suts", type=Path, help="a JSON file of more programs")


def add_repetitions(parser: argparse.ArgumentParser, default: int = 3) -> None:
    """The option of commands that give medians."""
    parser.add_argument("--reps", type=int, default=default, help="repetitions (%(default)s)")


def chosen(names: str, known: Mapping[str, Thing]) -> list[Thing]:
    """The things of a list of names, separated by commas; `all` is all. UnknownName if not."""
    if names == "all":
        return list(known.values())
    listed = [name.strip() for name in names.split(",")]
    for name in listed:
        if name not in known:
            raise UnknownName(f"There is no {name}, only {', '.join(known)}.")
    return [known[name] for name in listed]
