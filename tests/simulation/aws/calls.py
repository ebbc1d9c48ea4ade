"""What all fakes of AWS share: the hook around each call, and the errors of botocore."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from botocore.exceptions import ClientError

T = TypeVar("T")


class Call(Protocol):
    """The hook through which each outbound call goes.

    `name` is like "dynamodb.UpdateItem". `effect` does the call's work and returns its answer. The
    hook may run it never, once or several times, at any moment before the hook returns or later:
    a fake copies the arguments before it calls the hook.
    """

    def __call__(self, name: str, effect: Callable[[], T], /) -> T: ...


def at_once(_name: str, effect: Callable[[], T], /) -> T:
    """The hook that only runs the call."""
    return effect()


def client_error(
    operation: str,
    code: str,
    message: str,
    *,
    status: int = 400,
    error: type[ClientError] = ClientError,
) -> ClientError:
    """An error as botocore raises it. `error` is its class, where a client has one of its own."""
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": 0},
    }
    return error(response, operation)


def answer(**fields: Any) -> dict[str, Any]:
    """A successful answer."""
    return {**fields, "ResponseMetadata": {"HTTPStatusCode": 200, "RetryAttempts": 0}}
