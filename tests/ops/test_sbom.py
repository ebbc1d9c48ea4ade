"""Tests that SBOMs of packages are complete, have licences, and are valid CycloneDX."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from email.message import Message
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest

from cdk.names import DOWNLOADER, FUNCTIONS, SCHEDULE_UPDATE, WEBHOOK, Function
from ops.code.package import ROOT, Package, lock_of, write_sbom
from ops.code.sbom import bill_of_materials, licenses
from ops.code.wheels import CACHE, host, install
from ops.requirements import pinned, version_of

SHA256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
"""SHA-256 hash of an empty text, written in base64 as Lambda writes hashes."""

by_name = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)


def site_of(function: Function) -> Path:
    """Install a function's locked dependencies in a cached folder, and return the folder."""
    return install(lock_of(function, ROOT), host(), ROOT / CACHE)


def bill(function: Function) -> dict[str, Any]:
    return bill_of_materials(function.name, SHA256, site_of(function))


@by_name
def test_an_sbom_lists_every_locked_dependency_of_its_function(function: Function) -> None:
    made = bill(function)
    pins = pinned(lock_of(function, ROOT)).items()
    wanted = {
        name: version_of(pin) for name, pin in pins if not pin.marker or pin.marker.evaluate()
    }
    assert {each["name"]: each["version"] for each in made["components"]} == wanted
    assert {each["purl"] for each in made["components"]} == {
        f"pkg:pypi/{name}@{version}" for name, version in wanted.items()
    }
    (root,) = made["dependencies"]
    assert root["ref"] == made["metadata"]["component"]["bom-ref"] == function.name
    assert root["dependsOn"] == [each["bom-ref"] for each in made["components"]]


@by_name
def test_each_component_in_an_sbom_has_a_licence(function: Function) -> None:
    for each in bill(function)["components"]:
        assert each["licenses"], each
        for choice in each["licenses"]:
            assert "expression" in choice or choice["license"]["name"].endswith(" License"), each


@by_name
def test_an_sbom_is_valid_cyclonedx(function: Function) -> None:
    # CycloneDX's library is installed as a dependency of pip-audit.
    validation = importlib.import_module("cyclonedx.validation.json")
    schema = importlib.import_module("cyclonedx.schema").SchemaVersion.V1_6
    problem = validation.JsonStrictValidator(schema).validate_str(json.dumps(bill(function)))
    assert problem is None, problem


def test_the_sbom_of_the_downloader_lists_the_libav_that_pyav_bundles() -> None:
    (pyav,) = [each for each in bill(DOWNLOADER)["components"] if each["name"] == "av"]
    (libav,) = [each for each in pyav["components"] if each["name"] == "libavformat"]
    (file,) = (site_of(DOWNLOADER) / "av.libs").glob("libavformat-*.so.*")
    assert file.name.endswith(f".so.{libav['version']}")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert libav["hashes"] == [{"alg": "SHA-256", "content": digest}]


def test_the_sbom_of_schedule_update_lists_the_openssl_of_cryptography() -> None:
    components = bill(SCHEDULE_UPDATE)["components"]
    (cryptography,) = [each for each in components if each["name"] == "cryptography"]
    # The Rust crate `openssl` is also listed, but only calls OpenSSL.
    (openssl,) = [
        each
        for each in cryptography["components"]
        if each.get("purl", "").startswith("pkg:generic/openssl@")
    ]
    assert re.fullmatch(r"[1-9][0-9]*\.[0-9]+\.[0-9]+", openssl["version"])


def test_an_sbom_is_written_beside_its_package_with_the_same_bytes_each_time(
    tmp_path: Path,
) -> None:
    package = Package(WEBHOOK.name, tmp_path / "zoom-webhook.zip", 0, SHA256)
    path = write_sbom(package, site_of(WEBHOOK))
    assert path == tmp_path / "zoom-webhook.cdx.json"
    first = path.read_bytes()
    assert write_sbom(package, site_of(WEBHOOK)).read_bytes() == first
    root = json.loads(first)["metadata"]["component"]
    assert root["name"] == WEBHOOK.name
    assert root["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(b"").hexdigest()}]


class Described(Distribution):
    """A distribution that has only metadata."""

    def __init__(self, **fields: str) -> None:
        self._fields = fields

    def read_text(self, filename: str) -> str | None:
        message = Message()
        for name, value in self._fields.items():
            message[name.replace("_", "-")] = value
        return str(message) if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        raise NotImplementedError(path)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"License_Expression": "MIT OR Apache-2.0"}, [{"expression": "MIT OR Apache-2.0"}]),
        ({"License": "apache-2.0"}, [{"expression": "Apache-2.0"}]),
        ({"License": "Apache License 2.0"}, [{"expression": "Apache-2.0"}]),
        (
            {"License": "Dual", "Classifier": "License :: OSI Approved :: BSD License"},
            [{"license": {"name": "BSD License"}}],
        ),
        ({"License": "see file"}, [{"license": {"name": "see file"}}]),
    ],
    ids=["expression", "case", "usual spelling", "classifier", "own words"],
)
def test_licence_in_an_sbom_is_an_spdx_expression_or_else_a_name(
    fields: dict[str, str], expected: list[dict[str, Any]]
) -> None:
    assert licenses(Described(**fields)) == expected
