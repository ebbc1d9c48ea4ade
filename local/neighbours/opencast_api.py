"""Opencast's endpoints as far as the pipeline and its operators use them, and who may call them.

What isn't in the table is protected like the rest and then 404: `/workflow/instances.json` and
`/workflow/statistics.json` are gone since version 12.
"""

import json
import re
import threading
from collections.abc import Callable, Mapping
from email.message import Message
from random import Random
from typing import Any, NamedTuple

from local.neighbours import opencast_answers as answers
from local.neighbours.opencast_forms import Body, BrokenBodyError, boundary_of, read_parts
from local.neighbours.opencast_ingest import BadRequestError, IngestFailedError, Ingests
from local.neighbours.opencast_signin import REALM, SignIn, UnauthorizedError
from local.neighbours.opencast_store import (
    ADMIN,
    API,
    CAPTURE_AGENT,
    EVENTS_VIEW,
    ActiveWorkflowError,
    Fault,
    Ingest,
    Store,
    User,
)

LOGIN_PATH = "/login.html"
MAINTENANCE = "<!DOCTYPE html><title>Maintenance</title><h1>We will be back soon.</h1>"
LOGIN = f"<!DOCTYPE html><title>{REALM}</title><form method=post><input name=j_username></form>"
ANYONE: frozenset[str] = frozenset()
FIRST_VERSION_WITHOUT_LOGIN_REDIRECT = 20


class Request(NamedTuple):
    method: str
    path: str
    query: Mapping[str, str]
    headers: Message
    body: Body
    user: User | None = None


class Answer(NamedTuple):
    status: int
    body: bytes = b""
    content_type: str = "text/plain"
    headers: tuple[tuple[str, str], ...] = ()
    ingest: Ingest | None = None
    """The ingest that this is the answer to."""


class Outcome(NamedTuple):
    """What a request comes to; no answer: the connection is closed without one."""

    answer: Answer | None
    user: str = ""


Endpoint = Callable[[Request, str], Answer]


def as_json(document: object, content_type: str = "application/json", status: int = 200) -> Answer:
    """An answer with this document."""
    return Answer(status, json.dumps(document).encode(), content_type)


def as_text(text: str, status: int = 200) -> Answer:
    """An answer in plain text."""
    return Answer(status, text.encode())


