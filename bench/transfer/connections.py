"""MB/s against a fixed number of connections, with one stream beside it."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace

from bench.transfer import results, summary
from bench.transfer.cases import CASES, LOADS, Case
from bench.transfer.measure import Setting, measure, say_run
from bench.transfer.options import Options, add_repetitions, chosen
from bench.transfer.programs.catalog import ONE_STREAM, Program, programs
from bench.transfer.results import Run
from bench.transfer.table import show
from bench.transfer.workplace import Workplace, workplace

NAME = "connections"
SAYS = "MB/s against a fixed number of connections (10 minutes as it is)"
NUMBERS = "1,2,4,8,12,16,24"
LOAD = LOADS["1x512"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be said beside the options of all commands."""
    add_repetitions(parser)
    parser.add_argument("--sut", default="engine", help="programs that take ZB_CONNECTIONS")
    parser.add_argument("--case", default="ii,i", help=f"of {', '.join(CASES)}, or all")
    parser.add_argument("--numbers", default=NUMBERS, help="of connections (%(default)s)")


def run(options: Options) -> bool:
    """Measures, keeps the lines and shows the table. True if every run counted."""
    cases = chosen(options.case, CASES)
    named = programs(options.sut, options.suts)
    runs: list[Run] = []
    with workplace() as place:
        for line in measured(place, options, cases, named):
            results.write(options.out, line)
            say_run(line, options.say)
            runs.append(line)
    show(summary.by_connections(runs), markdown=options.markdown)
    return all(line.ok for line in runs)


def measured(
    place: Workplace, options: Options, cases: Sequence[Case], named: Sequence[Program]
) -> Iterator[Run]:
    """Every run, as soon as it is there."""
    for repetition in range(options.reps):
        for case in cases:
            setting = Setting(NAME, case, LOAD, is_tls=True)
            for number in map(int, options.numbers.split(",")):
                for program in named:
                    fixed = replace(setting, connections=number)
                    yield measure(place, program, fixed, repetition)
            yield measure(place, ONE_STREAM, setting, repetition)
