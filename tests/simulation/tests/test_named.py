"""The named worlds: one for each cause of a loss. Those of open causes are known to fail."""

from __future__ import annotations

import pytest

from tests.simulation.judge import judge
from tests.simulation.named import OPEN, NamedWorld, worlds
from tests.simulation.play import play


def marked(world: NamedWorld) -> object:
    marks = (
        [pytest.mark.xfail(reason="this cause is open", strict=True)] if world.cause in OPEN else []
    )
    return pytest.param(world, marks=marks, id=str(world))


@pytest.mark.parametrize("world", [marked(one) for one in worlds()])
def test_a_named_world_ends_well(world: NamedWorld) -> None:
    assert [str(one) for one in judge(play(world.scenario))] == []


def test_every_open_cause_has_a_world() -> None:
    assert {one.cause for one in worlds()} >= OPEN
