"""Client of Opencast's REST API: events, series, workflows, and the ingest itself.

The facts here come from Opencast's source code (https://github.com/opencast/opencast), such as the
External API, the series, ingest and workflow endpoints, the service registry, and the Digest
authentication.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote
from xml.etree import ElementTree as ET

import msgspec
import requests
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth

from ingester.errors import (
    UNREADABLE_JSON,
    AskLater,
    IngestBroken,
    IngestNotSent,
    IngestOutcomeUnknown,
    IngestRefused,
    OpencastRefused,
    OpencastUnreachable,
)
from ingester.log import redact
from ingester.opencast.processing import News, Workflow, event_of, incident_text, workflow_of
from ingester.settings import OpencastSettings, UploaderSecrets

logger = logging.getLogger("ingester.opencast")

Answer = TypeVar("Answer")

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
READS_EVERY_EVENT = "ROLE_ADMIN"
PUBLISHER = "publisher"
DUBLIN_CORE = "http://purl.org/dc/terms/"

_Part = tuple[str, tuple[None, str] | tuple[str, bytes, str]]
"""A form's part: name and text; or name, and a file with name, content and type."""

Parts = Sequence[tuple[str, str]]
"""Names and values of a form's parts, in order. A name may occur several times."""


@dataclass(frozen=True)
class Series:
    """An Opencast series.

    Attributes:
        catalog: Dublin Core catalog of the series, in Opencast's JSON.
        publisher: First publisher of the series; "" if the series has none.
    """

    catalog: str
    publisher: str


class _Value(msgspec.Struct, frozen=True):
    value: str = ""


class _Catalog(msgspec.Struct, frozen=True):
    terms: dict[str, list[_Value]] = msgspec.field(name=DUBLIN_CORE, default_factory=dict)


class _Component(msgspec.Struct, frozen=True):
    version: str = ""


class _Components(msgspec.Struct, frozen=True):
    rest: list[_Component] = msgspec.field(default_factory=list)


class NothingThere(IngestRefused):
    """A POST that Opencast answered with 404."""


def opencast_of(
    settings: OpencastSettings, secrets: UploaderSecrets, session: requests.Session
) -> Opencast:
    """Make the client that a function's settings and secrets describe."""
    return Opencast(
        settings.opencast_base_url,
        settings.opencast_api_user,
        secrets.opencast_api_password,
        auth=settings.opencast_auth,
        session=session,
    )


