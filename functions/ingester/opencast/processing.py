"""Read Opencast's answers about events, workflows and incidents.

Opencast writes the workflow as JAXB does: a list of one element is an object, and numbers may be
strings. Source: the classes JaxbWorkflowInstance, JaxbWorkflowOperationInstance and
IncidentServiceEndpoint in https://github.com/opencast/opencast
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

INTERNAL = "internal"
"""Name of the publication that only Opencast's own editors see."""

TEXT_LIMIT = 300


class WorkflowState(StrEnum):
    """State of a workflow, or of the last workflow of an event."""

    INSTANTIATED = "INSTANTIATED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    FAILING = "FAILING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


ENDED = frozenset({WorkflowState.SUCCEEDED, WorkflowState.FAILED, WorkflowState.STOPPED})


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event as the External API shows it.

    Attributes:
        state: State of the event's last workflow; None if this code doesn't know the state.
        is_published: Whether the event has a publication other than `INTERNAL`.
    """

    state: WorkflowState | None
    is_published: bool


class Workflow(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow instance as Opencast shows it.

    Attributes:
        state: State of the workflow.
        operation: Name of the first operation in the workflow's state, or of the first failed one
            if the workflow is FAILING; "" if there is no such operation.
        job: Id of that operation's job; "" if the id is unknown.
        completed: Latest time at which an operation ended; None if no such time is known.
    """

    state: WorkflowState
    operation: str = ""
    job: str = ""
    completed: datetime | None = None


class News(msgspec.Struct, frozen=True, kw_only=True):
    """Opencast's answers about an ingest.

    Attributes:
        event: The ingest's event; None if Opencast doesn't show the event.
        workflow: The ingest's workflow; None if `event` is None, or if the workflow is unknown or
            no longer in Opencast.
    """

    event: Event | None
    workflow: Workflow | None = None


def event_of(document: Any, media_package: str) -> Event:
    """Return the event in a JSON document of Opencast's External API.

    Raises:
        ValueError: The document is no event, or the event of another media package.
    """
    if not isinstance(document, dict) or document.get("identifier") != media_package:
        raise ValueError("Opencast's answer isn't about the event.")
    publications = document.get("publication_status")
    names = publications if isinstance(publications, list) else []
    return Event(
        state=WorkflowState.__members__.get(str(document.get("processing_state"))),
        is_published=any(name and name != INTERNAL for name in names),
    )


def workflow_of(document: Any, media_package: str) -> Workflow:
    """Return the workflow in a JSON document of Opencast's workflow endpoint.

    Raises:
        ValueError: The document is no workflow, has an unknown state, or belongs to another media
            package.
    """
    content = document.get("workflow") if isinstance(document, dict) else None
    if not isinstance(content, dict):
        raise ValueError("Opencast's answer is no workflow.")
    state = WorkflowState.__members__.get(str(content.get("state")))
    if state is None:
        raise ValueError("Opencast's answer names no known state of the workflow.")
    package = content.get("mediapackage")
    owner = content.get("mediaPackageId") or (package.get("id") if isinstance(package, dict) else 0)
    if owner and owner != media_package:
        raise ValueError("Opencast's workflow belongs to another event.")
    operations = list(_operations(content))
    current = _current(operations, state)
    return Workflow(
        state=state,
        operation=_name(current),
        job=str(current.get("job") or ""),
        completed=_last_end(operations),
    )


def incident_text(document: Any) -> str:
    """Return Opencast's text about the first of a job's incidents that has a text, or "".

    `document` is the tree of incidents in the full format. Failures take precedence over other
    incidents. The text is cut to `TEXT_LIMIT` characters.
    """
    incidents = list(_incidents(document))
    failures = [each for each in incidents if each.get("severity") == "FAILURE"]
    for incident in (*failures, *incidents):
        said = [str(incident.get(name) or "").strip() for name in ("title", "description")]
        text = ": ".join(dict.fromkeys(filter(None, said)))
        if text:
            return " ".join(text.split())[:TEXT_LIMIT]
    return ""


def _operations(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    wrapper = content.get("operations")
    found = wrapper.get("operation") if isinstance(wrapper, dict) else None
    for operation in found if isinstance(found, list) else [found]:
        if isinstance(operation, dict):
            yield operation


def _current(operations: list[dict[str, Any]], state: WorkflowState) -> dict[str, Any]:
    """Return the first operation in the workflow's state, or the first failed one for FAILING.

    The result is {} if there is no such operation.
    """
    wanted = "FAILED" if state is WorkflowState.FAILING else str(state)
    return next((each for each in operations if each.get("state") == wanted), {})


def _name(operation: dict[str, Any]) -> str:
    """Return an operation's name. Newer versions of Opencast have a number in `id`."""
    return str(operation.get("template") or operation.get("id") or "")


def _last_end(operations: list[dict[str, Any]]) -> datetime | None:
    ends = [str(operation.get("completed") or "") for operation in operations]
    milliseconds = [int(end) for end in ends if end.isascii() and end.isdigit() and len(end) < 15]
    return datetime.fromtimestamp(max(milliseconds) / 1000, UTC) if milliseconds else None


def _incidents(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the incidents of a tree, from its root down."""
    # A recursion could exceed Python's limit, because a JSON document may be nested deeply.
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            if "severity" in value:
                yield value
            left += reversed(value.values())
        elif isinstance(value, list):
            left += reversed(value)
