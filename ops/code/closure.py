"""The closure of a function's imports among the project's modules, read from the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path


def closure(module: str, root: Path) -> list[Path]:
    """Return the files, relative to the source root, that an import of `module` may import.

    Imports inside functions count. Imports under `if TYPE_CHECKING` don't. The files of an imported
    module include the `__init__.py` of the module's packages.

    Raises:
        FileNotFoundError: The module doesn't exist.
        SyntaxError: The source of the module or of an imported module can't be parsed.
    """
    found: set[Path] = set()
    waiting = [locate(module, root)]
    while waiting:
        path = waiting.pop()
        if path is None:
            raise FileNotFoundError(f"There is no {module}.py in {root}.")
        if path in found:
            continue
        found.add(path)
        for name in imported_names(ast.parse((root / path).read_bytes(), str(root / path))):
            waiting.extend(path for path in files_of_name(name, root) if path not in found)
    return sorted(found)


def files_of_name(name: str, root: Path) -> Iterator[Path]:
    """Yield the existing files of a dotted name and of the name's packages, relative to `root`."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        path = locate(".".join(parts[:length]), root)
        if path is not None:
            yield path


def locate(name: str, root: Path) -> Path | None:
    """Return the file of a module or package, relative to `root`; None if no such file exists."""
    base = Path(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if (root / path).is_file():
            return path
    return None


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Yield every dotted name that a module's source imports at run time.

    `from a import b` yields `a.b`, because b may be a module. If b isn't a module, `files_of_name`
    finds only a. Relative imports aren't supported.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and is_type_checking(node.test):
            for other in node.orelse:
                yield from imported_names(ast.Module(body=[other], type_ignores=[]))
        else:
            yield from imported_names(node)


def is_type_checking(test: ast.expr) -> bool:
    """Return whether a condition is `TYPE_CHECKING` or `typing.TYPE_CHECKING`."""
    return ast.unparse(test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
