"""Tests of imports' side effects, and that functions read the environment only by `settings`."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

IMPORT_ALL = """
import importlib, sys
roots, names = sys.argv[1].split(":"), sys.argv[2:]
sys.path[:0] = roots
watching = True

def watch(event, arguments):
    if not watching:
        return
    if event == "socket.bind" and arguments[1] == ("::1", 0):
        return  # urllib3 asks the kernel for IPv6; nothing leaves
    if event in {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname"}:
        print("network:", event, arguments[1:], file=sys.stderr)
    if event in {"subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "os.fork"}:
        print("process:", event, arguments[0], file=sys.stderr)
    if event == "open" and set(str(arguments[1])) & set("wax+"):
        print("file:", arguments[0], file=sys.stderr)

sys.addaudithook(watch)
for name in names:
    importlib.import_module(name)
watching = False
"""


def modules(root: Path, folder: Path) -> list[str]:
    """Return the dotted names, from a source root, of a folder's modules other than `__main__`."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name and parts[-1] != "__main__":
            found.append(name)
    return found


def noticed(
    names: list[str], environment: dict[str, str], roots: str = f"{ROOT}:{ROOT / 'functions'}"
) -> list[str]:
    """Import modules from source roots in a new process, and return a line for each side effect.

    The modules must print nothing to stdout. Colons separate the `roots`.
    """
    done = subprocess.run(
        [sys.executable, "-B", "-c", IMPORT_ALL, roots, *names],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize("folder", ["functions", "ops", "local"])
def test_importing_the_modules_of_a_folder_has_no_effects(folder: str) -> None:
    names = modules(ROOT / "functions" if folder == "functions" else ROOT, ROOT / folder)
    assert len(names) > 3
    # The gateway imports packages of `.venv-cloud`, which this environment lacks.
    assert noticed([name for name in names if name != "local.gateway"], {}) == []


def test_importing_the_template_starts_only_the_kernel_of_the_cdk_library() -> None:
    # The CDK library always starts its kernel in Node.
    names = modules(ROOT, ROOT / "cdk")
    lines = noticed(
        names, {"PATH": os.environ["PATH"], "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20"}
    )
    assert [
        line for line in lines if not line.startswith(("process: subprocess.Popen", "file: "))
    ] == []
    assert sum(line.startswith("process:") for line in lines) <= 1


def test_the_audit_hook_of_the_import_test_notices_connections_processes_and_files(
    tmp_path: Path,
) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text(
        "import socket, subprocess\n"
        "s = socket.socket()\n"
        "s.connect_ex(('127.0.0.1', 9))\n"
        "subprocess.run(['/bin/true'])\n"
        f"open({str(tmp_path / 'written')!r}, 'w').close()\n"
    )
    kinds = {line.partition(":")[0] for line in noticed(["bad"], {}, str(tmp_path))}
    assert kinds == {"network", "process", "file"}


def environment_uses(tree: ast.AST) -> list[str]:
    """Return the places at which a module uses the process's environment."""
    names = {"environ", "environb", "getenv", "putenv", "setenv"}
    return [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in names)
        or (isinstance(node, ast.ImportFrom) and names & {alias.name for alias in node.names})
    ]


def handed_to_settings(tree: ast.AST) -> list[str]:
    """Return the places at which a function passes `os.environ` to `ingester.settings.read`."""
    return [
        f"line {argument.lineno}: {ast.unparse(argument)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"read", "settings.read"}
        for argument in node.args[1:]
        if ast.unparse(argument) == "os.environ"
    ]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "functions").rglob("*.py")), ids=lambda path: path.stem
)
def test_a_deployed_module_reads_the_environment_only_through_settings(path: Path) -> None:
    tree = ast.parse(path.read_bytes())
    allowed = handed_to_settings(tree) if path.parent.name == "functions" else []
    assert environment_uses(tree) == allowed
