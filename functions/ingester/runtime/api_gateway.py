"""Convert API Gateway's proxy events to requests, and answers to proxy responses.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from ingester.errors import BadRequest


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP request.

    Attributes:
        headers: Headers, with names in lower case.
        query: Parameters of the query string.
        body: The body's bytes, as the client sent them.
        resource: Route in API Gateway, such as `/status`.
    """

    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    resource: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP answer, before its conversion to a proxy response."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)


def request_of(event: Mapping[str, Any]) -> Request:
    """Return the request in a proxy event.

    Raises:
        BadRequest: The event says that its body is base64, but the body can't be decoded; or the
            body isn't valid Unicode.
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
