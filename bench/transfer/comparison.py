"""The commands `run`, `connections` and `memory`, which compare programs that copy files.

Programs alternate within a repetition, so that changes of the machine's speed affect each program.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

from bench.transfer import results, summary, yardstick
from bench.transfer.cases import CASES, LOADS, one_file
from bench.transfer.measure import Job, Setting, measure_all
from bench.transfer.options import (
    Command,
    Options,
    add_programs,
    add_repetitions,
    chosen,
    integers,
    numbers,
)
from bench.transfer.peers.s3_settings import Mode
from bench.transfer.programs.catalog import CURL, ONE_STREAM, programs
from bench.transfer.results import Curl, Run
from bench.transfer.stand_ins import stand_ins
from bench.transfer.table import show


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    add_repetitions(parser)
    add_programs(parser, "engine,s3transfer,curl")
    parser.add_argument("--case", default="i,ii,iv,vi,vii", help=f"of {', '.join(CASES)}, or all")
    parser.add_argument("--load", default="1x512", help=f"of {', '.join(LOADS)}, or all")
    parser.add_argument("--plain", action="store_true", help="HTTP in place of HTTPS")
    parser.add_argument("--tls", action="store_true", help="HTTPS, the default")
    parser.add_argument("--check", action="store_true", help="compare the CRC32 of every part")


def _run(options: Options) -> bool:
    """Compare programs, append the results to `options.out`, and print a table.

    Return the result of `counts` for the first program.
    """
    named = programs(options.sut, options.suts)
    available = [program for program in named if not program.missing]
    cases, loads = chosen(options.case, CASES), chosen(options.load, LOADS)
    wires = [True] * (options.tls or not options.plain) + [False] * options.plain
    notes = [
        f"{program.name}: {program.missing} isn't installed."
        for program in named
        if program.missing
    ]
    lines: list[Run | Curl] = []
    with stand_ins() as peers:
        for repetition, is_tls in product(range(options.reps), wires):
            if CURL in available:
                for curl in yardstick.measure(
                    peers, is_tls=is_tls, at_once=1, repetition=repetition
                ):
                    results.write(options.out, curl)
                    lines.append(curl)
            mode: Mode = "hash" if options.check else "discard"
            jobs = [
                (program, Setting("run", case, load, is_tls, mode), repetition)
                for case, load, program in product(cases, loads, available)
                if not program.cases or case.name in program.cases
            ]
            lines += measure_all(peers, jobs, options)
    if not named[0].missing and not any(line.program == named[0].name for line in lines):
        notes.append(f"{named[0].name} comes first, and wasn't measured in these cases.")
    show(summary.comparison(lines, notes))
    return counts(lines, named[0].name)


def counts(lines: Sequence[Run | Curl], program: str) -> bool:
    """Return whether a program ran and each of its runs counts."""
    runs = [line for line in lines if isinstance(line, Run) and line.program == program]
    return bool(runs) and all(run.ok for run in runs)


def _add_connections_options(parser: argparse.ArgumentParser) -> None:
    add_repetitions(parser)
    add_programs(parser, "engine")
    parser.add_argument("--case", default="ii,i", help=f"of {', '.join(CASES)}, or all")
    parser.add_argument(
        "--numbers", type=integers, default="1,2,4,8,12,16,24", help="numbers (%(default)s)"
    )


def _connections(options: Options) -> bool:
    """Measure fixed numbers of connections and one stream, and print a table.

    Append the runs to `options.out`, and return whether every run counts.
    """
    named = programs(options.sut, options.suts)
    cases = chosen(options.case, CASES)

    def jobs() -> Iterator[Job]:
        for repetition, case in product(range(options.reps), cases):
            setting = Setting("connections", case, LOADS["1x512"])
            for number, program in product(options.numbers, named):
                yield program, replace(setting, connections=number), repetition
            yield ONE_STREAM, setting, repetition

    with stand_ins() as peers:
        runs = measure_all(peers, jobs(), options)
    show(summary.by_connections(runs))
    return all(run.ok for run in runs)


def _add_memory_options(parser: argparse.ArgumentParser) -> None:
    add_repetitions(parser, 1)
    add_programs(parser, "engine,s3transfer")
    parser.add_argument(
        "--megabytes",
        dest="sizes",
        type=numbers,
        default="64,512,2000,20000",
        help="sizes (%(default)s)",
    )


def _memory(options: Options) -> bool:
    """Measure copies of several sizes, check the bytes, and print a table.

    Append the runs to `options.out`, and return whether every run counts.
    """
    loads = [one_file(size) for size in options.sizes]
    named = programs(options.sut, options.suts)
    jobs = [
        (program, Setting("memory", CASES["i"], load, mode="hash"), repetition)
        for repetition, load, program in product(range(options.reps), loads, named)
    ]
    with stand_ins() as peers:
        runs = measure_all(peers, jobs, options)
    show(summary.by_size(runs))
    return all(run.ok for run in runs)


RUN = Command("run", "programs side by side in each case (5 minutes)", _add_run_options, _run)
CONNECTIONS = Command(
    "connections",
    "MB/s by number of connections (10 minutes)",
    _add_connections_options,
    _connections,
)
MEMORY = Command("memory", "peak memory by file size (3 minutes)", _add_memory_options, _memory)
