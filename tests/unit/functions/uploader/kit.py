"""An uploader over an Opencast on real HTTPS and an AWS in this process, which serves the files."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import requests
from requests.adapters import HTTPAdapter

import uploader
from ingester.neighbours.queues import Received
from ingester.rules.mediapackage import media_package_id
from local.neighbours.opencast import OpencastStandIn
from local.neighbours.opencast_store import Event, Fault
from tests.cloud import BUCKET, Clock, Cloud
from tests.kits import uploader_tools

ZIP_ID = "auto-ingest-0001"
UUID = "aj//Xp112QmuoKj485487=="
OWN_ID = media_package_id(UUID)
SERIES = "20260112345"
PASSWORD = "secret"
READ_SECONDS = 5.0
FOLDER = "95846636714/1791986412"
_numbers = itertools.count()
EXTENSIONS = {"chat_file": "txt"}


class OpencastTime:
    """Opencast's own clock: the real one, and what a test adds."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Refusing(HTTPAdapter):
    """Sends to a port where nobody listens: a real refused connection."""

    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:
        request.url = "https://127.0.0.1:9/"
        return super().send(request, *args, **more)


@dataclass
class Kit:
    """An uploader, what it is sent and what it has done. Keeps its tools, as a container does."""

    aws: Cloud
    clock: Clock
    opencast: OpencastStandIn
    time: OpencastTime
    session: requests.Session
    settings: dict[str, Any] = field(default_factory=dict)
    password: str = PASSWORD
    _tools: uploader.Tools | None = None

    def tools(self) -> uploader.Tools:
        if self._tools is None:
            settings = {"opencast_base_url": self.opencast.url, **self.settings}
            self._tools = uploader_tools(
                self.aws, self.clock, self.session, password=self.password, **settings
            )
        return self._tools

    def sign_in_as(self, user: str) -> None:
        self.settings["opencast_api_user"] = self.password = user

    def message(self, *views: str, segments: int = 1, **changes: Any) -> dict[str, Any]:
        """Of files that are really staged: an hour each, a few bytes of their own."""
        s3_files = {}
        for view in views or ("active_speaker",):
            files = [self._stage(view, number) for number in range(segments)]
            s3_files[view] = {"segments": files, "view_bytes": 1, "view_seconds": 3600}
        return {
            "uuid": UUID,
            "zoom_series_id": 95846636714,
            "opencast_series_id": SERIES,
            "oc_title": "Lecture",
            "topic": "HIST E-10",
            "created": "2026-10-14T14:00:12Z",
            "created_local": "2026-10-14T10:00:12Z",
            "webhook_received_time": "2026-10-14T18:30:00Z",
            "zip_id": ZIP_ID,
            "s3_files": s3_files,
            "allow_multiple_ingests": False,
            "ingest_all_mp4": False,
            **changes,
        }

    def _stage(self, view: str, number: int) -> dict[str, Any]:
        key = f"{FOLDER}/{number:03d}-{view}.{EXTENSIONS.get(view, 'mp4')}"
        self.aws.s3.put_object(Bucket=BUCKET, Key=key, Body=content(view, number))
        is_chat = view == "chat_file"
        return {
            "filename": key,
            "segment_num": number,
            "recording_start": f"2026-10-14T{14 + number}:00:12Z",
            "recording_end": f"2026-10-14T{14 + number}:50:12Z",
            "ffprobe_bytes": 0 if is_chat else len(content(view, number)),
            "ffprobe_seconds": 0 if is_chat else 3000.0,
        }

    def take(
        self, message: Any, *, receive_count: int = 1, read_seconds: float = READ_SECONDS
    ) -> bool:
        """Sends a message and handles it as the event source would."""
        taken = self.receive(message, receive_count)
        done = uploader.take(taken, self.tools(), read_seconds)
        if done:
            self.tools().uploads.delete(taken)
        return done

    def receive(self, message: Any, receive_count: int = 1) -> Received:
        """A message that was really sent and is really in flight."""
        unique = str(next(_numbers))
        self.aws.sqs.send_message(
            QueueUrl=self.aws.upload_queue,
            MessageBody=message if isinstance(message, str) else json.dumps(message),
            MessageGroupId=unique,
            MessageDeduplicationId=unique,
        )
        taken = self.tools().uploads.take_one()
        assert taken is not None
        return msgspec.structs.replace(taken, receive_count=receive_count)

    @property
    def row(self) -> dict[str, Any]:
        return self.aws.rows()[ZIP_ID]

    @property
    def outcome(self) -> tuple[str, str]:
        return self.row["pipeline_state"], self.row.get("reason", "")

    @property
    def posts(self) -> int:
        """How many ingests were begun, whatever became of them."""
        return sum(
            one.method == "POST" and one.status != 401
            for one in self.opencast.requests
            if one.path.startswith("/ingest/")
        )

    def asked(self, path: str) -> int:
        return sum(one.path.startswith(path) for one in self.opencast.requests)

    def dead(self) -> list[dict[str, Any]]:
        return self.aws.messages(self.aws.upload_dlq)

    def fail(self, kind: Any, path: str = "/ingest/", **more: Any) -> None:
        self.opencast.fail(Fault(kind=kind, path=path, **more))

    def has_event(self, identifier: str = OWN_ID) -> None:
        """Puts an event into Opencast that came by another way."""
        event = Event(identifier=identifier, terms={"title": ["T"]}, created="2026-10-14T14:00:12Z")
        self.opencast.store.add_event(event, active=False)

    def delete_event(self, identifier: str = OWN_ID) -> None:
        """As somebody does in Opencast's admin interface."""
        self.opencast.store.events.pop(identifier)

    def when_answered(self, path: str, act: Callable[[], None]) -> None:
        """Does something the first time that an answer from this path has come."""
        done: list[bool] = []

        def hook(response: requests.Response, **_: Any) -> None:
            if path in str(response.url) and response.status_code != 401 and not done:
                done.append(True)
                # Read to its end: what raises would leave its socket to the garbage collector.
                assert response.content is not None
                act()

        self.session.hooks["response"].append(hook)

    def parts(self) -> list[tuple[str, str]]:
        """The form of the only ingest."""
        (ingest,) = self.opencast.ingests
        return ingest.parts

    def part(self, name: str) -> list[str]:
        return [value for part, value in self.parts() if part == name]


def content(view: str, number: int) -> bytes:
    """A staged file's bytes."""
    return f"{view} {number} ".encode() * 50 + bytes(range(256))