class Api:
    """Answers requests from what the store knows."""

    def __init__(
        self, store: Store, ca_bundle: str, stopping: threading.Event, random: Random
    ) -> None:
        self._store = store
        self._sign_in = SignIn(store)
        self._ingests = Ingests(store, ca_bundle, stopping)
        self._stopping = stopping
        self._random = random
        admin = frozenset({ADMIN})
        ingesting = frozenset({ADMIN, CAPTURE_AGENT})
        events, me = frozenset({ADMIN, EVENTS_VIEW}), frozenset({ADMIN, API})
        routes: tuple[tuple[str, str, frozenset[str], Endpoint], ...] = (
            ("POST", r"/ingest/addMediaPackage(?:/([^/]*))?", ingesting, self._ingest),
            ("GET", r"/api/events/([^/]+)", events, self._event),
            ("GET", r"/api/info/me/roles", me, self._roles),
            ("GET", r"/series/([^/]+)\.json", ANYONE, self._series),
            ("GET", r"/services/count", admin, self._services),
            ("GET", r"/workflow/count", admin, self._workflow_count),
            (
                "GET",
                r"/workflow/mediaPackage/([^/]+)/hasActiveWorkflows",
                admin,
                self._has_active,
            ),
            ("GET", r"/workflow/instance/(\d+)\.json", admin, self._workflow),
            ("GET", r"/info/health", ANYONE, self._health),
            ("GET", re.escape(LOGIN_PATH), ANYONE, self._login),
        )
        self._routes = [(m, re.compile(pattern), roles, e) for m, pattern, roles, e in routes]

    def outcome(self, request: Request) -> Outcome:
        """Sign in and answer, unless a fault is due."""
        method, path = request.method, request.path
        early = self._store.take_fault(
            method, path, "close", "status", "maintenance", after_work=False
        )
        if early:
            return Outcome(_failure(early))
        endpoint, roles, argument = self._route(method, path)
        try:
            user = self._sign_in.user(method, request.headers)
        except UnauthorizedError as error:
            return Outcome(_challenge(error.challenge))
        refusal = self._refusal(user, roles, request)
        name = user.name if user else ""
        if refusal:
            return Outcome(refusal, name)
        slow = self._store.take_fault(method, path, "slow", after_work=False)
        if slow:
            self._stopping.wait(slow.seconds)
        answer = endpoint(request._replace(user=user), argument)
        late = self._store.take_fault(
            method, path, "close", "status", "maintenance", after_work=True
        )
        if not late:
            return Outcome(answer, name)
        if answer.ingest:
            answer.ingest.answered = False
        return Outcome(_failure(late), name)

    def _route(self, method: str, path: str) -> tuple[Endpoint, frozenset[str], str]:
        for its_method, pattern, roles, endpoint in self._routes:
            match = pattern.fullmatch(path)
            if match and method == its_method:
                return endpoint, roles, (match[1] or "") if pattern.groups else ""
        return _not_found, frozenset({ADMIN}), ""

    def _refusal(self, user: User | None, roles: frozenset[str], request: Request) -> Answer | None:
        if roles == ANYONE or (user and roles & user.roles):
            return None
        if user:
            return as_text("Access is denied", 403)
        if request.headers.get("X-Requested-Auth") == "Digest":
            return _challenge(self._sign_in.challenge())
        if self._store.switches.version >= FIRST_VERSION_WITHOUT_LOGIN_REDIRECT:
            return as_text("Access is denied", 403)
        location = f"https://{request.headers.get('Host', '')}{LOGIN_PATH}"
        return Answer(302, headers=(("Location", location),))

    def _ingest(self, request: Request, workflow: str) -> Answer:
        boundary = boundary_of(request.headers.get("Content-Type", ""))
        if boundary is None:
            return Answer(415)
        conflict = self._store.take_fault(
            request.method, request.path, "conflict", after_work=False
        )
        user = request.user.name if request.user else ""
        with self._ingests.record(workflow, user) as record:
            try:
                parts = read_parts(request.body, boundary)
                started, event = self._ingests.run(record, parts, conflict=bool(conflict))
                body = answers.workflow_xml(started, event, self._random)
                answer = Answer(200, body, "text/xml")
            except (BadRequestError, ActiveWorkflowError) as error:
                record.reason = str(error)
                status = 400 if isinstance(error, BadRequestError) else 409
                answer = as_text(record.reason, status)
            except (IngestFailedError, BrokenBodyError) as error:
                record.reason = str(error)
                answer = Answer(500)
            record.status = answer.status
            return answer._replace(ingest=record)

    def _event(self, request: Request, identifier: str) -> Answer:
        event = self._store.events.get(identifier)
        if event is None or request.user is None or ADMIN not in request.user.roles:
            return as_text(f"Cannot find an event with id '{identifier}'.", 404)
        return as_json(answers.event_json(event, self._store), "application/v1.11.0+json")

    def _roles(self, request: Request, _: str) -> Answer:
        roles = sorted(request.user.roles) if request.user else []
        return as_json(roles, "application/v1.11.0+json")

    def _series(self, _: Request, identifier: str) -> Answer:
        catalog = self._store.series.get(identifier)
        return as_json(answers.series_json(catalog)) if catalog is not None else Answer(404)

    def _services(self, request: Request, _: str) -> Answer:
        wanted = request.query.get("serviceType", "") == "org.opencastproject.ingest"
        running = request.query.get("status", "RUNNING") == "RUNNING"
        return as_text(str(self._store.downloading if wanted and running else 0))

    def _workflow_count(self, request: Request, _: str) -> Answer:
        return as_text(str(self._store.count_workflows(request.query.get("state", ""))))

    def _has_active(self, _: Request, identifier: str) -> Answer:
        return as_text("true" if self._store.is_active(identifier) else "false")

    def _workflow(self, _: Request, identifier: str) -> Answer:
        workflow = self._store.workflows.get(int(identifier))
        if workflow is None:
            return Answer(404)
        event = self._store.events[workflow.mediapackage_id]
        return as_json(answers.workflow_json(workflow, event, self._store))

    def _health(self, _: Request, __: str) -> Answer:
        health: dict[str, Any] = {"status": "pass", "description": "Opencast", "checks": {}}
        return as_json(health, "application/health+json")

    def _login(self, _: Request, __: str) -> Answer:
        return Answer(200, LOGIN.encode(), "text/html;charset=utf-8")


def _not_found(_: Request, __: str) -> Answer:
    return Answer(404)


def _challenge(challenge: str) -> Answer:
    return Answer(401, headers=(("WWW-Authenticate", challenge),))


def _failure(fault: Fault) -> Answer | None:
    if fault.kind == "close":
        return None
    if fault.kind == "maintenance":
        return Answer(200, MAINTENANCE.encode(), "text/html;charset=utf-8")
    return Answer(fault.status, f"<h1>{fault.status}</h1>".encode(), "text/html")
