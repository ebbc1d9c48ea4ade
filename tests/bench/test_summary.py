"""Tests of the tables and charts of results."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from bench.transfer import results, summary
from bench.transfer.chart import ticks
from bench.transfer.command_line import main
from bench.transfer.comparison import counts
from bench.transfer.peers.s3_settings import S3Stats
from bench.transfer.peers.zoom_settings import ZoomStats
from bench.transfer.results import Curl, Run

RUN = Run(
    what="run",
    program="engine",
    case="ii",
    load="1x512",
    tls=True,
    repetition=0,
    connections=None,
    size=512_000_000,
    seconds=8.0,
    cpu_s=1.0,
    rss_mb=64.4,
    rss_before_mb=40.0,
    attempts=2,
    fetched=563_200_000,
    problem="",
    zoom=ZoomStats(requests={}, body_bytes=0, connections=0, most_bodies=12, cuts=0, cpu_s=0.0),
    s3=S3Stats(
        operations={},
        rejected={},
        body_bytes=0,
        connections=0,
        most_bodies=0,
        cuts=0,
        open_uploads=0,
        cpu_s=0.0,
    ),
)
CURL = Curl(
    program="GET",
    tls=True,
    at_once=1,
    repetition=0,
    size=512_000_000,
    seconds=1.0,
    cpu_s=0.256,
    peer_cpu_s=0.1,
)


def run(**other: object) -> Run:
    return msgspec.structs.replace(RUN, **other)


def curl(**other: object) -> Curl:
    return msgspec.structs.replace(CURL, **other)


@pytest.mark.parametrize(
    ("lines", "is_success"),
    [
        ([run(), run(program="s3transfer", problem="no"), curl()], True),
        ([run(), run(problem="no")], False),
        ([run(program="s3transfer"), curl()], False),
    ],
    ids=["another program failed", "a run failed", "the program did not run"],
)
def test_benchmark_succeeds_only_if_the_first_program_ran_and_every_run_of_this_program_counts(
    lines: list[Run | Curl], is_success: bool
) -> None:
    assert counts(lines, "engine") == is_success


def test_benchmark_comparison_shows_medians_of_the_runs_that_count() -> None:
    lines: list[Run | Curl] = [
        run(seconds=8.0),
        run(seconds=10.0),
        run(seconds=64.0),
        run(seconds=0.1, problem="exit code 1: no"),
        run(case="i", program="s3transfer"),
        curl(),
        curl(program="PUT", cpu_s=0.512),
    ]
    table = summary.comparison(lines, ["curl: curl isn't installed."])
    first, second, third = table.rows
    assert [*first[2:3], *first[7:9]] == ["curl GET + curl PUT", "1.50", "1.00"]
    assert second[:3] == ["i", "1x512", "s3transfer"]
    assert third == [
        *("ii", "1x512", "engine", "3/4", "10.00", "8.00-64.00", "51"),
        *("1.95", "1.30", "64", "1.10", "2", "12"),
    ]
    assert table.notes == [
        "curl: curl isn't installed.",
        "engine in ii, 1x512: exit code 1: no",
    ]
    assert len({len(row) for row in [*table.rows, table.columns]}) == 1
    assert "| ii   | 1x512 | engine              | 3/4 |" in table.markdown()


def test_benchmark_comparison_has_empty_cells_when_no_run_counts() -> None:
    [row] = summary.comparison([run(problem="no")]).rows
    assert row == ["ii", "1x512", "engine", "0/1", *[""] * 9]


def fixed(case: str, number: int | None, seconds: float, program: str = "engine") -> Run:
    return run(what="connections", case=case, connections=number, seconds=seconds, program=program)


def test_benchmark_plot_draws_both_charts(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    lines = [
        *(fixed("ii", number, 51.2 / number) for number in (1, 2, 4)),
        fixed("ii", None, 51.2, "s3transfer"),
        fixed("i", 1, 2.0),
        fixed("i", 2, 1.0),
        run(what="memory", size=64_000_000, rss_mb=60.0),
        run(what="memory", size=20_000_000_000, rss_mb=70.0),
    ]
    for line in lines:
        results.write(path, line)
    assert main(["plot", str(path), "--folder", str(tmp_path)]) == 0
    connections = (tmp_path / "connections.svg").read_text()
    assert "the link: 75 MB/s" in connections
    assert "one stream: 10 MB/s" in connections
    assert "prefers-color-scheme: dark" in connections
    assert connections.index("Case ii") < connections.index("Case i:")
    assert all(word in (tmp_path / "memory.svg").read_text() for word in ("64 MB", "20 GB"))
    for name in ("connections.svg", "memory.svg"):
        root = ET.parse(tmp_path / name).getroot()  # noqa: S314 - drawn by this project
        width, height = map(float, root.attrib["viewBox"].split()[2:])
        for circle in root.iter("{http://www.w3.org/2000/svg}circle"):
            assert 0 < float(circle.attrib["cx"]) < width
            assert 0 < float(circle.attrib["cy"]) < height


def test_benchmark_plot_draws_nothing_when_no_result_belongs_to_a_chart(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    results.write(path, run())
    assert main(["plot", str(path), "--folder", str(tmp_path)]) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["results.jsonl"]


@pytest.mark.parametrize(
    ("highest", "expected"),
    [
        (75, [0, 20, 40, 60, 80]),
        (600, [0, 100, 200, 300, 400, 500, 600]),
        (9.9, [0, 2, 4, 6, 8, 10]),
        (130, [0, 50, 100, 150]),
        (0, [0, 1]),
    ],
)
def test_ticks_of_a_chart_are_round_and_reach_the_highest_value(
    highest: float, expected: list[float]
) -> None:
    assert ticks(highest) == expected
