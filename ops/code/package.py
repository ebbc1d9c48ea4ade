"""`invoke package`: build the functions' zips. The same sources give the same bytes.

A zip holds the function's module, the modules of `ingester` that the function imports, the
function's other files, and the packages of the function's own lock file. If the build found a
compiler, the zip also holds the bytecode of modules that a cold start imports. The local stack
builds the same zips for the host's platform.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from invoke import Context

from cdk import names
from ops import terminal
from ops.code.bytecode import imported_modules
from ops.code.closure import closure
from ops.code.sbom import bill_of_materials
from ops.code.wheels import (
    CACHE,
    LAMBDA_PYTHON,
    Platform,
    content_to_ship,
    files_to_ship,
    host,
    install,
    lambda_,
    lock_hash,
)
from ops.code.zip_differences import differences
from ops.command import OpsError, command
from ops.target import announce, ask_on_terminal, configured_target, confirm_production, may_ask

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CopySourceTypeDef

    from cdk.names import Function

ROOT = Path(__file__).resolve().parents[2]
DIST = Path("dist")
RECIPE = 4
"""Version of the recipe for zips. Increase the version when the same sources should give another
zip."""

NO_BYTECODE = (
    f"There is no python{LAMBDA_PYTHON} on the PATH: packages without bytecode, with which cold "
    "starts take some 0.3 s longer."
)

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The modification time of every file in a zip: the earliest that the format can hold."""


@dataclass(frozen=True)
class Package:
    """A finished zip: the function's name, the size in bytes, and Lambda's `CodeSha256`."""

    name: str
    path: Path
    size: int
    sha256: str


def build(
    functions: Sequence[Function], platform: Platform, out: Path, root: Path = ROOT
) -> list[Package]:
    """Build the functions' zips for a platform into `out`, unless the zips are up to date.

    Raises:
        OpsError: The packages of a lock file can't be installed, or bytecode can't be made.
        FileNotFoundError: A function's module doesn't exist.
    """
    out.mkdir(parents=True, exist_ok=True)
    locks = {lock_hash(lock_of(function, root)): lock_of(function, root) for function in functions}
    own = {function: sources(function, root / "functions") for function in functions}
    # CPython 3.11's parser can fail if several threads parse at the same time
    # (python/cpython#106905).
    parsing = threading.Lock()
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda lock: install(lock, platform, root / CACHE), locks.values()))
        return list(
            pool.map(
                lambda function: pack(function, own[function], platform, out, root, parsing),
                functions,
            )
        )


def build_showing(functions: Sequence[Function], platform: Platform, out: Path) -> list[Package]:
    """Build packages of this checkout, with progress on stderr. For errors, see `build`.

    If the platform has no compiler, print that the packages have no bytecode.
    """
    if platform.compiler is None:
        terminal.say(NO_BYTECODE)
    with terminal.working(f"Building packages: {len(functions)}"):
        return build(functions, platform, out)


def sources(function: Function, root: Path) -> list[Path]:
    """Return the files of the source root that a function's package holds.

    Raises:
        FileNotFoundError: The function's module doesn't exist.
    """
    return [*closure(function.module, root), *(Path(file) for file in function.files)]


def lock_of(function: Function, root: Path) -> Path:
    """Return the lock file of a function's package."""
    return root / "function_requirements" / f"{function.name}.txt"


def pack(
    function: Function,
    own: Sequence[PurePath],
    platform: Platform,
    out: Path,
    root: Path,
    parsing: threading.Lock,
) -> Package:
    """Build one function's zip from its source files `own`, unless the zip is up to date.

    Only one thread at a time parses sources (`parsing`).

    Raises:
        OpsError: The packages of the function's lock file can't be installed, or bytecode can't be
            made.
    """
    source = root / "functions"
    site = install(lock_of(function, root), platform, root / CACHE)
    path = out / f"{function.name}.zip"
    origin = fingerprint(function, platform, site, own, source)
    if not (path.is_file() and zipfile.is_zipfile(path) and origin == zip_comment(path)):
        with tempfile.TemporaryDirectory(dir=out) as name:
            folder = Path(name)
            files = _own_files(own, source, platform, folder)
            modules = [source / file for file in own if file.suffix == ".py"]
            with parsing:
                files |= _lock_files(function, modules, platform, site)
            write_zip(files, path, function, platform.level, origin)
    content = path.read_bytes()
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return Package(function.name, path, len(content), digest)


