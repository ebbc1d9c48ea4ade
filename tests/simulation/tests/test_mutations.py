"""A simulator that finds nothing proves nothing: it has to catch these mistakes."""

from __future__ import annotations

import pytest

from tests.simulation.mutations import MUTATIONS, Mutation, caught_by


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_simulator_catches_a_mistake_within_a_thousand_worlds(mutation: Mutation) -> None:
    is_caught, printed = caught_by(mutation, mutation.seed)
    assert is_caught, printed
