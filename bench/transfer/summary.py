"""Medians over repetitions, as tables."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from statistics import median
from typing import TypeVar

from bench.transfer.cases import CASES, LOADS
from bench.transfer.results import Curl, Missing, Run
from bench.transfer.table import Table

COLUMNS = (
    "case",
    "load",
    "program",
    "ok",
    "s",
    "min-max",
    "MB/s",
    "CPU s/GB",
    "of curl's",
    "peak MB",
    "fetched/size",
    "tries again",
    "at once",
)
YARDSTICK = "curl GET + curl PUT"
Line = TypeVar("Line")


def comparison(lines: Sequence[Run | Curl | Missing]) -> Table:
    """Programs side by side in each case; figures are medians of the runs that counted."""
    curls = [line for line in lines if isinstance(line, Curl)]
    runs = [line for line in lines if isinstance(line, Run)]
    rows = []
    for tls in sorted({run.tls for run in runs}, reverse=True):
        cheapest = yardstick([curl for curl in curls if curl.tls == tls])
        if cheapest is not None:
            rows.append(_yardstick_row(tls=tls, cpu=cheapest))
        for (case, load, program), group in _grouped(
            [run for run in runs if run.tls == tls], _place
        ):
            where = case if tls else f"{case}, plain"
            rows.append([where, load, program, *_figures(group, cheapest)])
    missing = {line.program: line.needs for line in lines if isinstance(line, Missing)}
    notes = [f"{name}: there is no {needs} on this machine." for name, needs in missing.items()]
    return Table("Zoom to S3, medians", COLUMNS, rows, notes=[*notes, *_problems(runs)])


def yardstick(curls: Sequence[Curl]) -> float | None:
    """Median CPU seconds per GB of curl's GET and PUT together; None if they weren't measured."""
    sides = [
        [curl.cpu_s_per_gb for curl in curls if curl.program == side and curl.at_once == 1]
        for side in ("GET", "PUT")
    ]
    return sum(map(median, sides)) if all(sides) else None


def peers_alone(curls: Sequence[Curl]) -> Table:
    """How fast the peers are, by curl."""
    rows = []
    groups = _grouped(curls, lambda curl: (curl.program, str(curl.at_once), wire(curl.tls)))
    for (program, at_once, how), group in groups:
        figures = [
            f"{median(curl.mbps for curl in group):.0f}",
            f"{median(curl.cpu_s_per_gb for curl in group):.2f}",
            f"{median(curl.peer_cpu_s / (curl.size / 1e9) for curl in group):.2f}",
        ]
        rows.append([f"curl {program}", how, at_once, *figures])
    columns = ("what", "wire", "at once", "MB/s", "curl CPU s/GB", "peer CPU s/GB")
    return Table("The peers alone, medians", columns, rows, left=2)


def by_connections(runs: Sequence[Run]) -> Table:
    """MB/s against the number of connections; without a number it is one stream."""
    rows = []
    for (case, program, number), group in _grouped(
        runs, lambda run: (run.case, run.program, f"{run.connections or 0:3}")
    ):
        counted = [run for run in group if run.ok]
        told = number.strip() if int(number) else "one stream"
        rows.append([case, program, told, *_counted(group), *_rates(counted)])
    columns = ("case", "program", "connections", "ok", "MB/s", "CPU s/GB", "peak MB")
    return Table("MB/s against connections, medians", columns, rows)


def by_size(runs: Sequence[Run]) -> Table:
    """Memory against the size of the file."""
    rows = []
    for (program, _), group in _grouped(runs, lambda run: (run.program, f"{run.size:020}")):
        counted = [run for run in group if run.ok]
        size = f"{group[0].size / 1e6:.0f}"
        rows.append([program, size, *_counted(group), *_rates(counted)])
    columns = ("program", "file MB", "ok", "MB/s", "CPU s/GB", "peak MB")
    return Table("Memory against the file's size, medians", columns, rows, left=1)


def wire(is_tls: bool) -> str:
    """A word for it."""
    return "TLS" if is_tls else "plain"


def _place(run: Run) -> tuple[str, str, str]:
    return run.case, run.load, run.program


def _figures(group: Sequence[Run], cheapest: float | None) -> list[str]:
    counted = [run for run in group if run.ok]
    if not counted:
        return [*_counted(group), *[""] * 9]
    seconds = [run.seconds for run in counted]
    cpu = median(run.cpu_s_per_gb for run in counted)
    attempts = [run.attempts for run in counted if run.attempts is not None]
    return [
        *_counted(group),
        f"{median(seconds):.2f}",
        f"{min(seconds):.2f}-{max(seconds):.2f}",
        f"{median(run.mbps for run in counted):.0f}",
        f"{cpu:.2f}",
        f"{cpu / cheapest:.2f}" if cheapest else "",
        f"{median(run.rss_mb for run in counted):.0f}",
        f"{median(run.fetched / run.size for run in counted):.2f}",
        f"{median(attempts):.0f}" if attempts else "",
        f"{max(run.zoom.most_bodies for run in counted)}",
    ]


def _problems(runs: Sequence[Run]) -> list[str]:
    """Why runs don't count, each reason of a program in a case once."""
    told = (f"{run.program} in {run.case}, {run.load}: {run.problem}" for run in runs if not run.ok)
    return list(dict.fromkeys(told))


def _counted(group: Sequence[Run]) -> list[str]:
    return [f"{sum(run.ok for run in group)}/{len(group)}"]


def _rates(counted: Sequence[Run]) -> list[str]:
    if not counted:
        return ["", "", ""]
    return [
        f"{median(run.mbps for run in counted):.1f}",
        f"{median(run.cpu_s_per_gb for run in counted):.2f}",
        f"{median(run.rss_mb for run in counted):.0f}",
    ]


def _yardstick_row(*, tls: bool, cpu: float) -> list[str]:
    blank = [""] * 3
    return ["" if tls else "plain", "", YARDSTICK, "", *blank, f"{cpu:.2f}", "1.00", *blank, ""]


def _grouped(
    lines: Iterable[Line], key: Callable[[Line], tuple[str, ...]]
) -> list[tuple[tuple[str, ...], list[Line]]]:
    """Lines by key; cases and loads in their own order."""
    order = {name: f"{number:03}" for number, name in enumerate([*CASES, *LOADS])}

    def place(line: Line) -> tuple[str, ...]:
        return tuple(order.get(part, part) for part in key(line))

    return [
        (key(group[0]), group)
        for group in (list(found) for _, found in groupby(sorted(lines, key=place), place))
    ]
