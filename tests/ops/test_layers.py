"""Tests of import rules that import-linter can't check."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
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
PURE |= {
    "itertools",
    "math",
    "posixpath",
    "re",
    "shlex",
    "textwrap",
    "types",
    "typing",
    "unicodedata",
}
PURE |= {"__future__", "binascii", "csv", "io", "json", "string", "urllib", "uuid", "xml"}
PURE |= {"contextlib", "hmac", "zoneinfo", "zlib"}
"""Modules of the standard library that a pure module may import."""

IO_ROOMS = {"runtime", "transfer"}
"""Rooms (packages of `ingester`) in which every module may do I/O."""

IO_MODULES = {
    "log",
    "retry",
    "settings",
    "alerts/faults_table",
    "alerts/rate_limit",
    "alerts/topic",
    "ledger/table",
    "opencast/client",
    "opencast/ingest_once",
    "opencast/lookup",
    "pipeline/queue",
    "recording/events_table",
    "recording/staging_bucket",
    "reconcile/state_table",
    "schedule/google_sheets",
    "schedule/lock",
    "schedule/table",
    "slack/api",
    # slack/blocks does no I/O, but takes the types of Slack's blocks from slack_sdk.
    "slack/blocks",
    "status/table",
    "status/time_index",
    "zoom/api",
    "zoom/complete_message",
    "zoom/download",
    "zoom/download_token",
    "zoom/pause_table",
    "zoom/recording_list",
    "captions/download",
    "captions/staging",
    "captions/upload",
    "zoom/stage_recording",
    "zoom/webhook_client",
}
"""Modules outside of `IO_ROOMS` that may do I/O.

The other modules outside of `IO_ROOMS` are pure.
"""


def name_of(path: Path) -> str:
    """Return a module's name inside `ingester`, such as "zoom/api"."""
    return path.relative_to(SOURCE_ROOT / "ingester").with_suffix("").as_posix()


def is_pure(name: str) -> bool:
    """Return whether a module of `ingester` has to be pure."""
    return name not in IO_MODULES and name.partition("/")[0] not in IO_ROOMS


PURE_MODULES = [
    path for path in sorted((SOURCE_ROOT / "ingester").rglob("*.py")) if is_pure(name_of(path))
]


def imports(path: Path) -> set[str]:
    """Return the dotted names that a file imports at run time."""
    return set(imported_names(ast.parse(path.read_bytes())))


def names_imported(path: Path) -> Iterator[str]:
    """Yield the dotted names that a file imports, also those for type checkers only."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def tops(path: Path) -> set[str]:
    """Return the top-level names of the modules that a file imports."""
    return {name.partition(".")[0] for name in imports(path)}


def test_every_function_has_a_file_and_every_file_in_functions_belongs_to_a_function() -> None:
    assert {function.module for function in FUNCTIONS} == FUNCTION_MODULES


@pytest.mark.parametrize("path", HANDLERS, ids=lambda path: path.stem)
def test_the_file_of_a_function_imports_only_ingester_from_this_project(path: Path) -> None:
    assert tops(path) & (OWN | FUNCTION_MODULES) == {"ingester"}


@pytest.mark.parametrize("path", DEPLOYED, ids=lambda path: path.stem)
def test_a_deployed_module_imports_nothing_of_this_project_outside_of_functions(path: Path) -> None:
    assert not tops(path) & (OWN - {"ingester"})


@pytest.mark.parametrize(
    "path",
    sorted((SOURCE_ROOT / "ingester").rglob("__init__.py")),
    ids=lambda path: path.parent.name,
)
def test_the_init_file_of_a_package_imports_nothing(path: Path) -> None:
    assert imports(path) <= {"__future__.annotations"}


@pytest.mark.parametrize("path", PURE_MODULES, ids=name_of)
def test_a_pure_module_imports_no_io(path: Path) -> None:
    assert tops(path) & sys.stdlib_module_names <= PURE
    # webvtt opens files, but not in the calls of this project, which pass texts.
    assert tops(path) - sys.stdlib_module_names <= {"ingester", "msgspec", "webvtt"}
    ours = {name.replace(".", "/") for name in imports(path) if name.startswith("ingester.")}
    io = {
        name
        for name in ours
        for module in IO_MODULES
        if f"{name}/".startswith(f"ingester/{module}/")
    }
    assert not io
    assert not {name.split("/")[1] for name in ours} & IO_ROOMS


def test_every_listed_io_module_exists() -> None:
    missing = [name for name in IO_MODULES if not (SOURCE_ROOT / f"ingester/{name}.py").exists()]
    assert missing == []


@pytest.mark.parametrize("folder", ["cdk", "ops", "local", "bench", "functions/ingester"])
def test_no_module_outside_of_tests_imports_the_file_of_a_function(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        assert not tops(path) & FUNCTION_MODULES, path


def module_of(path: Path) -> str:
    """Return the dotted name by which the project imports a file."""
    root = SOURCE_ROOT if SOURCE_ROOT in path.parents else ROOT
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_import_cycle_exists_among_the_modules_of_the_project() -> None:
    # import-linter checks neither the functions' files, which are in no package, nor the tests.
    # Imports under TYPE_CHECKING count, because a reader has to follow them as well.
    files = {
        module_of(path): path
        for folder in ("functions", "cdk", "ops", "local", "bench", "tests")
        for path in (ROOT / folder).rglob("*.py")
    } | {"tasks": ROOT / "tasks.py"}
    graph = {
        module: {
            found
            for name in names_imported(path)
            for found in (name, name.rpartition(".")[0])
            if found in files and found != module
        }
        for module, path in files.items()
    }
    assert sum(map(len, graph.values())) > len(files)
    TopologicalSorter(graph).prepare()


def decodes(node: ast.AST, *, is_caught: bool = False) -> Iterator[tuple[int, bool]]:
    """Yield the line of each call of msgspec's JSON decoder, and whether its errors are caught."""
    for child in ast.iter_child_nodes(node):
        in_body = isinstance(node, ast.Try) and child in node.body
        handlers = node.handlers if isinstance(node, ast.Try) and in_body else []
        caught = is_caught or any("UNREADABLE_JSON" in ast.unparse(each) for each in handlers)
        if isinstance(child, ast.Call) and ast.unparse(child.func) == "msgspec.json.decode":
            yield child.lineno, caught
        yield from decodes(child, is_caught=caught)


def test_deployed_code_catches_every_error_of_a_json_decoder() -> None:
    # msgspec raises UnicodeDecodeError and RecursionError, too, which aren't its own errors.
    found = [
        (path.name, line, caught)
        for path in DEPLOYED
        for line, caught in decodes(ast.parse(path.read_text()))
    ]
    assert len(found) > 15
    assert [each for each in found if not each[-1]] == []
