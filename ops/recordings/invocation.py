"""Direct calls of Lambda functions with the operator's own rights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from ingester.log import redact
from ops.command import OpsError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

READ_SECONDS = 960
"""Timeout of a call in seconds: a minute more than the longest timeout of a function."""

CONFIG = Config(
    read_timeout=READ_SECONDS,
    # A retry would start the function a second time.
    retries={"total_max_attempts": 1},
    # Keepalive keeps a NAT gateway or firewall from dropping a connection that is idle for minutes.
    tcp_keepalive=True,
)
"""Configuration of a client that waits for a function's answer."""


def call(client: LambdaClient, name: str, qualifier: str, event: object) -> Any:
    """Call a function and return its answer. `qualifier` is a version, an alias or `$LATEST`.

    Raises:
        OpsError: The function, version or alias doesn't exist, or the function ended with an error.
            If the function ended with an error, the text has that error.
        ClientError: Lambda refuses the call for another reason.
    """
    try:
        answer = client.invoke(
            FunctionName=name, Qualifier=qualifier, Payload=json.dumps(event).encode()
        )
    except client.exceptions.ResourceNotFoundException:
        raise OpsError(
            f"{name} has no version or alias {qualifier}: `invoke stack.status` shows what runs."
        ) from None
    content = json.loads(answer["Payload"].read() or b"null")
    if answer.get("FunctionError"):
        raise OpsError(f"{name} ended with an error: {_error(content)}")
    return content


def _error(content: Any) -> str:
    """Return Lambda's `errorType` and `errorMessage` on one line, without the stack trace.

    https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
    """
    if not isinstance(content, dict):
        return "it doesn't say which."
    parts = [str(content[key]) for key in ("errorType", "errorMessage") if content.get(key)]
    return redact(" ".join(": ".join(parts).split())) or "it doesn't say which."
