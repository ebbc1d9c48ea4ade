"""Install a lock file's packages for a platform into a cache, and choose the files to ship."""

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
    """A platform on which packages run: a name for the cache, and the arguments of pip.

    `level` is the compression of zips: 9 for uploads, 1 for this machine. `compiler` makes the
    bytecode. If `compiler` is None, packages have no bytecode.
    """

    name: str
    pip_arguments: tuple[str, ...]
    level: int
    compiler: Compiler | None

    @property
    def label(self) -> str:
        """The platform's name, and the compiler's recipe if there is a compiler."""
        return f"{self.name}-by-{self.compiler.recipe}" if self.compiler else self.name


LAMBDA = "lambda-arm64-cp313"
LAMBDA_PYTHON = "3.13"


def lambda_() -> Platform:
    """Return Lambda's platform: Python 3.13 on arm64 and Amazon Linux 2023, which has glibc 2.34.

    https://docs.aws.amazon.com/linux/al2023/ug/core-glibc.html
    """
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
    """Return the hash of a lock file's pins and hashes, without the comments."""
    lines = (line.strip() for line in lock.read_text().splitlines())
    pins = "\n".join(line for line in lines if line and not line.startswith("#"))
    return hashlib.sha256(pins.encode()).hexdigest()[:16]


def install(lock: Path, platform: Platform, root: Path) -> Path:
    """Install a lock file's packages for a platform, unless cached, and return the folder.

    The folder includes the packages' bytecode if the platform has a compiler. An existing folder is
    always complete, because `install` renames a finished folder into place.

    Raises:
        OpsError: pip failed, or the bytecode can't be made. The text has the reason.
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
        # Another process has installed the same lock file's packages meanwhile. The other process's
        # folder has the same files.
        shutil.rmtree(unfinished)
    return folder


SHADOWING_PACKAGES = frozenset({"slack"})
"""Packages that aren't shipped, because they have the name of a function's module.

slack_sdk also installs its former package `slack`.
"""


TEXTS_OF_TZDATA = frozenset(
    {
        "tzdata/zones",
        "tzdata/zoneinfo/iso3166.tab",
        "tzdata/zoneinfo/leapseconds",
        "tzdata/zoneinfo/tzdata.zi",
        "tzdata/zoneinfo/zone.tab",
        "tzdata/zoneinfo/zone1970.tab",
        "tzdata/zoneinfo/zonenow.tab",
    }
)


def files_to_ship(
    site: Path, function: Function, bytecode: Collection[PurePosixPath]
) -> Iterator[PurePosixPath]:
    """Yield the files below `site` that a function needs, as paths relative to `site`.

    Of the .pyc files, only the files in `bytecode` are yielded.
    """
    for path in site.rglob("*"):
        inside = PurePosixPath(path.relative_to(site).as_posix())
        if path.is_file() and (inside in bytecode or is_needed(inside, function)):
            yield inside


def is_needed(path: PurePosixPath, function: Function) -> bool:
    """Return whether a package needs an installed file.

    A package doesn't need these files:

    - tests, examples, scripts, stubs, `py.typed`, Cython's sources, SHADOWING_PACKAGES
    - bytecode, except the files that `files_to_ship` adds
    - botocore's and boto3's models of services that the function doesn't use, and the examples
      of all services
    - googleapiclient's documents of unused Google APIs (110 MB)
    - dateutil's own time zones, which botocore never reads
    - tzdata's lists of zones, countries and leap seconds, because `zoneinfo` reads only the files
      of single zones
    - a distribution's metadata, except licences and METADATA, from which `importlib.metadata` reads
      the version
    """
    parts = path.parts
    if parts[0] in SHADOWING_PACKAGES:
        return False
    if parts[0] == "bin" or set(parts) & {"__pycache__", "tests", "examples"}:
        return False
    if path.suffix in {".pyc", ".pyi", ".pyx", ".pxd"} or path.name == "py.typed":
        return False
    if path.name == "dateutil-zoneinfo.tar.gz" or str(path) in TEXTS_OF_TZDATA:
        return False
    if parts[0].endswith(".dist-info"):
        return path.name == "METADATA" or is_licence(path)
    if parts[:2] in {("botocore", "data"), ("boto3", "data")} and len(parts) > 3:
        return parts[2] in function.services and not path.name.startswith("examples-")
    if parts[:3] == ("googleapiclient", "discovery_cache", "documents"):
        return path.stem in function.google_apis
    return True


def content_to_ship(name: str, content: bytes, function: Function) -> bytes:
    """Return a file's content for a function's package, with botocore's data shortened.

    A container reads botocore's data at the container's cold start. The models of services are
    shipped without the texts for documentation, which are most of the models' bytes. The list of
    endpoints, which has some 300 services, keeps only the services that the function uses.
    """
    if name == "botocore/data/endpoints.json":
        return _as_json(_endpoints_of(function.services, json.loads(content)))
    if name.startswith("botocore/data/") and name.endswith(".json.gz"):
        model = _without_documentation(json.loads(gzip.decompress(content)))
        return gzip.compress(_as_json(model), mtime=0)
    return content


def _as_json(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()


def _endpoints_of(services: Collection[str], endpoints: dict[str, Any]) -> dict[str, Any]:
    """Return botocore's list of endpoints with only `services` in every partition."""
    partitions = [
        {
            **partition,
            "services": {s: of for s, of in partition["services"].items() if s in services},
        }
        for partition in endpoints["partitions"]
    ]
    return {**endpoints, "partitions": partitions}


def _without_documentation(part: Any) -> Any:
    if isinstance(part, dict):
        # A member of a shape may be named `documentation`, too, but the member's value isn't a
        # string. The key stays with an empty string, because botocore's
        # `ServiceModel.client_context_parameters` reads the key.
        return {
            key: ""
            if key == "documentation" and isinstance(value, str)
            else _without_documentation(value)
            for key, value in part.items()
        }
    return [_without_documentation(item) for item in part] if isinstance(part, list) else part


def is_licence(path: PurePosixPath) -> bool:
    """Return whether a metadata file of a distribution is a licence or notice, judging by name."""
    return path.name.upper().startswith(("LICENSE", "LICENCE", "NOTICE", "COPYING"))