def _own_files(
    own: Sequence[PurePath], source: Path, platform: Platform, folder: Path
) -> dict[str, Path]:
    """Copy the files `own` to `folder`, and return the copies by name in the zip.

    The result includes the bytecode of the copied modules if the platform has a compiler.

    Raises:
        OpsError: The bytecode can't be made.
    """
    for file in own:
        copied = folder / file
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_bytes((source / file).read_bytes())
    if platform.compiler:
        platform.compiler.compile(folder)
    made = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in made}


def _lock_files(
    function: Function, own: Sequence[Path], platform: Platform, site: Path
) -> dict[str, Path]:
    """Return the files of the lock file's packages that the function needs, by name in the zip."""
    bytecode = (
        {
            platform.compiler.compiled(module)
            for module in imported_modules(own, function.services, site)
        }
        if platform.compiler
        else ()
    )
    return {str(file): site / file for file in files_to_ship(site, function, bytecode)}


def fingerprint(
    function: Function, platform: Platform, site: Path, own: Sequence[PurePath], source: Path
) -> bytes:
    """Return the comment of a zip: a hash of recipe, function, lock file, platform and sources.

    The sources are the files `own` in the folder `source`.
    """
    digest = hashlib.sha256(repr((RECIPE, function, platform.level, site.name)).encode())
    for file in own:
        content = (source / file).read_bytes()
        digest.update(file.as_posix().encode() + b"\0" + content + b"\0")
    return digest.hexdigest().encode()


def zip_comment(path: Path) -> bytes:
    """Return a zip's comment."""
    with zipfile.ZipFile(path) as archive:
        return archive.comment


def write_zip(
    files: dict[str, Path], path: Path, function: Function, level: int, comment: bytes
) -> None:
    """Write a function's zip. `files` has the files' paths by their names in the zip.

    botocore's data is shortened (`content_to_ship`). `comment` is the fingerprint, and `level`
    zlib's level of compression. The same files give the same bytes, because order, times and modes
    are fixed.
    """
    # Two commands may build the same package at the same time, so the unfinished zip's name
    # contains the process's id.
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        archive.comment = comment
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # 3 means Unix. unzip ignores file modes of other systems.
            entry.external_attr = (0o100755 if ".so" in Path(name).suffixes else 0o100644) << 16
            content = content_to_ship(name, files[name].read_bytes(), function)
            archive.writestr(entry, content, compresslevel=level)
    unfinished.replace(path)


def write_sbom(package: Package, site: Path) -> Path:
    """Write a package's SBOM beside the package's zip, and return the path of the SBOM.

    `site` is the folder with the packages of the function's lock file.
    """
    path = package.path.with_suffix(".cdx.json")
    content = bill_of_materials(package.name, package.sha256, site)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path


