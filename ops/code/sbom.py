"""Software bills of materials: the contents of a package, with licences, as CycloneDX JSON.

https://cyclonedx.org/docs/1.6/json/ describes the format. CycloneDX's own library would need six
more packages to write a few fields. The same package gives the same bytes, because the SBOM has no
time and no serial number.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.utils import canonicalize_name

USUAL_SPELLINGS = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD 3-Clause OR Apache-2.0": "BSD-3-Clause OR Apache-2.0",
}
"""SPDX's names of licences (https://spdx.org/licenses/), by names that packages declare."""


def bill_of_materials(name: str, sha256: str, site: Path) -> dict[str, Any]:
    """Return the SBOM of a function's package.

    Args:
        name: The function's name.
        sha256: The package's hash, in base64.
        site: The folder with the packages of the function's lock file.
    """
    digest = base64.b64decode(sha256).hex()
    components = sorted(
        (component(each, site) for each in distributions(path=[str(site)])),
        key=lambda each: str(each["bom-ref"]),
    )
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": name,
                "name": name,
                "hashes": [{"alg": "SHA-256", "content": digest}],
            }
        },
        "components": components,
        "dependencies": [{"ref": name, "dependsOn": [each["bom-ref"] for each in components]}],
    }


def component(distribution: Distribution, site: Path) -> dict[str, Any]:
    """Return an installed distribution as a component, with the libraries in the wheel."""
    name = canonicalize_name(distribution.metadata["Name"])
    purl = f"pkg:pypi/{name}@{distribution.version}"
    bundled = [*_shared_libraries(distribution, site), *_declared(distribution, name)]
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": distribution.version,
        "licenses": licenses(distribution),
        "purl": purl,
        **({"components": bundled} if bundled else {}),
    }


def licenses(distribution: Distribution) -> list[dict[str, Any]]:
    """Return the licences that a distribution declares, as an SPDX expression if possible."""
    metadata = distribution.metadata
    declared = [
        text for name in ("License-Expression", "License") for text in metadata.get_all(name, ())
    ]
    text = declared[0] if declared else ""
    try:
        text = canonicalize_license_expression(USUAL_SPELLINGS.get(text, text))
    except InvalidLicenseExpression:
        classifiers = (each.split(" :: ") for each in metadata.get_all("Classifier", ()))
        names = [parts[-1] for parts in classifiers if parts[0] == "License"] or [text]
        return [{"license": {"name": name}} for name in names]
    return [{"expression": text}]


def _shared_libraries(distribution: Distribution, site: Path) -> Iterator[dict[str, Any]]:
    """Yield the shared libraries that a wheel bundles, such as PyAV's libav.

    auditwheel puts these libraries into `<name>.libs`, as `<library>-<hash>.so.<version>`.
    """
    for file in sorted(distribution.files or (), key=str):
        parts = re.fullmatch(r"(.+?)(?:-[0-9a-f]{8})?\.so\.?([0-9.]*)", file.name)
        if parts and file.parts[0].endswith(".libs"):
            digest = hashlib.sha256((site / file).read_bytes()).hexdigest()
            yield {
                "type": "library",
                "name": parts[1],
                "version": parts[2],
                "hashes": [{"alg": "SHA-256", "content": digest}],
            }


def _declared(distribution: Distribution, name: str) -> Iterator[dict[str, Any]]:
    """Yield the components that a wheel's SBOMs (PEP 770) list besides the distribution itself."""
    found = set()
    for file in distribution.files or ():
        if "sboms" not in file.parts or file.suffix != ".json":
            continue
        for each in json.loads(file.read_text("utf-8")).get("components", ()):
            if canonicalize_name(each["name"]) != name:
                found.add((each["name"], each.get("version", ""), each.get("purl", "")))
    for own, version, purl in sorted(found):
        yield {
            "type": "library",
            "name": own,
            "version": version,
            **({"purl": purl} if purl else {}),
        }
