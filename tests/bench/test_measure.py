"""Tests of the check of copies, and of runs and interrupted copies between the two peers."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.transfer import interruptions, results, yardstick
from bench.transfer.cases import CASES, LOADS, Case, Load, one_file
from bench.transfer.check import problem_of
from bench.transfer.command_line import main
from bench.transfer.interruptions import Interrupted
from bench.transfer.measure import Setting, measure
from bench.transfer.options import Options
from bench.transfer.peers.content import BLOCK, Generated
from bench.transfer.peers.s3_settings import S3Object, S3Part
from bench.transfer.peers.zoom_settings import ZoomFault
from bench.transfer.programs.catalog import CURL, ONE_STREAM, Program
from bench.transfer.stand_ins import StandIns, stand_ins

LOAD = one_file(20)
FAST = Options(link_mbps=100.0, conn_mbps=100.0, seconds=10.0)
TWO_INVOCATIONS = """
import os, sys
from pathlib import Path
from bench.transfer.programs.one_stream import copy
from bench.transfer.task import OUT_OF_TIME, task_of
first = Path("first")
if not first.exists():
    first.touch()
    sys.exit(OUT_OF_TIME)
copy(task_of(os.environ))
"""
SIZE = 2 * BLOCK + 100
FILE = Generated("f", SIZE)
PARTS = tuple(
    S3Part(number=number, size=size, crc32=FILE.crc32(offset, offset + size - 1))
    for number, (offset, size) in enumerate([(0, BLOCK), (BLOCK, BLOCK), (2 * BLOCK, 100)], start=1)
)
OBJECT = S3Object(
    key="bench/f.mp4",
    size=SIZE,
    etag="",
    checksum="",
    content_type="",
    metadata={},
    parts=PARTS,
)


@pytest.fixture(scope="module")
def peers() -> Iterator[StandIns]:
    with stand_ins() as made:
        yield made
    assert not made.folder.exists()


def setting(case: Case = CASES["i"]) -> Setting:
    return Setting("run", case, LOAD, mode="hash")


class TestCheck:
    def test_benchmark_finds_no_problem_when_keys_sizes_and_bytes_are_right(self) -> None:
        assert problem_of([OBJECT], Load("one", {"f": SIZE}), parts=True) == ""

    @pytest.mark.parametrize(
        ("objects", "problem"),
        [
            ([], "missing: ['bench/f.mp4']"),
            ([OBJECT, replace(OBJECT, key="other")], "unexpected: ['other']"),
            ([replace(OBJECT, size=SIZE - 1)], "in place of"),
        ],
        ids=["missing", "unexpected", "wrong size"],
    )
    @pytest.mark.parametrize("parts", [False, True])
    def test_benchmark_finds_a_problem_when_an_object_is_missing_or_unexpected_or_has_a_wrong_size(
        self, objects: list[S3Object], problem: str, parts: bool
    ) -> None:
        assert problem in problem_of(objects, Load("one", {"f": SIZE}), parts=parts)

    def test_benchmark_finds_a_problem_when_parts_are_swapped_and_bytes_are_checked(self) -> None:
        swapped = replace(OBJECT, parts=(PARTS[1], PARTS[0], PARTS[2]))
        load = Load("one", {"f": SIZE})
        assert problem_of([swapped], load, parts=True) == "bench/f.mp4: part 2 differs from Zoom's"
        assert problem_of([swapped], load, parts=False) == ""


class TestRuns:
    def test_benchmark_run_has_no_problem_when_the_copy_is_whole(
        self, peers: StandIns, tmp_path: Path
    ) -> None:
        run = measure(peers, ONE_STREAM, setting(), 1)
        assert run.ok, run.problem
        assert (run.size, run.fetched, run.s3.body_bytes) == (20_000_000, 20_000_000, 20_000_000)
        assert run.zoom.most_bodies == 1
        assert run.rss_before_mb is not None
        assert run.rss_mb > 30
        results.write(tmp_path / "a.jsonl", run)
        assert list(results.read([tmp_path / "a.jsonl"])) == [run]

    def test_benchmark_run_has_a_problem_when_the_copy_breaks_off(self, peers: StandIns) -> None:
        run = measure(peers, ONE_STREAM, setting(CASES["ivf"]), 1)
        assert run.problem.startswith("exit code 1: ")
        assert run.zoom.cuts == 1

    def test_benchmark_run_has_a_problem_when_the_program_copies_nothing(
        self, peers: StandIns
    ) -> None:
        run = measure(peers, Program("lazy", (sys.executable, "-c", "")), setting(), 1)
        assert run.problem.startswith("missing: ['bench/f20.mp4']")

    @pytest.mark.skipif(not shutil.which("curl"), reason="curl isn't installed")
    def test_benchmark_measures_get_and_put_by_curl_when_curl_is_installed(
        self, peers: StandIns
    ) -> None:
        run = measure(peers, CURL, setting(), 1)
        assert run.ok, run.problem
        get, put = yardstick.measure(peers, is_tls=True, at_once=2, repetition=0, load=LOAD)
        assert (get.program, put.program, get.size) == ("GET", "PUT", 2 * LOAD.size)
        assert get.cpu_s > 0
        assert put.peer_cpu_s > 0

    def test_copy_of_the_benchmark_starts_again_when_its_program_is_killed(
        self, peers: StandIns
    ) -> None:
        interrupted = Interrupted(peers, ONE_STREAM, FAST)
        line = interrupted.copy_with_kills(LOAD, 7, iter([0.01]))
        assert (line.problem, line.moments, line.seed) == ("", [0.01], 7)
        assert line.fetched == LOAD.size

    def test_benchmark_starts_another_invocation_when_the_program_runs_out_of_time(
        self, peers: StandIns
    ) -> None:
        program = Program("two", (sys.executable, "-c", TWO_INVOCATIONS))
        line = Interrupted(peers, program, FAST).copy_in_invocations(LOAD)
        assert (line.problem, len(line.seconds), line.overrun) == ("", 2, 0)
        assert line.fetched == [0, LOAD.size]


def test_moments_of_kills_in_the_benchmark_are_equal_only_when_the_seed_is_equal() -> None:
    first = list(interruptions.moments(3, 10.0, 50))
    assert first == list(interruptions.moments(3, 10.0, 50))
    assert first != list(interruptions.moments(4, 10.0, 50))
    assert all(0 <= moment <= 10 for moment in first)


def test_cuts_of_a_benchmark_case_are_evenly_spread() -> None:
    faults = CASES["ivm"].zoom_settings(LOADS["1x512"]).faults
    totals = [85_333_333, 170_666_666, 256_000_000, 341_333_333, 426_666_666]
    assert [fault.total for fault in faults] == totals
    assert CASES["ivf"].zoom_settings(LOAD).faults == (ZoomFault(kind="fin", total=10_000_000),)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--case", "x"], "There is no"),
        (["kills", "--sut", "x"], "There is no"),
        (["--load", "x"], "There is no"),
        (["connections", "--numbers", "1,x"], "invalid"),
        (["memory", "--megabytes", "x"], "invalid"),
        (["kills", "--megabytes", ""], "invalid"),
    ],
)
def test_benchmark_command_is_refused_when_a_name_is_unknown_or_a_number_malformed(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
