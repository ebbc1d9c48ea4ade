"""Tests of the functions' packages."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import hashlib
import importlib.util
import json
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path, PurePath, PurePosixPath

import boto3
import botocore
import pytest
from botocore.model import ServiceModel, StructureShape
from botocore.regions import EndpointResolver
from moto import mock_aws

from cdk.names import FUNCTIONS, STATUS_QUERY, WEBHOOK, Function, Names
from ops.code import package
from ops.code.closure import closure
from ops.code.wheels import host, is_needed, lambda_
from ops.command import OpsError

Built = dict[str, package.Package]

SOURCE_ROOT = package.ROOT / "functions"
HASH_BASED_AND_UNCHECKED = 0b01
"""Flags of bytecode that isn't compared with its source (PEP 552)."""

LATE_IMPORTS = 16
"""Maximum number of modules without bytecode that boto3's clients import late."""

INSTALLED = Path(botocore.__file__).parents[1]

AARCH64 = 183
"""`e_machine` of an ELF file for arm64."""

by_name = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build the packages of all functions for this machine, and return the packages by name."""
    out = tmp_path_factory.mktemp("dist")
    return {made.name: made for made in package.build(FUNCTIONS, host(), out)}


@pytest.fixture
def copied_project(tmp_path: Path) -> Path:
    """Return a copy of the functions' sources and lock files, with other times and modes."""
    root = tmp_path / "copy"
    for folder in ("functions", "function_requirements"):
        shutil.copytree(package.ROOT / folder, root / folder, copy_function=shutil.copyfile)
    for path in root.rglob("*.py"):
        path.chmod(0o600)
        os.utime(path, (1, 1))
    (root / ".local").symlink_to(package.ROOT / ".local")
    return root


