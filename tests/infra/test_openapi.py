"""Tests that docs/openapi.yaml is valid and agrees with the template and the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from cdk.names import FUNCTIONS
from ingester import errors
from ingester.pipeline.states import Origin, State
from ops.code.closure import closure
from tests import openapi
from tests.infra.template import Template
from tests.infra.test_resources import function_called, methods_of

SOURCE = Path(__file__).resolve().parents[2] / "functions"
GATEWAY = {("POST", "ingest"): {403}, ("GET", "status"): {403}, ("GET", ""): {403}}
"""The statuses by which API Gateway refuses requests because of the API's policy, by route."""

NEVER = {
    ("POST", "ingest"): {401: "it signs its own events, and verifies nothing"},
    ("GET", ""): {400: "nothing of the request is looked at", 503: "nor any table"},
}
"""Statuses in a function's code with which the function never answers on a route, with reasons."""


def statuses_of(module: str) -> set[int]:
    """Return the statuses that a function may answer, read from its code.

    The result has the statuses of answers in the function's own file, and of each RequestError that
    the file or an imported module of this project raises.
    """
    found: set[int] = set()
    for file in closure(module, SOURCE):
        tree = ast.parse((SOURCE / file).read_bytes())
        found |= {error.status for error in raised(tree)}
        if file.name == f"{module}.py":
            found |= set(answered(tree))
    return found


def raised(tree: ast.Module) -> Iterator[type[errors.RequestError]]:
    for node in ast.walk(tree):
        name = (
            node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        )
        kind = getattr(errors, name, None)
        if isinstance(kind, type) and issubclass(kind, errors.RequestError):
            yield kind


MAKES_AN_ANSWER = {"Answer", "json_answer", "_message", "_text_answer", "AwsFailure"}
"""Functions and types whose first argument, or argument `status`, is the status of an answer."""


def answered(tree: ast.Module) -> Iterator[int]:
    """Yield the statuses that a function's file gives to answers and to types of errors."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        given: list[ast.expr | None] = []
        if node.func.id in MAKES_AN_ANSWER:
            given += [*node.args[:1], *(k.value for k in node.keywords if k.arg == "status")]
        if node.func.id == "ErrorAnswers":
            tables = [k.value for k in node.keywords if k.arg == "statuses"]
            given += [value for t in tables if isinstance(t, ast.Dict) for value in t.values]
        for value in given:
            if isinstance(value, ast.Constant) and isinstance(value.value, int):
                yield value.value


def test_the_openapi_document_is_valid() -> None:
    OpenAPIV31SpecValidator(openapi.document()).validate()


def test_the_openapi_document_has_the_paths_and_methods_of_the_api(template: Template) -> None:
    assert set(openapi.operations()) == set(methods_of(template))


def test_the_openapi_document_has_the_statuses_that_the_code_answers(template: Template) -> None:
    modules = {function.name: function.module for function in FUNCTIONS}
    for (verb, path), method in methods_of(template).items():
        if verb == "OPTIONS":
            continue
        function = function_called(template, method)
        responses = openapi.operations()[verb, path]["responses"]
        documented = {int(status) for status in responses if status != "default"}
        never = set(NEVER.get((verb, path), {}))
        derived = statuses_of(modules[function])
        assert never <= derived, "NEVER has an entry that isn't needed"
        assert documented == derived - never | GATEWAY.get((verb, path), set()), function
        assert "default" in responses, "API Gateway's own errors"


def test_the_openapi_document_has_the_states_and_origins_of_the_code() -> None:
    schemas = openapi.document()["components"]["schemas"]
    assert schemas["State"]["enum"] == list(State)
    assert schemas["Ingest"]["properties"]["origin"]["enum"] == list(Origin)


def examples() -> Iterator[tuple[str, object, object]]:
    """Yield (where, schema, example) for each example in the document."""
    for (method, path), operation in openapi.operations().items():
        body = operation.get("requestBody", {}).get("content", {})
        kinds = [("request", body)]
        for status, answer in operation["responses"].items():
            kinds.append((status, openapi.resolved(answer).get("content", {})))
        for name, content in kinds:
            for kind, described in content.items():
                given = [each["value"] for each in described.get("examples", {}).values()]
                if "example" in described:
                    given.append(described["example"])
                for example in given:
                    yield f"{method} {path} {name} {kind}", described["schema"], example


@pytest.mark.parametrize(
    ("schema", "example"),
    [pytest.param(schema, example, id=where) for where, schema, example in examples()],
)
def test_an_openapi_example_fits_its_schema(schema: dict[str, object], example: object) -> None:
    openapi.check(schema, example)


def test_every_openapi_request_and_success_response_has_an_example() -> None:
    shown = {where for where, _, _ in examples()}
    for (method, path), operation in openapi.operations().items():
        if "requestBody" in operation:
            assert any(where.startswith(f"{method} {path} request") for where in shown)
        for kind in openapi.resolved(operation["responses"].get("200", {})).get("content", {}):
            assert f"{method} {path} 200 {kind}" in shown
