"""From files of results to the two charts in the documentation."""

import argparse
from pathlib import Path

from bench.transfer import results
from bench.transfer.options import Options
from bench.transfer.plots import connections_chart, memory_chart
from bench.transfer.programs.catalog import ROOT

NAME = "plot"
SAYS = "two charts (SVG) from files of results"
CHARTS = {"connections.svg": connections_chart, "memory.svg": memory_chart}


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be said beside the options of all commands."""
    parser.add_argument("files", type=Path, nargs="+", help="what --out has written")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs", help="docs/ if not said")


def run(options: Options) -> bool:
    """Writes the charts for which there are results. False if there are none."""
    lines = list(results.read(options.files))
    written = False
    for name, chart in CHARTS.items():
        svg = chart(lines)
        if svg is None:
            options.say(f"{name}: nothing was measured for it.")
            continue
        (options.folder / name).write_text(svg, encoding="utf-8")
        options.say(f"{name} is written.")
        written = True
    return written
