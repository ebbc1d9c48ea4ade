"""A stack that isn't there: every command says so in a line and does nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line import NAMES, good_files, invoke, said_in_a_line, words
from tests.e2e.operator import Operator

BEFORE_A_STACK = {"schedule.save-creds", "stack.create", "stack.deploy", "stack.diff"}
"""Commands for a stack that isn't there yet."""


@pytest.mark.parametrize("name", sorted(set(NAMES) - BEFORE_A_STACK))
def test_no_such_stack(
    name: str, operator: Operator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable, value in operator.environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("STACK_NAME", "nowhere")
    good_files(tmp_path)
    line = said_in_a_line(invoke(*words(name, tmp_path)))
    assert line.startswith("There is no stack nowhere in us-east-1")
    assert "`invoke stack.create`" in line
