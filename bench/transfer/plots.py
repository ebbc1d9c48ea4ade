"""The project's two charts, from the lines of measurements."""

from collections.abc import Iterable, Sequence
from statistics import median

from bench.transfer import connections, memory
from bench.transfer.cases import CASES, Case
from bench.transfer.chart import Level, Panel, Series, draw
from bench.transfer.programs.catalog import ONE_STREAM
from bench.transfer.results import Line, Run

ORDER = ("ii", "i")
"""The case that is like AWS comes first."""


def connections_chart(lines: Iterable[Line]) -> str | None:
    """MB/s against connections, a panel for each case; None if nobody measured that."""
    runs = [run for run in _counted(lines) if run.what == connections.NAME]
    names = {run.case for run in runs if run.connections}
    ordered = [name for name in (*ORDER, *CASES) if name in names]
    panels = [
        _connections_panel(CASES[name], [run for run in runs if run.case == name])
        for name in dict.fromkeys(ordered)
    ]
    return draw("MB/s against connections", panels) if panels else None


def memory_chart(lines: Iterable[Line]) -> str | None:
    """Peak memory against the size of the file; None if nobody measured that."""
    runs = [run for run in _counted(lines) if run.what == memory.NAME]
    sizes = sorted({run.size for run in runs})
    if not sizes:
        return None
    panel = Panel(
        title="Memory against the file's size",
        x_label="size of the file",
        y_label="peak memory, MB",
        series=[
            Series(name, _medians((run.size, run.rss_mb) for run in runs if run.program == name))
            for name in sorted({run.program for run in runs})
        ],
        levels=[],
        x_ticks=[(size, _size(size)) for size in sizes],
        is_log=True,
    )
    return draw("Memory against the file's size", [panel])


def _connections_panel(case: Case, runs: Sequence[Run]) -> Panel:
    fixed = [run for run in runs if run.connections]
    single = [run.mbps for run in runs if not run.connections and run.program == ONE_STREAM.name]
    caps = [cap for cap in (case.zoom.link_mbps, case.s3.link_mbps) if cap]
    levels = []
    if caps:
        levels.append(Level(f"the link: {min(caps):g} MB/s", min(caps)))
    if single:
        levels.append(Level(f"one stream: {median(single):.0f} MB/s", median(single)))
    numbers = sorted({run.connections or 0 for run in fixed})
    title = f"Case {case.name}: 512 MB, " + ("no caps" if not caps else "caps as in AWS")
    return Panel(
        title=title,
        x_label="connections to Zoom",
        y_label="MB/s",
        series=[
            Series(
                name,
                _medians((run.connections or 0, run.mbps) for run in fixed if run.program == name),
            )
            for name in sorted({run.program for run in fixed})
        ],
        levels=levels,
        x_ticks=[(number, str(number)) for number in numbers],
    )


def _counted(lines: Iterable[Line]) -> list[Run]:
    return [line for line in lines if isinstance(line, Run) and line.ok]


def _medians(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    found: dict[float, list[float]] = {}
    for x, y in points:
        found.setdefault(x, []).append(y)
    return [(x, median(found[x])) for x in sorted(found)]


def _size(size: int) -> str:
    return f"{size / 1e9:g} GB" if size >= 1e9 else f"{size / 1e6:g} MB"