def entries(made: package.Package) -> dict[str, bytes]:
    """Return the contents of a package's files by name."""
    with zipfile.ZipFile(made.path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


ALONE = """
import os, sys
folder, function, *services = sys.argv[1:]
sys.path.insert(0, folder)
__import__(function)
import boto3
from importlib import metadata
assert metadata.version("boto3") == boto3.__version__
for service in services:
    print("client", boto3.client(service, region_name="us-east-1").meta.service_model.service_name)
for name, module in sorted(sys.modules.items()):
    if getattr(module, "__file__", None) and module.__file__.startswith(folder + "/"):
        if module.__file__.endswith(".py"):
            print("read" if os.path.exists(module.__cached__) else "compiled", name)
if "dynamodb" in services:
    boto3.resource("dynamodb", region_name="us-east-1").Table("x")
for name, module in sorted(sys.modules.items()):
    if name.partition(".")[0] in {function, "ingester", "boto3"}:
        assert module.__file__.startswith(folder), module
    if name.partition(".")[0] in {function, "ingester"}:
        print("module", name)
"""


@by_name
def test_a_package_runs_alone_with_exactly_its_modules_and_services(
    function: Function, built: Built, tmp_path: Path
) -> None:
    # The program has only Python, the unpacked package, and an empty environment.
    made = built[function.name]
    with zipfile.ZipFile(made.path) as archive:
        archive.extractall(tmp_path)
    arguments = (str(tmp_path), function.module, *function.services)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", ALONE, *arguments],
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = [line.split() for line in done.stdout.splitlines()]
    assert [name for kind, name in said if kind == "client"] == list(function.services)
    read, compiled = ([name for kind, name in said if kind == how] for how in ("read", "compiled"))
    assert len(read) > 100
    assert len(compiled) <= LATE_IMPORTS, compiled
    files = {str(path) for path in closure(function.module, SOURCE_ROOT)}
    modules = {
        file.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for file in files
    }
    assert {name for kind, name in said if kind == "module"} == modules
    # The source folders may contain bytecode from earlier tests.
    held = (name for name in entries(made) if not name.endswith(".pyc"))
    ours = {name for name in held if (SOURCE_ROOT / name).is_file()}
    assert ours == files | set(function.files)


@by_name
def test_a_package_contains_only_the_files_that_its_function_needs(
    function: Function, built: Built
) -> None:
    paths = [PurePosixPath(name) for name in entries(built[function.name])]
    models = [path.parts for path in paths if path.parts[:2] == ("botocore", "data")]
    assert {parts[2] for parts in models if len(parts) > 3} == set(function.services)
    assert ("botocore", "data", "partitions.json") in models
    documents = PurePosixPath("googleapiclient/discovery_cache/documents")
    apis = {path.stem for path in paths if path.parent == documents}
    assert apis == set(function.google_apis)
    for path in paths:
        assert not {"bin", "tests", "examples", "pip", "RECORD"} & set(path.parts), path
        assert path.suffix != ".pyi", path


@by_name
def test_botocore_models_in_a_package_have_every_operation_and_shape_but_no_documentation(
    function: Function, built: Built
) -> None:
    for name, content in entries(built[function.name]).items():
        if name.startswith("botocore/data/") and name.endswith("/service-2.json.gz"):
            shipped, whole = (
                gzip.decompress(content),
                gzip.decompress((INSTALLED / name).read_bytes()),
            )
            assert b"<p>" in whole
            assert b"<p>" not in shipped
            assert shapes(shipped) == shapes(whole)


def shapes(model: bytes) -> dict[str, list[str]]:
    """Return a service's operations and context parameters, and the members of each structure."""
    service = ServiceModel(json.loads(model))
    kinds = {name: service.shape_for(name) for name in service.shape_names}
    members = {
        name: list(kind.members) for name, kind in kinds.items() if isinstance(kind, StructureShape)
    }
    context = [parameter.name for parameter in service.client_context_parameters]
    return {**members, "operations": list(service.operation_names), "context": context}


@by_name
def test_a_package_has_the_same_endpoints_as_botocore_for_the_services_of_its_function(
    function: Function, built: Built
) -> None:
    files = entries(built[function.name])
    shipped = json.loads(files["botocore/data/endpoints.json"])
    whole = json.loads((INSTALLED / "botocore/data/endpoints.json").read_bytes())
    assert len(whole["partitions"][0]["services"]) > 100
    for partition in shipped["partitions"]:
        assert partition["services"].keys() <= set(function.services)
    regions = [region for partition in whole["partitions"] for region in partition["regions"]]
    for prefix in endpoint_prefixes(files):
        for region in regions:
            ours, theirs = (
                EndpointResolver(data).construct_endpoint(prefix, region)
                for data in (shipped, whole)
            )
            assert ours == theirs, (prefix, region)


def test_the_package_of_status_query_has_every_time_zone_when_the_machine_has_none(
    built: Built, tmp_path: Path
) -> None:
    with zipfile.ZipFile(built[STATUS_QUERY.name].path) as archive:
        archive.extractall(tmp_path)
    zones = (INSTALLED / "tzdata" / "zones").read_text().split()
    assert len(zones) > 500
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", ZONES, str(tmp_path), *zones],
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


ZONES = """
import sys, zoneinfo
zoneinfo.reset_tzpath(())
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]:
    zoneinfo.ZoneInfo(name)
"""


def endpoint_prefixes(files: dict[str, bytes]) -> list[str]:
    """Return the names by which botocore looks up the endpoints of a package's services."""
    models = [
        ServiceModel(json.loads(gzip.decompress(content)))
        for name, content in files.items()
        if name.startswith("botocore/data/") and name.endswith("/service-2.json.gz")
    ]
    assert models
    return [model.endpoint_prefix for model in models]


@by_name
def test_the_bytecode_in_a_package_belongs_to_its_sources(function: Function, built: Built) -> None:
    # Python doesn't compare a package's bytecode with sources, so the package has to be consistent.
    files = entries(built[function.name])
    bytecode = [name for name in files if name.endswith(".pyc")]
    assert {name for name in files if "__pycache__" in name} == set(bytecode)
    for name in bytecode:
        source = importlib.util.source_from_cache(name)
        magic, flags, source_hash = files[name][:4], files[name][4:8], files[name][8:16]
        assert magic == importlib.util.MAGIC_NUMBER
        assert int.from_bytes(flags, "little") == HASH_BASED_AND_UNCHECKED, name
        assert source_hash == importlib.util.source_hash(files[source]), name


def test_a_package_has_no_bytecode_when_there_is_no_compiler(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    platform = dataclasses.replace(host(), compiler=None)
    (made,) = package.build_showing([STATUS_QUERY], platform, tmp_path)
    assert not [name for name in entries(made) if name.endswith(".pyc")]
    assert "packages without bytecode" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("googleapiclient/discovery_cache/documents/sheets.v4.json", True),
        ("googleapiclient/discovery_cache/documents/drive.v3.json", False),
        ("googleapiclient/discovery_cache/documents/index.json", False),
        ("googleapiclient/discovery_cache/file_cache.py", True),
        ("botocore/data/endpoints.json", True),
        ("botocore/data/sqs/2012-11-05/service-2.json.gz", True),
        ("botocore/data/sqs/2012-11-05/examples-1.json", False),
        ("botocore/data/ec2/2016-11-15/service-2.json.gz", False),
        ("boto3/data/sqs/2012-11-05/resources-1.json", True),
        ("boto3/data/ec2/2016-11-15/resources-1.json", False),
        ("boto3/examples/s3.rst", False),
        ("msgspec/_core.pyi", False),
        ("tzdata/zoneinfo/US/Eastern", True),
        ("tzdata/zoneinfo/Etc/UTC", True),
        ("tzdata/zoneinfo/tzdata.zi", False),
        ("tzdata/zoneinfo/zone1970.tab", False),
        ("requests-2.34.2.dist-info/METADATA", True),
        ("requests-2.34.2.dist-info/RECORD", False),
        ("requests-2.34.2.dist-info/licenses/LICENSE", True),
        ("bin/normalizer", False),
        ("slack/web/client.py", False),
        ("slack_sdk/web/client.py", True),
    ],
)
def test_package_gets_only_the_needed_files(path: str, needed: bool) -> None:
    function = Function("x", "x", "x", ("sqs", "dynamodb"), google_apis=("sheets.v4",))
    assert is_needed(PurePosixPath(path), function) is needed


