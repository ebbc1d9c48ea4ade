"""The command `plot`, which draws the documentation's two charts of the transfer."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from bench.transfer import results
from bench.transfer.cases import CASES, Case
from bench.transfer.chart import Level, Panel, Series, draw
from bench.transfer.options import Command, Options
from bench.transfer.programs.catalog import ONE_STREAM, ROOT
from bench.transfer.results import Line, Run

ORDER = ("ii", "i")
"""Cases whose panels come before those of other cases. The case that resembles AWS is the first."""


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", type=Path, nargs="+", help="files that --out has written")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs", help="%(default)s")


def _plot(options: Options) -> bool:
    """Write each chart for which there are results, and print whether the chart is written.

    Return whether any chart was written.
    """
    lines = list(results.read(options.files))
    charts = {"connections.svg": _connections_chart(lines), "memory.svg": _memory_chart(lines)}
    for name, svg in charts.items():
        if svg is None:
            options.say(f"{name}: there are no results for it.")
        else:
            (options.folder / name).write_text(svg, encoding="utf-8")
            options.say(f"{name} is written.")
    return any(charts.values())


def _connections_chart(lines: Iterable[Line]) -> str | None:
    """Return an SVG with a chart of MB/s by connections for each case, or None without results."""
    runs = _runs_of("connections", lines)
    names = {run.case for run in runs if run.connections}
    ordered = [name for name in (*ORDER, *CASES) if name in names]
    panels = [
        _connections_panel(CASES[name], [run for run in runs if run.case == name])
        for name in dict.fromkeys(ordered)
    ]
    return draw("MB/s against connections", panels) if panels else None


def _connections_panel(case: Case, runs: Sequence[Run]) -> Panel:
    fixed = [run for run in runs if run.connections]
    single = [run.mbps for run in runs if not run.connections and run.program == ONE_STREAM.name]
    limits = [limit for limit in (case.zoom.link_mbps, case.s3.link_mbps) if limit]
    levels = []
    if limits:
        levels.append(Level(f"the link: {min(limits):g} MB/s", min(limits)))
    if single:
        levels.append(Level(f"one stream: {median(single):.0f} MB/s", median(single)))
    numbers = sorted({run.connections or 0 for run in fixed})
    return Panel(
        title=f"Case {case.name}: 512 MB, {'limits as in AWS' if limits else 'no limits'}",
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


def _memory_chart(lines: Iterable[Line]) -> str | None:
    """Return an SVG with a chart of peak memory by file size, or None without results."""
    runs = _runs_of("memory", lines)
    sizes = sorted({run.size for run in runs})
    if not sizes:
        return None
    title = "Memory against the file's size"
    panel = Panel(
        title=title,
        x_label="size of the file",
        y_label="peak memory, MB",
        series=[
            Series(name, _medians((run.size, run.rss_mb) for run in runs if run.program == name))
            for name in sorted({run.program for run in runs})
        ],
        levels=[],
        x_ticks=[
            (size, f"{size / 1e9:g} GB" if size >= 1e9 else f"{size / 1e6:g} MB") for size in sizes
        ],
        is_log=True,
    )
    return draw(title, [panel])


def _runs_of(command: str, lines: Iterable[Line]) -> list[Run]:
    return [line for line in lines if isinstance(line, Run) and line.ok and line.what == command]


def _medians(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    found: dict[float, list[float]] = {}
    for x, y in points:
        found.setdefault(x, []).append(y)
    return [(x, median(found[x])) for x in sorted(found)]


PLOT = Command("plot", "two charts (SVG) from files of results", _add_options, _plot)
