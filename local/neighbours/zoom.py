"""A stand-in for Zoom, with OAuth, recordings, redirected downloads and signed webhook events.

The stand-in has two origins as Zoom does. `https://127.0.0.1:<port>` is zoom.us, with API, OAuth
and download links. `https://localhost:<CDN's port>` is the CDN to which downloads are redirected.
The stand-in refuses wrong requests as Zoom does.

    python -m local.neighbours.zoom --port 9443 --tls-dir .local/tls

Control requests have the header `Authorization: Bearer <LOCAL_CONTROL_TOKEN>`.

POST   /_control/recordings   a Lecture: makes the files, and returns the recording as GET does
GET    /_control/recordings   returns every recording, with name, size and sha256 of each file
POST   /_control/events       a SendEvent: sends a webhook event, and returns the Delivery
POST   /_control/faults       a Fault: makes requests fail
POST   /_control/switches     the Switches to change
POST   /_control/app          {"scopes": […]}: changes the app's scopes for new tokens
GET    /_control/sent         returns the number of bytes that the CDN has sent, by file id
GET    /_control/origins      returns {"cdn_url"}
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from local import authority
from local.authority import Authority, ensure_authority
from local.neighbours import zoom_api
from local.neighbours.faults import FaultQueue
from local.neighbours.https_server import Answer, Request, json_answer
from local.neighbours.stand_in import CONTROL_TOKEN, Route, StandIn, changed, read_body, run
from local.neighbours.zoom_account import Listed, Switches, UserStatus, ZoomAccount, ZoomApp
from local.neighbours.zoom_events import (
    TIMEOUT_SECONDS,
    Delivery,
    Forgery,
    build_event,
    encoded,
    post_event,
)
from local.neighbours.zoom_faults import Fault, Where, with_fault
from local.neighbours.zoom_lists import ZoomLists
from local.neighbours.zoom_recordings import Lecture, Recording, build_lecture

Origin = Literal["zoom", "cdn"]


@dataclass(frozen=True)
class SeenRequest:
    """An answered request. `repr` omits query, headers and body, which may contain secrets."""

    origin: Origin
    method: str
    path: str
    query: Mapping[str, str] = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    status: int
    fault: str | None

    def header(self, name: str) -> str | None:
        """Return the first value of the header `name`, or None if missing. Case doesn't matter."""
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)


class SendEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A webhook event to send, built from the recording `uuid` unless `body` is given.

    `event_ts` is in milliseconds since 1970, by default the current time. `timeout` is in seconds.
    """

    url: str
    event: str = ""
    uuid: str = ""
    event_ts: int | None = None
    body: dict[str, Any] | None = None
    forge: Forgery | None = None
    timeout: float = TIMEOUT_SECONDS


class AppChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change of the app's scopes."""

    scopes: tuple[str, ...]


