"""Whether a request is signed, by Signature Version 4 in its headers or its query.

The signature is computed anew by botocore from what came over the wire.
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials as SigningCredentials

from bench.transfer.peers.s3_errors import S3Error
from bench.transfer.peers.s3_settings import Credentials
from bench.transfer.peers.wire import Request

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^, ]+), ?SignedHeaders=([^, ]+), ?Signature=([0-9a-f]{64})"
)
TIME = "%Y%m%dT%H%M%SZ"
SKEW = timedelta(minutes=15)
LONGEST = 7 * 24 * 3600


@dataclass(frozen=True)
class Signed:
    """What a request tells of its signature. `seconds` is how long it is good."""

    scope: tuple[str, ...]
    headers: frozenset[str]
    signature: str
    timestamp: str
    token: str
    seconds: float | None
    target: str


class _Given(S3SigV4Auth):
    """Signs exactly the headers that it is given, with a payload that isn't looked at."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        return request.headers

    def payload(self, request: AWSRequest) -> str:  # noqa: ARG002 - botocore's
        return "UNSIGNED-PAYLOAD"


def check(request: Request, known: Credentials | None, *, now: datetime) -> None:
    """Raises S3Error if the request isn't signed, or not by `known` (None knows everyone)."""
    if known is None:
        if "authorization" not in request.headers and "X-Amz-Signature" not in request.query:
            raise _unsigned()
        return
    signed = _read(request)
    if len(signed.scope) != 5 or signed.scope[3:] != ("s3", "aws4_request"):
        raise S3Error(400, "AuthorizationHeaderMalformed", "The credential scope is wrong.")
    if signed.scope[0] != known.access_key:
        raise S3Error(403, "InvalidAccessKeyId", "The access key does not exist in our records.")
    if signed.token != known.token:
        raise S3Error(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
    _check_time(signed, now)
    _check_headers(request.headers, signed)
    if not hmac.compare_digest(_signature(request, signed, known), signed.signature):
        raise S3Error(
            403, "SignatureDoesNotMatch", "The request signature we calculated does not match."
        )


def _unsigned() -> S3Error:
    return S3Error(403, "AccessDenied", "Access Denied")


def _read(request: Request) -> Signed:
    query = request.query
    if "X-Amz-Signature" in query:
        target = re.sub(r"&?X-Amz-Signature=[^&]*", "", request.target).replace("?&", "?")
        return Signed(
            scope=tuple(query.get("X-Amz-Credential", "").split("/")),
            headers=frozenset(query.get("X-Amz-SignedHeaders", "").split(";")),
            signature=query["X-Amz-Signature"],
            timestamp=query.get("X-Amz-Date", ""),
            token=query.get("X-Amz-Security-Token", ""),
            seconds=min(float(query.get("X-Amz-Expires", "0")), LONGEST),
            target=target,
        )
    told = request.headers.get("authorization")
    if told is None:
        raise _unsigned()
    found = AUTHORIZATION.fullmatch(told)
    if found is None:
        raise S3Error(400, "AuthorizationHeaderMalformed", "The authorization can't be read.")
    return Signed(
        scope=tuple(found[1].split("/")),
        headers=frozenset(found[2].split(";")),
        signature=found[3],
        timestamp=request.headers.get("x-amz-date", ""),
        token=request.headers.get("x-amz-security-token", ""),
        seconds=None,
        target=request.target,
    )


def _check_time(signed: Signed, now: datetime) -> None:
    try:
        at = datetime.strptime(signed.timestamp, TIME).replace(tzinfo=UTC)
    except ValueError as error:
        raise S3Error(403, "AccessDenied", "X-Amz-Date is missing or malformed.") from error
    if signed.seconds is not None and now > at + timedelta(seconds=signed.seconds):
        raise S3Error(403, "AccessDenied", "Request has expired")
    if at > now + SKEW or (signed.seconds is None and at < now - SKEW):
        raise S3Error(403, "RequestTimeTooSkewed", "The request's time is too far from ours.")


def _check_headers(headers: Mapping[str, str], signed: Signed) -> None:
    needed = {name for name in headers if name == "host" or name.startswith("x-amz-")}
    if needed - signed.headers:
        raise S3Error(
            403,
            "AccessDenied",
            f"There were headers present in the request which were not signed: "
            f"{', '.join(sorted(needed - signed.headers))}",
        )
    if signed.seconds is None and "x-amz-content-sha256" not in headers:
        raise S3Error(400, "InvalidRequest", "Missing required header: x-amz-content-sha256")


def _signature(request: Request, signed: Signed, known: Credentials) -> str:
    told = {name: request.headers.get(name, "") for name in signed.headers}
    url = f"http://{request.headers.get('host', '')}{signed.target}"
    again = AWSRequest(method=request.method, url=url, headers=told)
    again.context["timestamp"] = signed.timestamp
    signer = _Given(
        SigningCredentials(known.access_key, known.secret_key), signed.scope[3], signed.scope[2]
    )
    text = signer.string_to_sign(again, signer.canonical_request(again))
    return str(signer.signature(text, again))