def test_a_package_has_the_same_bytes_when_built_in_another_folder(
    copied_project: Path, built: Built
) -> None:
    functions = (WEBHOOK, STATUS_QUERY)
    made = package.build(functions, host(), copied_project / "dist", copied_project)
    for again in made:
        assert again.path.read_bytes() == built[again.name].path.read_bytes()
        assert again.sha256 == built[again.name].sha256


def test_only_the_package_of_status_query_contains_the_status_page(built: Built) -> None:
    page = (SOURCE_ROOT / "status_page.html").read_bytes()
    holders = {name for name, made in built.items() if entries(made).get("status_page.html")}
    assert holders == {STATUS_QUERY.name}
    assert entries(built[STATUS_QUERY.name])["status_page.html"] == page


def test_package_build_raises_an_error_with_the_name_of_a_missing_file(
    copied_project: Path, tmp_path: Path
) -> None:
    (copied_project / "functions" / "status_page.html").unlink()
    with pytest.raises(FileNotFoundError, match=r"status_page\.html"):
        package.build([STATUS_QUERY], host(), tmp_path / "out", copied_project)


@pytest.mark.parametrize("file", ["status_query.py", "status_page.html"])
def test_package_build_keeps_packages_whose_sources_are_unchanged(
    file: str, copied_project: Path, built: Built
) -> None:
    dist = copied_project / "dist"
    shutil.copytree(next(iter(built.values())).path.parent, dist)
    source = copied_project / "functions" / file
    source.write_text(source.read_text("utf-8") + "\n", "utf-8")
    before = {made.path.name: made.path.stat().st_mtime_ns for made in built.values()}
    made = package.build(FUNCTIONS, host(), dist, copied_project)
    changed = {again.name for again in made if again.sha256 != built[again.name].sha256}
    assert changed == {STATUS_QUERY.name}
    kept = {
        path.name for path in dist.glob("*.zip") if path.stat().st_mtime_ns == before[path.name]
    }
    assert kept == {f"{f.name}.zip" for f in FUNCTIONS if f is not STATUS_QUERY}


