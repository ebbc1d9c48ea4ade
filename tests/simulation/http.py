"""HTTP responses and errors of `requests` and urllib3, without sockets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

PAGE = b"<!doctype html><html><body>Something is wrong.</body></html>"
HTML = {"Content-Type": "text/html; charset=utf-8"}


class Response:
    """A fake of `requests.Response`, with the members that production reads."""

    def __init__(
        self, status: int, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        self.status_code = status
        self.content = content
        self.headers = dict(headers or {})

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        try:
            return json.loads(self.content)
        except ValueError as error:
            raise requests.exceptions.JSONDecodeError(str(error), "", 0) from error


def json_response(
    content: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    headers = {"Content-Type": "application/json", **(headers or {})}
    return Response(status, json.dumps(content).encode(), headers)


def page(status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Make an HTML page, as a proxy or Zoom sends it."""
    return Response(status, PAGE, {**HTML, **(headers or {})})


def refused(url: str) -> requests.exceptions.ConnectionError:
    """Make the error for a refused connection."""
    reason = NewConnectionError(None, "Connection refused")  # type: ignore[arg-type]  # unused
    return requests.exceptions.ConnectionError(MaxRetryError(None, url, reason))  # type: ignore[arg-type]  # unused


def lost(done: bool) -> requests.exceptions.RequestException:
    """Make the error of a read timeout if the request is `done`, else of a connect timeout."""
    if done:
        return requests.exceptions.ReadTimeout("Read timed out.")
    return requests.exceptions.ConnectTimeout("Connect timed out.")
