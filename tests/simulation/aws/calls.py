"""The hook around each call of the AWS fakes, and botocore's answers and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from botocore.exceptions import ClientError

T = TypeVar("T")


class Call(Protocol):
    """The type of the hook around each outbound call.

    `name` is like "dynamodb.UpdateItem". `effect` does the call's work and returns the answer. The
    hook may run `effect` never, once or several times, and also later. Therefore a fake has to copy
    mutable arguments before the call.
    """

    def __call__(self, name: str, effect: Callable[[], T], /) -> T: ...


def call_directly(_name: str, effect: Callable[[], T], /) -> T:
    """Run `effect` and return its answer."""
    return effect()


def client_error(
    operation: str,
    code: str,
    message: str,
    *,
    status: int = 400,
    error: type[ClientError] = ClientError,
) -> ClientError:
    """Make botocore's error. `error` is the client's own class for the error, if there is one."""
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": 0},
    }
    return error(response, operation)


def answer(**fields: Any) -> dict[str, Any]:
    """Make botocore's answer to a successful call, with the given fields."""
    return {**fields, "ResponseMetadata": {"HTTPStatusCode": 200, "RetryAttempts": 0}}
