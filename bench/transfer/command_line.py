"""`python -m bench.transfer <command>`: what is asked for, and which command does it."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.transfer import (
    comparison,
    connections,
    handover,
    kills,
    memory,
    peers_alone,
    plot_command,
)
from bench.transfer.options import Options, UnknownName, add_common
from bench.transfer.process import ProgramFailed
from bench.transfer.programs.catalog import UnknownProgram


@dataclass(frozen=True)
class Command:
    """Something to measure. `run` gives whether all was well."""

    says: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Options], bool]


COMMANDS: Mapping[str, Command] = {
    module.NAME: Command(module.SAYS, module.add_options, module.run)
    for module in (comparison, connections, memory, kills, handover, peers_alone, plot_command)
}


def main(arguments: Sequence[str]) -> int:
    """Does what is asked for. 0 if all is well, 1 if not, 2 if it makes no sense."""
    words = list(arguments)
    name = words.pop(0) if words and words[0] in COMMANDS else comparison.NAME
    command = COMMANDS[name]
    parser = argparse.ArgumentParser(
        prog=f"python -m bench.transfer {name}",
        description=command.says,
        epilog="commands: " + "; ".join(f"{key}: {one.says}" for key, one in COMMANDS.items()),
    )
    add_common(parser)
    command.add_options(parser)
    options = parser.parse_args(words, namespace=Options())
    try:
        return 0 if command.run(options) else 1
    except (UnknownName, UnknownProgram, ProgramFailed) as error:
        parser.error(str(error))
