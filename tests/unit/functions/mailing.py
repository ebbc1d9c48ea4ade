"""Log lines about failures that are mailed, and a context in which AWS refuses operations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from ingester import log
from tests.log_lines import line_of


@contextmanager
def refusing(client: Any, *operations: str) -> Iterator[None]:
    """Make a client's operations fail with AccessDenied in the block, as without a grant."""

    def refuse(model: Any, **_: object) -> None:
        if model.name in operations:
            error = {"Error": {"Code": "AccessDenied", "Message": "no grant"}}
            raise ClientError(error, model.name)  # type: ignore[arg-type]

    events = client.meta.events
    events.register_first("before-call", refuse)
    try:
        yield
    finally:
        events.unregister("before-call", refuse)


def failures_of(recordings: range) -> list[str]:
    lines = []
    for number in recordings:
        with log.context(uuid=f"uuid{number}=="):
            lines.append(line_of("ERROR", "Gave up: Opencast answers 503"))
    return lines
