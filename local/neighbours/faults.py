"""Faults to add to stand-ins, and the base class of Slack's and Google's stand-ins."""

import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Generic, Literal, Protocol, TypeVar

import msgspec

from local.authority import Authority
from local.neighbours.https_server import Answer, Disruption, Request
from local.neighbours.stand_in import Route, StandIn, read_body


class BaseFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fault that affects `times` matching requests, but not the first `skip` ones.

    With `times` None, the fault affects all later matching requests until the faults are cleared.
    With `lasting` (seconds), the fault affects all later matching requests until that time is over,
    whatever `times` is.
    """

    times: int | None = 1
    skip: int = 0
    lasting: float | None = None


F = TypeVar("F", bound=BaseFault)


class FaultQueue(Generic[F]):
    """A queue of faults that are still to happen, in the order in which they were added."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._monotonic = monotonic
        self._faults: list[F] = []

    def add(self, fault: F) -> None:
        """Add a fault to the end of the queue. The time `lasting` of the fault begins now."""
        if fault.lasting is not None:
            end = self._monotonic() + fault.lasting
            fault = msgspec.structs.replace(fault, times=None, lasting=end)
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Remove every fault."""
        with self._lock:
            self._faults.clear()

    def pending(self) -> tuple[F, ...]:
        """Return the faults in the queue, with the remaining `times` and `skip`."""
        with self._lock:
            return tuple(self._faults)

    def take(self, applies: Callable[[F], bool]) -> F | None:
        """Count a request, and return the first fault that affects the request, or None.

        `applies` returns whether a fault matches the request. The request counts for no fault
        after the returned fault.
        """
        now = self._monotonic()
        with self._lock:
            self._faults = [
                fault for fault in self._faults if fault.lasting is None or now < fault.lasting
            ]
            for index, fault in enumerate(self._faults):
                if not applies(fault):
                    continue
                if fault.skip > 0:
                    self._faults[index] = msgspec.structs.replace(fault, skip=fault.skip - 1)
                    continue
                if fault.times == 1:
                    del self._faults[index]
                elif fault.times is not None:
                    self._faults[index] = msgspec.structs.replace(fault, times=fault.times - 1)
                return fault
        return None


class Fault(BaseFault, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A failure of Slack or Google at one place of the API, or at "any".

    `kind` is one of:
    `status`: the answer has the status `status` and the neighbour's error text. Slack's 429 also
    has `retry_after` (seconds).
    `slow`: the answer comes `seconds` late.
    `broken`: the connection ends after `after_bytes` of the body, by default after half the body.
    """

    kind: Literal["status", "slow", "broken"]
    where: str = "any"
    status: int = 500
    retry_after: int = 30
    seconds: float = 0.0
    after_bytes: int | None = None


class Seen(msgspec.Struct, frozen=True):
    """An answered request, without its headers and body, which may be secret.

    `fault` is the kind of the fault that affected the request, or None.
    """

    where: str
    status: int
    fault: str | None = None


class Api(Protocol):
    """The HTTP API of Slack or Google."""

    @property
    def places(self) -> tuple[str, ...]:
        """The places at which a fault can be, such as names of methods."""

    @abstractmethod
    def where(self, request: Request) -> str:
        """Return the place that a request is for, without any secret of the request."""

    @abstractmethod
    def answer(self, request: Request) -> Answer:
        """Carry out a request, and return the answer."""

    @abstractmethod
    def refusal(self, fault: Fault) -> Answer:
        """Return the answer to a request that a fault of the kind `status` affects."""


class ApiStandIn(StandIn):
    """A stand-in for an API, which injects faults and records requests."""

    def __init__(self, api: Api, tls: Authority, port: int, control_token: str) -> None:
        super().__init__(tls, port, control_token)
        self._api = api
        self._faults = FaultQueue[Fault]()
        self._seen: list[Seen] = []

    @property
    def requests(self) -> tuple[Seen, ...]:
        """The requests so far, in the order of the answers."""
        return tuple(self._seen)

    def fail(self, fault: Fault) -> None:
        """Add a fault, which affects the next matching requests.

        Raises:
            ValueError: The fault's place is unknown.
        """
        if fault.where not in {"any", *self._api.places}:
            known = ", ".join(self._api.places)
            raise ValueError(f"no place {fault.where}; known: any, {known}")
        self._faults.add(fault)

    def control(self) -> Mapping[tuple[str, str], Route]:
        """Return the control routes that Slack's and Google's stand-ins share."""
        return {("POST", "faults"): lambda request: self.fail(read_body(request, Fault))}

    def answer(self, request: Request) -> Answer:
        """Record a request, and return the API's answer, which a fault may change or replace."""
        where = self._api.where(request)
        fault = self._faults.take(lambda fault: fault.where in {where, "any"})
        if fault and fault.kind == "status":
            answer = self._api.refusal(fault)
        else:
            answer = self._api.answer(request)
        self._seen.append(Seen(where, answer.status, fault.kind if fault else None))
        return _with_fault(answer, fault) if fault else answer


def _with_fault(answer: Answer, fault: Fault) -> Answer:
    if fault.kind == "slow":
        return replace(answer, disruption=Disruption(wait=fault.seconds))
    if fault.kind == "broken":
        after = len(answer.body) // 2 if fault.after_bytes is None else fault.after_bytes
        return replace(answer, disruption=Disruption(after_bytes=after))
    return answer
