"""Packages of a lock, installed for a platform into a cache, and the choice of files to ship."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ops.code.bytecode import Compiler, compiler, compiler_for
from ops.command import OpsError

if TYPE_CHECKING:
    from cdk.names import Function

CACHE = Path(".local", "wheels")


@dataclass(frozen=True)
class Platform:
    """The platform that a package runs on: a name for the cache, and the arguments of pip.

    `level` is the compression of zips: 9 for uploads, 1 for this machine. `compiler` makes the
    bytecode; without one packages have none.
    """

    name: str
    pip_arguments: tuple[str, ...]
    level: int
    compiler: Compiler | None

    @property
    def label(self) -> str:
        """The name with the version of the compiling Python, which packages depend on."""
        return f"{self.name}-by-{self.compiler.version}" if self.compiler else self.name


LAMBDA = "lambda-arm64-cp313"
LAMBDA_PYTHON = "3.13"


def lambda_() -> Platform:
    """Return Lambda's platform: Python 3.13 on arm64 (Amazon Linux 2023 has glibc 2.34)."""
    return Platform(
        LAMBDA,
        (
            *("--platform", "manylinux2014_aarch64"),
            *("--platform", "manylinux_2_17_aarch64"),
            *("--platform", "manylinux_2_28_aarch64"),
            *("--python-version", LAMBDA_PYTHON, "--implementation", "cp"),
            *("--abi", "cp313", "--abi", "abi3", "--abi", "none"),
        ),
        level=9,
        compiler=compiler_for(LAMBDA_PYTHON),
    )


def host() -> Platform:
    """Return the platform of this machine and Python, where the local stack's functions run."""
    name = f"host-{sys.implementation.cache_tag}-{sysconfig.get_platform()}"
    return Platform(name, (), level=1, compiler=compiler(Path(sys.executable)))


def lock_hash(lock: Path) -> str:
    """Return the hash of a lock's pins and hashes, whatever its comments."""
    lines = (line.strip() for line in lock.read_text().splitlines())
    pins = "\n".join(line for line in lines if line and not line.startswith("#"))
    return hashlib.sha256(pins.encode()).hexdigest()[:16]


def install(lock: Path, platform: Platform, root: Path) -> Path:
    """Return the folder with a lock's packages for a platform, from the cache or installed now.

    It includes their bytecode if the platform has a compiler. An existing folder is always
    complete: it is renamed into place.

    Raises:
        OpsError: Pip failed, with its reason.
    """
    folder = root / f"{platform.label}-{lock_hash(lock)}"
    if folder.is_dir():
        return folder
    root.mkdir(parents=True, exist_ok=True)
    unfinished = root / f"{folder.name}.{os.getpid()}"
    options = ("--quiet", "--no-compile", "--require-hashes", "--no-deps", "--only-binary=:all:")
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *options]
    where = ["--target", str(unfinished), "--requirement", str(lock)]
    pip = subprocess.run(
        [*command, *platform.pip_arguments, *where], capture_output=True, text=True, check=False
    )
    if pip.returncode:
        shutil.rmtree(unfinished, ignore_errors=True)
        said = [line for line in pip.stderr.splitlines() if line.startswith("ERROR")]
        raise OpsError(f"{lock} can't be installed for {platform.name}: {(said or ['?'])[-1]}")
    if platform.compiler:
        platform.compiler.compile(unfinished)
    try:
        unfinished.rename(folder)
    except OSError:
        # Another process was faster; its folder is as good.
        shutil.rmtree(unfinished)
    return folder


SHADOWING_PACKAGES = frozenset({"slack"})
"""Packages with the name of a function's module, which Python would find first.

slack_sdk keeps its old name `slack` for old programs.
"""


def files_to_ship(
    site: Path, function: Function, bytecode: Collection[PurePosixPath]
) -> Iterator[PurePosixPath]:
    """Yield the files below `site` that a function needs. Of the .pyc files, only `bytecode`."""
    for path in site.rglob("*"):
        inside = PurePosixPath(path.relative_to(site).as_posix())
        if path.is_file() and (inside in bytecode or is_needed(inside, function)):
            yield inside


def is_needed(path: PurePosixPath, function: Function) -> bool:
    """Return whether a package needs an installed file.

    Left out are: the models of the 400 services of botocore that the function doesn't use, and the
    examples of the others; googleapiclient's documents of unused Google APIs (110 MB); dateutil's
    own time zones, which botocore never asks for; and a distribution's metadata, except licences
    and the file that `importlib.metadata` reads the version from.
    """
    parts = path.parts
    if parts[0] in SHADOWING_PACKAGES:
        return False
    if parts[0] == "bin" or set(parts) & {"__pycache__", "tests", "examples"}:
        return False
    if path.suffix in {".pyc", ".pyi", ".pyx", ".pxd"} or path.name == "py.typed":
        return False
    if path.name == "dateutil-zoneinfo.tar.gz":
        return False
    if parts[0].endswith(".dist-info"):
        return path.name == "METADATA" or is_licence(path)
    if parts[:2] in {("botocore", "data"), ("boto3", "data")} and len(parts) > 3:
        return parts[2] in function.services and not path.name.startswith("examples-")
    if parts[:3] == ("googleapiclient", "discovery_cache", "documents"):
        return path.stem in function.google_apis
    return True


def content_to_ship(name: str, content: bytes) -> bytes:
    """Return what a package holds of a file.

    botocore's models lose the texts for its documentation, which are nine tenths of their bytes. A
    container would read them at each cold start.
    """
    if not (name.startswith("botocore/data/") and name.endswith(".json.gz")):
        return content
    model = _without_documentation(json.loads(gzip.decompress(content)))
    short = json.dumps(model, separators=(",", ":")).encode()
    return gzip.compress(short, mtime=0)


def _without_documentation(part: Any) -> Any:
    if isinstance(part, dict):
        # A shape may have a member of this name, which is no text. The key stays: botocore's
        # `ServiceModel.client_context_parameters` needs it, and S3's endpoints need these.
        return {
            key: ""
            if key == "documentation" and isinstance(value, str)
            else _without_documentation(value)
            for key, value in part.items()
        }
    return [_without_documentation(item) for item in part] if isinstance(part, list) else part


def is_licence(path: PurePosixPath) -> bool:
    """Return whether a file of a distribution's metadata is a licence."""
    return path.name.upper().startswith(("LICENSE", "LICENCE", "NOTICE", "COPYING"))
