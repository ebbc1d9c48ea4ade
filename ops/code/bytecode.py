"""Bytecode in packages, so that a cold container doesn't compile what it imports.

Lambda's file system can't be written: without bytecode in the package each cold start compiles
everything anew, which is most of what it waits for. In the package is the bytecode of what an
import of the function's module comes to import; all sources stay, and a Python of another version
compiles them as before. The bytecode isn't compared with the sources when it is read (unchecked
hashes, PEP 552): in a zip both are of one making.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ops.code.closure import chain, is_type_checking

VERSION = (
    "import platform, sys; "
    "print(sys.implementation.name, platform.python_version(), sys.implementation.cache_tag)"
)


@dataclass(frozen=True)
class Compiler:
    """A Python that compiles for itself, of the version (`3.13.5`) and the tag of its bytecode's
    names (`cpython-313`)."""

    program: Path
    version: str
    tag: str

    def compile(self, folder: Path) -> None:
        """Put the bytecode of each module below `folder` into `__pycache__`, the same bytes always.

        What can't be compiled (code for other Pythons comes with some packages) has none.
        """
        options = ["-q", "-s", str(folder), "--invalidation-mode", "unchecked-hash"]
        subprocess.run(
            [self.program, "-S", "-m", "compileall", *options, str(folder)],
            # The order of a set's items is in its bytecode.
            env={"PYTHONHASHSEED": "0"},
            capture_output=True,
            check=False,
        )

    def compiled(self, source: PurePosixPath) -> PurePosixPath:
        """Where the bytecode of a module is, from its source's path."""
        return source.parent / "__pycache__" / f"{source.stem}.{self.tag}.pyc"


def compiler_for(version: str, path: str | None = None) -> Compiler | None:
    """A Python of this version (`3.13`) on the PATH, or None. Its bytecode is what Lambda reads."""
    folders = (os.environ.get("PATH", "") if path is None else path).split(os.pathsep)
    for folder in folders:
        program = Path(folder, f"python{version}")
        if folder and os.access(program, os.X_OK) and (found := compiler(program)):
            return found
    return None


def compiler(program: Path) -> Compiler | None:
    """This Python as a compiler; None if it doesn't run, as a version manager's stand-in may not,
    or isn't CPython."""
    try:
        said = subprocess.run(
            [program, "-I", "-S", "-c", VERSION], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    name, version, tag = said.stdout.split() if not said.returncode else ("", "", "")
    return Compiler(program, version, tag) if name == "cpython" else None


def imported(own: Sequence[Path], services: Sequence[str], site: Path) -> set[PurePosixPath]:
    """Those modules below `site` that are imported when the modules `own` are, relative to it.

    Read from the sources: the imports outside of functions. What is imported later isn't among
    them, but for what boto3 adds to the clients of `services`; what an import catches
    (`try: import …`) is.
    """
    found: set[PurePosixPath] = set()
    waiting = [path for file in own for path in _imports(file, "", site)]
    for service in services:
        waiting += [path.relative_to(site) for path in (site / "boto3" / service).glob("*.py")]
    while waiting:
        path = waiting.pop()
        if (inside := PurePosixPath(path.as_posix())) not in found:
            found.add(inside)
            package = ".".join(path.parent.parts)
            waiting += _imports(site / path, package, site)
    return found


def _imports(file: Path, package: str, site: Path) -> Iterator[Path]:
    for name in _names(ast.parse(file.read_bytes(), str(file)), package):
        yield from chain(name, site)


def _names(tree: ast.AST, package: str) -> Iterator[str]:
    """Every dotted name that is imported when this is executed, in a module of `package`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and _is_elsewhere(node.test):
            for other in node.orelse:
                yield from _names(ast.Module(body=[other], type_ignores=[]), package)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _names(node, package)


def _is_elsewhere(test: ast.expr) -> bool:
    """Whether a condition holds for type checkers or on another platform only."""
    return is_type_checking(test) or ast.unparse(test).startswith("sys.platform ==")
