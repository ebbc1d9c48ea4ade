"""The endpoints of Opencast that the pipeline and the tests use, with the roles that may call them.

For any other path or method, a user with `ROLE_ADMIN` gets 404, and any other user 403.
"""

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from local.neighbours.https_server import Answer, Disruption, Request, json_answer, text_answer
from local.neighbours.opencast_form import (
    BadRequestError,
    BrokenFormError,
    boundary_of,
    read_parts,
)
from local.neighbours.opencast_ingest import (
    IngestFailedError,
    check_chapters,
    ingest,
    recorded,
    track_of,
)
from local.neighbours.opencast_signin import SignIn, UnauthorizedError
from local.neighbours.opencast_store import (
    ADMIN,
    API,
    CAPTURE_AGENT,
    DC_TERMS,
    EVENTS_VIEW,
    OPERATIONS,
    TRACK_EDIT,
    WORKFLOW_CREATE,
    ActiveWorkflowError,
    Event,
    Fault,
    SeenRequest,
    Store,
    User,
    Workflow,
)

MAINTENANCE = b"<!DOCTYPE html><title>Maintenance</title><h1>We will be back soon.</h1>"
ANYONE: frozenset[str] = frozenset()
TAGS_VERSION = 16
WORKFLOW_NS = "http://workflow.opencastproject.org"
MEDIAPACKAGE_NS = "http://mediapackage.opencastproject.org"
# JAXB may choose any namespace prefix. So prefixes vary here, and clients can't rely on a prefix.
PREFIXES = (("", "ns2"), ("ns3", "ns2"), ("wf", "mp"), ("", "mp"), ("ns2", ""))

Endpoint = Callable[[Request, User | None, str], Answer]
"""A function that answers a request of a user, or of nobody (None).

The last argument is the text that the route's group matches, or "" without a match.
"""


