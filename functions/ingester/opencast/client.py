"""Opencast: is an event there, what is a series, and the ingest itself.

Facts from Opencast's own sources: the External API (events, info), the series and ingest REST
endpoints, and its Digest sign-in.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

import msgspec
import requests
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth

from ingester.errors import (
    IngestBroken,
    IngestNotSent,
    IngestRefused,
    IngestUncertain,
    OpencastRefused,
    OpencastUnreachable,
)

logger = logging.getLogger("ingester.opencast")

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
READS_EVERY_EVENT = "ROLE_ADMIN"
PUBLISHER = "publisher"
DUBLIN_CORE = "http://purl.org/dc/terms/"

Parts = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Series:
    """A series' catalog as Opencast's JSON has it, and its publisher ("" if none)."""

    catalog: str
    publisher: str


class _Value(msgspec.Struct, frozen=True):
    value: str = ""


class _Catalog(msgspec.Struct, frozen=True):
    terms: dict[str, list[_Value]] = msgspec.field(name=DUBLIN_CORE, default_factory=dict)


class Opencast:
    """One Opencast, as one user. `auth` is `digest` or `basic`."""

    def __init__(
        self, base_url: str, user: str, password: str, *, auth: str, session: requests.Session
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._session = session
        self._auth: AuthBase = (
            HTTPBasicAuth(user, password) if auth == "basic" else HTTPDigestAuth(user, password)
        )
        self._headers = {} if auth == "basic" else {"X-Requested-Auth": "Digest"}
        self._may_read = False

    @property
    def host(self) -> str:
        """The address without its scheme, for sentences."""
        return self._base_url.partition("://")[2]

    def has_event(self, media_package_id: str) -> bool:
        """Whether an event of this id is there.

        Opencast answers 404 also to a user who may not read the event, so a 404 is believed only
        of a user who may read all. OpencastUnreachable when there is no sensible answer,
        OpencastRefused when the user lacks a role.
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
        """Whether this user may read every event; asked once.

        OpencastRefused if not, OpencastUnreachable when there is no sensible answer.
        """
        if self._may_read:
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
        self._may_read = True

    def is_idle(self, media_package_id: str) -> bool | None:
        """Whether Opencast is at work on no ingest at all, nor on this media package; None if it
        doesn't say.

        The service registry counts the POSTs that any of its nodes is fetching files for. A
        workflow is known as soon as the POST has ended, the event a little later. Both ask for
        ROLE_ADMIN.
        """
        ingests = self._get("/services/count?serviceType=org.opencastproject.ingest&status=RUNNING")
        count = ingests.text.strip()
        if ingests.status_code != 200 or not (count.isascii() and count.isdigit()):
            return None
        if count != "0":
            return False
        active = self._get(f"/workflow/mediaPackage/{media_package_id}/hasActiveWorkflows")
        known = {"true": False, "false": True}
        return known.get(active.text.strip()) if active.status_code == 200 else None

    def series(self, series_id: str) -> Series | None:
        """A series, or None if Opencast has none of this id."""
        response = self._get(f"/series/{quote(series_id, safe='')}.json")
        if response.status_code == 404:
            return None
        if response.status_code != 200:
            raise self._refusal(response, "reading the series")
        catalog = self._json(response)
        try:
            terms = msgspec.convert(catalog, _Catalog).terms
        except msgspec.ValidationError as error:
            raise OpencastUnreachable(
                "Opencast's answer about the series makes no sense."
            ) from error
        publishers = terms.get(PUBLISHER) or [_Value()]
        return Series(json.dumps(catalog), publishers[0].value)

    def ingest(self, workflow: str, parts: Parts, *, read_seconds: float) -> str:
        """POSTs a media package and gives the id of the workflow, "" if one is already running.

        Opencast fetches every file inside the request, so the answer can take hours.
        IngestNotSent and IngestRefused if nothing was started for certain, IngestBroken after
        Opencast's own 500, and IngestUncertain when no answer of Opencast's came: it must not be
        sent again before asking.
        """
        form = [(name, (None, value)) for name, value in parts]
        try:
            response = self._session.post(
                f"{self._base_url}/ingest/addMediaPackage/{quote(workflow, safe='')}",
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
            raise IngestUncertain("Opencast's answer to the ingest never came.") from error
        status = response.status_code
        if status == 409:
            return ""
        if status >= 500 and (status != 500 or _is_page(response)):
            # A proxy says so, not Opencast, which may still be fetching the files. Opencast's own
            # errors are 500 without a page.
            raise IngestUncertain(f"A proxy before Opencast answered the ingest with {status}")
        if status >= 500:
            raise IngestBroken(f"Opencast answered {status} to the ingest.")
        if status != 200:
            raise IngestRefused(f"Opencast answered {status} to the ingest: {_text(response)}")
        return _workflow_id(response)

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
            # A proxy's, while Opencast restarts: it says nothing of events and series.
            raise OpencastUnreachable(f"{self.host} answered 404 with a page, as a proxy does.")
        return response

    def _refusal(self, response: requests.Response, doing: str) -> Exception:
        status = response.status_code
        if status in (401, 403) or 300 <= status < 400:
            return OpencastRefused(
                f"Opencast refuses its user {doing} ({status}): check OPENCAST_API_USER, its "
                "password and roles, and OPENCAST_AUTH."
            )
        return OpencastUnreachable(f"Opencast answered {status} when {doing}.")

    def _json(self, response: requests.Response) -> Any:
        try:
            return response.json()
        except requests.exceptions.JSONDecodeError as error:
            raise OpencastUnreachable(
                f"{self.host} answered with something that isn't JSON: a page of a proxy?"
            ) from error


def _is_page(response: requests.Response) -> bool:
    return "html" in response.headers.get("Content-Type", "")


def _was_never_sent(error: requests.RequestException) -> bool:
    """Whether the connection was refused, so that nothing of the request reached Opencast."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return "NewConnectionError" in type(reason).__name__ or "NameResolution" in str(type(reason))


def _text(response: requests.Response) -> str:
    return re.sub(r"\s+", " ", response.text)[:200].strip() or "no text"


def _workflow_id(response: requests.Response) -> str:
    """The `id` of the answer's root element, whatever its prefix."""
    try:
        root = ET.fromstring(response.content)  # noqa: S314  # our own Opencast's answer; expat bounds entities since 2.4.1
    except ET.ParseError as error:
        raise IngestUncertain("Opencast's answer to the ingest can't be read.") from error
    workflow = root.get("id") if root.tag.rpartition("}")[2] == "workflow" else ""
    if not workflow:
        raise IngestUncertain("Opencast's answer to the ingest names no workflow.")
    return workflow
