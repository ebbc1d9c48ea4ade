"""A share of the fuzzed inputs, and every input that has found something before."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fuzz.fakes import LogInMemory
from tests.fuzz.registry import TARGETS, share_of
from tests.fuzz.runner import input_of, problem_in

INPUTS = 3000
SEED = 13

REGRESSIONS: tuple[tuple[str, Any], ...] = ()


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_inputs_break_nothing_and_show_no_secret(name: str) -> None:
    count = share_of(INPUTS, list(TARGETS))[name]
    with LogInMemory() as log:
        problems = {
            index: problem
            for index in range(count)
            if (problem := problem_in(name, input_of(name, SEED, index), log))
        }
    assert problems == {}


@pytest.mark.parametrize(("name", "given"), REGRESSIONS)
def test_input_that_broke_something_breaks_nothing_any_more(name: str, given: Any) -> None:
    with LogInMemory() as log:
        assert problem_in(name, given, log) is None