class Api:
    """Opencast's API over the store. An answer that waits ends its wait when `stopping` is set."""

    def __init__(self, store: Store, ca_bundle: str, stopping: threading.Event) -> None:
        self._store = store
        self._sign_in = SignIn(store)
        self._ca_bundle = ca_bundle
        self._stopping = stopping
        admin, ingesting = frozenset({ADMIN}), frozenset({ADMIN, CAPTURE_AGENT})
        events, me = frozenset({ADMIN, EVENTS_VIEW}), frozenset({ADMIN, API})
        routes: tuple[tuple[str, str, frozenset[str], Endpoint], ...] = (
            ("POST", r"/ingest/addMediaPackage(?:/([^/]*))?", ingesting, self._ingest),
            ("GET", r"/api/events/([^/]+)", events, self._event),
            ("POST", r"/api/events/([^/]+)/track", frozenset({ADMIN, TRACK_EDIT}), self._add_track),
            ("POST", r"/api/(workflows)", frozenset({ADMIN, WORKFLOW_CREATE}), self._start),
            ("GET", r"/info/(components)\.json", ANYONE, self._components),
            ("GET", r"/api/info/me/(roles)", me, self._roles),
            ("GET", r"/series/([^/]+)\.json", ANYONE, self._series),
            ("GET", r"/services/(count)", admin, self._services),
            ("DELETE", r"/api/events/([^/]+)", admin, self._delete),
            ("GET", r"/workflow/instance/(\d+)\.json", admin, self._workflow),
            ("GET", r"/incidents/job/(\d+)\.json", admin, self._incidents),
            ("GET", r"/workflow/mediaPackage/([^/]+)/hasActiveWorkflows", admin, self._has_active),
        )
        self._routes = [(m, re.compile(pattern), roles, e) for m, pattern, roles, e in routes]

    def answer(self, request: Request) -> Answer:
        """Carry out and record a request, and return Opencast's answer, or a fault's answer."""
        path = unquote(request.path)
        answer = self._answer(request, path)
        silent = answer.disruption.how == "silence"
        seen = SeenRequest(
            method=request.method, path=path, status=None if silent else answer.status
        )
        with self._store.lock:
            self._store.requests.append(seen)
        return answer

    def _answer(self, request: Request, path: str) -> Answer:
        take, method = self._store.take_fault, request.method
        if early := take(method, path, "close", "status", "maintenance", after_work=False):
            return _failure(early)
        endpoint, roles, argument = self._route(method, path)
        try:
            user = self._sign_in.user(method, request.headers)
        except UnauthorizedError as error:
            return _challenge(error.challenge)
        if refusal := self._refusal(user, roles, request):
            return refusal
        if slow := take(method, path, "slow", after_work=False):
            self._stopping.wait(slow.seconds)
        answer = endpoint(request, user, argument)
        late = take(method, path, "close", "status", "maintenance", after_work=True)
        return _failure(late) if late else answer

    def _route(self, method: str, path: str) -> tuple[Endpoint, frozenset[str], str]:
        for its_method, pattern, roles, endpoint in self._routes:
            match = pattern.fullmatch(path)
            if match and method == its_method:
                return endpoint, roles, match[1] or ""
        return _not_found, frozenset({ADMIN}), ""

    def _refusal(self, user: User | None, roles: frozenset[str], request: Request) -> Answer | None:
        if roles == ANYONE or (user and roles & user.roles):
            return None
        if user:
            return _text("Access is denied", 403)
        if request.headers.get("X-Requested-Auth") == "Digest":
            return _challenge(self._sign_in.challenge())
        location = f"https://{request.headers.get('Host', '')}/login.html"
        return Answer(302, (("Location", location),))

    def _ingest(self, request: Request, user: User | None, workflow: str) -> Answer:
        boundary = boundary_of(request.headers.get("Content-Type", ""))
        if boundary is None:
            return Answer(415)
        path = unquote(request.path)
        conflict = self._store.take_fault(request.method, path, "conflict", after_work=False)
        with recorded(self._store, workflow, user.name if user else "") as record:
            try:
                parts = read_parts(request.body, boundary)
                started, event = ingest(
                    self._store, self._ca_bundle, record, parts, conflict=bool(conflict)
                )
                body = workflow_xml(started, event, self._store.random)
                answer = text_answer(200, "text/xml", body)
            except (BadRequestError, ActiveWorkflowError) as error:
                record.reason = str(error)
                answer = _text(str(error), 400 if isinstance(error, BadRequestError) else 409)
            except (IngestFailedError, BrokenFormError) as error:
                record.reason = str(error)
                answer = Answer(500)
            record.status = answer.status
            return answer

    def _event(self, _: Request, user: User | None, identifier: str) -> Answer:
        event = self._store.events.get(identifier)
        if event is None or user is None or ADMIN not in user.roles:
            return _text(f"Cannot find an event with id '{identifier}'.", 404)
        workflows = self._store.workflows_of(identifier)
        is_published = self._store.is_published(identifier)
        return _external_api(
            {
                "identifier": event.identifier,
                "title": _first(event, "title"),
                "is_part_of": _first(event, "isPartOf"),
                "source": _first(event, "source"),
                "created": event.created,
                "processing_state": self._store.state_of(workflows[-1]) if workflows else "",
                "publication_status": ["internal", "engage-player"] if is_published else [],
            }
        )

    def _add_track(self, request: Request, _: User | None, identifier: str) -> Answer:
        """Add the track in a form to an event. Opencast 16 and newer keep a track's tags.

        Source: opencast/opencast#5908.
        """
        boundary = boundary_of(request.headers.get("Content-Type", ""))
        if boundary is None:
            return Answer(415)
        try:
            parts = {part.name: part for part in read_parts(request.body, boundary, files=True)}
            file = track_of(parts, with_tags=self._store.switches.major >= TAGS_VERSION)
            check_chapters(file, self._store.switches)
            overwrite = "overwriteExisting" in parts and parts["overwriteExisting"].value == "true"
            if not self._store.add_track(identifier, file, overwrite=overwrite):
                return _text(f"Cannot find an event with id '{identifier}'.", 404)
        except (BadRequestError, BrokenFormError) as error:
            return _text(str(error), 400)
        except ActiveWorkflowError as error:
            return _text(str(error), 409)
        return _text("The track was added.")

    def _start(self, request: Request, _: User | None, __: str) -> Answer:
        """Start a workflow on an event. Unlike an ingest, refuse an unknown definition."""
        boundary = boundary_of(request.headers.get("Content-Type", ""))
        if boundary is None:
            return Answer(415)
        try:
            parts = {part.name: part.value for part in read_parts(request.body, boundary)}
            event, template = (
                parts.get("event_identifier", ""),
                parts.get("workflow_definition_identifier", ""),
            )
            started = self._store.start_on_event(event, template)
        except (BadRequestError, BrokenFormError) as error:
            return _text(str(error), 400)
        except ActiveWorkflowError as error:
            return _text(str(error), 409)
        if started is None:
            return _text("Cannot find the event or the workflow definition.", 404)
        answer = _external_api({"identifier": started.id, "state": "instantiated"})
        return replace(answer, status=201)

    def _components(self, _: Request, __: User | None, ___: str) -> Answer:
        version = self._store.switches.version
        services = [{"path": path, "version": version} for path in ("/api/events", "/ingest")]
        return json_answer(200, {"admin": "", "engage": "", "rest": services, "ui": []})

    def _delete(self, _: Request, __: User | None, identifier: str) -> Answer:
        return Answer(204 if self._store.delete_event(identifier) else 404)

    def _workflow(self, _: Request, __: User | None, number: str) -> Answer:
        workflow = self._store.workflows.get(int(number))
        if workflow is None:
            return Answer(404)
        return json_answer(200, workflow_json(workflow, self._store))

    def _incidents(self, _: Request, __: User | None, job: str) -> Answer:
        with self._store.lock:
            workflows = list(self._store.workflows.values())
        for workflow in workflows:
            operations = operations_of(workflow, self._store)
            for operation in operations:
                if operation["job"] == int(job) and operation["state"] == "FAILED":
                    return json_answer(200, incidents_json(int(job), workflow, self._store))
        return Answer(404)

    def _roles(self, _: Request, user: User | None, __: str) -> Answer:
        return _external_api(sorted(user.roles) if user else [])

    def _series(self, _: Request, __: User | None, identifier: str) -> Answer:
        catalog = self._store.series.get(identifier)
        return json_answer(200, {DC_TERMS: catalog}) if catalog is not None else Answer(404)

    def _services(self, request: Request, _: User | None, __: str) -> Answer:
        wanted = request.query.get("serviceType", "") == "org.opencastproject.ingest"
        running = request.query.get("status", "RUNNING") == "RUNNING"
        return _text(str(self._store.downloading if wanted and running else 0))

    def _has_active(self, _: Request, __: User | None, identifier: str) -> Answer:
        return _text("true" if self._store.is_active(identifier) else "false")


