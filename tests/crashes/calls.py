"""Names for a function's outbound calls. A call has the same name in every run."""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from local.neighbours.https_server import Request

_WORD = re.compile(r"[A-Za-z]{1,18}|v\d")
"""Pattern of a path segment that is not an id.

The longest such segment in the URLs of the functions' calls is `hasActiveWorkflows`.
"""

_S3_READS = {"uploads": "ListMultipartUploads", "uploadId": "ListParts", "list-type": "ListObjects"}
_SUBJECTS = ("TableName", "QueueUrl", "Name")
_SERVICES = {"DynamoDB_20120810": "DynamoDB", "AmazonSQS": "SQS", "AmazonSSM": "SSM"}


@dataclass(frozen=True, order=True)
class Call:
    """The `number`th outbound call with this name while a function processes one recording."""

    name: str
    number: int = 1

    def __str__(self) -> str:
        return self.name if self.number == 1 else f"{self.name} ({self.number})"


def name_of(origin: str, request: Request, stack: str) -> str:
    """Return the name of a call to `origin` ("aws", "zoom", "cdn", "opencast").

    Return "" if the URL is presigned, because Opencast makes such a call, not the function. `stack`
    is the stack's name, which is the prefix of tables, queues and secrets.
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
    """Return the name's suffix for a request to Opencast without credentials, else "".

    Opencast refuses the first request of a Digest sign-in, which has no credentials.
    """
    is_first = origin == "opencast" and "Authorization" not in request.headers
    return " (before signing in)" if is_first else ""


def _plain(path: str) -> str:
    """Return a path with "…" in place of ids."""
    segments = path.split("/")
    return "/".join(text if not text or _WORD.fullmatch(text) else "…" for text in segments)


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
    if "tagging" in query:
        return f"S3: {request.method.title()}ObjectTagging"
    kinds = {
        "POST": "CreateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload",
        "PUT": "UploadPart" if "partNumber" in query else "PutObject",
        "DELETE": "AbortMultipartUpload" if "uploadId" in query else "DeleteObject",
        "HEAD": "HeadObject",
        "GET": next((kind for name, kind in _S3_READS.items() if name in query), "GetObject"),
    }
    return f"S3: {kinds[request.method]}"
