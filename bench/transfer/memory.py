"""Peak memory against the size of the file, with every byte looked at by S3."""

import argparse
from collections.abc import Iterator, Sequence

from bench.transfer import results, summary
from bench.transfer.cases import CASES, one_file
from bench.transfer.measure import Setting, measure, say_run
from bench.transfer.options import Options, add_repetitions
from bench.transfer.programs.catalog import Program, programs
from bench.transfer.results import Run
from bench.transfer.table import show
from bench.transfer.workplace import Workplace, workplace

NAME = "memory"
SAYS = "peak memory against the file's size (3 minutes as it is)"
MEGABYTES = "64,512,2000,20000"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be said beside the options of all commands."""
    add_repetitions(parser, 1)
    parser.add_argument("--sut", default="engine,s3transfer", help="programs, by name")
    parser.add_argument("--megabytes", default=MEGABYTES, help="of the files (%(default)s)")


def run(options: Options) -> bool:
    """Measures, keeps the lines and shows the table. True if every run counted."""
    named = programs(options.sut, options.suts)
    runs: list[Run] = []
    with workplace() as place:
        for line in measured(place, options, named):
            results.write(options.out, line)
            say_run(line, options.say)
            runs.append(line)
    show(summary.by_size(runs), markdown=options.markdown)
    return all(line.ok for line in runs)


def measured(place: Workplace, options: Options, named: Sequence[Program]) -> Iterator[Run]:
    """Every run, as soon as it is there."""
    for repetition in range(options.reps):
        for megabytes in map(float, options.megabytes.split(",")):
            setting = Setting(NAME, CASES["i"], one_file(megabytes), is_tls=True, mode="hash")
            for program in named:
                yield measure(place, program, setting, repetition)
