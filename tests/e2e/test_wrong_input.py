"""The one-line errors of commands whose stack doesn't exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line import NAMES, good_files, invoke, said_in_a_line, words
from tests.e2e.operator import Operator

BEFORE_A_STACK = {"schedule.save-creds", "stack.create", "stack.deploy", "stack.diff"}
"""Commands that use AWS, and work without a stack."""


@pytest.mark.parametrize("name", sorted(set(NAMES) - BEFORE_A_STACK))
def test_a_command_says_in_one_line_that_the_stack_does_not_exist(
    name: str, operator: Operator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable, value in operator.environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("STACK_NAME", "nowhere")
    good_files(tmp_path)
    line = said_in_a_line(invoke(*words(name, tmp_path)))
    assert line.startswith("There is no stack nowhere in us-east-1")
    assert "`invoke stack.create`" in line
