"""What Slack's and Google's stand-ins have in common: where they listen, what they saw, how they
fail, the paths of their own by which they are told what to do, and how they run as a process."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Literal, Protocol, Self, TypeVar

import msgspec

from local.authority import Authority
from local.neighbours.https_server import Answer, HttpsServer, Request, Spoil, json_answer

HOST = "127.0.0.1"
CONTROL = "/_control/"
T = TypeVar("T")
Route = Callable[[Request], object]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of failure, at one place or anywhere, `times` times after `skip` requests.

    `status`: answer with that status, as the real one words it; a 429 says `retry_after` (seconds)
    where the real one does. `slow`: wait `seconds` before the answer. `broken`: end the connection
    after `after_bytes` of the body, by default in its middle.
    """

    kind: Literal["status", "slow", "broken"]
    where: str = "any"
    times: int = 1
    skip: int = 0
    status: int = 500
    retry_after: int = 30
    seconds: float = 0.0
    after_bytes: int | None = None


class Seen(msgspec.Struct, frozen=True):
    """One request as it was answered. What it carried may be secret and isn't kept."""

    time: float
    method: str
    where: str
    status: int
    fault: str | None = None


class Application(Protocol):
    """What a stand-in answers."""

    places: tuple[str, ...]
    """The places at which a fault can be."""

    def where(self, request: Request) -> str:
        """Which place a request is about; never with anything secret in it."""
        ...

    def answer(self, request: Request) -> Answer:
        """The answer to a request."""
        ...

    def refusal(self, fault: Fault) -> Answer:
        """The answer of a fault of the kind `status`."""
        ...


@dataclass
class _Record:
    seen: list[Seen]
    faults: list[Fault]


class Host:
    """Serves an application on loopback, from `start` to `stop`. Safe for many clients at once.

    `clock` gives seconds since 1970.
    """

    def __init__(
        self,
        application: Application,
        *,
        tls: Authority,
        port: int,
        clock: Callable[[], float],
    ) -> None:
        self._application = application
        self._tls = tls
        self._port = port
        self._clock = clock
        self._record = _Record([], [])
        self._lock = threading.Lock()
        self._server: HttpsServer | None = None
        self._control: Mapping[tuple[str, str], Route] = self._own_paths()

    def control_with(self, control: Mapping[tuple[str, str], Route]) -> None:
        """Answer the stand-in's own paths below `/_control/` too, by method and path."""
        self._control = {**self._own_paths(), **control}

    def start(self) -> Self:
        """Begin to listen; raises OSError if the port is taken."""
        self._server = HttpsServer(self._answer, self._tls.ssl_context(), self._port)
        self._server.start()
        return self

    def stop(self) -> None:
        """Stop listening; what is under way is broken off."""
        if self._server:
            self._server.close()
            self._server = None

    @property
    def url(self) -> str:
        """The origin, without a slash at its end."""
        if self._server is None:
            raise RuntimeError("the stand-in isn't running: call start() first")
        return f"https://{HOST}:{self._server.port}"

    @property
    def seen(self) -> tuple[Seen, ...]:
        """The requests so far, in the order in which they were answered."""
        with self._lock:
            return tuple(self._record.seen)

    def fail(self, fault: Fault) -> None:
        """Let the next requests fail like this. ValueError for a place that there is none of."""
        if fault.where not in {"any", *self._application.places}:
            known = ", ".join(self._application.places)
            raise ValueError(f"no place {fault.where}; known: any, {known}")
        with self._lock:
            self._record.faults.append(fault)

    def _answer(self, request: Request) -> Answer:
        if request.path.startswith(CONTROL):
            return self._controlled(request)
        where = self._application.where(request)
        fault = self._take(where)
        if fault and fault.kind == "status":
            answer = self._application.refusal(fault)
        else:
            answer = self._application.answer(request)
        with self._lock:
            kind = fault.kind if fault else None
            seen = Seen(self._clock(), request.method, where, answer.status, kind)
            self._record.seen.append(seen)
        return _spoilt(answer, fault) if fault else answer

    def _take(self, where: str) -> Fault | None:
        """The fault for this request, if there is one: it is used up by one."""
        with self._lock:
            faults = self._record.faults
            for index, fault in enumerate(faults):
                if fault.where not in {where, "any"}:
                    continue
                if fault.skip > 0:
                    faults[index] = msgspec.structs.replace(fault, skip=fault.skip - 1)
                    continue
                faults[index] = msgspec.structs.replace(fault, times=fault.times - 1)
                if fault.times <= 1:
                    del faults[index]
                return fault
        return None

    def _controlled(self, request: Request) -> Answer:
        """200 with the result; 400 or 404 with a sentence."""
        route = self._control.get((request.method, request.path.removeprefix(CONTROL)))
        if route is None:
            return json_answer(404, {"message": f"no {request.method} {request.path} here"})
        try:
            return json_answer(200, msgspec.to_builtins(route(request)))
        except KeyError as error:
            return json_answer(404, {"message": str(error.args[0])})
        except (msgspec.MsgspecError, ValueError) as error:
            return json_answer(400, {"message": str(error)})

    def _own_paths(self) -> dict[tuple[str, str], Route]:
        return {
            ("GET", "health"): lambda _: {"status": "ok", "url": self.url},
            ("GET", "requests"): lambda _: self.seen,
            ("DELETE", "requests"): lambda _: self._record.seen.clear(),
            ("GET", "faults"): lambda _: self._record.faults,
            ("POST", "faults"): lambda request: self.fail(read_body(request, Fault)),
            ("DELETE", "faults"): lambda _: self._record.faults.clear(),
        }


class StandIn:
    """A stand-in on a host of its own, from `with` (or `start`) on."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def start(self) -> Self:
        """Begin to listen; raises OSError if the port is taken."""
        self._host.start()
        return self

    def stop(self) -> None:
        """Stop listening; what is under way is broken off."""
        self._host.stop()

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
        """The origin, without a slash at its end."""
        return self._host.url

    @property
    def requests(self) -> tuple[Seen, ...]:
        """The requests so far, in the order in which they were answered."""
        return self._host.seen

    def fail(self, fault: Fault) -> None:
        """Let the next requests fail like this."""
        self._host.fail(fault)


def run(stand_in: StandIn, name: str, prepare: Callable[[], None] = lambda: None) -> int:
    """Serves until SIGTERM or SIGINT: the program's exit code.

    Says where it listens in one line of JSON, once `prepare` is done.
    """
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    try:
        stand_in.start()
    except OSError as error:
        print(f"The {name} stand-in can't listen ({error}): free the --port.", file=sys.stderr)
        return 1
    try:
        prepare()
        print(msgspec.json.encode({"url": stand_in.url, "pid": os.getpid()}).decode(), flush=True)
        done.wait()
    finally:
        stand_in.stop()
    return 0


def read_body(request: Request, wanted: type[T]) -> T:
    """The body as `wanted`. Raises msgspec.MsgspecError with a sentence if it is something else."""
    return msgspec.json.decode(request.body or b"{}", type=wanted)


def _spoilt(answer: Answer, fault: Fault) -> Answer:
    if fault.kind == "slow":
        return replace(answer, spoil=Spoil(wait=fault.seconds))
    if fault.kind == "broken":
        after = len(answer.body) // 2 if fault.after_bytes is None else fault.after_bytes
        return replace(answer, spoil=Spoil(after_bytes=after))
    return answer
