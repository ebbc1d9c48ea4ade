"""Reverse proxies that count a function's outbound calls and kill the function at one call.

The function's environment has the proxies' addresses in place of the upstreams' addresses.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import urllib3
from urllib3.util.ssl_ import create_urllib3_context

from local.authority import Authority
from local.neighbours.https_server import Answer, HttpsServer, Request, text_answer
from tests.crashes.calls import Call, name_of

CONNECTIONS = 20
SECONDS = 120.0
_OWN_HEADERS = {
    "connection",
    "content-length",
    "date",
    "expect",
    "keep-alive",
    "server",
    "transfer-encoding",
}
"""Headers that the proxy doesn't forward, because each connection or server has its own."""

_DEAD = text_answer(502, "text/plain", b"the caller was killed\n")


class Moment(StrEnum):
    """The moment of a call at which the function is killed."""

    BEFORE = "before"
    """The function has sent the request, which the proxy never forwards."""

    AFTER = "after"
    """The called system has sent the answer, which the proxy never forwards."""


@dataclass(frozen=True)
class Aim:
    """The call and the moment at which the function is killed."""

    call: Call
    moment: Moment


class Gate:
    """A thread-safe gate that counts a function's calls, and kills the function at one call.

    `kill` ends the function's processes and returns their number.
    """

    def __init__(self, kill: Callable[[], int] = lambda: 0) -> None:
        self.kill = kill
        self.calls: list[Call] = []
        self.killed = threading.Event()
        self._aim: Aim | None = None
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def begin(self, aim: Aim | None) -> None:
        """Reset the counts, and set the call at which `answer` kills the function, if any."""
        with self._lock:
            self.calls.clear()
            self._counts.clear()
            self.killed.clear()
            self._aim = aim

    def answer(self, name: str, forward: Callable[[], Answer]) -> Answer:
        """Count a call, and return its answer, or 502 if the call is the aim.

        At the aim, kill the function.
        """
        moment = self._count(name)
        if moment is Moment.BEFORE:
            return self._end()
        answer = forward()
        return self._end() if moment is Moment.AFTER else answer

    def _count(self, name: str) -> Moment | None:
        with self._lock:
            self._counts[name] += 1
            call = Call(name, self._counts[name])
            self.calls.append(call)
            if self._aim is None or self._aim.call != call:
                return None
            return self._aim.moment

    def _end(self) -> Answer:
        if self.kill():
            self.killed.set()
        return _DEAD


class Proxies:
    """Reverse proxies inside a `with` block, one for each of `upstreams` (addresses by name).

    `trusted` is a PEM file of the certificate authorities that the proxies trust.
    """

    def __init__(
        self,
        upstreams: Mapping[str, str],
        gate: Gate,
        *,
        stack: str,
        tls: Authority,
        trusted: Path,
    ) -> None:
        self._upstreams = dict(upstreams)
        self._gate = gate
        self._stack = stack
        self._tls = tls
        context = create_urllib3_context()
        context.load_verify_locations(trusted)
        self._http = urllib3.PoolManager(maxsize=CONNECTIONS, ssl_context=context)
        self._servers: dict[str, HttpsServer] = {}

    def __enter__(self) -> Self:
        for name in self._upstreams:
            server = HttpsServer(partial(self._answer, name), self._tls.ssl_context())
            self._servers[name] = server
            server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for server in self._servers.values():
            server.close()
        self._http.clear()

    def url(self, name: str) -> str:
        """Return the address of an upstream's proxy."""
        return f"https://127.0.0.1:{self._servers[name].port}"

    def instead(self, text: str) -> str:
        """Return a text in which the proxies' addresses replace the upstreams' addresses."""
        for name, upstream in self._upstreams.items():
            text = text.replace(upstream, self.url(name))
        return text

    def _answer(self, name: str, request: Request) -> Answer:
        forward = partial(self._forward, name, request)
        call = name_of(name, request, self._stack)
        return self._gate.answer(call, forward) if call else forward()

    def _forward(self, name: str, request: Request) -> Answer:
        query = f"?{request.query_string}" if request.query_string else ""
        try:
            answer = self._http.request(
                request.method,
                f"{self._upstreams[name]}{request.path}{query}",
                body=request.body,
                headers=_passed_on(request.headers.items()),
                redirect=False,
                retries=False,
                timeout=SECONDS,
                decode_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return text_answer(502, "text/plain", f"{type(error).__name__}\n".encode())
        headers = _passed_on(answer.headers.items())
        if "Location" in headers:
            headers["Location"] = self.instead(headers["Location"])
        body = answer.data
        if request.method == "HEAD":
            body = bytes(int(answer.headers.get("Content-Length") or 0))
        return Answer(answer.status, tuple(headers.items()), body)


def _passed_on(headers: object) -> urllib3.HTTPHeaderDict:
    found = urllib3.HTTPHeaderDict(headers)  # type: ignore[arg-type]
    for name in _OWN_HEADERS & {name.lower() for name in found}:
        del found[name]
    return found
