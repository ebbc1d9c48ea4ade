"""Small files, small functions, names that say something."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST_MODULE = 400
LONGEST_FUNCTION = 60
FORBIDDEN = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "base", "shared"}

FOLDERS = ("functions", "cdk", "ops", "local", "bench", "tests")
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
CODE = [path for path in MODULES if path.relative_to(ROOT).parts[0] != "tests"]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_module_is_long_or_nameless(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_MODULE
    assert path.stem not in FORBIDDEN


@pytest.mark.parametrize("path", CODE, ids=name)
def test_no_function_is_long(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno
            assert length < LONGEST_FUNCTION, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", [path for path in CODE if path.stem != "__init__"], ids=name)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_bytes()))
