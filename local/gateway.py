"""The local cloud's program, which is ministack behind a gateway that refuses unsigned requests.

    .venv-cloud/bin/python -P local/gateway.py

ministack doesn't check the signatures of the account's root, serves its own endpoints to everyone,
and allows every web page to read the answers. The gateway runs in ministack's process, so no port
bypasses the gateway. The virtual environment is `.venv-cloud`, which has ministack and hypercorn
but not our packages.

The API's routes are public, as on AWS. Every other request needs a signature (SigV4) by a key whose
secret only the developer's processes have: the root's, a role's or a user's.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import asyncio
import hashlib
import hmac
import json
import os
import queue
import re
import secrets
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

# Our modules come last in the path, because they must not replace ministack's modules.
sys.path.append(str(Path(__file__).resolve().parent.parent))

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.core import iam_evaluator, lambda_runtime, router, sigv4

from local.loopback import foreign

API = re.compile(r"/_aws/execute-api/[^/]+/")
"""The paths by which a stack's API is called (`ministack.app._parse_execute_api_url`)."""

INTERNAL = "/_"
"""The prefix of ministack's own endpoints except `/health`. No bucket's name begins with `_`:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""

SKEW = timedelta(minutes=15)
LONGEST_EXPIRY = timedelta(days=7)
LARGEST_SIGNED_BODY = 64 * 2**20
KEEP_ALIVE_SECONDS = 75

LOG_END = "\x1eThe invocation has ended.\x1e"
"""The mark after the log lines of an invocation, which no function prints."""
LOG_SECONDS = 5.0
"""Longest wait for `LOG_END`, in seconds. A function that was killed prints no mark."""

Message = MutableMapping[str, Any]
Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Refused(Exception):
    """Error for a request that the gateway refuses. `code` is AWS's name for the error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Request:
    """The head of a request. `values` has the values of headers by lower-case name.

    `raw_path` is the path as the client sent it, percent-encoded; `path` is decoded.
    """

    method: str
    path: str
    raw_path: str
    query: Mapping[str, list[str]]
    values: Mapping[str, list[str]]

    @property
    def headers(self) -> dict[str, str]:
        """The headers as in a signature, with several values joined by a comma."""
        return {name: ",".join(values) for name, values in self.values.items()}

    @property
    def is_public(self) -> bool:
        """True for a request to a route of an API, which authenticates callers itself."""
        return API.match(self.path) is not None

    def parameter(self, name: str) -> str:
        """Return the first value of a query parameter, or "" if the parameter is missing."""
        return self.query.get(name, [""])[0]


@dataclass(frozen=True)
class Claim:
    """A request's signature whose value isn't compared yet.

    `secret` is the secret of the key that the request names. `body_hash` is the header
    `x-amz-content-sha256`, or "" if the header is missing or the request is presigned.
    """

    signature: sigv4.HeaderSignature
    secret: str
    is_presigned: bool
    body_hash: str


