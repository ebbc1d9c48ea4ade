"""The command-line options of the benchmark."""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Named = TypeVar("Named")


class UnknownName(Exception):
    """Error for a name that no case or load has."""


class Options(argparse.Namespace):
    """The options of all commands. `link_mbps` and `conn_mbps` are in MB/s, sizes in MB."""

    out: Path | None
    reps: int
    sut: str
    suts: Path | None
    case: str
    load: str
    plain: bool
    tls: bool
    check: bool
    numbers: list[int]
    sizes: list[float]
    size: float | None
    seeds: int
    one_copy: bool
    link_mbps: float
    conn_mbps: float
    seconds: float
    files: list[Path]
    folder: Path

    def say(self, text: str) -> None:
        """Print a text to standard error."""
        print(text, file=sys.stderr, flush=True)


def integers(text: str) -> list[int]:
    """Return the integers in a text such as `1,2`.

    Raises:
        ValueError: A value in the text isn't an integer.
    """
    return [int(part) for part in text.split(",")]


def numbers(text: str) -> list[float]:
    """Return the numbers in a text such as `1,2.5`.

    Raises:
        ValueError: A value in the text isn't a number.
    """
    return [float(part) for part in text.split(",")]


@dataclass(frozen=True)
class Command:
    """A command of the benchmark. `run` returns whether the command succeeded."""

    name: str
    summary: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Options], bool]


def add_programs(parser: argparse.ArgumentParser, default: str) -> None:
    """Add the options that choose programs."""
    parser.add_argument("--sut", default=default, help="names of programs (%(default)s)")
    parser.add_argument("--suts", type=Path, help="a JSON file of more programs")


def add_repetitions(parser: argparse.ArgumentParser, default: int = 3) -> None:
    """Add the option for the number of repetitions."""
    parser.add_argument("--reps", type=int, default=default, help="repetitions (%(default)s)")


def add_zoom_speed(parser: argparse.ArgumentParser, *, link: float, connection: float) -> None:
    """Add the options for Zoom's speed limits in MB/s, of the link and of each connection."""
    parser.add_argument("--link-mbps", type=float, default=link, help="limit of Zoom, in MB/s")
    parser.add_argument(
        "--conn-mbps", type=float, default=connection, help="limit of a connection to Zoom, in MB/s"
    )


def chosen(names: str, known: Mapping[str, Named]) -> list[Named]:
    """Return the values of `known` for names separated by commas, or all values for `all`.

    Raises:
        UnknownName: A name isn't in `known`.
    """
    if names == "all":
        return list(known.values())
    listed = [name.strip() for name in names.split(",")]
    for name in listed:
        if name not in known:
            raise UnknownName(f"There is no {name}, only {', '.join(known)}.")
    return [known[name] for name in listed]
