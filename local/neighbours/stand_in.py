"""The base class of every stand-in, with HTTPS, control paths and a program's main loop.

A stand-in plays one neighbour of the stack. `StandIn._serve` handles every request to a stand-in,
so checks that all stand-ins need belong there.
"""

import os
import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

import msgspec
import requests

from local.authority import Authority
from local.loopback import foreign, has_token
from local.neighbours.https_server import Answer, HttpsServer, Request, json_answer

HOST = "127.0.0.1"
CONTROL = "/_control/"
"""Prefix of the paths by which another process controls a stand-in. No neighbour has such paths."""

CONTROL_TOKEN = "LOCAL_CONTROL_TOKEN"  # noqa: S105 - a name
"""Name of the variable with the control paths' token. Other users can't read the environment."""

T = TypeVar("T")
Route = Callable[[Request], object]
"""A function that carries out a request to a control path, and whose result is sent as JSON."""


class StandIn(ABC):
    """A server on loopback from `start` (or `with`) to `stop`. Port 0 stands for any free port.

    Control paths need `control_token`, and refuse every request if the token is empty. A wait
    in `answer` has to end when `stop` sets `stopping`.
    """

    def __init__(self, tls: Authority, port: int = 0, control_token: str = "") -> None:
        self.stopping = threading.Event()
        self._control_token = control_token
        self._tls = tls
        self._port = port
        self._servers: list[HttpsServer] = []

    @abstractmethod
    def answer(self, request: Request) -> Answer:
        """Carry out a request, and return the neighbour's answer.

        Threads call this method in parallel.
        """

    def control(self) -> Mapping[tuple[str, str], Route]:
        """Return the route of each control path, by method and path without the prefix."""
        return {}

    def start(self) -> Self:
        """Begin to listen, and return the stand-in.

        Raises:
            OSError: A port is taken.
            RuntimeError: The stand-in is already running.
        """
        if self._servers:
            raise RuntimeError("the stand-in is running already: call stop() first")
        self.stopping.clear()
        try:
            self._open()
        except OSError:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop listening and break off every open connection."""
        self.stopping.set()
        for server in self._servers:
            server.close()
        self._servers.clear()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The origin without a slash at its end.

        Raises:
            RuntimeError: The stand-in isn't running.
        """
        if not self._servers:
            raise RuntimeError("the stand-in isn't running: call start() first")
        return f"https://{HOST}:{self._servers[0].port}"

    def _open(self) -> None:
        """Listen on every port of the stand-in. The first port is that of `url`."""
        self._listen(self.answer, self._port)

    def _listen(self, answer: Callable[[Request], Answer], port: int) -> int:
        """Listen on one more port of loopback, and return the port."""
        server = HttpsServer(partial(self._serve, answer), self._tls.ssl_context(), port)
        self._servers.append(server)
        server.start()
        return server.port

    def _serve(self, answer: Callable[[Request], Answer], request: Request) -> Answer:
        """Answer a request by a control path's route, or by `answer` on all other paths."""
        if request.path.startswith(CONTROL):
            return self._serve_control(request)
        return answer(request)

    def _serve_control(self, request: Request) -> Answer:
        """Run a control path's route, and answer 200 with the result, or an error with a `message`.

        Returns:
            403 if the request has a foreign Host or Origin. 401 if the token is missing or wrong.
            404 if the control path or the named object doesn't exist. 400 if the request is wrong.
            502 if a server that the stand-in had to call doesn't answer.
        """
        headers = request.headers
        if reason := foreign(headers.get_all("Host", []), headers.get_all("Origin", [])):
            return json_answer(403, {"message": reason})
        if not has_token(headers.get("Authorization", ""), self._control_token):
            sentence = f"Authorization has to be `Bearer` and the token of {CONTROL_TOKEN}."
            return json_answer(401, {"message": sentence})
        route = self.control().get((request.method, request.path.removeprefix(CONTROL)))
        if route is None:
            return json_answer(404, {"message": f"no {request.method} {request.path} here"})
        try:
            return json_answer(200, msgspec.to_builtins(route(request)))
        except KeyError as error:
            return json_answer(404, {"message": f"not found: {error.args[0]}"})
        except (msgspec.MsgspecError, ValueError) as error:
            return json_answer(400, {"message": f"{request.path}: {error}"})
        except requests.RequestException as error:
            return json_answer(502, {"message": f"the endpoint did not answer: {error}"})


def run(stand_in: StandIn, name: str, prepare: Callable[[], None] = lambda: None) -> int:
    """Run a stand-in until SIGTERM or SIGINT, and return the program's exit code.

    Once the stand-in listens and `prepare` has run, print one line of JSON with `url` and `pid`.
    If the stand-in can't listen, print an error, and return 1.
    """
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    try:
        stand_in.start()
    except OSError as error:
        print(f"{name} can't listen ({error}): choose another --port.", file=sys.stderr)
        return 1
    try:
        prepare()
        print(msgspec.json.encode({"url": stand_in.url, "pid": os.getpid()}).decode(), flush=True)
        done.wait()
    finally:
        stand_in.stop()
    return 0


def read_body(request: Request, wanted: type[T]) -> T:
    """Return a request's decoded JSON body. An empty body stands for `{}`.

    Raises:
        msgspec.MsgspecError, UnicodeDecodeError: The body is wrong.
    """
    return msgspec.json.decode(request.body or b"{}", type=wanted)


def changed(switches: T, given: Mapping[str, object]) -> T:
    """Return a copy of `switches` (a dataclass or a Struct) with the values in `given`.

    Raises:
        msgspec.ValidationError: A name is unknown, or a value has the wrong type.
    """
    now = msgspec.to_builtins(switches)
    if unknown := sorted(set(given) - set(now)):
        raise msgspec.ValidationError(f"no such switch: {', '.join(unknown)}")
    return msgspec.convert(now | dict(given), type(switches))
