"""Tests of repeatable worlds, shrunk worlds and tables of outcomes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.simulation.faults import Fault, Kind
from tests.simulation.judge import Category, judge, worst
from tests.simulation.named import worlds
from tests.simulation.play import play
from tests.simulation.runner import (
    Outcome,
    fault_name,
    reported_reasons,
    shrunk,
    story_of,
    table,
)
from tests.simulation.scenarios import Profile, scenario_of

ROOT = Path(__file__).parents[3]


def story_in_process(seed: int, hash_seed: str) -> str:
    command = [sys.executable, "-m", "tests.simulation", "--world", str(seed), "--story"]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout


def test_world_of_a_seed_has_the_same_story_in_two_processes_with_different_hash_seeds() -> None:
    assert story_in_process(7, "1") == story_in_process(7, "2")


def test_world_of_a_seed_has_the_same_story_twice_in_a_process() -> None:
    stories = [story_of(scenario_of(3, Profile.FAULTS))[0] for _ in range(2)]
    assert stories[0] == stories[1]


def test_shrunk_world_ends_in_the_same_category_with_fewer_recordings_and_happenings() -> None:
    named = next(world for world in worlds() if world.cause == "12")
    noise = scenario_of(11, Profile.FAULTS)
    scenario = replace(
        named.scenario,
        recordings=(*named.scenario.recordings, *noise.recordings),
        happenings=(*named.scenario.happenings, *noise.happenings),
    )
    category = worst(judge(play(scenario)))
    smaller = shrunk(scenario, category)
    assert worst(judge(play(smaller))) is category
    assert len(smaller.recordings) == 1
    assert len(smaller.happenings) < len(scenario.happenings)


def test_reports_of_missing_files_are_counted_together_when_only_numbers_differ() -> None:
    texts = tuple(
        f"reported: f{number} is not in Opencast. In the DLQ: attempt {number} failed"
        for number in (1, 2)
    )
    outcome = Outcome(1, (Category.REPORTED,), (*texts, "lost: f3 is not in Opencast."), ())
    assert reported_reasons([outcome]) == [("In the DLQ: attempt N failed", 2)]


@pytest.mark.parametrize(
    ("kind", "target", "name"),
    [
        (Kind.SLOW, "s3.HeadObject", "slow s3"),
        (Kind.CRASH_BEFORE, "*", "crash before"),
        (Kind.OUTAGE, "sqs", "outage sqs"),
        (Kind.PROXY, "opencast.POST", "proxy gives up opencast"),
        (Kind.WEBHOOK_LOST, "recording.completed u", "webhook lost"),
    ],
)
def test_name_of_a_fault_has_a_service_only_when_the_fault_hits_one_service(
    kind: Kind, target: str, name: str
) -> None:
    assert fault_name(Fault(kind, target)) == name


def test_table_counts_the_worlds_of_each_fault_by_their_worst_verdict() -> None:
    outcomes = [
        Outcome(1, (), (), ()),
        Outcome(2, (), (), ("slow s3",)),
        Outcome(3, (Category.LOST, Category.REPORTED), (), ("outage sqs", "slow s3")),
        Outcome(4, (Category.REPORTED,), (), ("slow s3",)),
    ]
    lines = [line.strip() for line in table(outcomes).splitlines()]
    head, *rows = [re.split(r"\s{2,}", line) for line in lines]
    assert head == ["worlds", "lost", "reported", "ok"]
    assert rows == [
        ["all worlds", "4", "1", "1", "2"],
        ["no fault struck", "1", "0", "0", "1"],
        ["outage sqs", "1", "1", "0", "0"],
        ["slow s3", "3", "1", "1", "1"],
    ]
