"""A fake Zoom: its REST API, its download hosts and its webhook events.

The fake follows the documents about Zoom (webhooks, API, downloads), not the pipeline's code.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import requests
import urllib3

from tests.simulation.faults import Fault, Kind
from tests.simulation.http import HTML, PAGE, Response, json_response, lost, page
from tests.simulation.truth import (
    CHAPTERS,
    CHAT,
    TRANSCRIPT,
    VIDEO,
    FileTruth,
    RecordingTruth,
    Scenario,
    WebhookEvent,
    wire,
)
from tests.simulation.world import DAY, World

ANSWER_SECONDS = 3.0
"""Seconds that Zoom waits for the webhook's answer (docs/zoom.md)."""

REPEATS = (300.0, 1200.0, 3600.0)
"""Seconds between the attempts of a webhook event (docs/zoom.md)."""

TOKEN_LIFE = DAY
OAUTH_LIFE = 3600.0
PAGE_TOKEN_LIFE = 900.0
HOST, CDN = "acme.zoom.us", "ssrweb.zoom.us"
EXTENSIONS = {VIDEO: "mp4", CHAT: "txt", TRANSCRIPT: "vtt", CHAPTERS: "json"}

PostWebhook = Callable[[bytes, Mapping[str, str], float], int | None]
"""(body, headers, seconds) → the status of the webhook's answer, or None without an answer."""


@dataclass
class State:
    """A recording in Zoom, and whether it is or was in the trash, or is deleted."""

    truth: RecordingTruth
    in_trash: bool = False
    deleted: bool = False
    trashed_ever: bool = False

    @property
    def is_gone(self) -> bool:
        return self.in_trash or self.deleted


@dataclass
class Delivery:
    """A webhook event and the answers to its attempts."""

    webhook_event: WebhookEvent
    answers: list[int | None] = field(default_factory=list)

    @property
    def was_taken(self) -> bool:
        return any(answer in (200, 204) for answer in self.answers)


