"""Targets: mutated requests to /ingest and /status, and requests made from docs/openapi.yaml."""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from openapi_schema_validator import OAS31Validator

import on_demand
import slack
import status_query
import webhook
from ingester.runtime.api_gateway import Answer
from ingester.zoom import signature
from tests import openapi
from tests.fuzz import functions, payloads, planted
from tests.fuzz.fakes import Aws
from tests.fuzz.functions import TIMESTAMP, SlackFakes, text_of
from tests.fuzz.mutations import Mutator, encoded, filled
from tests.fuzz.slack import Everybody, body_of, signed
from tests.fuzz.target import Target, require
from tests.fuzz.zoom import proxy_event, recording_answer

INGEST = {
    "uuid": payloads.UUID,
    "oc_series_id": payloads.SERIES,
    "oc_workflow": "wf",
    "allow_multiple_ingests": False,
    "ingest_all_mp4": "true",
}
LINKS = (
    payloads.UUID,
    "https://zoom.us/recording/detail?meeting_id=ajXp112QmuoKj4854875%3D%3D",
    "https://oc.example.edu/admin/index.html#/2026/01/12345",
)
SERIES_LINK = "https://oc.example.edu/engage/ui/index.html#/2026/01/12345"
ZOOM = {"/recordings": recording_answer()}
DECIDING = ("meeting_id", "seconds", "since", "queues")
"""The parameters that choose a query of /status, in the order of their precedence."""


def make_ingest(mutator: Mutator) -> Any:
    body = {**INGEST, "uuid": mutator.one_of(LINKS), "oc_series_id": SERIES_LINK}
    content: Any = mutator.value(body)
    return mutator.raw(encoded(content)) if mutator.chance(0.2) else content


def check_ingest(given: Any) -> Iterator[str]:
    """Check that /ingest answers 200, 400 or 404 when Zoom and the webhook are available.

    Yield the texts that must contain no secret.
    """
    aws = Aws()
    event = proxy_event(encoded(given)[:400_000], {"Content-Type": "application/json"})
    answered = on_demand.respond(event, functions.on_demand_of(aws, ZOOM))
    yield text_of(answered)
    require(answered.status in {200, 400, 404}, f"/ingest answers {answered.status}")
    yield from aws.seen()


def make_query(mutator: Mutator) -> Any:
    position = base64.urlsafe_b64encode(
        encoded(mutator.value(["2026-10-14", 5, "auto-ingest-1"]))
    ).decode()
    query = {
        "meeting_id": str(payloads.MEETING),
        "details": "true",
        "seconds": "600",
        "since": "2026-10-14T00:00:00Z",
        "until": "2026-10-14T19:00:00Z",
        "uuid": payloads.UUID,
        "open": "true",
        "next": position[:8000],
        "queues": "true",
    }
    chosen = {name: value for name, value in query.items() if mutator.chance(0.4)}
    if mutator.chance(0.4):
        chosen = {"since": query["since"], "next": query["next"]}
    return mutator.value(chosen)


def check_query(given: Any) -> Iterator[str]:
    """Check that a query of /status gets 200 or 400.

    Yield the texts that must contain no secret.
    """
    aws = Aws()
    aws.status.put([payloads.status_row()])
    items = given.items() if isinstance(given, dict) else ()
    query = {filled(str(name)): filled(str(value)) for name, value in items}
    deps = functions.status_of(aws)
    event = {"queryStringParameters": query or None, "resource": "/status"}
    answered = status_query.respond(event, deps)
    yield text_of(answered)
    require(answered.status in {200, 400}, f"/status answers {answered.status}")


@cache
def validator(name: str) -> OAS31Validator:
    """Return the validator of a schema of the document's components."""
    schema = {"$ref": f"#/components/schemas/{name}"}
    return OAS31Validator({**schema, "components": openapi.document()["components"]})


@cache
def answer_validator(method: str, path: str, status: int, kind: str) -> OAS31Validator:
    schema = openapi.contents(method, path, status)[kind]["schema"]
    return OAS31Validator({**schema, "components": openapi.document()["components"]})


@cache
def parameters() -> dict[str, OAS31Validator]:
    """Return the validators of the parameters of /status, by name."""
    components = {"components": openapi.document()["components"]}
    return {
        parameter["name"]: OAS31Validator({**parameter["schema"], **components})
        for parameter in openapi.operations()["GET", "status"]["parameters"]
    }


