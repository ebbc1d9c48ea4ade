"""Names of a function's outbound calls: the same in every run, to aim at and for the table."""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from local.neighbours.https_server import Request

_WORD = re.compile(r"[A-Za-z]{1,18}|v\d")
"""A segment of a path that is no id. Zoom's and Opencast's longest word has 18 letters."""

_SUBJECTS = ("TableName", "QueueUrl", "Name")
_SERVICES = {"DynamoDB_20120810": "DynamoDB", "AmazonSQS": "SQS", "AmazonSSM": "SSM"}


@dataclass(frozen=True, order=True)
class Call:
    """One outbound call: the `number`th of this name on the way of one recording."""

    name: str
    number: int = 1

    def __str__(self) -> str:
        return self.name if self.number == 1 else f"{self.name} ({self.number})"


def name_of(origin: str, request: Request, stack: str) -> str:
    """The name of a call to `origin`; "" for a presigned address, which others call.

    `stack` is the name that tables, queues and secrets begin with.
    """
    if origin != "aws":
        title = {"zoom": "Zoom", "cdn": "Zoom's CDN", "opencast": "Opencast"}[origin]
        return f"{title}: {request.method} {_plain(request.path)}{_sign_in(origin, request)}"
    if "X-Amz-Target" in request.headers:
        return _json_call(request, stack)
    if request.path.startswith("/_aws/execute-api/"):
        return f"webhook: {request.method} /{request.path.rpartition('/')[2]}"
    return _s3_call(request)


def _sign_in(origin: str, request: Request) -> str:
    """Opencast refuses the first request of a Digest sign-in, and says how to repeat it."""
    is_asked = origin == "opencast" and "Authorization" not in request.headers
    return " (before signing in)" if is_asked else ""


def _plain(path: str) -> str:
    """A path with … for its ids."""
    segments = path.split("/")
    return "/".join(one if not one or _WORD.fullmatch(one) else "…" for one in segments)


def _json_call(request: Request, stack: str) -> str:
    service, _, action = request.headers["X-Amz-Target"].partition(".")
    content = msgspec.json.decode(request.body, type=dict[str, object])
    subject = next((str(content[name]) for name in _SUBJECTS if name in content), "")
    short = subject.rpartition("/")[2].removeprefix(f"{stack}-")
    return f"{_SERVICES.get(service, service)}: {action} {short}"


def _s3_call(request: Request) -> str:
    query = request.query
    if "X-Amz-Signature" in query:
        return ""
    kinds = {
        "POST": "CreateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload",
        "PUT": "UploadPart" if "partNumber" in query else "PutObject",
        "DELETE": "AbortMultipartUpload" if "uploadId" in query else "DeleteObject",
        "HEAD": "HeadObject",
        "GET": _s3_read(query.keys()),
    }
    return f"S3: {kinds[request.method]}"


def _s3_read(names: object) -> str:
    kinds = {"uploads": "ListMultipartUploads", "uploadId": "ListParts", "list-type": "ListObjects"}
    return next((kind for name, kind in kinds.items() if name in set(names)), "GetObject")  # type: ignore[call-overload]
