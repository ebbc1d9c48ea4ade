"""Record the calls of a boto3 client, or make them fail, during a `with` block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from botocore.exceptions import ClientError


@contextmanager
def recorded(client: Any, operation: str) -> Iterator[list[dict[str, Any]]]:
    """Yield a list that gets the parameters of every call of an operation in the `with` block.

    An operation is named like `sqs.SendMessage`.
    """
    seen: list[dict[str, Any]] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        seen.append(dict(params))

    with _registered(client, f"provide-client-params.{operation}", note):
        yield seen


@contextmanager
def failing(
    client: Any,
    operation: str,
    code: str,
    when: Callable[[dict[str, Any]], bool] = bool,
    status: int = 400,
) -> Iterator[None]:
    """Make calls of an operation fail in the `with` block with AWS's error `code`, if `when` holds.

    `when` gets the parameters of a call. `status` is the error's HTTP status.
    """
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}

    def fail(params: dict[str, Any], **_: Any) -> None:
        if when(params):
            raise ClientError(answer, operation.partition(".")[2])  # type: ignore[arg-type]  # only what is read

    with _registered(client, f"provide-client-params.{operation}", fail):
        yield


def failing_table(
    table: Any, operation: str = "UpdateItem", when: Callable[[dict[str, Any]], bool] = bool
) -> AbstractContextManager[None]:
    """Make DynamoDB throttle an operation on one table in the `with` block, if `when` holds."""

    def concerns(params: dict[str, Any]) -> bool:
        return params["TableName"] == table.name and when(params)

    return failing(table.meta.client, f"dynamodb.{operation}", "Throttling", concerns)


@contextmanager
def _registered(client: Any, event: str, handler: Callable[..., None]) -> Iterator[None]:
    # The handler must not stay, since tests.cloud shares the clients among tests.
    client.meta.events.register(event, handler)
    try:
        yield
    finally:
        client.meta.events.unregister(event, handler)
