"""Send an attacker's requests, without corrections to their path, headers or body."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import ssl
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from ingester.zoom.signature import signed_headers
from local.state import State

STAGE = "/live"
SECONDS = 60.0
"""Timeout in seconds of a request, and longest time for which a throttled request is repeated."""

THROTTLED = 429
THROTTLE_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A request to the API. `path` includes the stage."""

    path: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def having(self, **headers: str | None) -> Self:
        """Return this request with changed headers.

        In the arguments' names, `_` stands for `-`. The value None removes a header.
        """
        named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        kept = {name: value for name, value in self.headers.items() if name.lower() not in named}
        added = {name: value for name, value in named.items() if value is not None}
        return replace(self, headers={**kept, **added})

    def at(self, path: str) -> Self:
        return replace(self, path=path)

    def by(self, method: str) -> Self:
        return replace(self, method=method)

    def containing(self, body: bytes) -> Self:
        return replace(self, body=body)


@dataclass(frozen=True)
class Answer:
    """An answer of the API. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def text(self) -> str:
        """The headers and the body in one text."""
        return "\n".join([*map(": ".join, self.headers.items()), self.body])

    def json(self) -> Any:
        """Return the body, decoded from JSON."""
        return json.loads(self.body)


class Sender:
    """A client of a stack's API that corrects no path, header or body of a request."""

    def __init__(self, state: State) -> None:
        api = urlsplit(state.api_url)
        self._host, self._port = api.hostname or "", api.port
        self._root = api.path.removesuffix(STAGE)
        self._tls = ssl.create_default_context(cafile=state.ca_bundle)

    def send(self, probe: Probe) -> Answer:
        """Send a request, and return the answer.

        While API Gateway throttles the request, repeat the request for up to `SECONDS`.
        """
        ends = time.monotonic() + SECONDS
        while True:
            answer = self._send(probe)
            if answer.status != THROTTLED or time.monotonic() > ends:
                return answer
            time.sleep(THROTTLE_SECONDS)

    def _send(self, probe: Probe) -> Answer:
        connection = http.client.HTTPSConnection(
            self._host, self._port, context=self._tls, timeout=SECONDS
        )
        names = {name.lower() for name in probe.headers}
        try:
            connection.putrequest(
                probe.method,
                self._root + probe.path,
                skip_host="host" in names,
                skip_accept_encoding=True,
            )
            for name, value in probe.headers.items():
                connection.putheader(name, value.encode())
            if "content-length" not in names:
                connection.putheader("Content-Length", str(len(probe.body)))
            connection.endheaders(probe.body)
            got = connection.getresponse()
            headers = {name.lower(): value for name, value in got.getheaders()}
            return Answer(got.status, headers, got.read().decode(errors="replace"))
        finally:
            connection.close()


def new_uuid() -> str:
    """Return a new uuid, which no recording has."""
    return f"{uuid.uuid4().hex[:20]}=="


def started(uid: str, **changes: Any) -> dict[str, Any]:
    """Return the webhook event `recording.started`, with changed fields in its object.

    The webhook writes a status row for this webhook event, which has few fields.
    """
    about = {
        "uuid": uid,
        "id": 86168921331,
        "topic": "HIST E-1010",
        "start_time": "2026-10-14T15:00:00Z",
        **changes,
    }
    return {
        "event": "recording.started",
        "event_ts": int(time.time() * 1000),
        "payload": {"object": about},
    }


def encoded(content: object) -> bytes:
    """Return content as JSON in ASCII, the only form in which half a surrogate pair can be sent."""
    return json.dumps(content).encode()


def to_webhook(body: bytes, secret: str, *, at: float | None = None) -> Probe:
    """Return a request to the webhook, signed with `secret`.

    `at` is the time of the signature in seconds since 1970, by default now.
    """
    headers = signed_headers(secret, time.time() if at is None else at, body)
    return Probe(
        path=f"{STAGE}/new_recording",
        headers={"content-type": "application/json", **headers},
        body=body,
    )


def to_slack(form: Mapping[str, str] | bytes, secret: str, *, at: float | None = None) -> Probe:
    """Return a request to /slack, signed with `secret`.

    `at` is the time of the signature in seconds since 1970, by default now.
    """
    body = form if isinstance(form, bytes) else urlencode(form).encode()
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": stamp,
        "x-slack-signature": f"v0={digest}",
    }
    return Probe(path=f"{STAGE}/slack", headers=headers, body=body)


def to_ingest(content: object) -> Probe:
    """Return a "+Zoom" request. `content` is the body, or an object to encode as JSON."""
    body = content if isinstance(content, bytes) else encoded(content)
    return Probe(path=f"{STAGE}/ingest", headers={"content-type": "application/json"}, body=body)


def to_status(query: str) -> Probe:
    """Return a request to /status with a query."""
    return Probe(path=f"{STAGE}/status?{query}", method="GET")


Change = Callable[[Probe], Probe]


@dataclass(frozen=True)
class Attack:
    """One change of an honest request, and the statuses that the changed request may get."""

    name: str
    change: Change
    statuses: tuple[int, ...]

    def __str__(self) -> str:
        return self.name
