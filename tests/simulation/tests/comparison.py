"""Compare the answers of moto and of a fake to the same call."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from tests.simulation.aws.calls import call_directly
from tests.simulation.aws.dynamodb import FakeTable
from tests.simulation.aws.sqs import FakeQueues

NAMES = {"#m": "m", "#x": "x", "#state": "pipeline_state"}


class Time:
    """A clock in seconds since 1970 that tests set."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Ids:
    """A source of ids: `id-1`, `id-2` and so on."""

    def __init__(self) -> None:
        self.given = 0

    def __call__(self) -> str:
        self.given += 1
        return f"id-{self.given}"


def fake_table(key: str, **more: Any) -> FakeTable:
    """Make an empty fake table without faults."""
    return FakeTable("test", key, call=call_directly, now=Time(), **more)


def fake_queues(now: Callable[[], float], **more: Any) -> FakeQueues:
    """Make a fake SQS without queues and faults."""
    return FakeQueues(call=call_directly, now=now, new_id=Ids(), **more)


def outcome(call: Callable[..., Any], **arguments: Any) -> Any:
    """Make a call, and return its answer without metadata, or its error's code and operation."""
    try:
        found = dict(call(**arguments))
    except ClientError as error:
        return error.response["Error"]["Code"], error.operation_name
    if not found.get("Attributes"):
        found.pop("Attributes", None)  # moto's answer has an empty map, which AWS's answer lacks.
    for name in ("ResponseMetadata", "ConsumedCapacity"):
        found.pop(name, None)
    return found


def code_of(call: Callable[..., Any], **arguments: Any) -> str:
    """Make a call that fails, and return the code of its error."""
    found = outcome(call, **arguments)
    assert isinstance(found, tuple), found
    return str(found[0])


def expressions(values: Mapping[str, Any], **texts: str | None) -> dict[str, Any]:
    """Make the arguments for expressions, with only the placeholders that the expressions use."""
    given = {name: text for name, text in texts.items() if text}
    used = set(re.findall(r"[#:]\w+", " ".join(given.values())))
    arguments: dict[str, Any] = dict(given)
    if names := {name: NAMES[name] for name in sorted(used & NAMES.keys())}:
        arguments["ExpressionAttributeNames"] = names
    if kept := {name: value for name, value in values.items() if name in used}:
        arguments["ExpressionAttributeValues"] = kept
    return arguments


def by_key(table: Any, key: str) -> list[dict[str, Any]]:
    """Return every item of moto's or the fake's table, in the order of the keys."""
    items = table.items() if isinstance(table, FakeTable) else table.scan()["Items"]
    return sorted(items, key=lambda item: str(item[key]))
