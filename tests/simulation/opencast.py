"""A fake Opencast with events, series, and an ingest that fetches files during the request.

The fake follows Opencast's sources. The POST of an ingest runs as its own process, which continues
when the caller has gone.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

import requests

from tests.simulation.aws.s3 import FakeBucket, FetchFailed, StoredObject, read_presigned
from tests.simulation.faults import Fault, Kind
from tests.simulation.http import Response, json_response, lost, page, refused
from tests.simulation.truth import Scenario
from tests.simulation.world import Failure, Promise, World

CHECK_SECONDS = 1.0
"""Shortest time in seconds between two checks for an outage during a POST."""

IDENTIFIER = re.compile(r"[\w\-.:;()]+")
EMPTY_500 = Response(500, b"")

CAPTIONS = "captions/source"
CHAPTERS = "chapters/source"
CHAPTERS_VERSION = 19

Form = Sequence[tuple[str, tuple[None, str] | tuple[str, bytes, str]]]
Answer = tuple[Response | None, BaseException | None]
"""Opencast's answer to a POST (None after an outage), and the error of the simulator or None."""


@dataclass(frozen=True)
class IngestedFile:
    """A file of an ingest.

    `promised` is the object's content when the form came, or "" if S3 refused the URL.
    `content` is the fetched content.
    """

    flavor: str
    key: str
    promised: str
    content: str


@dataclass
class Event:
    """An event in Opencast. `visible` and `active_until` are in seconds of the world."""

    id: str
    series: str
    visible: float
    active_until: float
    deleted: bool = False


@dataclass(frozen=True)
class Ingest:
    """An ingest that started a workflow. `began` and `finished` are in seconds of the world."""

    id: str
    series: str
    files: tuple[IngestedFile, ...]
    workflow: str
    source: str
    began: float
    finished: float
    number: int = 0
    """The id of the ingest's workflow."""
    ends: float = 0.0
    """The world's time at which the workflow ends or pauses."""
    end: str = "SUCCEEDED"
    """The end of the workflow, one of `scenarios.WORKFLOW_ENDS`."""

    @property
    def contents(self) -> tuple[str, ...]:
        return tuple(file.content for file in self.files)

    @property
    def uuid(self) -> str:
        return self.source.removeprefix("ZIP-")


@dataclass
class _Form:
    """The content of a POST's form."""

    id: str = ""
    series: str = ""
    source: str = ""
    media: list[tuple[str, str]] = field(default_factory=list)
    problem: str = ""


@dataclass(frozen=True)
class EventCaptions:
    """Captions or chapters of an event: a track of an ingest, or a track that was added later.

    `at` is in seconds of the world.
    """

    event: str
    text: str
    at: float
    flavor: str = CAPTIONS