def test_the_fingerprint_of_a_package_changes_when_a_source_moves_to_another_folder(
    tmp_path: Path,
) -> None:
    files = [PurePath("old", "same.py"), PurePath("new", "same.py")]
    for file in files:
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text("")
    before, after = (
        package.fingerprint(WEBHOOK, host(), tmp_path, [file], tmp_path) for file in files
    )
    assert before != after


def test_a_package_has_the_size_and_hash_of_its_file(built: Built) -> None:
    for made in built.values():
        content = made.path.read_bytes()
        assert made.size == len(content)
        assert base64.b64decode(made.sha256) == hashlib.sha256(content).digest()


def test_the_files_in_a_package_are_sorted_and_have_fixed_times_and_modes(built: Built) -> None:
    with zipfile.ZipFile(built[WEBHOOK.name].path) as archive:
        infos = archive.infolist()
    assert [info.filename for info in infos] == sorted(info.filename for info in infos)
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert {info.external_attr >> 16 for info in infos} == {0o100644, 0o100755}


def test_a_package_for_lambda_has_libraries_for_arm64(tmp_path: Path) -> None:
    (made,) = package.build([WEBHOOK], lambda_(), tmp_path)
    libraries = {name: data for name, data in entries(made).items() if ".so" in name}
    assert libraries
    for name, data in libraries.items():
        assert data[:4] == b"\x7fELF", name
        assert struct.unpack_from("<H", data, 18) == (AARCH64,), name
        assert "cpython-313-aarch64" in name or "abi3" in name, name


def test_functions_are_selected_by_each_of_their_names_and_never_by_an_empty_name() -> None:
    assert package.select_functions(None) == FUNCTIONS
    for name in ("status-query", "status_query"):
        assert package.select_functions(name) == (STATUS_QUERY,)
    assert (
        package.select_functions("webhook")
        == package.select_functions("zoom-webhook")
        == (WEBHOOK,)
    )
    with pytest.raises(OpsError, match="There is no function without a name"):
        package.select_functions("")


@mock_aws
def test_upload_writes_a_package_to_the_key_of_the_stack_and_to_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="code")
    zipped = tmp_path / "zoom-webhook.zip"
    zipped.write_bytes(b"zip")
    made = package.Package("zoom-webhook", zipped, 3, base64.b64encode(bytes(32)).decode())
    package.upload([made], s3, "code", Names("zip-prod"))
    for key in ("zip-prod/zoom-webhook.zip", f"zip-prod/archive/zoom-webhook/{'0' * 64}.zip"):
        assert s3.get_object(Bucket="code", Key=key)["Body"].read() == b"zip"


def test_build_of_a_package_keeps_the_unfinished_file_of_another_command(tmp_path: Path) -> None:
    source, path = tmp_path / "a.py", tmp_path / "made.zip"
    source.write_text("pass\n")
    unfinished = tmp_path / "made.part"
    unfinished.write_bytes(b"theirs")
    package.write_zip({"a.py": source}, path, WEBHOOK, 1, b"")
    assert (unfinished.read_bytes(), zipfile.is_zipfile(path)) == (b"theirs", True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.py", "made.part", "made.zip"]


def test_package_platform_host_needs_aws_endpoint_url_and_unknown_platforms_are_refused() -> None:
    local = {"PACKAGE_PLATFORM": "host", "AWS_ENDPOINT_URL": "https://127.0.0.1:1"}
    assert package.platform_of(local) == host()
    assert package.platform_of({}) == lambda_()
    with pytest.raises(OpsError, match="AWS_ENDPOINT_URL isn't set"):
        package.platform_of({"PACKAGE_PLATFORM": "host"})
    with pytest.raises(OpsError, match="has to be lambda"):
        package.platform_of({"PACKAGE_PLATFORM": "arm"})
