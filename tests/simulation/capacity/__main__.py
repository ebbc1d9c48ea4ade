"""Simulate bursts of recordings, and print each burst's duration, bottleneck and cost."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from pathlib import Path

FUNCTIONS = Path(__file__).parents[3] / "functions"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation.capacity",
        description=f"{__doc__} Default: 1, 100 and 300 recordings with the default settings.",
    )
    parser.add_argument(
        "--write", action="store_true", help="write docs/capacity.md (takes minutes)"
    )
    parser.add_argument(
        "--recordings", type=int, nargs="+", default=[1, 100, 300], help="per burst"
    )
    parser.add_argument("--downloads", type=int, default=20, help="DOWNLOADS_AT_ONCE")
    parser.add_argument("--uploads", type=int, default=5, help="OC_TRACK_UPLOAD_MAX")
    parser.add_argument("--ingest", type=float, default=25.0, help="MB/s of one ingest")
    parser.add_argument(
        "--together", type=float, default=500.0, help="MB/s of all ingests together"
    )
    parser.add_argument(
        "--cost", type=int, metavar="RECORDINGS", help="what so many cost, before and after"
    )
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    sys.path.insert(0, str(FUNCTIONS))
    if given.cost:
        return _print_cost(given.cost)
    return _write(given.processes) if given.write else _print(given)


def _print_cost(recordings: int) -> int:
    from tests.simulation.capacity import document  # noqa: PLC0415  # the path is set only now
    from tests.simulation.capacity.loads import Load  # noqa: PLC0415
    from tests.simulation.capacity.measure import measure  # noqa: PLC0415

    plain, followed = Load(recordings), Load(recordings, is_followed=True)
    print(document.comparison(measure(plain), measure(followed)))
    return 0


def _print(given: argparse.Namespace) -> int:
    from tests.simulation.capacity import document  # noqa: PLC0415  # the path is set only now
    from tests.simulation.capacity.loads import Load, OpencastSite  # noqa: PLC0415
    from tests.simulation.capacity.measure import measure  # noqa: PLC0415

    site = OpencastSite("given", given.ingest * 1e6, given.together * 1e6)
    print(" | ".join(document.LOAD_HEAD))
    for recordings in given.recordings:
        load = Load(recordings, given.downloads, given.uploads, site)
        print(" | ".join(document.load_row(measure(load))), flush=True)
    return 0


def _write(processes: int) -> int:
    from tests.simulation.capacity import document  # noqa: PLC0415  # the path is set only now
    from tests.simulation.capacity.measure import measure  # noqa: PLC0415

    results: document.Results = {}
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for measured in pool.imap(measure, document.ALL):
            results[measured.load] = measured
            print(measured.load, document.duration(measured.last_ingested), flush=True)
    text = document.DOCUMENT.read_text("utf-8")
    document.DOCUMENT.write_text(document.written(text, results), "utf-8")
    document.CHART.write_text(document.chart(results), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
