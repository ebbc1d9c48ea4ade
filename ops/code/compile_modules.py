"""Compile the modules below a folder to bytecode without docstrings.

`ops/code/bytecode.py` runs this file with the Python of the packages, which is often another
version: `python3.13 -S compile_modules.py FOLDER`. So this file imports only the standard library.
"""

import ast
import importlib.util
import marshal
import sys
from pathlib import Path

UNCHECKED_HASH = 0b01
"""The flags of bytecode that Python doesn't compare with the source (PEP 552)."""

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def without_docstrings(tree: ast.Module) -> ast.Module:
    """Remove the docstrings from a module's syntax tree, and return the tree.

    Line numbers stay. Assertions stay, too, unlike with Python's option `-OO`.
    """
    for node in ast.walk(tree):
        while isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body.pop(0)
            if not node.body:
                node.body.append(ast.copy_location(ast.Pass(), docstring))
    return tree


def bytecode(source: bytes, name: str) -> bytes:
    """Return the content of a .pyc file. Tracebacks show the module's path `name`.

    Raises:
        SyntaxError: The source isn't valid in this version of Python.
        ValueError: The source has null bytes.
        RecursionError, MemoryError: The source has very deep expressions.
    """
    tree = without_docstrings(ast.parse(source, name))
    code = compile(tree, name, "exec", dont_inherit=True)
    header = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH.to_bytes(4, "little")
    return header + importlib.util.source_hash(source) + marshal.dumps(code)


def compile_folder(folder: Path) -> None:
    """Write the bytecode of the modules below `folder` to `__pycache__`.

    A source that can't be compiled gets no bytecode, because some packages ship code for other
    versions of Python.
    """
    for path in sorted(folder.rglob("*.py")):
        source = path.read_bytes()
        try:
            content = bytecode(source, path.relative_to(folder).as_posix())
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        target = Path(importlib.util.cache_from_source(str(path)))
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)


if __name__ == "__main__":
    compile_folder(Path(sys.argv[1]))
