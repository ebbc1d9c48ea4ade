"""Tests that the simulator finds mistakes in the code.

`python -m tests.simulation.mutations` starts each mutation at world 0, which takes longer.
"""

from __future__ import annotations

import pytest

from tests.simulation.mutations import MUTATIONS, ROOT, Mutation, caught_by


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_simulator_finds_a_mistake_within_a_thousand_worlds(mutation: Mutation) -> None:
    is_caught, printed = caught_by(mutation, mutation.seed)
    assert is_caught, printed


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_code_that_a_mutation_replaces_occurs_once(mutation: Mutation) -> None:
    assert (ROOT / mutation.file).read_text().count(mutation.old) == 1
