"""Copies that are killed at random moments and begun again: how much is fetched twice?

Zoom's link is capped, so that a kill hits the copy and not only the start of the program.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from statistics import median

from bench.transfer import process, results
from bench.transfer.cases import Load, one_file
from bench.transfer.check import problem_of
from bench.transfer.options import Options
from bench.transfer.peers.s3_settings import S3Settings
from bench.transfer.peers.zoom_settings import ZoomSettings
from bench.transfer.programs.catalog import Program, programs
from bench.transfer.results import Killed
from bench.transfer.table import Table, show
from bench.transfer.task import BUCKET, TOKEN
from bench.transfer.workplace import Workplace, workplace

NAME = "kills"
SAYS = "copies that are killed at random moments and begun again (4 minutes as it is)"
LIMIT_SECONDS = 240.0
ENOUGH = 1.3
"""More bytes for each byte of the file are too many."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be said beside the options of all commands."""
    parser.add_argument("--sut", default="engine", help="programs, by name")
    parser.add_argument("--seeds", type=int, default=50, help="how many copies, or kills of one")
    parser.add_argument(
        "--one-copy", action="store_true", help="kill one copy again and again, of 5000 MB"
    )
    parser.add_argument("--megabytes", default="", help="of the file, 200 if not said")
    parser.add_argument("--link-mbps", type=float, default=100.0, help="of Zoom, all together")
    parser.add_argument("--conn-mbps", type=float, default=20.0, help="of Zoom, each connection")


def run(options: Options) -> bool:
    """Measures, keeps the lines and shows the table. True if every object was right."""
    lines: list[Killed] = []
    named = programs(options.sut, options.suts)
    with workplace() as place:
        for program in named:
            for line in _measured(Killing(place, program, options)):
                results.write(options.out, line)
                options.say(_told(line))
                lines.append(line)
    show(summary(lines), markdown=options.markdown)
    return all(not line.problem for line in lines)


@dataclass(frozen=True)
class Killing:
    """A program that is killed, and where."""

    place: Workplace
    program: Program
    options: Options

    def usual_seconds(self) -> float:
        """How long a copy of 200 MB takes, the program's start included.

        ProgramFailed if there is none even when nobody kills it.
        """
        load = one_file(200)
        self.begin(load)
        ended = self.start(load, LIMIT_SECONDS)
        if ended.exit_code != 0:
            raise process.ProgramFailed(f"{self.program.name}: {ended.why}")
        return ended.seconds

    def begin(self, load: Load) -> None:
        """Sets both peers, with nothing in S3."""
        options = self.options
        self.place.zoom.configure(
            ZoomSettings(
                files=load.files,
                token=TOKEN,
                link_mbps=options.link_mbps,
                conn_mbps=options.conn_mbps,
            )
        )
        self.place.s3.configure(S3Settings(bucket=BUCKET, mode="hash"))

    def start(self, load: Load, kill_after: float) -> process.Ended:
        """One life of the program."""
        task = self.place.task(load, is_tls=True)
        return process.run(self.program, task, self.place.folder, kill_after=kill_after)

    def copy(self, load: Load, seed: int, moments: Iterator[float]) -> Killed:
        """One copy, killed at each of the moments after its start, until it is done."""
        self.begin(load)
        seconds, lived = 0.0, []
        for moment in moments:
            ended = self.start(load, moment)
            seconds += ended.seconds
            if not ended.was_killed:
                break
            lived.append(round(moment, 3))
        else:
            ended = self.start(load, LIMIT_SECONDS)
            seconds += ended.seconds
        problem = problem_of(self.place.s3.objects(), load, parts=True)
        if ended.exit_code != 0:
            problem = ended.why
        return Killed(
            program=self.program.name,
            seed=seed,
            size=load.size,
            fetched=self.place.zoom.stats().body_bytes,
            moments=lived,
            seconds=seconds,
            left_open=self.place.s3.stats().open_uploads,
            problem=problem,
        )


def _measured(killing: Killing) -> Iterator[Killed]:
    options = killing.options
    usual = killing.usual_seconds()
    options.say(f"{killing.program.name}: 200 MB take {usual:.1f} s")
    if options.one_copy:
        load = one_file(float(options.megabytes or 5000))
        yield killing.copy(load, 0, moments(0, usual, options.seeds))
        return
    load = one_file(float(options.megabytes or 200))
    for seed in range(options.seeds):
        yield killing.copy(load, seed, moments(seed, usual, 1))


def moments(seed: int, longest: float, number: int) -> Iterator[float]:
    """So many moments, seconds after a start; the same for the same seed."""
    random = Random(seed)  # noqa: S311 - nobody has to be surprised
    for _ in range(number):
        yield random.uniform(0, longest)


def summary(lines: list[Killed]) -> Table:
    """Least, median and most bytes for a byte of the file, by program."""
    rows = []
    for name in sorted({line.program for line in lines}):
        mine = [line for line in lines if line.program == name]
        ratios = [line.ratio for line in mine]
        figures = (min(ratios), median(ratios), max(ratios))
        rows.append(
            [
                name,
                f"{mine[0].size / 1e6:.0f}",
                str(len(mine)),
                str(sum(len(line.moments) for line in mine)),
                str(sum(not line.problem for line in mine)),
                *(f"{figure:.2f}" for figure in figures),
                str(sum(ratio > ENOUGH for ratio in ratios)),
                str(sum(line.left_open for line in mine)),
            ]
        )
    columns = ("program", "file MB", "copies", "kills", "whole", "least", "median", "most")
    more = (f"over {ENOUGH}", "uploads left open")
    return Table("Bytes fetched for each byte of the file", (*columns, *more), rows, left=1)


def _told(line: Killed) -> str:
    kills = f"{len(line.moments)} kills" if len(line.moments) > 1 else f"killed at {line.moments}"
    outcome = line.problem or f"{line.ratio:.2f} of the bytes fetched"
    return f"{line.program} seed {line.seed}, {kills}: {outcome}"
