"""Tests that no module has a vague name, and that modules outside of tests have a docstring."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "base", "shared"}

FOLDERS = ("functions", "cdk", "ops", "local", "bench", "tests")
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
CODE = [path for path in MODULES if path.relative_to(ROOT).parts[0] != "tests"]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_has_no_forbidden_vague_name(path: Path) -> None:
    assert path.stem not in FORBIDDEN


@pytest.mark.parametrize("path", [path for path in CODE if path.stem != "__init__"], ids=name)
def test_a_module_outside_of_tests_has_a_docstring(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_bytes()))
