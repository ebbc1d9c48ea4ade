"""The closure of a module's imports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ops.code.closure import closure

TREE = {
    "start.py": """
        import json
        from typing import TYPE_CHECKING
        from kit.deep import thing, Class
        if TYPE_CHECKING:
            from kit import typed
        else:
            import kit.other
        def late():
            from kit import lazy
    """,
    "kit/__init__.py": "",
    "kit/deep/__init__.py": "",
    "kit/deep/thing.py": "import boto3, kit.circle",
    "kit/circle.py": "from kit.deep import thing",
    "kit/typed.py": "",
    "kit/other.py": "",
    "kit/lazy.py": "",
    "kit/stranger.py": "",
    "json.txt": "",
}


@pytest.fixture
def root(write_tree: Callable[[Mapping[str, str]], Path]) -> Path:
    return write_tree(TREE)


def test_closure_holds_every_module_that_may_be_imported(root: Path) -> None:
    assert [str(path) for path in closure("start", root)] == [
        "kit/__init__.py",
        "kit/circle.py",
        "kit/deep/__init__.py",
        "kit/deep/thing.py",
        "kit/lazy.py",
        "kit/other.py",
        "start.py",
    ]


def test_closure_names_the_module_when_it_is_missing(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no stop\.py in"):
        closure("stop", root)


def test_closure_names_the_file_when_its_source_has_a_mistake(root: Path) -> None:
    (root / "start.py").write_text("def broken(:\n")
    with pytest.raises(SyntaxError, match=r"start\.py, line 1"):
        closure("start", root)
