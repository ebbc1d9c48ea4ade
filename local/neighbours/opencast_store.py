"""What the Opencast stand-in remembers, and how it has been told to behave.

Everything is guarded by one lock, because every request has a thread of its own. A workflow's
state is worked out from the clock whenever somebody asks, so nothing runs in the background.
"""

import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from random import Random
from typing import Literal

import msgspec

DC_TERMS = "http://purl.org/dc/terms/"
ADMIN = "ROLE_ADMIN"
CAPTURE_AGENT = "ROLE_CAPTURE_AGENT"
API = "ROLE_API"
EVENTS_VIEW = "ROLE_API_EVENTS_VIEW"
ACTIVE_STATES = frozenset({"INSTANTIATED", "RUNNING", "PAUSED"})

Clock = Callable[[], float]
"""Seconds since the epoch."""
FileKind = Literal["track", "attachment"]
DublinCore = dict[str, list[dict[str, str]]]
"""Terms that are set, each a list of `{"value": ...}`."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Someone who may sign in. Digest needs a password that is stored in clear text."""

    name: str
    password: str
    roles: frozenset[str]
    clear_text: bool = False


class Switches(msgspec.Struct, kw_only=True):
    """How this Opencast is built and how its workflows go; times in seconds."""

    dce: bool = True
    """DCE's own Opencast, which downloads `attachmentUri`; upstream takes it for a property."""
    version: int = 19
    """Without `X-Requested-Auth`, 19 leads to a login page and 20 answers 403."""
    instantiated_seconds: float = 0.2
    active_seconds: float = 1.0
    outcome: Literal["SUCCEEDED", "FAILED"] = "SUCCEEDED"
    """What becomes of workflows that are started from now on."""
    download_delay_seconds: float = 0.0
    nonce_seconds: float = 300.0


class Fault(msgspec.Struct, kw_only=True):
    """One way to fail, for the next `times` requests (null: until faults are cleared).

    `close`, `status` and `maintenance` meet a request before it signs in, as a proxy would;
    `slow`, `conflict` and whatever has `after_work` wait for one that has signed in.
    """

    kind: Literal["close", "status", "maintenance", "slow", "conflict"]
    times: int | None = 1
    method: str = ""
    path: str = "/"
    """The beginning of the paths that fail."""
    status: int = 503
    seconds: float = 0.0
    after_work: bool = False
    """Do everything that was asked for, then fail: the answer is lost."""


class StoredFile(msgspec.Struct, kw_only=True):
    """A file that an ingest brought; `path` is its URI's path, or the name it was sent under."""

    part: str
    kind: FileKind
    flavor: str
    tags: list[str]
    name: str
    path: str
    sha256: str
    size: int
    content_type: str


class Ingest(msgspec.Struct, kw_only=True):
    """What one POST to /ingest/addMediaPackage asked for and what became of it."""

    mediapackage_id: str
    series: str = ""
    workflow_asked: str = ""
    workflow: str = ""
    workflow_id: int | None = None
    parts: list[tuple[str, str]] = []
    files: list[StoredFile] = []
    state: Literal["running", "done", "failed"] = "running"
    status: int | None = None
    answered: bool = True
    reason: str = ""
    user: str = ""
    started: str = ""
    ended: str = ""


class Workflow(msgspec.Struct, kw_only=True):
    id: int
    template: str
    mediapackage_id: str
    started: float
    outcome: str
    properties: dict[str, str] = {}


class Event(msgspec.Struct, kw_only=True):
    identifier: str
    terms: dict[str, list[str]]
    created: str
    files: list[StoredFile] = []


class SeenRequest(msgspec.Struct, kw_only=True):
    method: str
    path: str
    status: int | None
    """None: the connection was closed without an answer."""
    user: str


class ActiveWorkflowError(Exception):
    """The event has a workflow that is still active: Opencast answers 409."""


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as UTC, `2026-11-24T10:58:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """The stand-in's memory; methods may be called from any thread."""

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
        self.users = {user.name: user for user in users}
        self.definitions = {*workflows, default_workflow}
        self.default_workflow = default_workflow
        self.switches = switches
        self._first_switches = msgspec.structs.replace(switches)
        self._random = random
        self._last_id = 1600
        self.series: dict[str, DublinCore] = {}
        self.reset()

    def reset(self) -> None:
        """Forget all but users, series and workflow definitions; switches as at the start."""
        with self.lock:
            self.switches = msgspec.structs.replace(self._first_switches)
            self.events: dict[str, Event] = {}
            self.workflows: dict[int, Workflow] = {}
            self.ingests: list[Ingest] = []
            self.requests: list[SeenRequest] = []
            self.faults: list[Fault] = []
            self.downloading = 0

    def take_fault(self, method: str, path: str, *kinds: str, after_work: bool) -> Fault | None:
        """The first fault that is due for this request; it counts as used."""
        with self.lock:
            for fault in self.faults:
                due = fault.kind in kinds and fault.after_work == after_work
                if due and fault.method in ("", method) and path.startswith(fault.path):
                    if fault.times is not None:
                        fault.times -= 1
                        if fault.times <= 0:
                            self.faults.remove(fault)
                    return fault
        return None

    def state(self, workflow: Workflow) -> str:
        """The workflow's state at this moment."""
        age = self.clock() - workflow.started
        if age < self.switches.instantiated_seconds:
            return "INSTANTIATED"
        if age < self.switches.instantiated_seconds + self.switches.active_seconds:
            return "RUNNING"
        return workflow.outcome

    def workflows_of(self, mediapackage_id: str) -> list[Workflow]:
        """The event's workflows, oldest first."""
        with self.lock:
            return [w for w in self.workflows.values() if w.mediapackage_id == mediapackage_id]

    def is_active(self, mediapackage_id: str) -> bool:
        """Whether a workflow of this event has not come to its end."""
        return any(self.state(w) in ACTIVE_STATES for w in self.workflows_of(mediapackage_id))

    def count_workflows(self, state: str) -> int:
        """How many workflows are in this state (empty: all)."""
        with self.lock:
            return sum(state in ("", self.state(w)) for w in self.workflows.values())

    def start_workflow(self, event: Event, template: str, properties: dict[str, str]) -> Workflow:
        """Make the event visible and start a workflow on it.

        Raises ActiveWorkflowError if one is active on it already.
        """
        with self.lock:
            if self.is_active(event.identifier):
                raise ActiveWorkflowError(
                    f"media package {event.identifier} has an active workflow: wait for its end"
                )
            used = template if template in self.definitions else self.default_workflow
            return self._add_workflow(event, used, properties, self.clock())

    def add_event(self, event: Event, *, active: bool) -> Workflow:
        """Put an event there as if it had been ingested, its workflow still active or long done."""
        with self.lock:
            started = self.clock() if active else 0.0
            return self._add_workflow(event, self.default_workflow, {}, started)

    def _add_workflow(
        self, event: Event, template: str, properties: dict[str, str], started: float
    ) -> Workflow:
        # Jobs share the sequence with workflows, so a workflow's id is never the next number.
        self._last_id += self._random.randint(2, 40)
        workflow = Workflow(
            id=self._last_id,
            template=template,
            mediapackage_id=event.identifier,
            started=started,
            outcome=self.switches.outcome,
            properties=properties,
        )
        self.events[event.identifier] = event
        self.workflows[workflow.id] = workflow
        return workflow

    def add_series(self, catalog: DublinCore) -> None:
        """Create the series that the catalog describes; one that is known is left alone."""
        identifiers = catalog.get("identifier")
        if identifiers:
            with self.lock:
                self.series.setdefault(identifiers[0]["value"], catalog)
