"""A stand-in for Zoom: OAuth, recordings, downloads through a redirect to a CDN, signed webhooks.

Two HTTPS origins on loopback, as with Zoom: `https://127.0.0.1:<port>` is zoom.us (API, OAuth and
the download links), `https://localhost:<cdn port>` is where a download is redirected to. It
refuses what
Zoom refuses, records what it is asked, and fails when told to.

In a test:      with ZoomStandIn(tls=ensure_authority(folder), folder=folder) as zoom: ...
As a process:   python -m local.neighbours.zoom --port 9443 --tls-dir .local/tls --control
"""

import argparse
import dataclasses
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import msgspec

from local import authority
from local.authority import Authority, ensure_authority
from local.neighbours import zoom_api
from local.neighbours.https_server import Answer, HttpsServer, Request, json_answer
from local.neighbours.zoom_account import Listed, Switches, UserStatus, ZoomAccount, ZoomApp
from local.neighbours.zoom_control import Control
from local.neighbours.zoom_events import (
    PATIENCE_SECONDS,
    Delivery,
    Forgery,
    build_event,
    encoded,
    post_event,
)
from local.neighbours.zoom_faults import Fault, FaultBook, Where, spoilt
from local.neighbours.zoom_lists import ZoomLists
from local.neighbours.zoom_recordings import Lecture, Recording, build_lecture

Origin = Literal["zoom", "cdn"]


@dataclass(frozen=True)
class SeenRequest:
    """One request as it was answered. Headers, query and body hold secrets: they stay in memory."""

    time: float
    origin: Origin
    method: str
    path: str
    query: Mapping[str, str] = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    status: int
    fault: str | None

    def header(self, name: str) -> str | None:
        """The first header of this name, any case."""
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)


