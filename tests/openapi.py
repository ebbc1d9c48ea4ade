"""Read docs/openapi.yaml, and check values against its schemas."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from openapi_schema_validator import OAS31Validator
from openapi_spec_validator.readers import read_from_filename

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "openapi.yaml"


@cache
def document() -> Mapping[str, Any]:
    """Return the parsed docs/openapi.yaml."""
    content, _ = read_from_filename(str(DOCUMENT))
    return content


def resolved(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the target of a reference within docs/openapi.yaml, or the value itself.

    Raises:
        KeyError: docs/openapi.yaml lacks the target.
    """
    while "$ref" in value:
        found: Any = document()
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        value = found
    return value


def operations() -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return every operation of docs/openapi.yaml by (method, path).

    Paths have no leading slash.
    """
    return {
        (method.upper(), path.removeprefix("/")): operation
        for path, item in document()["paths"].items()
        for method, operation in item.items()
    }


def contents(method: str, path: str, status: int) -> Mapping[str, Any]:
    """Return the contents of an answer by content type.

    Raises:
        KeyError: docs/openapi.yaml lacks the operation, its status, or a reference's target.
    """
    answer = operations()[method, path]["responses"][str(status)]
    return dict(resolved(answer).get("content", {}))


def check(schema: Mapping[str, Any], value: object) -> None:
    """Check a value against a schema of docs/openapi.yaml.

    Raises:
        ValidationError: The schema doesn't allow the value.
    """
    OAS31Validator({**schema, "components": document()["components"]}).validate(value)