def workflow_xml(workflow: Workflow, event: Event, random: Random) -> bytes:
    """Return the XML with which Opencast answers an ingest. The state is always INSTANTIATED."""
    own, package = random.choice(PREFIXES)
    root = _root(own, "workflow", WORKFLOW_NS, id=str(workflow.id), state="INSTANTIATED")
    _child(root, own, "template", workflow.template)
    mediapackage = _root(
        package, "mediapackage", MEDIAPACKAGE_NS, id=event.identifier, start=event.created
    )
    root.append(mediapackage)
    _child(mediapackage, package, "title", _first(event, "title"))
    media = _child(mediapackage, package, "media")
    attachments = _child(mediapackage, package, "attachments")
    for number, stored in enumerate(event.files):
        parent = media if stored.kind == "track" else attachments
        element = _child(
            parent, package, stored.kind, id=f"{stored.kind}-{number}", type=stored.flavor
        )
        _child(element, package, "mimetype", stored.content_type)
        _child(element, package, "url", f"/{event.identifier}/{stored.name}")
        _child(element, package, "size", str(stored.size))
    operations = _child(root, own, "operations")
    _child(operations, own, "operation", id="defaults", state="INSTANTIATED", job="0")
    configurations = _child(root, own, "configurations")
    for key, value in workflow.properties.items():
        _child(configurations, own, "configuration", value, key=key)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def operations_of(workflow: Workflow, store: Store) -> list[dict[str, Any]]:
    """Return a workflow's operations in Opencast's JSON, with each operation's name in `template`.

    The operation that began last has the workflow's state.
    """
    state, share = store.state_of(workflow), store.share_of(workflow)
    at = len(OPERATIONS) if state == "SUCCEEDED" else int(share * len(OPERATIONS))
    if state in ("PAUSED", "FAILED", "STOPPED"):
        name = store.switches.operation if workflow.operation is None else workflow.operation
        at = OPERATIONS.index(name)
    seconds = store.switches.active_seconds if workflow.seconds is None else workflow.seconds
    end = workflow.started + seconds * share
    return [
        {
            "id": 70_000 + workflow.id + number,
            "template": name,
            "job": workflow.id + 1 + number,
            "state": "SUCCEEDED" if number < at else state if number == at else "INSTANTIATED",
            **({"completed": int(end * 1000)} if number < at else {}),
        }
        for number, name in enumerate(OPERATIONS)
    ]


