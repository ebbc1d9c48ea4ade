"""Verify the Signature Version 4 in a request's headers.

botocore computes the signature of the received request again, for a comparison.
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

import hmac
import re

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials as SigningCredentials

from bench.transfer.peers.s3_protocol import S3Error
from bench.transfer.peers.s3_settings import Credentials
from bench.transfer.peers.wire import Request

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<scope>[^, ]+), ?SignedHeaders=(?P<headers>[^, ]+), ?"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)


class _GivenHeaders(S3SigV4Auth):
    """A SigV4 signer that signs exactly the given headers, and not the payload."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        return request.headers

    def payload(self, request: AWSRequest) -> str:  # noqa: ARG002 - botocore's parameter
        return "UNSIGNED-PAYLOAD"


def verify(request: Request, known: Credentials | None) -> None:
    """Verify a request's signature. If `known` is None, only check that there is a signature.

    Raises:
        S3Error: The signature is missing or wrong; or a value that the signature needs, such as the
            access key, is missing or wrong; or the signature lacks a header that has to be signed.
    """
    authorization = request.headers.get("authorization")
    if authorization is None:
        raise S3Error(403, "AccessDenied", "Access Denied")
    if known is None:
        return
    match = AUTHORIZATION.fullmatch(authorization)
    scope = match["scope"].split("/") if match else []
    if match is None or len(scope) != 5 or scope[3:] != ["s3", "aws4_request"]:
        raise S3Error(400, "AuthorizationHeaderMalformed", "The authorization is malformed.")
    if scope[0] != known.access_key:
        raise S3Error(403, "InvalidAccessKeyId", "The access key does not exist in our records.")
    if request.headers.get("x-amz-security-token", "") != known.token:
        raise S3Error(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
    signed = match["headers"].split(";")
    required = {name for name in request.headers if name == "host" or name.startswith("x-amz-")}
    if unsigned := sorted(required.difference(signed)):
        message = "There were headers present in the request which were not signed: "
        raise S3Error(403, "AccessDenied", message + ", ".join(unsigned))
    if "x-amz-content-sha256" not in request.headers:
        raise S3Error(400, "InvalidRequest", "Missing required header: x-amz-content-sha256")
    again = AWSRequest(
        method=request.method,
        url=f"http://{request.headers.get('host', '')}{request.target}",
        headers={name: request.headers.get(name, "") for name in signed},
    )
    again.context["timestamp"] = request.headers.get("x-amz-date", "")
    keys = SigningCredentials(known.access_key, known.secret_key)
    signer = _GivenHeaders(keys, scope[3], scope[2])
    text = signer.string_to_sign(again, signer.canonical_request(again))
    if not hmac.compare_digest(str(signer.signature(text, again)), match["signature"]):
        raise S3Error(
            403, "SignatureDoesNotMatch", "The request signature we calculated does not match."
        )