def made_of(mutator: Mutator, schema: Mapping[str, Any]) -> Any:
    """Make a value from a schema. Texts and numbers may break rules of the schema."""
    schema = openapi.resolved(schema)
    if "enum" in schema:
        return mutator.one_of(list(schema["enum"]))
    kinds = schema.get("type", "string")
    kind = kinds if isinstance(kinds, str) else mutator.one_of(list(kinds))
    if kind == "object":
        required = schema.get("required", ())
        return {
            name: made_of(mutator, inner)
            for name, inner in schema.get("properties", {}).items()
            if name in required or mutator.chance(0.6)
        }
    if kind == "string":
        return _text(mutator, schema)
    return {"integer": mutator.random.randrange(10**12), "boolean": mutator.chance(0.5)}.get(kind)


def _text(mutator: Mutator, schema: Mapping[str, Any]) -> str:
    pattern = str(schema.get("pattern", ""))
    if pattern.startswith("^[0-9]"):
        return "".join(mutator.one_of(string.digits) for _ in range(mutator.one_of((1, 4, 11))))
    if pattern:
        return f"2026-1{mutator.random.randrange(3)}-1{mutator.random.randrange(10)}T18:30:00Z"
    known = (*LINKS, SERIES_LINK, "true", "false", "Ä b", "/zip", "U1", "directmessage")
    text = mutator.one_of(known)
    return mutator.text(text) if mutator.chance(0.3) else text


def make_documented(mutator: Mutator) -> Any:
    schemas = openapi.document()["components"]["schemas"]
    path = mutator.one_of(("ingest", "status", "slack", "new_recording"))
    if path == "status":
        found = openapi.operations()["GET", "status"]["parameters"]
        content = {
            parameter["name"]: made_of(mutator, parameter["schema"])
            for parameter in found
            if mutator.chance(0.4)
        }
    else:
        name = {"ingest": "IngestRequest", "slack": "SlackForm", "new_recording": "Notification"}
        content = made_of(mutator, schemas[name[path]])
    return {"path": path, "content": mutator.value(content, 2) if mutator.chance(0.5) else content}


def check_documented(given: Any) -> Iterator[str]:
    """Check that a request gets a documented answer below 500, and a wrong request a 4xx.

    Yield the texts that must contain no secret.
    """
    path, content = given["path"], given["content"]
    method = "GET" if path == "status" else "POST"
    answered = _answered(path, content)
    yield text_of(answered)
    require(answered.status < 500, f"{path} answers {answered.status}")
    kind = answered.headers.get("Content-Type", "").partition(";")[0]
    documented = openapi.contents(method, path, answered.status)
    if answered.body:
        require(kind in documented, f"An undocumented type of content: {kind}")
        value = json.loads(answered.body) if kind == "application/json" else answered.body
        fits = answer_validator(method, path, answered.status, kind).is_valid(value)
        require(fits, f"An answer that docs/openapi.yaml doesn't allow: {path}")
    if _is_wrong(path, content):
        require(answered.status >= 400, f"A wrong request is taken: {path}")


def _answered(path: str, content: Any) -> Answer:
    aws = Aws()
    if path == "ingest":
        event = proxy_event(encoded(content), {})
        return on_demand.respond(event, functions.on_demand_of(aws, ZOOM))
    if path == "status":
        items = content.items() if isinstance(content, dict) else ()
        query = {filled(str(name)): filled(str(value)) for name, value in items}
        return status_query.respond({"queryStringParameters": query}, functions.status_of(aws))
    if path == "slack":
        form = content if isinstance(content, dict) else {}
        return slack.respond(signed(body_of(form)), SlackFakes(aws, Everybody()).deps)
    body = encoded(content)
    headers = signature.signed_headers(planted.ZOOM_SECRET, TIMESTAMP, body)
    return webhook.respond(proxy_event(body, headers), functions.webhook_of(aws))


def _is_wrong(path: str, content: Any) -> bool:
    """Return whether a function has to refuse a request because the document forbids it.

    Two functions accept more than the document allows. /ingest accepts numbers as texts, and "" as
    a missing value. /new_recording answers 204 to a webhook event that the function doesn't
    handle, even if fields are missing.
    """
    if path == "ingest":
        return not isinstance(content, dict) or not content.get("uuid")
    if path == "status":
        query = content if isinstance(content, dict) else {}
        name = next((name for name in DECIDING if name in query), "")
        return not name or not parameters()[name].is_valid(filled(str(query[name])))
    return path == "new_recording" and not isinstance(content, dict)


TARGETS = (
    Target("ingest-request", 6, make_ingest, check_ingest),
    Target("status-query", 6, make_query, check_query),
    Target("openapi", 6, make_documented, check_documented),
)
