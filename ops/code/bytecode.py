"""Bytecode in packages, so that a cold start doesn't compile the modules that it imports.

In Lambda, Python can't write bytecode into the package's folder. Without bytecode in the package,
each cold start compiles the modules that it imports. If the build found a compiler, the package
holds bytecode of the modules that an import of the function's module imports. The package also
holds the sources, so that another version of Python can compile the sources, and tracebacks show
lines. Python doesn't compare bytecode and sources (unchecked hashes, PEP 552), because a zip holds
bytecode and sources from the same build. See docs/decisions/0016-bytecode-in-packages.md.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ops.code.closure import files_of_name, is_type_checking
from ops.command import OpsError

SCRIPT = Path(__file__).with_name("compile_modules.py")

VERSION = (
    "import platform, sys; "
    "print(sys.implementation.name, platform.python_version(), sys.implementation.cache_tag)"
)


@dataclass(frozen=True)
class Compiler:
    """A Python interpreter with its version (`3.13.5`) and bytecode tag (`cpython-313`)."""

    program: Path
    version: str
    tag: str

    def compile(self, folder: Path) -> None:
        """Write the bytecode of the modules below `folder` to `__pycache__`.

        The same sources give the same bytes. Docstrings are left out, because no function reads
        docstrings. A source that can't be compiled gets no bytecode, because some packages ship
        code for other versions of Python.

        Raises:
            OpsError: Python ended with an error, such as when a file can't be written. The text has
                Python's reason.
        """
        result = subprocess.run(
            [self.program, "-S", SCRIPT, folder],
            env=_environment(os.environ),
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            reason = (result.stderr.splitlines() or ["?"])[-1]
            raise OpsError(f"{self.program} can't compile the modules below {folder}: {reason}")

    @property
    def recipe(self) -> str:
        """A name for the bytecode, which changes with the Python version and the script."""
        return f"{self.version}-{hashlib.sha256(SCRIPT.read_bytes()).hexdigest()[:8]}"

    def compiled(self, source: PurePosixPath) -> PurePosixPath:
        """Return the path of a module's bytecode, given the path of the module's source."""
        return source.parent / "__pycache__" / f"{source.stem}.{self.tag}.pyc"


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return a compiler's environment, without settings of Python that change the compiler's work.

    Hash randomization would change the order of sets in bytecode. The other variables stay, because
    a `python3.13` of a version manager needs them.
    """
    kept = {name: text for name, text in environment.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONHASHSEED": "0"}


def compiler_for(version: str, path: str | None = None) -> Compiler | None:
    """Return the first Python of a version, such as `3.13`, in the folders of `path`.

    `path` has the form of the variable PATH. If `path` is None, the shell's PATH is used. Return
    None if no folder has a working CPython of the version.
    """
    folders = (os.environ.get("PATH", "") if path is None else path).split(os.pathsep)
    for folder in folders:
        program = Path(folder, f"python{version}")
        if folder and os.access(program, os.X_OK) and (found := compiler(program)):
            return found
    return None


def compiler(program: Path) -> Compiler | None:
    """Return the `Compiler` of a program; None if the program doesn't run or isn't CPython."""
    try:
        said = subprocess.run(
            [program, "-I", "-S", "-c", VERSION], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    match said.stdout.split():
        case ["cpython", version, tag] if not said.returncode:
            return Compiler(program, version, tag)
    return None


def imported_modules(
    own: Sequence[Path], services: Sequence[str], site: Path
) -> set[PurePosixPath]:
    """Return the files below the folder `site` that an import of the files `own` imports.

    The paths are relative to `site`. Imports are read from the sources. Imports inside functions
    are left out, except boto3's additions to the clients of `services`.
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
        yield from files_of_name(name, site)


def _names(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield the dotted names that an import of the code `tree` imports.

    `from a import b` yields `a.b`, because b may be a module. `package` resolves relative imports.
    """
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
    """Return whether a condition is for type checkers, or for another platform than Linux."""
    text = ast.unparse(test)
    is_of_platform = text.startswith("sys.platform ==") and "'linux'" not in text
    return is_type_checking(test) or is_of_platform
