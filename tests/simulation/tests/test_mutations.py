"""A simulator that finds nothing proves nothing: it has to catch mistakes in the code.

`python -m tests.simulation.mutations` begins with world 0 for each, which takes longer.
"""

from __future__ import annotations

import pytest

from tests.simulation.mutations import MUTATIONS, ROOT, Mutation, caught_by


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_simulator_catches_a_mistake_within_a_thousand_worlds(mutation: Mutation) -> None:
    is_caught, printed = caught_by(mutation, mutation.seed)
    assert is_caught, printed


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_code_that_a_mutation_changes_is_there_once(mutation: Mutation) -> None:
    assert (ROOT / mutation.file).read_text().count(mutation.old) == 1