class Zoom:
    """A fake Zoom: its data and its answers in a world."""

    def __init__(self, world: World, scenario: Scenario, secret: str) -> None:
        self.world = world
        self.site = scenario.site
        self.secret = secret
        """The secret with which Zoom signs now."""
        self.recordings = {recording.uuid: State(recording) for recording in scenario.recordings}
        self.deliveries: list[Delivery] = []
        self.contents: dict[str, str] = {}
        """ETag → the token of the file's bytes."""
        self._tokens: dict[str, tuple[str, float]] = {}
        self._oauth: dict[str, float] = {}
        self._pages: dict[str, tuple[int, float]] = {}
        self._files = {
            file.id: (state, file)
            for state in self.recordings.values()
            for file in state.truth.files
        }
        self._lost = {fault.target for fault in scenario.faults if fault.kind is Kind.WEBHOOK_LOST}
        self._odd = {fault.nth: fault for fault in scenario.faults if fault.kind is Kind.ANSWER}
        self._requests = 0
        self.asked: Counter[int] = Counter()
        """Second of the world → number of GETs that `api` has answered."""
        self._numbers: Counter[str] = Counter()

    def notify(self, webhook_event: WebhookEvent, post: PostWebhook) -> None:
        """Send a webhook event, unless a fault loses it, and retry after a failure.

        Send an accepted webhook event once more if `is_repeated` is set. The caller is a simulated
        process.
        """
        delivery = Delivery(webhook_event)
        self.deliveries.append(delivery)
        if webhook_event.key in self._lost:
            self.world.record(f"Zoom's webhook event {webhook_event.key} is lost")
            return
        for pause in (0.0, *REPEATS):
            self.world.sleep(pause)
            status = self._send(webhook_event, post)
            delivery.answers.append(status)
            if status is not None and status < 500:
                break
        if webhook_event.is_repeated and delivery.was_taken:
            self.world.sleep(240.0 + 400.0 * self.world.random_fraction())
            delivery.answers.append(self._send(webhook_event, post))

    def _send(self, webhook_event: WebhookEvent, post: PostWebhook) -> int | None:
        body = self.body_of(webhook_event)
        status = post(body, signed(self.secret, self.world.now().timestamp(), body), ANSWER_SECONDS)
        self.world.record(
            f"notifies {webhook_event.key} {','.join(webhook_event.files)} → "
            f"{status or 'no answer'}"
        )
        return status

    def body_of(self, webhook_event: WebhookEvent) -> bytes:
        """Make a webhook event's body, without the fields in `lacks`.

        The token and the download URLs in a body are new.
        """
        about: dict[str, Any] = {}
        if webhook_event.uuids:
            about = (
                {"meeting_uuids": list(webhook_event.uuids)}
                if webhook_event.event == "recording.batch_trashed"
                else {"meetings": [{"meeting_uuid": uuid} for uuid in webhook_event.uuids]}
            )
            return self._encoded(webhook_event, about, "")
        truth = self.recordings[webhook_event.uuid].truth
        about = _about(truth)
        token = ""
        if webhook_event.event.startswith(("meeting.", "webinar.")):
            about["id"] = str(truth.meeting_id)
        elif webhook_event.files:
            token = self.new_token(truth.uuid)
            about |= self._entries(truth, [truth.file(file_id) for file_id in webhook_event.files])
        return self._encoded(webhook_event, about, token)

    def _encoded(self, webhook_event: WebhookEvent, about: dict[str, Any], token: str) -> bytes:
        body: dict[str, Any] = {
            "event": webhook_event.event,
            "event_ts": int(self.world.now().timestamp() * 1000),
            "payload": {"account_id": "account", "object": about},
        }
        if token:
            body["download_token"] = token
        for name in webhook_event.lacks:
            body.pop(name, None)
            about.pop(name, None)
        return json.dumps(body).encode()

    def _entry(self, truth: RecordingTruth, file: FileTruth) -> dict[str, Any]:
        """Make a file's entry in `recording_files`."""
        self._numbers[file.id] += 1
        entry: dict[str, Any] = {
            "id": file.id,
            "meeting_id": truth.uuid,
            "recording_start": wire(file.begins),
            "recording_end": wire(file.ends),
            "file_type": file.type,
            "file_extension": EXTENSIONS[file.type].upper(),
            "recording_type": file.recording_type,
            "status": "completed",
            "file_size": file.size,
            "download_url": f"https://{HOST}/rec/download/{file.id}/{self._numbers[file.id]}",
            "play_url": f"https://{HOST}/rec/play/{file.id}",
        }
        if self.world.time < file.finished:
            entry |= {"status": "processing", "recording_end": "", "file_size": 0}
            del entry["download_url"], entry["play_url"]
        return entry

    def _entries(self, truth: RecordingTruth, files: list[FileTruth]) -> dict[str, Any]:
        entries = [self._entry(truth, file) for file in files]
        return {
            "recording_files": entries,
            "recording_count": len(entries),
            "total_size": sum(entry["file_size"] for entry in entries),
        }

    def new_token(self, uuid: str) -> str:
        self._numbers["token"] += 1
        token = f"download-{self._numbers['token']}"
        self._tokens[token] = (uuid, self.world.time + TOKEN_LIFE)
        return token

    def new_oauth(self) -> str:
        self._numbers["oauth"] += 1
        token = f"oauth-{self._numbers['oauth']}"
        self._oauth[token] = self.world.time + OAUTH_LIFE
        return token

    def knows_oauth(self, header: str) -> bool:
        return self._oauth.get(header.removeprefix("Bearer "), -1.0) > self.world.time

    def opens(self, header: str, uuid: str) -> bool:
        """Return whether a header has a download token that is valid now for a recording."""
        owner, ends = self._tokens.get(header.removeprefix("Bearer "), ("", 0.0))
        return owner == uuid and self.world.time < ends

    def next_odd(self) -> Fault | None:
        """Count a request to the API or OAuth, and return its planned fault or None."""
        self._requests += 1
        return self._odd.pop(self._requests, None)

    def api(self, path: str, query: Mapping[str, str], authorization: str) -> Response:
        """Count and answer a GET to the API."""
        second = int(self.world.time)
        self.asked[second] += 1
        if self.asked[second] > self.site.zoom_limit:
            return json_response({"code": 429, "message": "Too many requests."}, 429)
        if not self.knows_oauth(authorization):
            return json_response({"code": 124, "message": "Invalid access token."}, 401)
        parts = path.strip("/").split("/")
        if parts[0] == "meetings" and parts[-1] == "recordings":
            return self._recording(unquote(unquote(parts[1])))
        if path.rstrip("/") == "/users":
            hosts = sorted({state.truth.host_id for state in self.recordings.values()})
            users = [{"id": host, "type": 2, "status": "active"} for host in hosts]
            return self._page("users", users, query)
        if parts[-1] == "recordings":
            owner = parts[1] if parts[0] == "users" else ""
            return self._page("meetings", self._listed(owner, query), query)
        return json_response({"code": 404, "message": "No such API."}, 404)

    def _recording(self, uuid: str) -> Response:
        state = self.recordings.get(uuid)
        files = self._files_of(state) if state else []
        if state is None or state.is_gone or not files:
            return json_response({"code": 3301, "message": "There is no recording."}, 404)
        meeting = self._meeting(state, files)
        meeting["download_access_token"] = self.new_token(uuid)
        return json_response(meeting)

    def _meeting(self, state: State, files: list[FileTruth]) -> dict[str, Any]:
        return {**_about(state.truth), **self._entries(state.truth, files)}

    def listed_now(self, uuid: str) -> set[str]:
        """Return the ids of a recording's files whose time `listed` has come.

        The result doesn't depend on whether the recording is in Zoom's trash.
        """
        return {file.id for file in self._files_of(self.recordings[uuid])}

    def _files_of(self, state: State) -> list[FileTruth]:
        return [file for file in state.truth.files if file.listed <= self.world.time]

    def _listed(self, owner: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        begin, end = query.get("from", ""), query.get("to", "9999")
        meetings = []
        for state in self.recordings.values():
            files = self._files_of(state)
            mine = owner in ("", state.truth.host_id)
            day = wire(state.truth.begins)[:10]
            if mine and files and not state.is_gone and begin[:10] <= day <= end[:10]:
                meetings.append(self._meeting(state, files))
        return meetings

    def _page(self, name: str, found: list[Any], query: Mapping[str, str]) -> Response:
        size = max(1, min(300, int(query.get("page_size", "30"))))
        given = query.get("next_page_token", "")
        first, ends = self._pages.get(given, (0, -1.0)) if given else (0, self.world.time + 1)
        if ends < self.world.time:
            return json_response({"code": 300, "message": "The next page token is invalid."}, 400)
        token = ""
        if first + size < len(found):
            self._numbers["page"] += 1
            token = f"page-{self._numbers['page']}"
            self._pages[token] = (first + size, self.world.time + PAGE_TOKEN_LIFE)
        return json_response({name: found[first : first + size], "next_page_token": token})

    def download(self, url: str, headers: Mapping[str, str]) -> Download:
        """Answer a GET to a download host."""
        parts = urlsplit(url)
        names = parts.path.strip("/").split("/")
        authorization = headers.get("Authorization", "")
        file_id = names[2] if len(names) > 2 else ""
        if file_id not in self._files:
            return Download(404, {})
        state, file = self._files[file_id]
        if parts.hostname == HOST:
            return self._redirect(state, file, authorization)
        return self._serve(state, file, authorization, headers.get("Range", ""), parts.query)

    def _redirect(self, state: State, file: FileTruth, authorization: str) -> Download:
        if not self.opens(authorization, state.truth.uuid):
            return Download(401, {})
        if not self.has(state, file):
            return Download(200, HTML, PAGE) if self.site.gone_is_page else Download(404, {})
        expires = int(self.world.time + 6 * 3600)
        name = f"{file.recording_type}.{EXTENSIONS[file.type]}"
        target = f"https://{CDN}/rec/files/{file.id}/{name}?Expires={expires}"
        return Download(302, {"Location": target, "Content-Length": "0"})

    def has(self, state: State, file: FileTruth) -> bool:
        """Return whether Zoom's download host serves a file now."""
        return not state.is_gone and self.world.time >= file.fetchable

    def _serve(
        self, state: State, file: FileTruth, authorization: str, wanted: str, query: str
    ) -> Download:
        expires = int(parse_qs(query).get("Expires", ["0"])[0])
        if self.world.time >= expires:
            return Download(403, {})
        if self.site.cdn == "wants" and not self.opens(authorization, state.truth.uuid):
            return Download(401, {})
        if self.site.cdn == "refuses" and authorization:
            return Download(403, {})
        if not self.has(state, file):
            return Download(200, HTML, PAGE) if self.site.gone_is_page else Download(404, {})
        etag = f'"{file.id}"'
        if self.site.etags_differ:
            self._numbers["etag"] += 1
            etag = f'"{file.id}-{self._numbers["etag"]}"'
        self.contents[etag] = state.truth.content_of(file)
        answer = {
            "Content-Type": "application/octet-stream",
            "ETag": etag,
            "Accept-Ranges": "bytes",
        }
        if not wanted:
            return Download(200, {**answer, "Content-Length": str(file.size)})
        bounds = wanted.removeprefix("bytes=").split("-")
        first, last = (int(bound or file.size - 1) for bound in bounds)
        length = {"Content-Length": str(last - first + 1)}
        return Download(
            206, {**answer, **length, "Content-Range": f"bytes {first}-{last}/{file.size}"}
        )


class Download:
    """A fake of a urllib3 response, with the members that production reads.

    The body of a file is a single zero byte.
    """

    def __init__(self, status: int, headers: Mapping[str, str], content: bytes = b"\0") -> None:
        self.status = status
        self.headers = dict(headers)
        self._content = content

    def read(self, amount: int | None = None, decode_content: bool | None = None) -> bytes:  # noqa: ARG002  # urllib3's
        content, self._content = self._content[:amount], self._content[amount or 0 :]
        return content

    def drain_conn(self) -> None:
        """Do nothing, because no connection waits for the rest of the response to be read."""

    def close(self) -> None:
        """Do nothing, because there is no connection."""


class DownloadHttp:
    """A fake of the methods of `urllib3.PoolManager` that production uses for downloads."""

    def __init__(self, zoom: Zoom) -> None:
        self._zoom = zoom

    def urlopen(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        timeout: object,
        retries: object,
        redirect: object,
        preload_content: object,
        decode_content: object,
    ) -> Download:
        """Send a GET to a download host."""
        assert method == "GET"
        assert not any((retries, redirect, preload_content, decode_content))
        assert timeout
        return self._zoom.world.call(
            "zoom.download", lambda: self._zoom.download(url, headers), _broken
        )


def _broken(done: bool) -> Exception:
    text = "Read timed out." if done else "Connection refused."
    return urllib3.exceptions.ProtocolError(text)


class ZoomSession:
    """A fake of the methods of `requests.Session` that production uses for Zoom's API and OAuth."""

    def __init__(self, zoom: Zoom, api: str, oauth: str) -> None:
        self._zoom = zoom
        self._api = api.rstrip("/")
        self._oauth = oauth

    def get(
        self,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str],
        timeout: tuple[float, float],
        allow_redirects: bool = False,
    ) -> Response:
        assert url.startswith(self._api), url
        assert not allow_redirects
        path = url[len(self._api) :]
        query = {name: str(value) for name, value in (params or {}).items()}
        return self._asked(
            "zoom.api", lambda: self._zoom.api(path, query, headers["Authorization"]), timeout
        )

    def post(
        self,
        url: str,
        *,
        params: Mapping[str, str],
        auth: tuple[str, str],
        timeout: tuple[float, float],
        allow_redirects: bool = False,
    ) -> Response:
        assert (url, params["grant_type"]) == (self._oauth, "account_credentials")
        assert auth[1]
        assert not allow_redirects
        return self._asked(
            "zoom.oauth",
            lambda: json_response({"access_token": self._zoom.new_oauth(), "expires_in": 3600}),
            timeout,
        )

    def _asked(
        self, name: str, answer: Callable[[], Response], timeout: tuple[float, float]
    ) -> Response:
        odd = self._zoom.next_odd()
        if odd is None:
            return self._zoom.world.call(name, answer, lost)
        self._zoom.world.struck.append(odd)
        self._zoom.world.record(f"{name} — {odd.detail}")
        self._zoom.world.sleep(0.2)
        return _odd_answer(odd.detail, self._zoom.world, timeout)


