"""The commands `kills` and `invocations`, which interrupt copies."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from statistics import median

from bench.transfer import process, results
from bench.transfer.cases import Load, one_file
from bench.transfer.measure import outcome_of
from bench.transfer.options import Command, Options, add_programs, add_zoom_speed
from bench.transfer.peers.s3_settings import S3Settings
from bench.transfer.peers.zoom_settings import ZoomSettings
from bench.transfer.programs.catalog import Program, programs
from bench.transfer.results import Continued, Killed
from bench.transfer.stand_ins import StandIns, stand_ins
from bench.transfer.table import Table, show
from bench.transfer.task import BUCKET, OUT_OF_TIME, TOKEN

LIMIT_SECONDS = 240.0
"""Time limit of a program that isn't interrupted."""
KILLED_MEGABYTES = 200
HIGH_RATIO = 1.3
"""Ratio of fetched bytes to the file's size. The table of `kills` counts copies above the ratio."""
INVOCATIONS = 3
"""The file of `invocations` has as many bytes as Zoom sends in this number of invocations."""
MOST_INVOCATIONS = 10
START_SECONDS = 2.0
"""Time that a program gets to start, in addition to the time limit."""


@dataclass(frozen=True)
class Interrupted:
    """A program whose copies are interrupted.

    `options` has the limits of Zoom's speed, and the time limit of an invocation.
    """

    peers: StandIns
    program: Program
    options: Options

    def begin(self, load: Load) -> None:
        """Configure both peers for a load, and empty the bucket."""
        self.peers.zoom.configure(
            ZoomSettings(
                files=load.files,
                token=TOKEN,
                link_mbps=self.options.link_mbps,
                conn_mbps=self.options.conn_mbps,
            )
        )
        self.peers.s3.configure(S3Settings(bucket=BUCKET, mode="hash"))

    def start(
        self, load: Load, kill_after: float, seconds_left: float | None = None
    ) -> process.Ended:
        """Run the program once, and return the end of the run.

        `kill_after` and `seconds_left` are in seconds. The program knows only `seconds_left`.
        """
        task = replace(self.peers.task(load, is_tls=True), seconds_left=seconds_left)
        return process.run(self.program, task, self.peers.folder, kill_after=kill_after)

    def usual_seconds(self) -> float:
        """Make a copy that isn't interrupted, and return the copy's duration in seconds.

        Raises:
            ProgramFailed: The program can't copy the file.
        """
        load = one_file(KILLED_MEGABYTES)
        self.begin(load)
        ended = self.start(load, LIMIT_SECONDS)
        if ended.exit_code != 0:
            raise process.ProgramFailed(f"{self.program.name}: {ended.failure_reason}")
        return ended.seconds

    def copy_with_kills(self, load: Load, seed: int, moments: Iterator[float]) -> Killed:
        """Run the program once for each of `moments`, the seconds from a run's start to the kill.

        All runs continue the same copy. If a run ends before the kill, no other run follows. If
        every run was killed, a last run gets `LIMIT_SECONDS`.
        """
        self.begin(load)
        seconds, killed_at = 0.0, []
        for moment in moments:
            ended = self.start(load, moment)
            seconds += ended.seconds
            if not ended.was_killed:
                break
            killed_at.append(round(moment, 3))
        else:
            ended = self.start(load, LIMIT_SECONDS)
            seconds += ended.seconds
        return Killed(
            program=self.program.name,
            seed=seed,
            size=load.size,
            fetched=self.peers.zoom.stats().body_bytes,
            moments=killed_at,
            seconds=seconds,
            left_open=self.peers.s3.stats().open_uploads,
            problem=outcome_of(self.peers, ended, load, parts=True),
        )

    def copy_in_invocations(self, load: Load) -> Continued:
        """Make one copy in at most `MOST_INVOCATIONS` invocations, and print each invocation.

        An invocation that still runs `START_SECONDS` after the time limit is killed.
        """
        limit = self.options.seconds
        self.begin(load)
        calls: list[process.Ended] = []
        fetched: list[int] = []
        while not calls or (_continues(calls[-1]) and len(calls) < MOST_INVOCATIONS):
            ended = self.start(load, limit + START_SECONDS, seconds_left=limit)
            calls.append(ended)
            fetched.append(self.peers.zoom.stats().body_bytes - sum(fetched))
            self.options.say(
                f"{self.program.name}, invocation {len(calls)}: {ended.seconds:.1f} s, exit code "
                f"{ended.exit_code}, {fetched[-1] / 1e6:.0f} MB fetched"
            )
        return Continued(
            program=self.program.name,
            size=load.size,
            limit=limit,
            seconds=[round(call.seconds, 2) for call in calls],
            fetched=fetched,
            overrun=sum(call.was_killed for call in calls),
            problem=outcome_of(self.peers, calls[-1], load, parts=True),
        )