class Gateway:
    """An ASGI application that refuses requests or passes them on to `app`.

    `account` is the id of the only account. `root` is the access key id of the account's root.
    """

    def __init__(
        self,
        app: App,
        account: str,
        root: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._app = app
        self._account = account
        self._root = root
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an HTTP request, pass on ASGI's lifespan messages, and close any WebSocket."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(_request(scope), scope, receive, send)
        else:
            await send({"type": "websocket.close"})

    async def _serve(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        body = _Body(receive)
        try:
            receive = await self._check(request, body)
        except Refused as refused:
            print(f"gateway: {request.method} {request.path!r} refused: {refused}", file=sys.stderr)
            await body.discard()
            await _refuse(request, refused, send)
            return
        await self._app(scope, receive, send if request.is_public else _without_cors(send))

    async def _check(self, request: Request, body: "_Body") -> Receive:
        """Check a request, and return the function from which `app` receives the body.

        Raises:
            Refused: The request isn't allowed.
        """
        origins = [] if request.is_public else request.values.get("origin", [])
        if reason := foreign(request.values.get("host", []), origins):
            raise Refused("AccessDenied", reason)
        key = router.extract_access_key_id(request.headers, request.query)
        if not key and request.is_public:
            return body.receive
        claim = self._claim(request, key)
        if claim.body_hash == sigv4.UNSIGNED_PAYLOAD or claim.body_hash.startswith("STREAMING-"):
            _compare(claim, request, b"")
            return body.receive
        content = await body.read()
        if claim.is_presigned and content:
            raise Refused("AccessDenied", "A presigned request has no body.")
        if claim.body_hash and not _equal(claim.body_hash, hashlib.sha256(content).hexdigest()):
            raise Refused("XAmzContentSHA256Mismatch", "The body isn't the one that was signed.")
        _compare(claim, request, content)
        return _replay(content, body.receive)

    def _claim(self, request: Request, key: str) -> Claim:
        """Return the signature that a request claims to have.

        Raises:
            Refused: The request may not be presigned, or the signature is missing, malformed, too
                old or too new, leaves out a header, or is by a key that `_secret` refuses.
        """
        headers = request.headers
        is_presigned = "authorization" not in headers
        if is_presigned:
            if not request.parameter("X-Amz-Signature"):
                raise Refused("MissingAuthenticationToken", "The request isn't signed.")
            self._check_presigned(request)
            signature = sigv4.parse_query_signature(request.query)
            token = request.parameter("X-Amz-Security-Token")
        else:
            if not headers["authorization"].startswith("AWS4-HMAC-SHA256 "):
                raise Refused("IncompleteSignature", "Authorization has to be AWS4-HMAC-SHA256.")
            signature = sigv4.parse_header_signature(headers)
            token = headers.get("x-amz-security-token", "")
        if isinstance(signature, tuple):
            raise Refused(*signature)
        if not is_presigned and abs(self._now() - _time(signature.amz_date)) > SKEW:
            raise Refused("RequestTimeTooSkewed", "The signature is too old or too new.")
        _check_signed_headers(signature, headers)
        return Claim(
            signature,
            self._secret(request, signature.access_key_id, key, token),
            is_presigned,
            "" if is_presigned else headers.get("x-amz-content-sha256", ""),
        )

    def _check_presigned(self, request: Request) -> None:
        """Raise Refused if a request may not be presigned, or is malformed, too old or too new."""
        scope = request.parameter("X-Amz-Credential").split("/")
        if request.method not in {"GET", "HEAD"} or len(scope) != 5 or scope[3] != "s3":
            raise Refused("AccessDenied", "Only reading from S3 may be presigned.")
        if request.parameter("X-Amz-Algorithm") != "AWS4-HMAC-SHA256":
            raise Refused("IncompleteSignature", "The algorithm has to be AWS4-HMAC-SHA256.")
        expires = request.parameter("X-Amz-Expires")
        if not re.fullmatch("[0-9]{1,6}", expires):
            raise Refused("AccessDenied", "X-Amz-Expires has to be a number of seconds.")
        age = self._now() - _time(request.parameter("X-Amz-Date"))
        if not -SKEW < age < min(timedelta(seconds=int(expires)), LONGEST_EXPIRY):
            raise Refused("AccessDenied", "Request has expired")

    def _secret(self, request: Request, key: str, used: str, token: str) -> str:
        """Return a key's secret. `used` is the id of the key that ministack would use.

        Raises:
            Refused: The key is unknown, isn't the key that ministack would use, or may not use this
                endpoint; or the session token isn't the key's.
        """
        is_internal = request.path.startswith(INTERNAL) and not request.is_public
        if is_internal and key != self._root:
            raise Refused("AccessDenied", "Only the account's root may use this endpoint.")
        found = iam_evaluator.resolve_credential(key, self._account, token)
        if not key or key != used or isinstance(found, iam_evaluator.CredentialResolutionError):
            raise Refused("InvalidClientTokenId", "The key or its session token is invalid.")
        return str(found.secret_access_key)


class _Body:
    """The body of a request. Each call of `receive` returns a chunk of the body."""

    def __init__(self, receive: Receive) -> None:
        self.receive = receive
        self._has_ended = False

    async def read(self) -> bytes:
        """Read and return the body, or the bytes that came before the client closed the connection.

        Raises:
            Refused: The body is too long.
        """
        content = bytearray()
        while not self._has_ended:
            content += await self._part()
            if len(content) > LARGEST_SIGNED_BODY:
                raise Refused("EntityTooLarge", "The body is too long.")
        return bytes(content)

    async def discard(self) -> None:
        """Read the rest of the body, at most about 64 MiB.

        Some clients send the body before they read the answer.
        """
        size = 0
        while not self._has_ended and size < LARGEST_SIGNED_BODY:
            size += len(await self._part())

    async def _part(self) -> bytes:
        message = await self.receive()
        self._has_ended = message["type"] != "http.request" or not message.get("more_body")
        part: bytes = message.get("body", b"")
        return part


def _request(scope: Scope) -> Request:
    values = defaultdict[str, list[str]](list)
    for name, value in scope["headers"]:
        values[name.decode("latin-1").lower()].append(sigv4.decode_header_value(value))
    query = scope["query_string"].decode("utf-8", errors="replace")
    return Request(
        method=scope["method"],
        path=scope["path"],
        raw_path=scope["raw_path"].decode("latin-1"),
        query=parse_qs(query, keep_blank_values=True),
        values=dict(values),
    )


def _time(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise Refused("IncompleteSignature", "The date of the signature is wrong.") from None


def _check_signed_headers(signature: sigv4.HeaderSignature, headers: Mapping[str, str]) -> None:
    """Raise Refused unless the signature covers `host` and every `x-amz-…` header."""
    signed = signature.signed_headers.split(";")
    deciding = {name for name in headers if name.startswith("x-amz-")} | {"host"}
    if missing := sorted(deciding - set(signed)):
        raise Refused("AccessDenied", f"Headers that aren't signed: {', '.join(missing)}.")


def _compare(claim: Claim, request: Request, body: bytes) -> None:
    """Raise Refused unless the signature matches request and body."""
    failure = sigv4.header_signature_failure(
        claim.signature,
        claim.secret,
        request.method,
        request.raw_path,
        request.query,
        request.headers,
        body,
        presigned=claim.is_presigned,
    )
    if failure:
        raise Refused(*failure)


def _equal(first: str, second: str) -> bool:
    return hmac.compare_digest(first.encode(), second.encode())


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a function that returns `body` at the first call, and calls `receive` afterwards."""
    unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return unread.pop() if unread else await receive()

    return replay


def _without_cors(send: Send) -> Send:
    """Return a `send` that removes CORS headers, so that web pages can't read the answer."""

    async def without(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [
                (name, value)
                for name, value in message.get("headers", [])
                if not name.lower().startswith(b"access-control-")
            ]
            message = {**message, "headers": kept}
        await send(message)

    return without


async def _refuse(request: Request, refused: Refused, send: Send) -> None:
    """Answer 403 in AWS's format: JSON for AWS's JSON protocol and for APIs, XML otherwise."""
    code, message = refused.code, str(refused)
    if "x-amz-target" in request.values or request.is_public:
        kind = b"application/x-amz-json-1.0"
        body = json.dumps({"__type": code, "message": message}).encode()
    else:
        kind = b"text/xml"
        error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        body = f"<ErrorResponse><Error>{error}</Error></ErrorResponse>".encode()
    headers = [
        (b"content-type", kind),
        (b"x-amzn-errortype", code.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    content = b"" if request.method == "HEAD" else body
    await send({"type": "http.response.body", "body": content})


def make_role_keys_secret() -> None:
    """Make ministack derive the keys of the functions' roles from a secret of this process.

    ministack derives the keys only from the ARNs of function and role, which anybody can guess. A
    secret path before the role's name in the ARN changes the keys. ministack still finds the role,
    because ministack searches by name.
    """
    derive = lambda_runtime.execution_credentials
    secret = secrets.token_hex(32)

    def from_secret(config: Mapping[str, Any]) -> dict[str, str]:
        path, _, name = str(config.get("Role", "")).rpartition("/")
        made: dict[str, str] = derive({**config, "Role": f"{path}/{secret}/{name}"})
        return made

    lambda_runtime.execution_credentials = from_secret


def keep_log_lines_together() -> None:
    """Make ministack find all lines that a Python function logs in an invocation, even late ones.

    After an invocation, ministack reads the log only until no line comes for 5 ms. On a busy
    machine, the later lines are in the log of the next invocation, or are lost. With this change,
    the program that calls the function prints `LOG_END` before it answers, and ministack reads the
    log up to this mark.

    Raises:
        RuntimeError: The program of this version of ministack can't be changed.
    """
    # ministack has no public names for these.
    runtime: Any = lambda_runtime
    worker_class, program = runtime.Worker, "_PYTHON_WORKER_SCRIPT"
    answer = "        _real_stdout.flush()\n\nrun()\n"
    head, found, rest = getattr(runtime, program).rpartition(answer)
    if not found or rest:
        raise RuntimeError("ministack's program for Python functions has another end.")
    mark = f"        print({LOG_END!r}, file=sys.__stderr__, flush=True)\n"
    setattr(runtime, program, head + mark + answer)
    read_for_a_moment = worker_class._drain_stderr_bounded  # noqa: SLF001

    def read_log(worker: Any, **limits: float) -> str:
        if not str(worker.config.get("Runtime")).startswith("python"):
            return str(read_for_a_moment(worker, **limits))
        lines, reader = worker._stderr_queue, worker._stderr_thread  # noqa: SLF001
        return "\n".join(_lines_before_mark(lines, reader))

    worker_class._drain_stderr_bounded = read_log  # noqa: SLF001


def _lines_before_mark(lines: "queue.Queue[str]", reader: threading.Thread) -> list[str]:
    """Take and return the lines before `LOG_END`, which `reader` puts into the queue."""
    found: list[str] = []
    ends = time.monotonic() + LOG_SECONDS
    while time.monotonic() < ends:
        is_reading = reader.is_alive()
        try:
            line = lines.get(timeout=0.05 if is_reading else 0)
        except queue.Empty:
            if is_reading:
                continue
            break
        text, mark, _ = line.partition(LOG_END)
        if text or not mark:
            found.append(text)
        if mark:
            break
    return found


def main(environ: Mapping[str, str] = os.environ) -> None:
    """Serve the cloud until SIGTERM or SIGINT, with settings from `local.cloud.environment`."""
    keep_log_lines_together()
    make_role_keys_secret()
    # ministack's other modules copy `execution_credentials` when they are imported. So the import
    # has to follow `make_role_keys_secret`.
    from ministack.app import app  # noqa: PLC0415

    config = Config()
    config.bind = [f"{environ['MINISTACK_HOST']}:{environ['GATEWAY_PORT']}"]
    config.certfile = environ["MINISTACK_SSL_CERT"]
    config.keyfile = environ["MINISTACK_SSL_KEY"]
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    config.graceful_timeout = 0
    gateway = Gateway(app, environ["MINISTACK_ACCOUNT_ID"], environ["AWS_ACCESS_KEY_ID"])
    asyncio.run(serve(gateway, config))


if __name__ == "__main__":
    main()
