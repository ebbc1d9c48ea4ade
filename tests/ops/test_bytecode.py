"""Tests of the modules that a cold start imports, and of their reproducible bytecode."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from ops.code.bytecode import Compiler, compiler, compiler_for, imported_modules
from ops.command import OpsError

TREE = {
    "own.py": """
        import json
        import pkg.deep
        from other import thing as known
        try:
            import lost, tried
        except ImportError:
            pass
        class Thing:
            import in_class
        def late():
            import in_function
    """,
    "site/pkg/__init__.py": "from . import beside",
    "site/pkg/beside.py": "from .deep.leaf import x",
    "site/pkg/deep/__init__.py": "",
    "site/pkg/deep/leaf.py": "from ..upper import y",
    "site/pkg/upper.py": "import pkg.beside",
    "site/pkg/unused.py": "",
    "site/boto3/s3/inject.py": "",
    "site/boto3/ec2/tags.py": "",
    "site/other.py": """
        import sys
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            import for_types
        elif sys.platform == "emscripten":
            import elsewhere
        else:
            import here
        if sys.platform == "linux":
            import on_linux
    """,
    **{f"site/{name}.py": "" for name in ("tried", "in_class", "in_function", "for_types")},
    **{f"site/{name}.py": "" for name in ("elsewhere", "here", "on_linux")},
}


ASSERTION = '    assert False, "the assertion"'
DOCUMENTED = f"""'This describes the module.'
'This describes the module once more.'
from __future__ import annotations


class Thing:
    'This describes the class.'

    def only_text(self):
        'This describes the method.'


async def later():
    'This describes the coroutine.'


def refuse():
    '''This describes the function.

    And this also describes the function.
    '''
{ASSERTION}
"""


@pytest.fixture
def root(write_tree: Callable[[Mapping[str, str]], Path]) -> Path:
    return write_tree(TREE)


def test_list_of_imported_modules_has_each_module_that_a_cold_start_imports(root: Path) -> None:
    assert sorted(map(str, imported_modules([root / "own.py"], ["s3", "sqs"], root / "site"))) == [
        "boto3/s3/inject.py",
        "here.py",
        "in_class.py",
        "on_linux.py",
        "other.py",
        "pkg/__init__.py",
        "pkg/beside.py",
        "pkg/deep/__init__.py",
        "pkg/deep/leaf.py",
        "pkg/upper.py",
        "tried.py",
    ]


@pytest.fixture
def this_python() -> Compiler:
    found = compiler(Path(sys.executable))
    assert found
    assert found.tag == sys.implementation.cache_tag
    return found


def test_bytecode_is_the_same_when_the_sources_are_in_another_folder(
    this_python: Compiler, tmp_path: Path
) -> None:
    sources = {
        "sets.py": f"x = {{{', '.join(repr(str(n)) for n in range(50))}}}\ny = 1 in {{1, 2, 3}}\n",
        "pkg/deep.py": "def a(b: int = 1) -> str:\n    return f'{b}' if b in {'a', 'b'} else ''\n",
        "broken.py": "def broken(:\n",
        "deep.py": "x = " + "-" * 100_000 + "1\n",
    }
    made = []
    for folder in (tmp_path / "one", tmp_path / "a much longer name" / "two"):
        for name, text in sources.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        this_python.compile(folder)
        made.append({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.pyc")})
    assert made[0] == made[1]
    assert set(map(str, made[0])) == {
        str(this_python.compiled(PurePosixPath(name)))
        for name in sources
        if name not in {"broken.py", "deep.py"}
    }


def test_bytecode_has_line_numbers_and_assertions_and_no_docstrings(
    this_python: Compiler, tmp_path: Path
) -> None:
    source = tmp_path / "documented.py"
    source.write_text(DOCUMENTED)
    this_python.compile(tmp_path)
    compiled = tmp_path / this_python.compiled(PurePosixPath("documented.py"))
    assert b"describes" not in compiled.read_bytes()
    # Python loads the bytecode without a comparison with the source.
    source.write_text("")
    spec = importlib.util.spec_from_file_location("documented", source)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.__doc__ is None
    assert module.Thing().__doc__ is None
    assert module.Thing.only_text(None) is None
    with pytest.raises(AssertionError, match="the assertion") as caught:
        module.refuse()
    # pytest counts lines from 0.
    assert caught.traceback[-1].lineno == DOCUMENTED.splitlines().index(ASSERTION)


def test_compiler_says_why_bytecode_cannot_be_written(
    this_python: Compiler, tmp_path: Path
) -> None:
    (tmp_path / "module.py").write_text("x = 1\n")
    (tmp_path / "__pycache__").write_text("This is no folder.")
    with pytest.raises(OpsError, match=r"can't compile the modules below .*: FileExistsError"):
        this_python.compile(tmp_path)


def test_compiler_keeps_the_environment_that_its_program_needs(
    this_python: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\n[ "$NEEDED" ] && exec {this_python.program} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("NEEDED", "yes")
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    source = tmp_path / "site" / "module.py"
    source.parent.mkdir()
    source.write_text("assert False, 'the assertion'\n")
    replace(this_python, program=program).compile(source.parent)
    compiled = tmp_path / "site" / this_python.compiled(PurePosixPath("module.py"))
    assert b"the assertion" in compiled.read_bytes()


def test_search_for_a_compiler_skips_programs_that_are_not_the_needed_python(
    tmp_path: Path,
) -> None:
    major, minor = sys.version_info[:2]
    name = f"python{major}.{minor}"
    folders = [tmp_path / each for each in ("absent", "stand-in", "other", "silent", "right")]
    for folder in folders[1:]:
        folder.mkdir()
    (folders[1] / name).write_text("#!/bin/sh\necho 'no such version' >&2\nexit 127\n")
    (folders[2] / name).write_text("#!/bin/sh\necho pypy 3.11.1 pypy311\n")
    (folders[3] / name).write_text("#!/bin/sh\n")
    for folder in folders[1:4]:
        (folder / name).chmod(0o755)
    assert compiler_for(f"{major}.{minor}", ":".join(map(str, folders))) is None
    (folders[4] / name).symlink_to(sys.executable)
    found = compiler_for(f"{major}.{minor}", ":".join(["", *map(str, folders)]))
    assert found
    assert found.program == folders[4] / name