def _continues(ended: process.Ended) -> bool:
    return ended.was_killed or ended.exit_code == OUT_OF_TIME


def _add_kills_options(parser: argparse.ArgumentParser) -> None:
    add_programs(parser, "engine")
    parser.add_argument("--seeds", type=int, default=50, help="number of copies, or kills of one")
    parser.add_argument(
        "--one-copy", action="store_true", help="kill one copy of 5000 MB again and again"
    )
    parser.add_argument("--megabytes", dest="size", type=float, help=f"size ({KILLED_MEGABYTES})")
    add_zoom_speed(parser, link=100.0, connection=20.0)


def _kills(options: Options) -> bool:
    """Measure killed copies, append the results to `options.out`, and print a table.

    Return whether every copy arrived whole.
    """
    lines: list[Killed] = []
    with stand_ins() as peers:
        for program in programs(options.sut, options.suts):
            for line in _killed_copies(Interrupted(peers, program, options)):
                results.write(options.out, line)
                outcome = line.problem or f"{line.ratio:.2f} of the bytes fetched"
                options.say(f"{line.program} seed {line.seed}, killed at {line.moments}: {outcome}")
                lines.append(line)
    show(_kills_table(lines))
    return all(not line.problem for line in lines)


def _killed_copies(interrupted: Interrupted) -> Iterator[Killed]:
    options = interrupted.options
    usual = interrupted.usual_seconds()
    options.say(f"{interrupted.program.name}: {KILLED_MEGABYTES} MB take {usual:.1f} s")
    if options.one_copy:
        load = one_file(options.size or 5000)
        yield interrupted.copy_with_kills(load, 0, moments(0, usual, options.seeds))
        return
    load = one_file(options.size or KILLED_MEGABYTES)
    for seed in range(options.seeds):
        yield interrupted.copy_with_kills(load, seed, moments(seed, usual, 1))


def moments(seed: int, longest: float, number: int) -> Iterator[float]:
    """Yield `number` random times from 0 to `longest` seconds, the same for the same arguments."""
    random = Random(seed)  # noqa: S311 - no secret depends on the times
    for _ in range(number):
        yield random.uniform(0, longest)


def _kills_table(lines: list[Killed]) -> Table:
    rows = []
    for name in sorted({line.program for line in lines}):
        own = [line for line in lines if line.program == name]
        ratios = [line.ratio for line in own]
        rows.append(
            [
                name,
                f"{own[0].size / 1e6:.0f}",
                str(len(own)),
                str(sum(len(line.moments) for line in own)),
                str(sum(not line.problem for line in own)),
                *(f"{ratio:.2f}" for ratio in (min(ratios), median(ratios), max(ratios))),
                str(sum(ratio > HIGH_RATIO for ratio in ratios)),
                str(sum(line.left_open for line in own)),
            ]
        )
    columns = ("program", "file MB", "copies", "kills", "whole", "least", "median", "most")
    more = (f"over {HIGH_RATIO}", "uploads left open")
    return Table("Bytes fetched for each byte of the file", (*columns, *more), rows, left=1)


def _add_invocations_options(parser: argparse.ArgumentParser) -> None:
    add_programs(parser, "engine")
    parser.add_argument("--seconds", type=float, default=20.0, help="time of an invocation")
    add_zoom_speed(parser, link=20.0, connection=4.0)


def _invocations(options: Options) -> bool:
    """Measure copies in several invocations, and print a table.

    Append the results to `options.out`, and return whether every copy arrived whole.
    """
    load = one_file(options.link_mbps * options.seconds * INVOCATIONS)
    with stand_ins() as peers:
        lines = [
            Interrupted(peers, program, options).copy_in_invocations(load)
            for program in programs(options.sut, options.suts)
        ]
    for line in lines:
        results.write(options.out, line)
    rows = [
        [
            line.program,
            line.problem or "whole",
            f"{line.size / 1e6:.0f}",
            f"{line.limit:.0f}",
            str(len(line.seconds)),
            str(line.overrun),
            f"{max(line.seconds):.1f}",
            f"{sum(line.fetched) / line.size:.3f}",
        ]
        for line in lines
    ]
    columns = ("program", "outcome", "file MB", "limit s", "invocations", "killed", "longest s")
    show(Table("Invocations", (*columns, "fetched/size"), rows, left=2))
    return all(not line.problem for line in lines)


KILLS = Command(
    "kills",
    "copies that are killed at random moments and started again (4 minutes)",
    _add_kills_options,
    _kills,
)
INVOCATIONS_COMMAND = Command(
    "invocations",
    "a copy of a minute in invocations of 20 s (1 minute)",
    _add_invocations_options,
    _invocations,
)