class ZoomStandIn:
    """Zoom for one account and app, from `with` (or `start`) on. Safe for many clients at once.

    `folder` takes the media of `add_lecture`. `clock` (seconds since 1970) is what tokens, signed
    addresses and webhooks go by. `trust` is a PEM file for sending webhooks, by default the
    authority's.
    """

    def __init__(
        self,
        *,
        tls: Authority,
        folder: Path,
        app: ZoomApp | None = None,
        port: int = 0,
        cdn_port: int = 0,
        clock: Callable[[], float] = time.time,
        control: bool = True,
        trust: Path | None = None,
    ) -> None:
        self.app = app or ZoomApp()
        self._tls = tls
        self._folder = folder
        self._ports: tuple[tuple[Origin, int], ...] = (("zoom", port), ("cdn", cdn_port))
        self._account = ZoomAccount(self.app, clock)
        self._lists = ZoomLists(self._account)
        self._clock = clock
        self._trust = trust or tls.ca_bundle
        self._faults = FaultBook()
        self._control = Control(self) if control else None
        self._servers: list[HttpsServer] = []
        self._seen: list[SeenRequest] = []
        self._sent: dict[str, int] = {}
        self._lock = threading.Lock()

    def start(self) -> Self:
        """Begin to listen; raises OSError if a port is taken, RuntimeError if it already does."""
        if self._servers:
            raise RuntimeError("the Zoom stand-in is running already: stop() it first")
        try:
            for origin, port in self._ports:
                answer = partial(self._answer, origin)
                self._servers.append(HttpsServer(answer, self._tls.ssl_context(), port))
        except OSError:
            self.stop()
            raise
        self._account.base_url = f"https://127.0.0.1:{self._servers[0].port}"
        self._account.cdn_url = f"https://localhost:{self._servers[1].port}"
        for server in self._servers:
            server.start()
        return self

    def stop(self) -> None:
        """Stop listening; what is under way is broken off."""
        for server in self._servers:
            server.close()
        self._servers.clear()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # Where it is

    @property
    def url(self) -> str:
        """The origin that stands for zoom.us, without a slash at its end."""
        return self._account.base_url

    @property
    def cdn_url(self) -> str:
        """The origin that downloads are redirected to."""
        return self._account.cdn_url

    @property
    def api_base_url(self) -> str:
        """For `ZOOM_API_BASE_URL`."""
        return f"{self.url}/v2"

    @property
    def oauth_url(self) -> str:
        """For `ZOOM_OAUTH_URL`."""
        return f"{self.url}/oauth/token"

    # What it holds

    def add(self, recording: Recording) -> Recording:
        """Put a recording into the account, in place of one of the same uuid."""
        self._account.add(recording)
        return recording

    def add_lecture(self, lecture: Lecture) -> Recording:
        """Make a lecture's files in the stand-in's folder and put it into the account."""
        if lecture.start_time.tzinfo is None:
            raise ValueError("start_time needs a time zone, such as 2026-11-24T15:00:00Z")
        return self.add(build_lecture(self._folder, lecture))

    def trash(self, uuid: str) -> None:
        """Move a recording to the trash: API 404, downloads a page. KeyError if there is none."""
        self._account.trash(uuid)

    def recover(self, uuid: str) -> None:
        """Take a recording back from the trash."""
        self._account.recover(uuid)

    def set_user(self, user: str, status: UserStatus) -> None:
        """Add a user to the account, or change whether it is active."""
        self._account.set_user(user, status)

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """All recordings, trashed ones too."""
        return self._account.recordings()

    def download_token(self, uuid: str, seconds: float | None = None) -> str:
        """A token for a recording's files, good for `seconds` (by default the app's)."""
        return self._account.issue_download_token(uuid, seconds)

    def expire_access_tokens(self) -> None:
        """Every OAuth token given out so far is dead."""
        self._account.expire_access_tokens()

    def expire_download_tokens(self, uuid: str | None = None) -> None:
        """Every download token given out so far is dead, or those of one recording."""
        self._account.expire_download_tokens(uuid)

    def expire_page_tokens(self) -> None:
        """Every next_page_token of a list is dead."""
        self._lists.expire_tokens()

    # How it behaves

    def grant(self, *scopes: str) -> None:
        """The app has these scopes from now on, in tokens that it gets from now on."""
        self.app = self._account.app = replace(self.app, scopes=scopes)

    @property
    def switches(self) -> Switches:
        """How it behaves where sources disagree."""
        return self._account.switches

    def set(self, **switches: Any) -> None:
        """Change switches by name; raises msgspec.ValidationError for a wrong name or value."""
        known = {each.name for each in dataclasses.fields(Switches)}
        if unknown := sorted(set(switches) - known):
            raise msgspec.ValidationError(f"no such switch: {', '.join(unknown)}")
        changed = dataclasses.asdict(self.switches) | switches
        self._account.switches = msgspec.convert(changed, Switches)

    def fail(self, fault: Fault) -> None:
        """Let the next requests fail like this."""
        self._faults.add(fault)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults still to come."""
        return self._faults.pending()

    def clear_faults(self) -> None:
        """Fail no more."""
        self._faults.clear()

    # What it saw

    @property
    def requests(self) -> tuple[SeenRequest, ...]:
        """Every request to either origin, in the order in which they were answered."""
        with self._lock:
            return tuple(self._seen)

    @property
    def sent(self) -> dict[str, int]:
        """Bytes that the CDN has sent of each file, by its id, what was spoilt or lost included."""
        with self._lock:
            return dict(self._sent)

    def forget_requests(self) -> None:
        """Begin the record anew."""
        with self._lock:
            self._seen.clear()

    # What it sends

    def event(self, event: str, uuid: str = "", *, event_ts: int | None = None) -> dict[str, Any]:
        """The body of a webhook (`zoom_events.build_event`); every call has other links and
        token."""
        return build_event(self._account, event, uuid, event_ts=event_ts)

    def send_event(
        self,
        url: str,
        event: Mapping[str, Any],
        *,
        forge: Forgery | None = None,
        timeout: float = PATIENCE_SECONDS,
    ) -> Delivery:
        """Sign and POST a webhook once (`zoom_events.post_event`)."""
        return post_event(
            url,
            encoded(dict(event)),
            self.app.webhook_secret,
            clock=self._clock,
            forge=forge,
            trust=self._trust,
            timeout=timeout,
        )

    # Its answers

    def _answer(self, origin: Origin, request: Request) -> Answer:
        if origin == "zoom" and self._control and request.path.startswith("/_control/"):
            return self._control.answer(request)
        where, answer = self._route(origin, request)
        listed = zoom_api.download_of(self._account, request)
        fault = self._faults.take(where, listed.file.file_id if listed else None)
        if fault is not None and self._turned(fault, listed):
            where, answer = self._route(origin, request)
        elif fault is not None:
            answer = spoilt(answer, fault, self._clock())
        if where == "cdn" and listed:
            answer = replace(answer, sent=partial(self._count, listed.file.file_id))
        seen = SeenRequest(
            time=self._clock(),
            origin=origin,
            method=request.method,
            path=request.path,
            query=request.query,
            headers=tuple(request.headers.items()),
            body=request.body,
            status=answer.status,
            fault=fault.kind if fault else None,
        )
        with self._lock:
            self._seen.append(seen)
        return answer

    def _turned(self, fault: Fault, listed: Listed | None) -> bool:
        """Whether this is a fault that leaves the answers alone, but changes what they tell."""
        if fault.kind == "changed" and listed:
            self._account.change(listed)
        elif fault.kind == "expired":
            self._account.expire_addresses()
        return fault.kind in {"changed", "expired"}

    def _count(self, file_id: str, length: int) -> None:
        with self._lock:
            self._sent[file_id] = self._sent.get(file_id, 0) + length

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


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run the stand-in until SIGTERM or SIGINT. Says where it listens in one line of JSON.

    Secrets come from the environment only, where other processes' users can't read them:
    `ZOOM_CLIENT_SECRET`, and the first of `WEBHOOK_VALIDATION_SECRET_TOKEN`.
    """
    options = _arguments(argv, environ)
    given = {
        "account_id": options.account_id,
        "client_id": options.client_id,
        "client_secret": environ.get("ZOOM_CLIENT_SECRET"),
        "webhook_secret": environ.get("WEBHOOK_VALIDATION_SECRET_TOKEN", "").split(",")[0].strip(),
    }
    app = ZoomApp(**{name: value for name, value in given.items() if value})
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    with tempfile.TemporaryDirectory(prefix="zoom-stand-in-") as spare:
        zoom = ZoomStandIn(
            tls=ensure_authority(options.tls_dir),
            folder=options.media_dir or Path(spare),
            app=app,
            port=options.port,
            cdn_port=options.cdn_port,
            control=options.control,
            trust=options.trust,
        )
        try:
            zoom.start()
        except OSError as error:
            print(
                f"The Zoom stand-in can't listen ({error}): choose another --port.", file=sys.stderr
            )
            return 1
        try:
            where = {"url": zoom.url, "cdn_url": zoom.cdn_url, "pid": os.getpid()}
            print(msgspec.json.encode(where).decode(), flush=True)
            done.wait()
        finally:
            zoom.stop()
    return 0


def _arguments(argv: Sequence[str] | None, environ: Mapping[str, str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.neighbours.zoom", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of zoom.us; 0 takes a free one")
    parser.add_argument("--cdn-port", type=int, default=0, help="of the CDN; 0 takes a free one")
    parser.add_argument("--tls-dir", type=Path, default=authority.DEFAULT_FOLDER)
    parser.add_argument("--media-dir", type=Path, help="for lectures; default a temporary folder")
    parser.add_argument("--trust", type=Path, help="PEM file to trust when webhooks are sent")
    parser.add_argument("--control", action="store_true", help="answer /_control/ too")
    parser.add_argument("--account-id", default=environ.get("ZOOM_ACCOUNT_ID"))
    parser.add_argument("--client-id", default=environ.get("ZOOM_CLIENT_ID"))
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
