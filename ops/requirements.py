"""`invoke update-requirements`: compile all lock files in the order that `sources` gives.

Lock files are compiled on the oldest supported Python, which needs all packages that newer versions
need. The options of pip-compile are in pyproject.toml. For the tests, `lock_problems` compares each
lock file with its `.in` file.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path

from invoke import Context
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cdk import names
from ops import terminal
from ops.command import OpsError, command

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)


def sources() -> list[Path]:
    """Return every `.in` file, relative to the root, in the order of compilation."""
    functions = Path("function_requirements")
    return [
        functions / "common-requirements.in",
        *(functions / f"{function.name}.in" for function in names.FUNCTIONS),
        *(Path("requirements", f"{name}.in") for name in ("base", "tox", "dev", "cloud", "docs")),
    ]


def compile_lock(source: Path, options: list[str], root: Path) -> None:
    """Compile one `.in` file into the lock file beside it.

    Raises:
        OpsError: pip-compile failed. The text has the last line of pip-compile's output.
    """
    command_line = [sys.executable, "-m", "piptools", "compile", "--quiet", *options]
    environment = {**os.environ, "CUSTOM_COMPILE_COMMAND": "invoke update-requirements"}
    done = subprocess.run(
        [*command_line, "--output-file", str(source.with_suffix(".txt")), str(source)],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise OpsError(f"{source} can't be compiled: {said[-1]}")


def requested(source: Path) -> dict[str, Requirement]:
    """Return the requirements in an `.in` file by canonical name, without included files."""
    lines = (line.partition("#")[0].strip() for line in source.read_text().splitlines())
    found = (Requirement(line) for line in lines if line and not line.startswith("-"))
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def parent_locks(source: Path) -> list[Path]:
    """Return the lock files that an `.in` file includes (`-r`) or is constrained by (`-c`)."""
    others = re.findall(r"^-[rc]\s*(\S+)", source.read_text(), re.MULTILINE)
    return [source.parent / other for other in others]


def pinned(lock: Path) -> dict[str, Requirement]:
    """Return a lock file's pins by canonical name."""
    lines = re.findall(r"^([A-Za-z0-9].*?)\s*\\?$", lock.read_text(), re.MULTILINE)
    return {canonicalize_name(pin.name): pin for pin in map(Requirement, lines)}


def versions(lock: Path) -> dict[str, str]:
    """Return a lock file's versions by canonical name."""
    return {name: version_of(pin) for name, pin in pinned(lock).items()}


def version_of(pin: Requirement) -> str:
    """Return the version of a pin."""
    return str(pin.specifier).removeprefix("==")


def requirers(lock: Path) -> set[tuple[str, str]]:
    """Return (canonical name, file) of each package and each file that requires the package.

    The lock file's comments name the files that require a package.
    """
    found: set[tuple[str, str]] = set()
    for block in re.split(r"^(?=[A-Za-z0-9])", lock.read_text(), flags=re.MULTILINE)[1:]:
        name = canonicalize_name(re.split(r"[=\[]", block)[0])
        found |= {(name, file) for file in re.findall(r"#.*-r (\S+)$", block, re.MULTILINE)}
    return found


def lock_problems(source: Path, root: Path = ROOT) -> list[str]:
    """Return a sentence for each difference between a lock file and its `.in` file or parents."""
    path = root / source
    lock = path.with_suffix(".txt")
    found = [
        *unmet_requirements(requested(path), pinned(lock)),
        *stale_pins(str(source), requested(path), lock),
    ]
    ours = versions(lock)
    for other in parent_locks(path):
        theirs = versions(other)
        found.extend(
            f"{name} is pinned to {ours[name]}, and in {other.name} to {theirs[name]}"
            for name in sorted(theirs.keys() & ours.keys())
            if ours[name] != theirs[name]
        )
    return found


def unmet_requirements(
    wanted: dict[str, Requirement], pins: dict[str, Requirement]
) -> Iterator[str]:
    """Yield a sentence for each requirement that no pin meets."""
    for name, requirement in wanted.items():
        if name not in pins:
            yield f"{name} is asked for and not pinned"
        elif not requirement.specifier.contains(version_of(pins[name]), prereleases=True):
            yield f"{pins[name]} is pinned, and {requirement} is asked for"
        elif requirement.extras != pins[name].extras:
            yield f"{name} is not pinned with the extras that {requirement} asks for"


def stale_pins(source: str, wanted: dict[str, Requirement], lock: Path) -> Iterator[str]:
    """Yield a sentence for each pin that the lock file wrongly traces back to `source`.

    `wanted` has the requirements in the file `source`.
    """
    for name, file in sorted(requirers(lock)):
        if file == source and name not in wanted:
            yield f"{name} is pinned for this file, which doesn't ask for it"


@command(
    help={
        "package": "upgrade this package only, leaving all else at its version",
        "keep": "upgrade nothing: only take up what changed in the .in files",
    }
)
def update_requirements(_context: Context, package: str | None = None, keep: bool = False) -> None:
    """Update the lock files of all requirements."""
    if package is not None:
        check_package(package, [ROOT / source.with_suffix(".txt") for source in sources()])
    if sys.version_info[:2] != OLDEST_PYTHON:
        oldest = ".".join(str(part) for part in OLDEST_PYTHON)
        raise OpsError(
            f"Locks are compiled on Python {oldest}, and this is {sys.version.split()[0]}: "
            f"`make clean setup PYTHON=python{oldest}`, then again."
        )
    upgrade = ["--upgrade-package", package] if package else [] if keep else ["--upgrade"]
    for source in sources():
        lock = source.with_suffix(".txt")
        before = (ROOT / lock).read_bytes() if (ROOT / lock).exists() else b""
        with terminal.working(f"Compiling {lock.name}"):
            compile_lock(source, upgrade, ROOT)
        is_same = (ROOT / lock).read_bytes() == before
        print(f"{lock}: {'unchanged' if is_same else 'changed'}", flush=True)


def check_package(name: str, locks: Iterable[Path]) -> None:
    """Raise OpsError if no lock file has the package, because nothing would be upgraded."""
    known = {pin for lock in locks if lock.exists() for pin in versions(lock)}
    if canonicalize_name(name) not in known:
        near = get_close_matches(canonicalize_name(name), known, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise OpsError(f"No lock has the package {name}, so nothing was upgraded.{meant}")