class Opencast:
    """A fake Opencast: its data and its answers in a world."""

    def __init__(self, world: World, scenario: Scenario, bucket: FakeBucket) -> None:
        self.world = world
        self.site = scenario.site
        self.series = set(scenario.site.series)
        self.events: dict[str, Event] = {}
        self.ingests: list[Ingest] = []
        self.captions: list[EventCaptions] = []
        self.deleted: list[tuple[float, str]] = []
        """The world's time of each deletion by a person, and the recording's uuid."""
        self._bucket = bucket
        self._posts = 0
        self._at_work = 0
        self._workflows = 1600
        self.taken: list[tuple[float, str]] = []
        """For each ingested file: the world's time of the ingest's end, and the content."""
        self.questions: Counter[str] = Counter()
        """Workflow id → number of requests about the workflow."""
        self._planned: dict[tuple[Kind, int], Fault] = {
            (fault.kind, fault.nth): fault
            for fault in scenario.faults
            if fault.kind in (Kind.PROXY, Kind.REFUSAL)
        }

    @property
    def is_down(self) -> bool:
        return self.world.is_out("opencast")

    def get(self, path: str) -> Response:
        """Answer a GET. The pipeline's user has the roles ROLE_ADMIN and ROLE_API."""
        if path == "/api/info/me/roles":
            return json_response(["ROLE_ADMIN", "ROLE_API"])
        kind, _, name = path.strip("/").rpartition("/")
        name = unquote(name)
        if kind == "api/events":
            event = self.events.get(name)
            if event is None or event.deleted or self.world.time < event.visible:
                return Response(404, b"", {"Content-Type": "text/plain"})
            found = {
                "identifier": name,
                "is_part_of": event.series,
                "processing_state": self._state(name),
                "publication_status": self._publications(name),
            }
            return json_response(found, headers={"Content-Type": "application/v1.11.0+json"})
        if path == "/info/components.json":
            return json_response({"rest": [{"version": self.site.opencast_version}]})
        if kind == "workflow/instance":
            return self._workflow(name.removesuffix(".json"))
        if kind == "series" and name.endswith(".json"):
            return self._series(name.removesuffix(".json"))
        if path.startswith("/services/count?"):
            return Response(200, str(self._at_work).encode(), {"Content-Type": "text/plain"})
        if kind.startswith("workflow/mediaPackage") and name == "hasActiveWorkflows":
            event = self.events.get(kind.rpartition("/")[2])
            active = event is not None and self.world.time < event.active_until
            return Response(200, b"true" if active else b"false", {"Content-Type": "text/plain"})
        return Response(404, b"", {"Content-Type": "text/plain"})

    def _workflow(self, number: str) -> Response:
        """Count the request, and answer with a workflow, or with 404 for an unknown number.

        Opencast keeps the workflow when its event is deleted.
        """
        self.questions[number] += 1
        ingest = next((each for each in self.ingests if str(each.number) == number), None)
        if ingest is None:
            return Response(404, b"", {"Content-Type": "text/plain"})
        state = self._state_of(ingest)
        operation = {"id": "encode", "state": state, "job": str(ingest.number + 1)}
        content = {
            "id": number,
            "state": state,
            "mediapackage": {"id": ingest.id},
            "operations": {"operation": operation},
        }
        return json_response({"workflow": content})

    def _state_of(self, ingest: Ingest) -> str:
        if self.world.time < ingest.ends:
            return "RUNNING"
        return "SUCCEEDED" if ingest.end == "UNPUBLISHED" else ingest.end

    def _state(self, event: str) -> str:
        """Return the state of the workflow of an event's last ingest."""
        return self._state_of([ingest for ingest in self.ingests if ingest.id == event][-1])

    def _publications(self, event: str) -> list[str]:
        """Return the names of an event's publications, which always include "internal"."""
        found = self.published(event)
        return ["internal", "engage-player"] if found else ["internal"]

    def published(self, event: str) -> list[Ingest]:
        """Return the ingests that have published an event since it was last deleted."""
        uuid = next((ingest.uuid for ingest in self.ingests if ingest.id == event), "")
        gone = max((at for at, deleted in self.deleted if deleted == uuid), default=-1.0)
        return [
            ingest
            for ingest in self.ingests
            if ingest.id == event
            and ingest.end == "SUCCEEDED"
            and self.world.time >= ingest.ends
            and ingest.finished > gone
        ]

    def _series(self, series: str) -> Response:
        if series not in self.series:
            return Response(404, b"")
        terms = {"identifier": [{"value": series}], "title": [{"value": f"Series {series}"}]}
        return json_response({"http://purl.org/dc/terms/": terms})

    def delete(self, uuid: str) -> None:
        """Delete every event of a recording, as a person does."""
        self.deleted.append((self.world.time, uuid))
        for ingest in self.ingests:
            if ingest.uuid == uuid:
                self.events[ingest.id].deleted = True
                self.events[ingest.id].active_until = self.world.time

    def planned(self, kind: Kind) -> Fault | None:
        """Return the planned fault of a kind for the latest POST, or None.

        Move the fault to the world's `struck`.
        """
        found = self._planned.pop((kind, self._posts), None)
        if found is not None:
            self.world.struck.append(found)
        return found

    def add_track(self, event_id: str, form: Form) -> Response:
        """Answer a POST of a track to an event.

        The answer is 409 while the event has an active workflow.
        """
        event = self._event_of(event_id)
        if event is None:
            return Response(404, b"", {"Content-Type": "text/plain"})
        if self.world.time < event.active_until:
            return Response(409, b"A workflow is running.")
        parts = dict(form)
        flavor, text = str(parts["flavor"][1]), parts["track"][1]
        assert isinstance(text, bytes)
        if not self._shows(flavor):
            return Response(400, b"This version doesn't support chapters.")
        self._caption(event_id, flavor, text.decode())
        return Response(200, b"added")

    def _shows(self, flavor: str) -> bool:
        """Return whether the site's version of Opencast shows tracks of a flavor.

        The fake refuses other tracks, which the pipeline mustn't send. The real Opencast accepts
        tracks of any flavor.
        """
        major = int(self.site.opencast_version.partition(".")[0])
        return flavor != CHAPTERS or major >= CHAPTERS_VERSION

    def _caption(self, event_id: str, flavor: str, text: str) -> None:
        self.captions.append(EventCaptions(event_id, text, self.world.time, flavor))
        self.world.record(f"has {flavor.partition('/')[0]} of {event_id}")

    def start_workflow(self, form: Form) -> Response:
        """Answer a POST of a workflow for an event."""
        parts = {name: part[1] for name, part in form}
        event = self._event_of(str(parts["event_identifier"]))
        if event is None or parts["workflow_definition_identifier"] != "publish":
            return Response(404, b"", {"Content-Type": "text/plain"})
        if self.world.time < event.active_until:
            return Response(409, b"A workflow is running.")
        event.active_until = self.world.time + self.site.workflow_seconds
        return json_response({"identifier": 7}, 201)

    def _event_of(self, event_id: str) -> Event | None:
        event = self.events.get(event_id)
        is_there = event and not event.deleted and self.world.time >= event.visible
        return event if is_there else None

    def begin(self, workflow: str, form: Form) -> Promise[Answer]:
        """Start the process of a POST, and return a promise of the answer.

        The answer is None if Opencast goes down.
        """
        self._posts += 1
        refusal = self.planned(Kind.REFUSAL)
        if refusal is not None and int(refusal.detail) < 500:
            status = int(refusal.detail)
            return self.world.start("opencast", lambda: Response(status, b"not now"))
        fails = refusal is not None
        return self.world.start("opencast", lambda: self._ingest(workflow, form, fails=fails))

    def _ingest(self, workflow: str, form: Form, *, fails: bool) -> Response | None:
        self._at_work += 1
        try:
            return self._fetched(workflow, form, fails=fails)
        finally:
            self._at_work -= 1

    def _fetched(self, workflow: str, form: Form, *, fails: bool) -> Response | None:
        began = self.world.time
        sent = _read(form, attachments=self.site.attachments)
        if sent.problem:
            return Response(400, sent.problem.encode(), {"Content-Type": "text/plain"})
        if not all(self._shows(flavor) for flavor, _ in sent.media):
            return Response(400, b"This version doesn't support chapters.")
        self.world.record(f"takes a POST of {sent.id} with {len(sent.media)} files")
        promised = [self._content_behind(url) for _, url in sent.media]
        files: list[IngestedFile] = []
        for (flavor, url), before in zip(sent.media, promised, strict=True):
            try:
                found = self._bucket.fetch_object(url)
            except FetchFailed as error:
                self.world.record(f"can't fetch {read_presigned(url).key}: {error}")
                return EMPTY_500
            if not self._transferred(found):
                return None
            files.append(IngestedFile(flavor, found.key, before, found.content.decode()))
        if fails:
            return EMPTY_500
        return self._finish(sent, tuple(files), workflow, began)

    def _content_behind(self, url: str) -> str:
        try:
            return self._bucket.fetch_object(url).content.decode()
        except FetchFailed:
            return ""

    def _transferred(self, found: StoredObject) -> bool:
        """Sleep for the time of a transfer. Return whether Opencast stayed up."""
        rate = min(self.site.opencast_rate, self.site.opencast_link / self._at_work)
        ends = self.world.time + 0.3 + found.size / rate
        while not self.is_down:
            if self.world.time >= ends:
                return True
            self.world.sleep(min(max(CHECK_SECONDS, (ends - self.world.time) / 20), 60.0))
        self.world.record("goes down, and its ingest with it")
        return False

    def _finish(
        self, sent: _Form, files: tuple[IngestedFile, ...], workflow: str, began: float
    ) -> Response:
        now = self.world.time
        event = self.events.get(sent.id)
        if event is not None and now < event.active_until:
            return Response(409, b"The media package has an active workflow.")
        self._workflows += 3
        visible = now + (0.0 if event and not event.deleted else self.site.index_lag)
        ends = now + self.site.workflow_seconds
        end = self.site.workflow_ends[len(self.ingests) % len(self.site.workflow_ends)]
        active_until = math.inf if end == "PAUSED" else ends
        self.events[sent.id] = Event(sent.id, sent.series, visible, active_until)
        for file in files:
            if file.flavor in (CAPTIONS, CHAPTERS):
                self._caption(sent.id, file.flavor, file.content)
        self.ingests.append(
            Ingest(
                sent.id,
                sent.series,
                files,
                workflow,
                sent.source,
                began,
                now,
                number=self._workflows,
                ends=ends,
                end=end,
            )
        )
        self.taken += [(now, file.content) for file in files]
        self.world.record(f"has ingested {sent.id}: {', '.join(file.content for file in files)}")
        xml = (
            '<ns3:workflow xmlns:ns3="http://workflow.opencastproject.org" '
            f'id="{self._workflows}" state="INSTANTIATED"/>'
        )
        return Response(200, xml.encode(), {"Content-Type": "text/xml"})