def verify_packages(
    packages: Sequence[Package],
    functions: Sequence[Function],
    platform: Platform,
    root: Path = ROOT,
    copy: Path | None = None,
) -> None:
    """Build packages from a copy of the sources, and compare the result with `packages`.

    The copy begins without packages and wheels. `copy` is the folder of the copy, by default a
    temporary folder.

    Raises:
        OpsError: The packages differ, or a package can't be built. If the packages differ, the
            text lists the differences.
        FileNotFoundError: See `build`.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = copy or Path(temporary)
        for name in ("functions", "function_requirements"):
            shutil.copytree(root / name, folder / name, copy_function=shutil.copyfile)
        again = build(functions, platform, folder / DIST, folder)
        found = [
            f"{one.path.name}: {difference}"
            for one, other in zip(packages, again, strict=True)
            for difference in differences(one.path, other.path)
        ]
    if found:
        raise OpsError("\n".join(["A second build gave other packages.", *found]))


def select_functions(task_name: str | None) -> tuple[Function, ...]:
    """Return the function with the name `task_name` (the function's, the task's or the module's).

    None stands for all functions.

    Raises:
        OpsError: No function has the name. An empty name, such as a script's unset variable,
            doesn't stand for all functions.
    """
    if task_name is None:
        return names.FUNCTIONS
    found = tuple(f for f in names.FUNCTIONS if task_name in {f.name, f.task, f.module})
    if not found:
        known = ", ".join(function.name for function in names.FUNCTIONS)
        raise OpsError(f"There is no function {task_name or 'without a name'}. There are: {known}.")
    return found


def platform_of(environment: Mapping[str, str]) -> Platform:
    """Return the platform of packages: Lambda, or this machine with `PACKAGE_PLATFORM=host`.

    The output of `invoke local.env` sets that variable, because the local cloud's functions run on
    this machine.

    Raises:
        OpsError: `PACKAGE_PLATFORM` is neither empty nor `lambda` nor `host`, or is `host` without
            the local cloud's `AWS_ENDPOINT_URL`.
    """
    wanted = environment.get("PACKAGE_PLATFORM", "")
    if wanted in {"", "lambda"}:
        return lambda_()
    if wanted == "host":
        if not environment.get("AWS_ENDPOINT_URL"):
            raise OpsError(
                "PACKAGE_PLATFORM is host, and AWS_ENDPOINT_URL isn't set: packages for this "
                "machine are for the local cloud only. Unset it, or `invoke local.env`."
            )
        return host()
    raise OpsError(f"PACKAGE_PLATFORM is {wanted!r}: it has to be lambda (the default) or host.")


def upload(packages: Sequence[Package], s3: S3Client, bucket: str, stack: names.Names) -> None:
    """Upload zips to the stack's keys and to the archive.

    Raises:
        OpsError: S3 refuses a request.
    """
    functions = {function.name: function for function in names.FUNCTIONS}
    try:
        for package in packages:
            function = functions[package.name]
            kept = stack.archive_key(function, package.sha256)
            s3.put_object(Bucket=bucket, Key=kept, Body=package.path.read_bytes())
            source: CopySourceTypeDef = {"Bucket": bucket, "Key": kept}
            s3.copy_object(Bucket=bucket, Key=stack.code_key(function), CopySource=source)
    except ClientError as error:
        raise OpsError(
            f"LAMBDA_CODE_BUCKET {bucket} can't be used: {error}. Make the bucket, or name one "
            "that these credentials may write to."
        ) from error


def show(packages: Sequence[Package]) -> None:
    """Print the packages as a table."""
    rows = [(each.name, f"{each.size / 1e6:.2f} MB", each.sha256) for each in packages]
    terminal.show("", ("function", "zipped", "CodeSha256"), rows)


@command(
    name="package",
    help={
        "function": "only this function, such as zoom-webhook or webhook",
        "upload_to_s3": "upload the zips to LAMBDA_CODE_BUCKET, from which the stack takes them",
        "sbom": "list what each zip holds, with licences, in a CycloneDX file beside it",
        "verify": "build everything a second time, and fail if a byte differs",
    },
)
def make_packages(
    _context: Context,
    function: str | None = None,
    upload_to_s3: bool = False,
    sbom: bool = False,
    verify: bool = False,
) -> None:
    """Make the functions' zips in dist/."""
    functions = select_functions(function)
    target = configured_target(needs_code=True) if upload_to_s3 else None
    if target:
        announce(target)
        if may_ask():
            confirm_production(target.place.stack_name, ask_on_terminal)
    platform = platform_of(os.environ)
    packages = build_showing(functions, platform, ROOT / DIST)
    if verify:
        with terminal.working("Building a second time"):
            verify_packages(packages, functions, platform)
        terminal.say("A second build gave the same bytes.")
    if sbom:
        for package, built in zip(packages, functions, strict=True):
            site = install(lock_of(built, ROOT), platform, ROOT / CACHE)
            terminal.say(str(write_sbom(package, site).relative_to(ROOT)))
    if target:
        with terminal.working("Uploading packages"):
            upload(packages, target.own_s3(), target.place.code_bucket, target.names)
    show(packages)