class ZoomStandIn(StandIn):
    """A stand-in for Zoom, with one account and one app.

    `add_lecture` writes media files to `folder`. Tokens, signed URLs and webhook events depend on
    `clock`, in seconds since 1970. `trust` is a PEM file of the authorities to trust when webhook
    events are sent, by default the local authority's.
    """

    def __init__(
        self,
        *,
        tls: Authority,
        folder: Path,
        app: ZoomApp | None = None,
        port: int = 0,
        control_token: str = "",
        clock: Callable[[], float] = time.time,
        trust: Path | None = None,
    ) -> None:
        super().__init__(tls, port, control_token)
        self.app = app or ZoomApp()
        self._folder = folder
        self._account = ZoomAccount(self.app, clock)
        self._lists = ZoomLists(self._account)
        self._clock = clock
        self._trust = trust or tls.ca_bundle
        self._faults = FaultQueue[Fault]()
        self._seen: list[SeenRequest] = []
        self._sent = Counter[str]()
        self._lock = threading.Lock()

    def _open(self) -> None:
        super()._open()
        self._account.base_url = self.url
        cdn_port = self._listen(partial(self._answer, "cdn"), 0)
        self._account.cdn_url = f"https://localhost:{cdn_port}"

    @property
    def cdn_url(self) -> str:
        """The origin to which downloads are redirected."""
        return self._account.cdn_url

    @property
    def api_base_url(self) -> str:
        """URL of the API, for the setting `ZOOM_API_BASE_URL`."""
        return f"{self.url}/v2"

    @property
    def oauth_url(self) -> str:
        """URL of OAuth tokens, for the setting `ZOOM_OAUTH_URL`."""
        return f"{self.url}/oauth/token"

    def add(self, recording: Recording) -> Recording:
        """Add a recording, or replace the recording with the same uuid. Return the recording."""
        self._account.add(recording)
        return recording

    def add_lecture(self, lecture: Lecture) -> Recording:
        """Make a lecture's files in the stand-in's folder. Add and return the recording.

        Raises:
            ValueError: The start time has no time zone.
        """
        if lecture.start_time.tzinfo is None:
            raise ValueError("start_time needs a time zone, such as 2026-11-24T15:00:00Z")
        return self.add(build_lecture(self._folder, lecture))

    def trash(self, uuid: str) -> None:
        """Move a recording to the account's trash.

        Raises:
            KeyError: No recording has the uuid.
        """
        self._account.trash(uuid)

    def set_user(self, user: str, status: UserStatus) -> None:
        """Add a user to the account, or change a user's status."""
        self._account.set_user(user, status)

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """All recordings, including those in the trash."""
        return self._account.recordings()

    def download_token(self, uuid: str, seconds: float | None = None) -> str:
        """Return a new token for a recording's files.

        The token is valid for `seconds`, by default for the app's `download_token_seconds`.
        """
        return self._account.issue_download_token(uuid, seconds)

    def expire_access_tokens(self) -> None:
        """Expire every OAuth token that was issued so far."""
        self._account.expire_access_tokens()

    def expire_download_tokens(self, uuid: str | None = None) -> None:
        """Expire the download tokens of one recording, or of all recordings if `uuid` is None."""
        self._account.expire_download_tokens(uuid)

    def grant(self, *scopes: str) -> None:
        """Change the app's scopes for tokens that are issued from now on."""
        self.app = self._account.app = replace(self.app, scopes=scopes)

    @property
    def switches(self) -> Switches:
        """The behaviour that a test can change."""
        return self._account.switches

    def set(self, **switches: Any) -> None:
        """Change switches.

        Raises:
            msgspec.ValidationError: A name or a value is wrong.
        """
        self._account.switches = changed(self.switches, switches)

    def fail(self, fault: Fault) -> None:
        """Add a fault, which affects the next matching requests."""
        self._faults.add(fault)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults that were added and aren't used up yet."""
        return self._faults.pending()

    def clear_faults(self) -> None:
        """Remove every fault."""
        self._faults.clear()

    @property
    def requests(self) -> tuple[SeenRequest, ...]:
        """The recorded requests to both origins, in the order of the answers."""
        return tuple(self._seen)

    @property
    def sent(self) -> dict[str, int]:
        """Number of bytes that the CDN has sent or is sending, lost bytes included, by file id."""
        with self._lock:
            return dict(self._sent)

    def forget_requests(self) -> None:
        """Clear the list of recorded requests."""
        self._seen.clear()

    def event(self, event: str, uuid: str = "", *, event_ts: int | None = None) -> dict[str, Any]:
        """Return the body of a new webhook event. For errors, see `zoom_events.build_event`."""
        return build_event(self._account, event, uuid, event_ts=event_ts)

    def send_event(
        self,
        url: str,
        event: Mapping[str, Any],
        *,
        forge: Forgery | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> Delivery:
        """Sign and POST a webhook event once, and return the answer.

        `timeout` is in seconds. For errors, see `zoom_events.post_event`.
        """
        return post_event(
            url,
            encoded(dict(event)),
            self.app.webhook_secret,
            clock=self._clock,
            forge=forge,
            trust=self._trust,
            timeout=timeout,
        )

    def answer(self, request: Request) -> Answer:
        """Carry out a request to zoom.us, and return the answer.

        Raises:
            ValueError: A fault changes a file that has no content or no padding.
        """
        return self._answer("zoom", request)

    def _answer(self, origin: Origin, request: Request) -> Answer:
        where, answer = self._route(origin, request)
        listed = zoom_api.download_of(self._account, request)
        file_id = listed.file.file_id if listed else None
        fault = self._faults.take(lambda fault: fault.applies(where, file_id))
        if fault is not None and self._changes_account(fault, listed):
            where, answer = self._route(origin, request)
        elif fault is not None:
            answer = with_fault(answer, fault, self._clock())
        if where == "cdn" and listed:
            answer = replace(answer, sent=partial(self._count, listed.file.file_id))
        self._seen.append(
            SeenRequest(
                origin=origin,
                method=request.method,
                path=request.path,
                query=request.query,
                headers=tuple(request.headers.items()),
                body=request.body,
                status=answer.status,
                fault=fault.kind if fault else None,
            )
        )
        return answer

    def _changes_account(self, fault: Fault, listed: Listed | None) -> bool:
        """Carry out a fault that changes the account.

        Return whether faults of this kind change the account.

        Raises:
            ValueError: The fault changes a file that has no content or no padding.
        """
        if fault.kind == "changed" and listed:
            self._account.change(listed)
        elif fault.kind == "expired":
            self._account.expire_addresses()
        return fault.kind in {"changed", "expired"}

    def _count(self, file_id: str, length: int) -> None:
        with self._lock:
            self._sent[file_id] += length

    def _route(self, origin: Origin, request: Request) -> tuple[Where, Answer]:
        path, reads = request.path, request.method in {"GET", "HEAD"}
        if origin == "cdn":
            return "cdn", zoom_api.serve_file(self._account, request)
        if path == "/oauth/token":
            return "token", zoom_api.issue_token(self._account, request)
        if reads and zoom_api.DOWNLOAD_PATH.fullmatch(path):
            return "download", zoom_api.start_download(self._account, request)
        if reads and path.startswith("/v2/meetings/") and path.endswith("/recordings"):
            return "api", zoom_api.list_recordings(self._account, request)
        if reads and (listed := self._lists.answer(request)):
            return "api", listed
        return "any", json_answer(404, {"code": 404, "message": "Unknown API path or method."})

    def control(self) -> Mapping[tuple[str, str], Route]:
        """Return the routes that the module's docstring lists."""
        return {
            ("GET", "recordings"): lambda _: [_summary(each) for each in self.recordings],
            ("POST", "recordings"): lambda request: _summary(
                self.add_lecture(read_body(request, Lecture))
            ),
            ("POST", "events"): self._send,
            ("POST", "faults"): lambda request: self.fail(read_body(request, Fault)),
            ("POST", "switches"): lambda request: self.set(**read_body(request, dict[str, Any])),
            ("POST", "app"): lambda request: self.grant(*read_body(request, AppChange).scopes),
            ("GET", "sent"): lambda _: self.sent,
            ("GET", "origins"): lambda _: {"cdn_url": self.cdn_url},
        }

    def _send(self, request: Request) -> Delivery:
        asked = read_body(request, SendEvent)
        event = asked.body
        if event is None:
            event = self.event(asked.event, asked.uuid, event_ts=asked.event_ts)
        return self.send_event(asked.url, event, forge=asked.forge, timeout=asked.timeout)


def _summary(recording: Recording) -> dict[str, Any]:
    """Return the fields of a recording that `local.driver.ZoomRecording` has."""
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
            for file in recording.files
        ],
    }


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run the stand-in until SIGTERM or SIGINT, and return the exit code.

    Secrets come from the environment, where other users can't read them: `ZOOM_CLIENT_SECRET`, the
    first of `WEBHOOK_VALIDATION_SECRET_TOKEN`, and `LOCAL_CONTROL_TOKEN`.
    """
    options = _arguments(argv)
    given: dict[str, Any] = {
        "account_id": environ.get("ZOOM_ACCOUNT_ID"),
        "client_id": environ.get("ZOOM_CLIENT_ID"),
        "client_secret": environ.get("ZOOM_CLIENT_SECRET"),
        "webhook_secret": environ.get("WEBHOOK_VALIDATION_SECRET_TOKEN", "").split(",")[0].strip(),
    }
    app = ZoomApp(**{name: value for name, value in given.items() if value})
    with tempfile.TemporaryDirectory(prefix="zoom-stand-in-") as folder:
        zoom = ZoomStandIn(
            tls=ensure_authority(options.tls_dir),
            folder=Path(folder),
            app=app,
            port=options.port,
            control_token=environ.get(CONTROL_TOKEN, ""),
            trust=options.trust,
        )
        return run(zoom, "The Zoom stand-in")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.neighbours.zoom", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="the port of zoom.us; 0: a free one")
    parser.add_argument("--tls-dir", type=Path, default=authority.DEFAULT_FOLDER)
    parser.add_argument("--trust", type=Path, help="PEM file to trust when webhooks are sent")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
