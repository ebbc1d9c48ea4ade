"""A copy that takes longer than an invocation: how many it needs, and what is fetched twice.

Each invocation is told how long it may run, and is killed a little later, as Lambda does.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace

from bench.transfer import process, results
from bench.transfer.cases import Load, one_file
from bench.transfer.check import problem_of
from bench.transfer.options import Options
from bench.transfer.peers.s3_settings import S3Settings
from bench.transfer.peers.zoom_settings import ZoomSettings
from bench.transfer.programs.catalog import Program, programs
from bench.transfer.results import HandedOver
from bench.transfer.table import Table, show
from bench.transfer.task import BUCKET, HANDED_OVER, TOKEN
from bench.transfer.workplace import Workplace, workplace

NAME = "handover"
SAYS = "a copy of a minute in invocations of 20 s (1 minute)"
LONGEST = 3
"""The copy takes so many invocations if nothing is lost."""
MOST = 10
START_SECONDS = 2.0
"""What the start of a program takes at most, beside the time that it is told."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be said beside the options of all commands."""
    parser.add_argument("--sut", default="engine", help="programs, by name")
    parser.add_argument("--seconds", type=float, default=20.0, help="of an invocation")
    parser.add_argument("--link-mbps", type=float, default=20.0, help="of Zoom, all together")
    parser.add_argument("--conn-mbps", type=float, default=4.0, help="of Zoom, each connection")


def run(options: Options) -> bool:
    """Measures, keeps the lines and shows the table. True if every object was right."""
    named = programs(options.sut, options.suts)
    load = one_file(options.link_mbps * options.seconds * LONGEST)
    zoom = ZoomSettings(
        files=load.files, token=TOKEN, link_mbps=options.link_mbps, conn_mbps=options.conn_mbps
    )
    with workplace() as place:
        lines = [
            copy(place, program, load, zoom, limit=options.seconds, say=options.say)
            for program in named
        ]
    for line in lines:
        results.write(options.out, line)
    show(summary(lines), markdown=options.markdown)
    return all(not line.problem for line in lines)


def copy(
    place: Workplace,
    program: Program,
    load: Load,
    zoom: ZoomSettings,
    *,
    limit: float,
    say: Callable[[str], None],
) -> HandedOver:
    """One copy, call after call of `limit` seconds."""
    place.zoom.configure(zoom)
    place.s3.configure(S3Settings(bucket=BUCKET, mode="hash"))
    task = replace(place.task(load, is_tls=True), seconds_left=limit)
    calls: list[process.Ended] = []
    fetched: list[int] = []
    while not calls or (_goes_on(calls[-1]) and len(calls) < MOST):
        ended = process.run(program, task, place.folder, kill_after=limit + START_SECONDS)
        calls.append(ended)
        fetched.append(place.zoom.stats().body_bytes - sum(fetched))
        say(
            f"{program.name}, call {len(calls)}: {ended.seconds:.1f} s, exit code "
            f"{ended.exit_code}, {fetched[-1] / 1e6:.0f} MB fetched"
        )
    return HandedOver(
        program=program.name,
        size=load.size,
        limit=limit,
        seconds=[round(call.seconds, 2) for call in calls],
        fetched=fetched,
        overrun=sum(call.was_killed for call in calls),
        problem=_problem(place, load, calls[-1]),
    )


def _goes_on(ended: process.Ended) -> bool:
    return ended.was_killed or ended.exit_code == HANDED_OVER


def _problem(place: Workplace, load: Load, ended: process.Ended) -> str:
    if ended.exit_code != 0:
        return ended.why
    return problem_of(place.s3.objects(), load, parts=True)


def summary(lines: list[HandedOver]) -> Table:
    """Calls and bytes, by program."""
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
    columns = ("program", "outcome", "file MB", "limit s", "calls", "killed", "longest s")
    return Table("Invocations", (*columns, "fetched/size"), rows, left=2)