class Opencast:
    """Client of one Opencast as one user.

    Args:
        base_url: Scheme and host of Opencast's admin node.
        user: Name of the API user.
        password: The user's password.
        auth: `digest` or `basic`.
        session: Session for all requests.
    """

    def __init__(
        self, base_url: str, user: str, password: str, *, auth: str, session: requests.Session
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._session = session
        self._auth: AuthBase = (
            HTTPBasicAuth(user, password) if auth == "basic" else HTTPDigestAuth(user, password)
        )
        self._headers = {} if auth == "basic" else {"X-Requested-Auth": "Digest"}
        self._can_read_every_event = False

    @property
    def host(self) -> str:
        """Address of Opencast without the scheme, for messages to people."""
        return self._base_url.partition("://")[2]

    def has_event(self, media_package_id: str) -> bool:
        """Return whether Opencast has an event of this id.

        Opencast also answers 404 to a user who may not read the event. So a 404 counts only if the
        user may read every event.

        Raises:
            OpencastUnreachable: Opencast gives no valid answer.
            OpencastRefused: Opencast refuses the user, or the user lacks a role.
        """
        response = self._get(f"/api/events/{media_package_id}")
        if response.status_code == 200:
            self._json(response)
            return True
        if response.status_code != 404:
            raise self._refusal(response, f"reading events (it needs {READS_EVERY_EVENT})")
        self.check_reader()
        return False

    def check_reader(self) -> None:
        """Check that the user may read every event. Keep a positive answer for later calls.

        Raises:
            OpencastUnreachable: Opencast gives no valid answer.
            OpencastRefused: Opencast refuses the user, or the user may not read every event.
        """
        if self._can_read_every_event:
            return
        response = self._get("/api/info/me/roles")
        if response.status_code != 200:
            raise self._refusal(response, "reading its own roles (External API)")
        roles = self._json(response)
        if not isinstance(roles, list) or READS_EVERY_EVENT not in roles:
            raise OpencastRefused(
                f"The Opencast user lacks {READS_EVERY_EVENT}: it can't be told whether a "
                "recording is in Opencast already, so nothing is ingested. Give it the role."
            )
        self._can_read_every_event = True

    def is_idle(self, media_package_id: str) -> bool | None:
        """Return whether Opencast runs no ingest at all, and no workflow of this media package.

        The service registry counts the POSTs for which any node of Opencast is fetching files. As
        soon as a POST ends, its workflow is visible. The event is visible a little later. The
        endpoints of the service registry and of workflows need ROLE_ADMIN.

        Returns:
            None if Opencast doesn't say.

        Raises:
            OpencastUnreachable: Opencast gives no answer, or a proxy answers 404.
        """
        ingests = self._get("/services/count?serviceType=org.opencastproject.ingest&status=RUNNING")
        count = ingests.text.strip()
        if ingests.status_code != 200 or not (count.isascii() and count.isdigit()):
            return None
        if count != "0":
            return False
        active = self._get(f"/workflow/mediaPackage/{media_package_id}/hasActiveWorkflows")
        is_idle = {"true": False, "false": True}
        return is_idle.get(active.text.strip()) if active.status_code == 200 else None

    def news_of(self, media_package_id: str, workflow_id: str) -> News:
        """Ask Opencast what became of an ingest. `workflow_id` is "" if it is unknown.

        The endpoints of events and workflows show everything only to a user with ROLE_ADMIN.

        Raises:
            OpencastUnreachable: Opencast gives no valid answer.
            OpencastRefused: Opencast refuses the user, or the user lacks a role.
        """
        read_event = partial(event_of, media_package=media_package_id)
        event = self._read(f"/api/events/{media_package_id}", "reading events", read_event)
        if event is None:
            # Opencast also answers 404 to a user who may not read the event.
            self.check_reader()
            return News(event=None)
        if not workflow_id:
            return News(event=event)
        path = f"/workflow/instance/{quote(workflow_id, safe='')}.json"
        read_workflow = partial(workflow_of, media_package=media_package_id)
        return News(event=event, workflow=self._read(path, "reading workflows", read_workflow))

    def reason_of(self, workflow: Workflow) -> str:
        """Return what Opencast says about a workflow's failed operation.

        The result is "" if Opencast says nothing, or can't be asked.
        """
        if not workflow.job:
            return ""
        path = f"/incidents/job/{quote(workflow.job, safe='')}.json?cascade=true&format=full"
        try:
            return self._read(path, "reading incidents", incident_text) or ""
        except (OpencastUnreachable, OpencastRefused) as error:
            logger.warning("Opencast doesn't say why its operation failed: %s", error)
            return ""

    def page_of(self, workflow_id: str) -> str:
        """Return the URL of a workflow; Opencast's own URL if the workflow is unknown."""
        if not workflow_id:
            return self._base_url
        return f"{self._base_url}/workflow/instance/{quote(workflow_id, safe='')}.json"

    def series(self, series_id: str) -> Series | None:
        """Return a series, or None if Opencast doesn't have the series.

        Raises:
            OpencastUnreachable: Opencast gives no valid answer.
            OpencastRefused: Opencast refuses the user.
        """
        response = self._get(f"/series/{quote(series_id, safe='')}.json")
        if response.status_code == 404:
            return None
        if response.status_code != 200:
            raise self._refusal(response, "reading the series")
        catalog = self._json(response)
        try:
            terms = msgspec.convert(catalog, _Catalog).terms
            text = json.dumps(catalog)
        except (ValueError, RecursionError) as error:
            raise OpencastUnreachable(
                "Opencast's answer about the series makes no sense."
            ) from error
        publishers = terms.get(PUBLISHER) or [_Value()]
        return Series(text, publishers[0].value)

    def ingest(self, workflow: str, parts: Parts, *, read_seconds: float) -> str:
        """POST a media package.

        Opencast fetches every file during the request, so the answer can take hours.

        Args:
            workflow: Name of the workflow definition to start.
            parts: Parts of the form.
            read_seconds: Timeout for the answer.

        Returns:
            Id of the workflow; "" if a workflow of this media package is already running (409).

        Raises:
            IngestNotSent, IngestRefused: The POST certainly started nothing.
            IngestBroken: Opencast itself answered 500.
            IngestOutcomeUnknown: Opencast itself didn't answer, or its answer can't be read. The
                caller has to ask for the event before another POST.
        """
        path = f"/ingest/addMediaPackage/{quote(workflow, safe='')}"
        form = [(name, (None, value)) for name, value in parts]
        response = self._post(path, form, "the ingest", read_seconds=read_seconds)
        return "" if response.status_code == 409 else _workflow_id(response)

    def version(self) -> int | None:
        """Return Opencast's major version; None if Opencast doesn't state it.

        Each REST service states the version of its bundle, which is Opencast's version.

        Raises:
            OpencastUnreachable: Opencast gives no answer, or a proxy answers 404.
        """
        response = self._get("/info/components.json")
        if response.status_code != 200:
            return None
        try:
            services = msgspec.json.decode(response.content, type=_Components).rest
        except UNREADABLE_JSON:
            return None
        matches = (re.match(r"([1-9][0-9]?)\.", service.version) for service in services)
        return min((int(match[1]) for match in matches if match), default=None)

    def has_active_workflow(self, media_package_id: str) -> bool:
        """Return whether a workflow of an event is running or paused.

        Raises:
            OpencastUnreachable: Opencast gives no valid answer.
            OpencastRefused: Opencast refuses the user, or the user lacks a role.
        """
        response = self._get(f"/workflow/mediaPackage/{media_package_id}/hasActiveWorkflows")
        answer = response.text.strip()
        if response.status_code != 200 or answer not in ("true", "false"):
            raise self._refusal(response, "asking for running workflows (it needs ROLE_ADMIN)")
        return answer == "true"

    def add_track(
        self, media_package_id: str, flavor: str, tags: Sequence[str], name: str, content: bytes
    ) -> bool:
        """Add a small file to an event as a track. The event keeps its other tracks.

        Args:
            media_package_id: Id of the event.
            flavor: Flavor of the track.
            tags: Tags of the track.
            name: Name of the file.
            content: The file, which is WebVTT.

        Returns:
            False if a workflow of the event is running: then nothing was added.

        Raises:
            IngestNotSent, IngestRefused: Nothing was added.
            IngestBroken, IngestOutcomeUnknown: Opencast may have added the file.
        """
        form: list[_Part] = [
            ("flavor", (None, flavor)),
            *([("tags", (None, ",".join(tags)))] if tags else []),
            ("overwriteExisting", (None, "false")),
            ("track", (name, content, "text/vtt")),
        ]
        path = f"/api/events/{media_package_id}/track"
        what = f"the {flavor.partition('/')[0]}"
        return self._post(path, form, what).status_code != 409

    def start_workflow(self, media_package_id: str, workflow: str) -> bool:
        """Start a workflow of an event.

        Returns:
            False if Opencast doesn't have the workflow, or no longer has the event.

        Raises:
            AskLater: A workflow of the event is running.
            OpencastUnreachable, OpencastRefused: The workflow wasn't started, or the outcome is
                unknown.
        """
        form: list[_Part] = [
            ("event_identifier", (None, media_package_id)),
            ("workflow_definition_identifier", (None, workflow)),
        ]
        try:
            response = self._post("/api/workflows", form, "the workflow")
        except NothingThere:
            return False
        if response.status_code == 409:
            raise AskLater("A workflow of the event is running")
        return True

    def _post(
        self, path: str, form: Sequence[_Part], what: str, *, read_seconds: float = READ_SECONDS
    ) -> requests.Response:
        """POST a form, and return an answer with 200, 201, 204 or 409.

        `what` names the form in errors. `read_seconds` is the timeout for the answer.

        Raises:
            IngestNotSent, IngestRefused: The POST certainly did nothing.
            IngestBroken: Opencast itself answered 500.
            IngestOutcomeUnknown: Opencast itself didn't answer.
        """
        try:
            response = self._session.post(
                self._base_url + path,
                files=form,
                headers=self._headers,
                auth=self._auth,
                timeout=(CONNECT_SECONDS, read_seconds),
                allow_redirects=False,
            )
        except requests.exceptions.ConnectTimeout as error:
            raise IngestNotSent(f"{self.host} took no connection.") from error
        except requests.RequestException as error:
            if _was_never_sent(error):
                raise IngestNotSent(f"{self.host} took no connection.") from error
            raise IngestOutcomeUnknown(f"Opencast's answer to {what} never came.") from error
        status = response.status_code
        if status >= 500 and (status != 500 or _is_page(response)):
            # A proxy sends an HTML page, or a 5xx other than 500, while Opencast may still fetch
            # the files. Opencast itself reports its errors with 500 and without an HTML page.
            raise IngestOutcomeUnknown(f"A proxy before Opencast answered {what} with {status}")
        if status >= 500:
            raise IngestBroken(f"Opencast answered {status} to {what}.")
        if status not in (200, 201, 204, 409):
            refusal = NothingThere if status == 404 else IngestRefused
            raise refusal(f"Opencast answered {status} to {what}: {_text(response)}")
        return response

    def _get(self, path: str) -> requests.Response:
        try:
            response = self._session.get(
                self._base_url + path,
                headers=self._headers,
                auth=self._auth,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise OpencastUnreachable(
                f"{self.host} gives no answer ({type(error).__name__})."
            ) from error
        logger.debug("Opencast answered %s to %s", response.status_code, path)
        if response.status_code == 404 and _is_page(response):
            # A proxy sends a 404 with a page while Opencast restarts. So the event or series may
            # exist.
            raise OpencastUnreachable(f"{self.host} answered 404 with a page, as a proxy does.")
        return response

    def _read(self, path: str, doing: str, read: Callable[[Any], Answer]) -> Answer | None:
        """Return the result of `read` for a JSON document; None for a 404.

        `doing` names the request in errors.

        Raises:
            OpencastUnreachable: Opencast gives no valid answer, or `read` raised a ValueError.
            OpencastRefused: Opencast refuses the user: a wrong password, or a missing role.
        """
        response = self._get(path)
        if response.status_code == 404:
            return None
        if response.status_code != 200:
            raise self._refusal(response, f"{doing} (it needs {READS_EVERY_EVENT})")
        try:
            return read(self._json(response))
        except ValueError as error:
            raise OpencastUnreachable(str(error)) from error

    def _refusal(self, response: requests.Response, doing: str) -> Exception:
        """Return the error for an unexpected status.

        `doing` names the request in the error, and may say in brackets what the request needs.
        """
        status = response.status_code
        if status in (401, 403) or 300 <= status < 400:
            return OpencastRefused(
                f"Opencast refuses its user {doing} ({status}): check OPENCAST_API_USER, its "
                "password and roles, and OPENCAST_AUTH."
            )
        return OpencastUnreachable(f"Opencast answered {status} when {doing.partition(' (')[0]}.")

    def _json(self, response: requests.Response) -> Any:
        try:
            return response.json()
        except (ValueError, RecursionError) as error:
            raise OpencastUnreachable(
                f"{self.host} answered with something that isn't JSON: a page of a proxy?"
            ) from error


def _is_page(response: requests.Response) -> bool:
    """Return whether an answer is an HTML page, such as a proxy's or a login form."""
    return "html" in response.headers.get("Content-Type", "")


def _was_never_sent(error: requests.RequestException) -> bool:
    """Return whether no connection was made, so that no byte of the request reached Opencast."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return "NewConnectionError" in type(reason).__name__ or "NameResolution" in str(type(reason))


def _text(response: requests.Response) -> str:
    """Return an answer's body as one line of at most 200 characters, without secrets.

    The text for an empty body is "no text".
    """
    return re.sub(r"\s+", " ", redact(response.text))[:200].strip() or "no text"


def _workflow_id(response: requests.Response) -> str:
    """Return the `id` of the root element `workflow`, whatever the element's namespace prefix.

    Raises:
        IngestOutcomeUnknown: The answer isn't XML or contains no such id.
    """
    try:
        root = ET.fromstring(response.content)  # noqa: S314  # our own Opencast's answer; expat bounds entities since 2.4.1
    except (ET.ParseError, LookupError, ValueError) as error:
        # LookupError and ValueError mean that the answer names an encoding which Python doesn't
        # know or can't decode.
        raise IngestOutcomeUnknown("Opencast's answer to the ingest can't be read.") from error
    workflow = root.get("id") if root.tag.rpartition("}")[2] == "workflow" else ""
    if not workflow:
        raise IngestOutcomeUnknown("Opencast's answer to the ingest names no workflow.")
    return workflow
