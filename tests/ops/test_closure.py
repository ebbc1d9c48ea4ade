"""Tests of the closure of a module's imports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ops.code.closure import closure

TREE = {
    "start.py": """
        import json
        from typing import TYPE_CHECKING
        from pkg.deep import thing, Class
        if TYPE_CHECKING:
            from pkg import typed
        else:
            import pkg.other
        def late():
            from pkg import lazy
    """,
    "pkg/__init__.py": "",
    "pkg/deep/__init__.py": "",
    "pkg/deep/thing.py": "import boto3, pkg.circle",
    "pkg/circle.py": "from pkg.deep import thing",
    "pkg/typed.py": "",
    "pkg/other.py": "",
    "pkg/lazy.py": "",
    "pkg/stranger.py": "",
    "json.txt": "",
}


@pytest.fixture
def root(write_tree: Callable[[Mapping[str, str]], Path]) -> Path:
    return write_tree(TREE)


def test_an_import_closure_has_the_modules_of_the_folder_that_may_be_imported_at_run_time(
    root: Path,
) -> None:
    assert [str(path) for path in closure("start", root)] == [
        "pkg/__init__.py",
        "pkg/circle.py",
        "pkg/deep/__init__.py",
        "pkg/deep/thing.py",
        "pkg/lazy.py",
        "pkg/other.py",
        "start.py",
    ]


def test_import_closure_raises_an_error_that_names_a_missing_module(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no stop\.py in"):
        closure("stop", root)


def test_import_closure_raises_an_error_that_names_a_file_with_wrong_syntax(
    root: Path,
) -> None:
    (root / "start.py").write_text("def broken(:\n")
    with pytest.raises(SyntaxError, match=r"start\.py, line 1"):
        closure("start", root)
