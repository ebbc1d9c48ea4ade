"""The data of the Opencast stand-in, from users and series to ingests and faults.

A workflow's state is computed from the clock at each request, so nothing runs in the background.
"""

import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from random import Random
from typing import Literal

import msgspec

from local.neighbours.faults import BaseFault, FaultQueue

DC_TERMS = "http://purl.org/dc/terms/"
ADMIN = "ROLE_ADMIN"
CAPTURE_AGENT = "ROLE_CAPTURE_AGENT"
API = "ROLE_API"
EVENTS_VIEW = "ROLE_API_EVENTS_VIEW"
TRACK_EDIT = "ROLE_API_EVENTS_TRACK_EDIT"
WORKFLOW_CREATE = "ROLE_API_WORKFLOW_INSTANCE_CREATE"

Clock = Callable[[], float]
"""A function that returns seconds since 1970."""
FileKind = Literal["track", "attachment"]
WorkflowState = Literal["INSTANTIATED", "RUNNING", "PAUSED", "SUCCEEDED", "FAILED", "STOPPED"]
WorkflowEnd = Literal["PAUSED", "SUCCEEDED", "FAILED", "STOPPED"]
OPERATIONS = ("defaults", "inspect", "encode", "publish-engage", "cleanup")
"""The operations of each workflow, in order."""

INSTANTIATED_SHARE = 0.1
"""Share of a workflow's duration in which no operation has begun."""

DublinCore = dict[str, list[dict[str, str]]]
"""Dublin Core terms by name, each with a list of `{"value": …}`."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user. Digest needs a password that is stored in clear text."""

    name: str
    password: str
    roles: frozenset[str]
    clear_text: bool = False


class Switches(msgspec.Struct, frozen=True, kw_only=True):
    """The behaviour of the stand-in that a test can change."""

    dce: bool = True
    """True for DCE's Opencast, which downloads `attachmentUri`. Any other Opencast only stores
    `attachmentUri`."""
    active_seconds: float = 1.0
    """Duration of a workflow in seconds."""
    workflow_end: WorkflowEnd = "SUCCEEDED"
    """The state of a workflow after the workflow's duration. A paused workflow stays active."""
    operation: str = "encode"
    """The operation in which a workflow fails, stops or pauses."""
    incident: str = "The encoder ran out of space."
    """Opencast's text about a failed operation, or "" for no text."""
    publishes: bool = True
    """True if a workflow that succeeds publishes the event."""
    version: str = "17.3.0"
    """Opencast's version. Before 16, added tracks have no tags (opencast/opencast#5908). Before 19,
    chapters are refused (opencast/opencast#7237)."""

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])


