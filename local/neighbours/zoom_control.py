"""The stand-in's own paths, for whoever drives it from another process. Never part of Zoom.

GET    /_control/health           {"status": "ok", "url", "cdn_url"}
GET    /_control/recordings       all, with name, size and sha256 of every file
POST   /_control/recordings       a Lecture: makes its files and answers as GET does
POST   /_control/trash            {"uuid"}: into the trash; /_control/recover takes it back
POST   /_control/events           {"url", "event", "uuid"?, "event_ts"?, "body"?, "forge"?,
                                  "timeout"?}: sends a webhook, answers {"status", "body",
                                  "tracking_id", "seconds"}
GET    /_control/requests         every request so far, secrets blotted out; DELETE forgets them
GET    /_control/faults           those still to come; POST: add one; DELETE: none any more
GET    /_control/sent             {file's id: bytes of it that the CDN has sent so far}
GET    /_control/switches         POST: change those that are given
POST   /_control/expire           {"access_tokens"?: true, "download_tokens"?: true, "uuid"?,
                                  "page_tokens"?: true}
POST   /_control/app              {"scopes": […]}: the app's scopes from now on
POST   /_control/users            {"user", "status": "active" or "inactive"}: a user by its id
"""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import requests

from local.neighbours.https_server import Answer, Request, json_answer
from local.neighbours.zoom_account import UserStatus
from local.neighbours.zoom_events import PATIENCE_SECONDS, Forgery
from local.neighbours.zoom_faults import Fault
from local.neighbours.zoom_recordings import Lecture, Recording

if TYPE_CHECKING:
    from local.neighbours.zoom import ZoomStandIn

SECRET_HEADERS = {"authorization", "cookie", "proxy-authorization"}
SECRET_PARAMETERS = {"access_token", "client_secret", "policy", "signature"}
T = TypeVar("T")


@dataclass(frozen=True)
class SendEvent:
    """A webhook to send: built from the recording `uuid`, or `body` just as it is given."""

    url: str
    event: str = ""
    uuid: str = ""
    event_ts: int | None = None
    body: dict[str, Any] | None = None
    forge: Forgery | None = None
    timeout: float = PATIENCE_SECONDS


@dataclass(frozen=True)
class Named:
    """Names a recording."""

    uuid: str


@dataclass(frozen=True)
class Expire:
    """Which tokens die now; `uuid` limits the download tokens to one recording's."""

    access_tokens: bool = False
    download_tokens: bool = False
    page_tokens: bool = False
    uuid: str | None = None


@dataclass(frozen=True)
class App:
    """What the app may do."""

    scopes: tuple[str, ...]


@dataclass(frozen=True)
class User:
    """A user of the account."""

    user: str
    status: UserStatus = "active"


class Control:
    """Answers the stand-in's own paths."""

    def __init__(self, zoom: "ZoomStandIn") -> None:
        self._zoom = zoom
        self._routes: dict[tuple[str, str], Callable[[bytes], object]] = {
            ("GET", "health"): lambda _: {
                "status": "ok",
                "url": zoom.url,
                "cdn_url": zoom.cdn_url,
            },
            ("GET", "recordings"): lambda _: [summary(each) for each in zoom.recordings],
            ("POST", "recordings"): lambda body: summary(zoom.add_lecture(_read(body, Lecture))),
            ("POST", "trash"): lambda body: zoom.trash(_read(body, Named).uuid),
            ("POST", "recover"): lambda body: zoom.recover(_read(body, Named).uuid),
            ("POST", "events"): self._send,
            ("GET", "requests"): lambda _: [seen_json(each) for each in zoom.requests],
            ("DELETE", "requests"): lambda _: zoom.forget_requests(),
            ("GET", "faults"): lambda _: list(zoom.faults),
            ("POST", "faults"): lambda body: zoom.fail(_read(body, Fault)),
            ("DELETE", "faults"): lambda _: zoom.clear_faults(),
            ("GET", "sent"): lambda _: zoom.sent,
            ("GET", "switches"): lambda _: zoom.switches,
            ("POST", "switches"): lambda body: zoom.set(**_read(body, dict[str, Any])),
            ("POST", "expire"): self._expire,
            ("POST", "app"): lambda body: zoom.grant(*_read(body, App).scopes),
            ("POST", "users"): lambda body: zoom.set_user(*_user(body)),
        }

    def answer(self, request: Request) -> Answer:
        """Do what is asked: 200 with the result, 400 or 404 with a sentence, 502 if nobody
        answered."""
        route = self._routes.get((request.method, request.path.removeprefix("/_control/")))
        if route is None:
            return json_answer(404, {"message": f"no {request.method} {request.path} here"})
        try:
            result = route(request.body)
        except KeyError as error:
            return json_answer(404, {"message": f"no recording {error}"})
        except (msgspec.MsgspecError, ValueError) as error:
            return json_answer(400, {"message": str(error)})
        except requests.RequestException as error:
            return json_answer(502, {"message": f"the endpoint did not answer: {error}"})
        return json_answer(200, msgspec.to_builtins(result))

    def _send(self, body: bytes) -> object:
        asked = _read(body, SendEvent)
        event = asked.body
        if event is None:
            event = self._zoom.event(asked.event, asked.uuid, event_ts=asked.event_ts)
        return self._zoom.send_event(asked.url, event, forge=asked.forge, timeout=asked.timeout)

    def _expire(self, body: bytes) -> None:
        asked = _read(body, Expire)
        if asked.access_tokens:
            self._zoom.expire_access_tokens()
        if asked.download_tokens:
            self._zoom.expire_download_tokens(asked.uuid)
        if asked.page_tokens:
            self._zoom.expire_page_tokens()


def _user(body: bytes) -> tuple[str, UserStatus]:
    asked = _read(body, User)
    return asked.user, asked.status


def summary(recording: Recording) -> dict[str, Any]:
    """A recording for whoever compares its files with what arrived elsewhere."""
    return {
        "uuid": recording.uuid,
        "meeting_id": recording.meeting_id,
        "topic": recording.topic,
        "start_time": recording.start_time,
        "duration": recording.duration,
        "host_id": recording.host_id,
        "files": [
            {
                "id": file.file_id,
                "file_type": file.file_type,
                "recording_type": file.recording_type,
                "recording_start": file.recording_start,
                "recording_end": file.recording_end,
                "name": file.name,
                "size": file.size,
                "sha256": file.sha256(),
            }
            for file in recording.all_files
        ],
    }


def seen_json(seen: Any) -> dict[str, Any]:
    """A recorded request without its secrets."""
    headers = {
        name: f"{value.partition(' ')[0]} ***" if name.lower() in SECRET_HEADERS else value
        for name, value in seen.headers
    }
    query = {
        name: "***" if name.lower() in SECRET_PARAMETERS else value
        for name, value in seen.query.items()
    }
    return {
        "time": seen.time,
        "origin": seen.origin,
        "method": seen.method,
        "path": seen.path,
        "query": query,
        "headers": headers,
        "status": seen.status,
        "fault": seen.fault,
    }


def _read(body: bytes, wanted: type[T]) -> T:
    """The body as `wanted`; raises msgspec.MsgspecError, ValueError for a name that isn't a
    field."""
    value = msgspec.json.decode(body or b"{}", type=wanted)
    if dataclasses.is_dataclass(wanted):
        known = {each.name for each in dataclasses.fields(wanted)}
        if unknown := sorted(set(json.loads(body or b"{}")) - known):
            raise ValueError(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    return value
