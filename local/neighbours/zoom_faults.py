"""Faults that the Zoom stand-in can be told to make, each a number of times."""

import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from local.media import HTML_PAGE
from local.neighbours.https_server import Answer, Spoil, json_answer, text_answer

Where = Literal["token", "api", "download", "cdn", "any"]
Kind = Literal[
    "status",
    "html",
    "reset",
    "early_close",
    "stall",
    "short_length",
    "slow",
    "wrong_bytes",
    "changed",
    "expired",
]


@dataclass(frozen=True)
class Fault:
    """One kind of failure, at one place, for one file or all, `times` times after `skip` requests.

    `status`: answer with that status, with `retry_after` (seconds) written as `retry_after_form`.
    `html`: 200 and a page. `reset`, `early_close`, `stall` (for `seconds`): after `after_bytes` of
    the body. `short_length`: claim and send only `after_bytes`. `slow`: wait `seconds` before the
    answer. `wrong_bytes`: the right number of bytes, all zero. `changed`: from this request on the
    file is another one. `expired`: from this request on, no address of the CDN that was handed out
    so far is good any more. `file_id` limits it to one file.
    """

    kind: Kind
    where: Where = "download"
    times: int = 1
    skip: int = 0
    file_id: str | None = None
    status: int = 500
    retry_after: float | None = None
    retry_after_form: Literal["seconds", "iso"] = "seconds"
    seconds: float = 0.0
    after_bytes: int = 1000


class FaultBook:
    """The faults still to be made, in the order in which they were told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Make this fault `times` times."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Make no fault any more."""
        with self._lock:
            self._faults.clear()

    def pending(self) -> tuple[Fault, ...]:
        """What is still to come; `times` says how often."""
        with self._lock:
            return tuple(self._faults)

    def take(self, where: Where, file_id: str | None) -> Fault | None:
        """The fault for this request, if there is one: it is used up by one."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                here = fault.where in {where, "any"} and fault.file_id in {None, file_id}
                if here and fault.skip > 0:
                    self._faults[index] = replace(fault, skip=fault.skip - 1)
                elif here and fault.times > 0:
                    self._faults[index] = replace(fault, times=fault.times - 1)
                    if fault.times == 1:
                        del self._faults[index]
                    return fault
        return None


def spoilt(answer: Answer, fault: Fault, now: float) -> Answer:
    """`answer` as the fault leaves it; `now` in seconds since 1970, for a Retry-After date."""
    if fault.kind == "status":
        return _refusal(fault, now)
    if fault.kind == "html":
        return text_answer(200, "text/html;charset=UTF-8", HTML_PAGE)
    if fault.kind == "wrong_bytes":
        return replace(answer, file=None, body=bytes(answer.length or len(answer.body)))
    return replace(answer, spoil=_spoil(fault))


def _spoil(fault: Fault) -> Spoil:
    match fault.kind:
        case "slow":
            return Spoil(wait=fault.seconds)
        case "short_length":
            return Spoil(claimed_length=fault.after_bytes)
        case "stall":
            return Spoil(after_bytes=fault.after_bytes, how="stall", stall=fault.seconds)
        case "reset":
            return Spoil(after_bytes=fault.after_bytes, how="reset")
        case _:
            return Spoil(after_bytes=fault.after_bytes, how="close")


def _refusal(fault: Fault, now: float) -> Answer:
    headers: tuple[tuple[str, str], ...] = ()
    if fault.retry_after is not None:
        until = datetime.fromtimestamp(now, UTC) + timedelta(seconds=fault.retry_after)
        iso = until.strftime("%Y-%m-%dT%H:%M:%SZ")
        value = f"{fault.retry_after:.0f}" if fault.retry_after_form == "seconds" else iso
        headers = (("Retry-After", value),)
    sentence = {
        401: "Invalid access token.",
        403: "Forbidden",
        404: "This recording does not exist.",
        429: "You have reached the maximum per-second rate limit for this API. Try again later.",
        503: "Service Unavailable",
    }.get(fault.status, "Internal error.")
    code = {401: 124, 404: 3301}.get(fault.status, fault.status)
    return json_answer(fault.status, {"code": code, "message": sentence}, *headers)
