"""Real runs between both peers: what counts, what doesn't, and what is written down."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.transfer import handover, kills, results, yardstick
from bench.transfer.cases import CASES, LOADS, Case, one_file
from bench.transfer.command_line import main
from bench.transfer.measure import Setting, measure
from bench.transfer.options import Options
from bench.transfer.peers.zoom_settings import ZoomFault
from bench.transfer.programs.catalog import CURL, ONE_STREAM, Program
from bench.transfer.workplace import Workplace, workplace

LOAD = one_file(20)
TWICE = """
import os, sys
from pathlib import Path
from bench.transfer.programs.one_stream import copy
from bench.transfer.task import HANDED_OVER, task_of
been = Path("been")
if not been.exists():
    been.touch()
    sys.exit(HANDED_OVER)
copy(task_of(os.environ))
"""


@pytest.fixture(scope="module")
def place() -> Iterator[Workplace]:
    with workplace() as made:
        yield made
    assert not made.folder.exists()


def setting(case: Case = CASES["i"]) -> Setting:
    return Setting("run", case, LOAD, is_tls=True, mode="hash")


def test_a_copy_that_is_whole(place: Workplace, tmp_path: Path) -> None:
    run = measure(place, ONE_STREAM, setting(), 1)
    assert run.ok, run.problem
    assert (run.size, run.fetched, run.s3.body_bytes) == (20_000_000, 20_000_000, 20_000_000)
    assert run.zoom.most_bodies == 1
    assert run.rss_before_mb is not None
    assert run.rss_mb > 30
    results.write(tmp_path / "a.jsonl", run)
    assert list(results.read([tmp_path / "a.jsonl"])) == [run]


def test_a_copy_that_breaks_off(place: Workplace) -> None:
    run = measure(place, ONE_STREAM, setting(CASES["ivf"]), 1)
    assert run.problem.startswith("exit code 1: ")
    assert run.zoom.cuts == 1


def test_a_program_that_lies(place: Workplace) -> None:
    run = measure(place, Program("lazy", (sys.executable, "-c", "")), setting(), 1)
    assert run.problem.startswith("missing: ['bench/f20.mp4']")


@pytest.mark.skipif(not shutil.which("curl"), reason="curl isn't there")
def test_curl_relays(place: Workplace) -> None:
    run = measure(place, CURL, setting(), 1)
    assert run.ok, run.problem
    get, put = yardstick.measure(place, is_tls=True, at_once=2, repetition=0, load=LOAD)
    assert (get.program, put.program, get.size) == ("GET", "PUT", 2 * LOAD.size)
    assert get.cpu_s > 0
    assert put.peer_cpu_s > 0


def test_a_copy_that_is_killed_once(place: Workplace) -> None:
    killing = kills.Killing(place, ONE_STREAM, Options(link_mbps=100.0, conn_mbps=100.0))
    line = killing.copy(LOAD, 7, iter([0.01]))
    assert (line.problem, line.moments, line.seed) == ("", [0.01], 7)
    assert line.fetched == LOAD.size


def test_a_copy_in_two_calls(place: Workplace) -> None:
    program = Program("twice", (sys.executable, "-c", TWICE))
    zoom = CASES["i"].zoom_settings(LOAD)
    line = handover.copy(place, program, LOAD, zoom, limit=10.0, say=lambda _: None)
    assert (line.problem, len(line.seconds), line.overrun) == ("", 2, 0)
    assert line.fetched == [0, LOAD.size]


def test_the_moments_of_kills_are_the_same_every_time() -> None:
    first = list(kills.moments(3, 10.0, 50))
    assert first == list(kills.moments(3, 10.0, 50)) != list(kills.moments(4, 10.0, 50))
    assert all(0 <= moment <= 10 for moment in first)


def test_cuts_are_evenly_spread() -> None:
    faults = CASES["ivm"].zoom_settings(LOADS["1x512"]).faults
    assert [fault.total for fault in faults] == [
        85_333_333,
        170_666_666,
        256_000_000,
        341_333_333,
        426_666_666,
    ]
    assert CASES["ivf"].zoom_settings(LOAD).faults == (ZoomFault(what="fin", total=10_000_000),)


@pytest.mark.parametrize("words", [["--case", "x"], ["kills", "--sut", "x"], ["--load", "x"]])
def test_what_makes_no_sense_is_said(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "There is no" in capsys.readouterr().err
