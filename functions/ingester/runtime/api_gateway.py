"""Convert API Gateway's proxy events to requests, and answers to its proxy responses.

See "Input format of a Lambda function for proxy integration" in API Gateway's guide.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from ingester.errors import BadRequest


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP request. Header names are in lower case; `body` holds the bytes as they were sent.

    `resource` is the route, such as `/status`, whatever the address is.
    """

    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    resource: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP answer."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)


def request_of(event: Mapping[str, Any]) -> Request:
    """Return the request in a proxy event.

    Raises:
        BadRequest: the body should be base64 and isn't.
    """
    body = event.get("body") or ""
    try:
        raw = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    except ValueError as error:
        raise BadRequest("The request's body is not what it says it is.") from error
    return Request(
        headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
        query=event.get("queryStringParameters") or {},
        body=raw,
        resource=event.get("resource") or "",
    )


def proxy_answer(answer: Answer) -> dict[str, Any]:
    """Return an answer as a proxy response."""
    return {
        "statusCode": answer.status,
        "headers": dict(answer.headers),
        "body": answer.body,
        "isBase64Encoded": False,
    }


def json_answer(status: int, content: object, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer with `content` as JSON."""
    return Answer(
        status=status,
        body=msgspec.json.encode(content).decode(),
        headers={"Content-Type": "application/json", **(headers or {})},
    )
