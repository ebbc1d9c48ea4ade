"""Tables of medians over repetitions."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from statistics import median
from typing import TypeVar

from bench.transfer.cases import CASES, LOADS
from bench.transfer.results import Curl, Result, Run
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
    "retries",
    "at once",
)
YARDSTICK = "curl GET + curl PUT"
AnyResult = TypeVar("AnyResult", bound=Result)


def comparison(lines: Sequence[Run | Curl], notes: Sequence[str] = ()) -> Table:
    """Return a table that compares the programs in each case.

    `notes`, and the problems of runs that don't count, follow the table.
    """
    runs = [line for line in lines if isinstance(line, Run)]
    rows = []
    for tls in sorted({run.tls for run in runs}, reverse=True):
        curls = [line for line in lines if isinstance(line, Curl) and line.tls == tls]
        cheapest = yardstick(curls)
        if cheapest is not None:
            wire = "" if tls else "plain"
            rows.append([wire, "", YARDSTICK, *[""] * 4, f"{cheapest:.2f}", "1.00", *[""] * 4])
        own = [run for run in runs if run.tls == tls]
        for (case, load, program), group in _grouped(
            own, lambda run: (run.case, run.load, run.program)
        ):
            rows.append([case if tls else f"{case}, plain", load, program])
            rows[-1] += _comparison_cells(group, cheapest)
    problems = (f"{run.program} in {run.case}, {run.load}: {run.problem}" for run in runs)
    reasons = dict.fromkeys(text for run, text in zip(runs, problems, strict=True) if not run.ok)
    return Table("Zoom to S3, medians", COLUMNS, rows, notes=[*notes, *reasons])


def yardstick(curls: Sequence[Curl]) -> float | None:
    """Return the sum of the median CPU seconds per GB of GET and PUT, by one curl process each.

    Return None unless both directions were measured.
    """
    directions = [
        [curl.cpu_s_per_gb for curl in curls if curl.program == direction and curl.at_once == 1]
        for direction in ("GET", "PUT")
    ]
    return sum(map(median, directions)) if all(directions) else None


def peers_alone(curls: Sequence[Curl]) -> Table:
    """Return a table of the stand-ins' speed."""
    rows = []
    for (program, at_once, wire), group in _grouped(
        curls, lambda curl: (curl.program, str(curl.at_once), "TLS" if curl.tls else "plain")
    ):
        peer_cpu = median(curl.peer_cpu_s / (curl.size / 1e9) for curl in group)
        rows.append([f"curl {program}", wire, at_once, *_rates(group), f"{peer_cpu:.2f}"])
    columns = ("what", "wire", "at once", "MB/s", "curl CPU s/GB", "stand-in CPU s/GB")
    return Table("The stand-ins alone, medians", columns, rows, left=2)


def by_connections(runs: Sequence[Run]) -> Table:
    """Return a table of MB/s by number of connections. A run without a number is one stream."""
    rows = []
    for (case, program, number), group in _grouped(
        runs, lambda run: (run.case, run.program, f"{run.connections or 0:3}")
    ):
        connections = number.strip() if int(number) else "one stream"
        rows.append([case, program, connections, *_counted_rates(group)])
    columns = ("case", "program", "connections", "ok", "MB/s", "CPU s/GB", "peak MB")
    return Table("MB/s against connections, medians", columns, rows)


def by_size(runs: Sequence[Run]) -> Table:
    """Return a table of peak memory by file size."""
    rows = []
    for (program, _), group in _grouped(runs, lambda run: (run.program, f"{run.size:020}")):
        rows.append([program, f"{group[0].size / 1e6:.0f}", *_counted_rates(group)])
    columns = ("program", "file MB", "ok", "MB/s", "CPU s/GB", "peak MB")
    return Table("Memory against the file's size, medians", columns, rows, left=1)


def _comparison_cells(group: Sequence[Run], cheapest: float | None) -> list[str]:
    counted = [run for run in group if run.ok]
    ok = f"{len(counted)}/{len(group)}"
    if not counted:
        return [ok, *[""] * 9]
    seconds = [run.seconds for run in counted]
    cpu = median(run.cpu_s_per_gb for run in counted)
    attempts = [run.attempts for run in counted if run.attempts is not None]
    return [
        ok,
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


def _counted_rates(group: Sequence[Run]) -> list[str]:
    counted = [run for run in group if run.ok]
    ok = f"{len(counted)}/{len(group)}"
    if not counted:
        return [ok, "", "", ""]
    return [ok, *_rates(counted), f"{median(run.rss_mb for run in counted):.0f}"]


def _rates(group: Sequence[Result]) -> list[str]:
    mbps = median(result.mbps for result in group)
    return [f"{mbps:.1f}", f"{median(result.cpu_s_per_gb for result in group):.2f}"]


def _grouped(
    lines: Iterable[AnyResult], key: Callable[[AnyResult], tuple[str, ...]]
) -> list[tuple[tuple[str, ...], list[AnyResult]]]:
    """Return each key with its results. Cases and loads are in the order of `CASES` and `LOADS`."""
    order = {name: f"{number:03}" for number, name in enumerate([*CASES, *LOADS])}

    def place(line: AnyResult) -> tuple[str, ...]:
        return tuple(order.get(part, part) for part in key(line))

    groups = (list(group) for _, group in groupby(sorted(lines, key=place), place))
    return [(key(group[0]), group) for group in groups]