def _read(form: Form, *, attachments: bool) -> _Form:
    """Read a form part by part, as Opencast does.

    `attachments` is whether Opencast takes attachments, as only DCE's Opencast does.
    """
    sent, flavor = _Form(), ""
    files = ("mediaUri", "attachmentUri") if attachments else ("mediaUri",)
    fields: dict[str, str] = {}
    for name, (_, value, *_) in form:
        assert isinstance(value, str)
        if value and name == "flavor":
            flavor = value
        elif value and name in files:
            sent.media.append((flavor, value))
        elif value:
            fields[name] = value
    sent.id, sent.series = fields.get("identifier", ""), fields.get("isPartOf", "")
    sent.source = fields.get("source", "")
    if not IDENTIFIER.fullmatch(sent.id):
        sent.problem = "The identifier is wrong."
    elif not sent.media:
        sent.problem = "There are no media."
    elif any("/" not in flavor for flavor, _ in sent.media):
        sent.problem = "A flavor is missing."
    return sent


class OpencastSession:
    """A fake of the methods of `requests.Session` that production uses for Opencast."""

    def __init__(self, opencast: Opencast, base: str) -> None:
        self._opencast = opencast
        self._world = opencast.world
        self._base = base

    def get(
        self,
        url: str,
        *,
        headers: object = None,
        auth: object = None,
        timeout: object = None,
        allow_redirects: bool = False,
        **_: object,
    ) -> Response:
        assert url.startswith(self._base)
        assert auth
        assert timeout
        assert headers is not None
        assert not allow_redirects
        path = url[len(self._base) :]
        return self._world.call("opencast.GET", lambda: self._opencast.get(path), _no_answer(url))

    def post(
        self,
        url: str,
        *,
        files: Form,
        timeout: tuple[float, float],
        headers: object = None,
        auth: object = None,
        allow_redirects: bool = False,
    ) -> Response:
        """Send an ingest, or a POST to the External API.

        `timeout` has the seconds to connect and to wait for an answer.
        """
        assert auth
        assert headers is not None
        assert not allow_redirects
        path = url[len(self._base) :]
        if path.startswith("/api/"):
            return self._api(path, files, url)
        workflow = unquote(url.rpartition("/")[2])
        taken = self._world.call(
            "opencast.POST", lambda: self._opencast.begin(workflow, files), _no_answer(url)
        )
        proxy = self._opencast.planned(Kind.PROXY)
        if proxy is not None:
            self._world.wait(taken, 5.0 + 55.0 * self._world.random_fraction())
            self._world.record(f"a proxy answers {proxy.detail} to the POST")
            return page(int(proxy.detail))
        if not self._world.wait(taken, timeout[1]):
            raise requests.exceptions.ReadTimeout("Read timed out.")
        answer = taken.value[0] if taken.value else None
        if answer is None:
            raise requests.exceptions.ConnectionError("Connection reset by peer")
        return self._world.call("opencast.answer", lambda: answer, lost_answer)

    def _api(self, path: str, form: Form, url: str) -> Response:
        """Send a POST to the External API, and return the answer."""
        if path == "/api/workflows":
            name, effect = "opencast.workflow", lambda: self._opencast.start_workflow(form)
        else:
            event = path.removeprefix("/api/events/").removesuffix("/track")
            name, effect = "opencast.track", lambda: self._opencast.add_track(event, form)
        found = self._world.call(name, effect, _no_answer(url))
        return self._world.call("opencast.answer", lambda: found, lost_answer)


def lost_answer(_done: bool) -> Exception:
    """Make the error for an answer that is lost on its way."""
    return lost(True)


def _no_answer(url: str) -> Failure:
    return lambda done: lost(True) if done else refused(url)
