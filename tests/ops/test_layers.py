"""Who may import whom, for what import-linter can't see: the functions' own files are modules."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from cdk.names import FUNCTIONS
from ops.code.closure import imported_names

ROOT = Path(__file__).resolve().parents[2]
SOURCE_ROOT = ROOT / "functions"
DEPLOYED = sorted(SOURCE_ROOT.rglob("*.py"))
HANDLERS = sorted(SOURCE_ROOT.glob("*.py"))
OWN = {"bench", "cdk", "functions", "ingester", "local", "ops", "tasks", "tests"}
FUNCTION_MODULES = {path.stem for path in HANDLERS}

PURE = {"base64", "collections", "dataclasses", "datetime", "email", "enum", "functools", "hashlib"}
PURE |= {"itertools", "math", "posixpath", "re", "shlex", "types", "typing", "unicodedata"}
PURE |= {"__future__", "binascii", "csv", "io", "json", "string", "urllib", "uuid", "xml"}
PURE |= {"zoneinfo"}
"""What of Python a rule may use: nothing that knows the time, the machine or the network."""


def imports(path: Path) -> set[str]:
    """The dotted names that a file imports at run time."""
    return set(imported_names(ast.parse(path.read_bytes())))


def tops(path: Path) -> set[str]:
    """The first parts of those names."""
    return {name.partition(".")[0] for name in imports(path)}


def test_every_function_has_its_file_and_every_file_its_function() -> None:
    assert {function.module for function in FUNCTIONS} == FUNCTION_MODULES


@pytest.mark.parametrize("path", HANDLERS, ids=lambda path: path.stem)
def test_a_function_imports_of_ours_only_ingester(path: Path) -> None:
    assert tops(path) & (OWN | FUNCTION_MODULES) == {"ingester"}


@pytest.mark.parametrize("path", DEPLOYED, ids=lambda path: path.stem)
def test_one_import_name_for_each_module(path: Path) -> None:
    assert not tops(path) & (OWN - {"ingester"})


@pytest.mark.parametrize(
    "path",
    sorted((SOURCE_ROOT / "ingester").rglob("__init__.py")),
    ids=lambda path: path.parent.name,
)
def test_no_init_imports_anything(path: Path) -> None:
    assert imports(path) <= {"__future__.annotations"}


@pytest.mark.parametrize(
    "path", sorted((SOURCE_ROOT / "ingester" / "rules").glob("*.py")), ids=lambda path: path.stem
)
def test_rules_are_pure(path: Path) -> None:
    assert tops(path) & sys.stdlib_module_names <= PURE
    assert tops(path) - sys.stdlib_module_names <= {"ingester", "msgspec"}


@pytest.mark.parametrize("folder", ["cdk", "ops", "local", "bench", "functions/ingester"])
def test_nobody_imports_a_function(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        assert not tops(path) & FUNCTION_MODULES, path
