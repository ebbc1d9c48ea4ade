"""Tests of the named worlds."""

from __future__ import annotations

import pytest

from tests.simulation.judge import Category, judge
from tests.simulation.named import REPORTED, NamedWorld, worlds
from tests.simulation.play import play


@pytest.mark.parametrize("world", worlds(), ids=str)
def test_named_world_ends_without_mistakes_and_has_a_report_exactly_when_a_file_is_missing(
    world: NamedWorld,
) -> None:
    verdicts = judge(play(world.scenario))
    may_be = {Category.REPORTED} if world.cause in REPORTED else set()
    assert [str(verdict) for verdict in verdicts if verdict.category not in may_be] == []
    assert bool(verdicts) == bool(may_be)