def workflow_json(workflow: Workflow, store: Store) -> dict[str, Any]:
    """Return the answer of `/workflow/instance/{id}.json` for a workflow."""
    return {
        "workflow": {
            "id": workflow.id,
            "state": store.state_of(workflow),
            "template": workflow.template,
            "mediapackage": {"id": workflow.mediapackage_id},
            "operations": {"operation": operations_of(workflow, store)},
            "mediaPackageId": workflow.mediapackage_id,
        }
    }


def incidents_json(job: int, workflow: Workflow, store: Store) -> dict[str, Any]:
    """Return the incidents of a failed operation's job, in Opencast's full format."""
    text = store.switches.incident if workflow.incident is None else workflow.incident
    incident = {
        "id": job + 1,
        "jobId": job,
        "severity": "FAILURE",
        "code": "org.opencastproject.composer.1",
        "title": "Operation failed",
        "description": text,
    }
    return {"incidentFullTree": {"incidentFull": incident if text else []}}


def _root(prefix: str, name: str, namespace: str, **attributes: str) -> ET.Element:
    declaration = f"xmlns:{prefix}" if prefix else "xmlns"
    return ET.Element(_qualified(prefix, name), {declaration: namespace, **attributes})


def _child(
    parent: ET.Element, prefix: str, name: str, text: str | None = None, **attributes: str
) -> ET.Element:
    element = ET.SubElement(parent, _qualified(prefix, name), attributes)
    element.text = text
    return element


def _qualified(prefix: str, name: str) -> str:
    return f"{prefix}:{name}" if prefix else name


def _first(event: Event, term: str) -> str:
    return event.terms.get(term, [""])[0]


def _external_api(document: Any) -> Answer:
    answer = json_answer(200, document)
    return replace(answer, headers=(("Content-Type", "application/v1.11.0+json"),))


def _text(text: str, status: int = 200) -> Answer:
    return text_answer(status, "text/plain", text.encode())


def _not_found(_: Request, __: User | None, ___: str) -> Answer:
    return Answer(404)


def _challenge(challenge: str) -> Answer:
    return Answer(401, (("WWW-Authenticate", challenge),))


def _failure(fault: Fault) -> Answer:
    if fault.kind == "close":
        return Answer(fault.status, disruption=Disruption(how="silence"))
    if fault.kind == "maintenance":
        return text_answer(200, "text/html;charset=utf-8", MAINTENANCE)
    return text_answer(fault.status, "text/html", f"<h1>{fault.status}</h1>".encode())