class Fault(BaseFault, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A failure of requests with a `method` ("" for any) whose path begins with `path`.

    `kind` is one of:
    `close`: Opencast closes the connection without an answer.
    `status`: Opencast answers with the status `status`.
    `maintenance`: Opencast answers 200 with an HTML page.
    `slow`: Opencast waits `seconds` after the authentication.
    `conflict`: an ingest finds an active workflow.
    The first three kinds happen before the authentication, as at a proxy, or with `after_work` once
    all work is done.
    """

    kind: Literal["close", "status", "maintenance", "slow", "conflict"]
    method: str = ""
    path: str = "/"
    status: int = 503
    seconds: float = 0.0
    after_work: bool = False


class StoredFile(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A file of an event.

    `path` is the URI's path, or "" for an added track. `text` is the content of a WebVTT file, else
    "".
    """

    part: str
    kind: FileKind
    flavor: str
    name: str
    path: str
    sha256: str
    size: int
    content_type: str
    tags: tuple[str, ...] = ()
    text: str = ""


class AddedTrack(msgspec.Struct, kw_only=True):
    """A track that was added to an event after the event's ingest."""

    mediapackage_id: str
    file: StoredFile


class Ingest(msgspec.Struct, kw_only=True):
    """A POST to /ingest/addMediaPackage with its outcome.

    `status` is the HTTP status, or None before the answer. `reason` explains a failure.
    """

    mediapackage_id: str
    series: str = ""
    workflow_asked: str = ""
    workflow: str = ""
    parts: list[tuple[str, str]] = []
    files: list[StoredFile] = []
    state: Literal["running", "done", "failed"] = "running"
    status: int | None = None
    reason: str = ""
    user: str = ""


class Workflow(msgspec.Struct, kw_only=True):
    id: int
    template: str
    mediapackage_id: str
    started: float
    properties: dict[str, str] = {}
    seconds: float | None = None
    """Duration in seconds. Here and in the next four fields, None stands for the switch's value."""
    end: WorkflowEnd | None = None
    operation: str | None = None
    incident: str | None = None
    publishes: bool | None = None


class WorkflowChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A change of the workflows of an event. A field that is None changes nothing."""

    mediapackage_id: str
    seconds: float | None = None
    end: WorkflowEnd | None = None
    operation: str | None = None
    incident: str | None = None
    publishes: bool | None = None


class Event(msgspec.Struct, kw_only=True):
    identifier: str
    terms: dict[str, list[str]]
    created: str
    files: list[StoredFile] = []


class SeenRequest(msgspec.Struct, kw_only=True):
    """A handled request. `status` is None if the connection was closed without an answer."""

    method: str
    path: str
    status: int | None


class ActiveWorkflowError(Exception):
    """Error for an event with an active workflow, for which Opencast answers 409."""


def timestamp(seconds: float) -> str:
    """Return seconds since 1970 as UTC, like `2026-11-24T10:58:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """The stand-in's data. Any thread may call the methods of `Store`."""

    def __init__(
        self,
        *,
        users: Iterable[User],
        workflows: Iterable[str],
        default_workflow: str,
        switches: Switches,
        clock: Clock,
        random: Random,
    ) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        self.random = random
        self.users = {user.name: user for user in users}
        self.definitions = {*workflows, default_workflow}
        self.default_workflow = default_workflow
        self.series: dict[str, DublinCore] = {}
        self.faults = FaultQueue[Fault]()
        self._first_switches = switches
        self._last_id = 1600
        self.reset()

    def reset(self) -> None:
        """Reset the switches, and remove everything but users, series and workflow definitions."""
        with self.lock:
            self.switches = self._first_switches
            self.faults.clear()
            self.events: dict[str, Event] = {}
            self.workflows: dict[int, Workflow] = {}
            self.ingests: list[Ingest] = []
            self.added: list[AddedTrack] = []
            self.requests: list[SeenRequest] = []
            self.downloading = 0

    def take_fault(self, method: str, path: str, *kinds: str, after_work: bool) -> Fault | None:
        """Return the first fault of one of `kinds` that affects a request, or None.

        The request is counted as in `FaultQueue.take`.
        """
        return self.faults.take(
            lambda fault: (
                fault.kind in kinds
                and fault.after_work == after_work
                and fault.method in ("", method)
                and path.startswith(fault.path)
            )
        )

    def is_active(self, mediapackage_id: str) -> bool:
        """Return whether this event has a workflow that hasn't ended."""
        with self.lock:
            return any(
                self.state_of(workflow) in ("INSTANTIATED", "RUNNING", "PAUSED")
                for workflow in self.workflows_of(mediapackage_id)
            )

    def workflows_of(self, mediapackage_id: str) -> list[Workflow]:
        """Return the workflows of an event, the oldest first."""
        with self.lock:
            return [
                workflow
                for workflow in self.workflows.values()
                if workflow.mediapackage_id == mediapackage_id
            ]

    def state_of(self, workflow: Workflow) -> WorkflowState:
        """Return a workflow's current state."""
        share = self.share_of(workflow)
        if share < INSTANTIATED_SHARE:
            return "INSTANTIATED"
        return "RUNNING" if share < 1 else workflow.end or self.switches.workflow_end

    def share_of(self, workflow: Workflow) -> float:
        """Return the share of a workflow's duration that is over, from 0 to 1."""
        set_seconds = workflow.seconds
        seconds = self.switches.active_seconds if set_seconds is None else set_seconds
        elapsed = self.clock() - workflow.started
        return 1.0 if elapsed >= seconds else max(0.0, elapsed / seconds)

    def is_published(self, mediapackage_id: str) -> bool:
        """Return whether a workflow has published this event."""
        return any(
            self.state_of(workflow) == "SUCCEEDED"
            and (self.switches.publishes if workflow.publishes is None else workflow.publishes)
            for workflow in self.workflows_of(mediapackage_id)
        )

    def change_workflows(self, change: WorkflowChange) -> None:
        """Change the workflows of an event."""
        fields = msgspec.structs.asdict(change)
        for workflow in self.workflows_of(fields.pop("mediapackage_id")):
            for name, value in fields.items():
                if value is not None:
                    setattr(workflow, name, value)

    def delete_event(self, identifier: str) -> bool:
        """Delete an event but not its workflows, and return whether the event existed."""
        with self.lock:
            return self.events.pop(identifier, None) is not None

    def start_workflow(self, event: Event, template: str, properties: dict[str, str]) -> Workflow:
        """Add an event to the store, start a workflow on the event, and return the workflow.

        An unknown template stands for the default workflow.

        Raises:
            ActiveWorkflowError: The event has an active workflow.
        """
        with self.lock:
            if self.is_active(event.identifier):
                raise ActiveWorkflowError(
                    f"media package {event.identifier} has an active workflow: wait for its end"
                )
            used = template if template in self.definitions else self.default_workflow
            return self._add_workflow(event, used, properties, self.clock())

    def start_on_event(self, identifier: str, template: str) -> Workflow | None:
        """Start a workflow on an event, and return the workflow.

        Return None if the event or the workflow definition is unknown.

        Raises:
            ActiveWorkflowError: The event has an active workflow.
        """
        with self.lock:
            event = self.events.get(identifier)
            if event is None or template not in self.definitions:
                return None
            return self.start_workflow(event, template, {})

    def add_track(self, identifier: str, file: StoredFile, *, overwrite: bool) -> bool:
        """Add a track to an event, and return whether the event exists.

        With `overwrite` the track replaces other files of the same flavor, and only files of the
        same language if the track has a language.

        Raises:
            ActiveWorkflowError: The event has an active workflow.
        """
        with self.lock:
            event = self.events.get(identifier)
            if event is None:
                return False
            if self.is_active(identifier):
                raise ActiveWorkflowError(f"event {identifier} has an active workflow")
            languages = {tag for tag in file.tags if tag.startswith("lang:")}

            def stays(other: StoredFile) -> bool:
                same = other.flavor == file.flavor and languages <= set(other.tags)
                return not (overwrite and same)

            event.files = [*filter(stays, event.files), file]
            self.added.append(AddedTrack(mediapackage_id=identifier, file=file))
            return True

    def add_event(self, event: Event, *, active: bool) -> Workflow:
        """Add an event without an ingest, and return the event's workflow.

        Unless `active`, the workflow has ended.
        """
        with self.lock:
            started = self.clock() if active else 0.0
            return self._add_workflow(event, self.default_workflow, {}, started)

    def _add_workflow(
        self, event: Event, template: str, properties: dict[str, str], started: float
    ) -> Workflow:
        # In Opencast, jobs and workflows share one sequence of ids, so the ids have gaps.
        self._last_id += self.random.randint(2, 40)
        workflow = Workflow(
            id=self._last_id,
            template=template,
            mediapackage_id=event.identifier,
            started=started,
            properties=properties,
        )
        self.events[event.identifier] = event
        self.workflows[workflow.id] = workflow
        return workflow

    def add_series(self, catalog: DublinCore) -> None:
        """Add the series of a Dublin Core catalog, unless the series exists or has no id."""
        identifiers = catalog.get("identifier")
        if identifiers:
            with self.lock:
                self.series.setdefault(identifiers[0]["value"], catalog)
