"""HTTP answers and errors as `requests` and urllib3 give them, without sockets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

PAGE = b"<!doctype html><html><body>Something is wrong.</body></html>"
HTML = {"Content-Type": "text/html; charset=utf-8"}


class Response:
    """What production reads of a `requests.Response`."""

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
    told = {"Content-Type": "application/json", **(headers or {})}
    return Response(status, json.dumps(content).encode(), told)


def page(status: int, headers: Mapping[str, str] | None = None) -> Response:
    """A proxy's, or Zoom's page for people."""
    return Response(status, PAGE, {**HTML, **(headers or {})})


def refused(url: str) -> requests.exceptions.ConnectionError:
    """The error of a connection that nobody took."""
    reason = NewConnectionError(None, "Connection refused")  # type: ignore[arg-type]  # unused
    return requests.exceptions.ConnectionError(MaxRetryError(None, url, reason))  # type: ignore[arg-type]  # unused


def lost(done: bool) -> requests.exceptions.RequestException:
    """The error of a request whose answer never came."""
    if done:
        return requests.exceptions.ReadTimeout("Read timed out.")
    return requests.exceptions.ConnectTimeout("Connect timed out.")
