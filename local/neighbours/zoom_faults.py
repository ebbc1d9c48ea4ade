"""The faults that can be added to the Zoom stand-in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from local.media import HTML_PAGE
from local.neighbours.faults import BaseFault
from local.neighbours.https_server import Answer, Disruption, json_answer, text_answer

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


class Fault(BaseFault, frozen=True, forbid_unknown_fields=True):
    """A failure at the place `where`, for the file `file_id` or for every file.

    `kind` is one of:
    `status`: the answer has the status `status`. Unless `retry_after` (seconds) is None, the answer
    also has the header Retry-After, in the form `retry_after_form`.
    `html`: the answer is 200 with an HTML page.
    `reset`, `early_close`: the answer breaks off after `after_bytes` of the body.
    `stall`: the answer pauses for `seconds` after `after_bytes` of the body.
    `short_length`: Content-Length and body are only `after_bytes` long.
    `slow`: the answer comes `seconds` late.
    `wrong_bytes`: the body has the right length, but only zeros.
    `changed`: from this request on, the file has another version.
    `expired`: the CDN refuses all URLs that were issued before this request.
    """

    kind: Kind
    where: Where = "download"
    file_id: str | None = None
    status: int = 500
    retry_after: float | None = None
    retry_after_form: Literal["seconds", "iso"] = "seconds"
    seconds: float = 0.0
    after_bytes: int = 1000

    def applies(self, where: Where, file_id: str | None) -> bool:
        """Return whether the fault affects a request at this place for this file."""
        return self.where in {where, "any"} and self.file_id in {None, file_id}


def with_fault(answer: Answer, fault: Fault, now: float) -> Answer:
    """Return an answer, changed or replaced by a fault.

    `now` is in seconds since 1970. A date in Retry-After is `retry_after` seconds after `now`.
    """
    match fault.kind:
        case "status":
            return _refusal(fault, now)
        case "html":
            return text_answer(200, "text/html;charset=UTF-8", HTML_PAGE)
        case "wrong_bytes":
            return replace(answer, file=None, body=bytes(answer.length or len(answer.body)))
        case "slow":
            disruption = Disruption(wait=fault.seconds)
        case "short_length":
            disruption = Disruption(claimed_length=fault.after_bytes)
        case "stall":
            disruption = Disruption(after_bytes=fault.after_bytes, how="stall", stall=fault.seconds)
        case "reset":
            disruption = Disruption(after_bytes=fault.after_bytes, how="reset")
        case _:
            disruption = Disruption(after_bytes=fault.after_bytes)
    return replace(answer, disruption=disruption)


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
