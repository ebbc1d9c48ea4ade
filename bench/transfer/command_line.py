"""The command line of `python -m bench.transfer`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from subprocess import CalledProcessError

from bench.transfer import comparison, interruptions, plots, yardstick
from bench.transfer.options import Command, Options, UnknownName
from bench.transfer.process import ProgramFailed
from bench.transfer.programs.catalog import UnknownProgram

COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        comparison.RUN,
        comparison.CONNECTIONS,
        comparison.MEMORY,
        interruptions.KILLS,
        interruptions.INVOCATIONS_COMMAND,
        yardstick.PEERS,
        plots.PLOT,
    )
}


def main(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name, or `run` if the first argument is no command.

    Return the exit code, which is 0 for success, else 1.

    Raises:
        SystemExit: The arguments are wrong, `kills` can't measure a program or curl fails (code 2),
            or the arguments ask for help (code 0).
    """
    words = list(arguments)
    name = words.pop(0) if words and words[0] in COMMANDS else comparison.RUN.name
    command = COMMANDS[name]
    summaries = "; ".join(f"{command.name}: {command.summary}" for command in COMMANDS.values())
    parser = argparse.ArgumentParser(
        prog=f"python -m bench.transfer {name}",
        description=command.summary,
        epilog=f"commands: {summaries}",
    )
    parser.add_argument("--out", type=Path, help="append every result to this file (.jsonl)")
    command.add_options(parser)
    options = parser.parse_args(words, namespace=Options())
    try:
        return 0 if command.run(options) else 1
    except (UnknownName, UnknownProgram, ProgramFailed, CalledProcessError) as error:
        parser.error(str(error))