def _odd_answer(detail: str, world: World, timeout: tuple[float, float]) -> Response:
    match detail:
        case "429":
            return json_response({"code": 429, "message": "Too many requests."}, 429)
        case "429 with seconds":
            return json_response({"code": 429}, 429, {"Retry-After": "3"})
        case "500" | "502" | "503":
            return page(int(detail))
        case "nonsense":
            return Response(200, b'{"uuid": 1', {"Content-Type": "application/json"})
    world.sleep(timeout[1])
    raise requests.exceptions.ReadTimeout("Read timed out.")


def signed(secret: str, now: float, body: bytes) -> dict[str, str]:
    """Make Zoom's headers for a webhook event. `now` is in seconds since 1970."""
    timestamp = str(int(now))
    message = f"v0:{timestamp}:".encode() + body
    signature = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "x-zm-signature": f"v0={signature}",
        "x-zm-request-timestamp": timestamp,
    }


def _about(truth: RecordingTruth) -> dict[str, Any]:
    return {
        "id": truth.meeting_id,
        "uuid": truth.uuid,
        "host_id": truth.host_id,
        "account_id": "account",
        "topic": truth.topic,
        "type": 8,
        "start_time": wire(truth.begins),
        "duration": truth.minutes,
        "share_url": f"https://{HOST}/rec/share/{truth.meeting_id}",
    }
