"""Recordings, a Zoom stand-in, a scripted endpoint, and a session that notes timeouts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from local.authority import Authority
from local.neighbours.https_server import Answer, HttpsServer, Request
from local.neighbours.zoom import ZoomStandIn
from local.neighbours.zoom_account import ZoomApp
from local.neighbours.zoom_recordings import Recording, RecordingFile
from tests.cloud import Clock

APP = ZoomApp(account_id="acc", client_id="cid", client_secret="csecret")
UUID = "/4Mhc+abc//def=="
MEETING = 95846636714


def file(file_id: str, file_type: str = "MP4", view: str = "shared_screen") -> RecordingFile:
    return RecordingFile(
        file_id=file_id,
        file_type=file_type,
        recording_type=view,
        recording_start="2026-10-14T15:00:00Z",
        recording_end="2026-10-14T16:00:00Z",
        name=f"{file_id}.{'txt' if file_type == 'CHAT' else 'mp4'}",
        path=None,
    )


def recording(*files: RecordingFile, uuid: str = UUID) -> Recording:
    return Recording(
        uuid=uuid,
        meeting_id=MEETING,
        host_id="host",
        host_email="ada@example.edu",
        topic="HIST E-10",
        start_time="2026-10-14T15:00:00Z",
        duration=60,
        files=files or (file("file-1"), file("chat-1", "CHAT", "chat_file")),
    )


@contextmanager
def zoom_stand_in(tls: Authority, folder: Path, clock: Clock) -> Iterator[ZoomStandIn]:
    with ZoomStandIn(tls=tls, folder=folder, app=APP, clock=lambda: clock().timestamp()) as zoom:
        yield zoom


def asked(zoom: ZoomStandIn, part: str) -> int:
    """Return the number of requests to Zoom whose path contains `part`."""
    return sum(part in request.path for request in zoom.requests)


@dataclass
class Endpoint:
    """An HTTPS endpoint with scripted answers, which repeats the last answer."""

    url: str = ""
    answers: list[Answer | Callable[[Request], Answer]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def __call__(self, request: Request) -> Answer:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, Answer) else answer(request)


@contextmanager
def endpoint(tls: Authority) -> Iterator[Endpoint]:
    made = Endpoint()
    server = HttpsServer(made, tls.ssl_context())
    made.url = f"https://127.0.0.1:{server.port}/live/new_recording"
    server.start()
    try:
        yield made
    finally:
        server.close()


class TimedSession(requests.Session):
    """A session that notes the time and the timeout of each request.

    A timeout is the sum of the timeouts for connecting and reading, in seconds.
    """

    def __init__(self, trust: Path, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self.verify = str(trust)
        self.trust_env = False
        self.timeouts: list[tuple[float, float]] = []
        self._monotonic = monotonic

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        connect, read = options["timeout"]
        self.timeouts.append((self._monotonic(), connect + read))
        return super().send(request, **options)
