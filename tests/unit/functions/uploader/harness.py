"""An uploader with an Opencast stand-in over HTTPS and an in-process AWS."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
import requests
from requests.adapters import HTTPAdapter

import uploader
from ingester.ledger.record import IngestRecord, Record, with_files, with_request, with_sent
from ingester.ledger.table import Ledger
from ingester.opencast.mediapackage import media_package_id
from ingester.pipeline.queue import Received
from ingester.runtime.queue_worker import Retry, SourceQueue
from ingester.status.row import RequestOptions
from local.neighbours.opencast import OpencastStandIn
from local.neighbours.opencast_store import Event, Fault
from tests.cloud import BUCKET, Clock, Cloud
from tests.function_harness import uploader_dependencies

ZIP_ID = "auto-ingest-0001"
OTHER_ZIP_ID = "on-demand-0002"
"""The zip_id of another request for the same recording, made with "+Zoom"."""
UUID = "aj//Xp112QmuoKj485487=="
OWN_ID = media_package_id(UUID)
SERIES = "20260112345"
PASSWORD = "secret"
READ_SECONDS = 5.0
FOLDER = "95846636714/1791986412"
_numbers = itertools.count()
EXTENSIONS = {"chat_file": "txt"}


class OpencastTime:
    """Opencast's clock: the real time plus `ahead`, the seconds that a test adds."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Refusing(HTTPAdapter):
    """An HTTP adapter that sends requests to a closed port, which refuses the connection."""

    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:
        request.url = "https://127.0.0.1:9/"
        return super().send(request, *args, **more)


@dataclass
class Harness:
    """An uploader and its neighbours. The dependencies are built once, as in a container."""

    aws: Cloud
    clock: Clock
    opencast: OpencastStandIn
    time: OpencastTime
    session: requests.Session
    settings: dict[str, Any] = field(default_factory=dict)
    password: str = PASSWORD
    _deps: uploader.Dependencies | None = None

    def deps(self) -> uploader.Dependencies:
        if self._deps is None:
            settings = {"opencast_base_url": self.opencast.url, **self.settings}
            self._deps = uploader_dependencies(
                self.aws, self.clock, self.session, password=self.password, **settings
            )
        return self._deps

    def sign_in_as(self, user: str) -> None:
        self.settings["opencast_api_user"] = self.password = user

    def message(self, *views: str, segments: int = 1, **changes: Any) -> dict[str, Any]:
        """Stage a file of about 1 kB for each view and segment, and return the files' message."""
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
        key = key_of(view, number)
        self.aws.s3.put_object(Bucket=BUCKET, Key=key, Body=content(view, number))
        is_chat = view == "chat_file"
        return {
            "filename": key,
            "segment_num": number,
            "recording_start": f"2026-10-14T{14 + number}:00:12Z",
            "recording_end": f"2026-10-14T{14 + number}:50:12Z",
            "ffprobe_bytes": 0 if is_chat else len(content(view, number)),
            "ffprobe_seconds": 0 if is_chat else 3000.0,
            "file_id": id_of(view, number),
        }

    def take(
        self,
        message: Any,
        *,
        receive_count: int = 1,
        first_received: datetime | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> bool:
        """Send a message, process it, and return whether the message needs no retry.

        A message that needs no retry is deleted, as by the event source. Unless `first_received` is
        given, the message is received for the first time now.
        `read_seconds` is the read timeout of the POST.
        """
        taken = msgspec.structs.replace(
            self.receive(message, receive_count), first_received=first_received or self.clock()
        )
        outcome = uploader.worker_of(self.deps(), read_seconds).process(taken)
        done = not isinstance(outcome, Retry)
        if done:
            self.deps().uploads.delete(taken)
        return done

    def run(self, event: dict[str, Any]) -> dict[str, Any]:
        """Run one invocation, and return its answer to Lambda."""
        return uploader.run(
            event, lambda: uploader.worker_of(self.deps(), READ_SECONDS), self.source
        )

    def source(self) -> SourceQueue:
        """Return the upload queue with its dead-letter queue and its limit of receives."""
        deps = self.deps()
        return SourceQueue(deps.uploads, deps.dead_letters, deps.settings.upload_receive_limit)

    def receive(self, message: Any, receive_count: int = 1) -> Received:
        """Send a message, and return it as received, so that the message is in flight."""
        unique = str(next(_numbers))
        self.aws.sqs.send_message(
            QueueUrl=self.aws.upload_queue,
            MessageBody=message if isinstance(message, str) else json.dumps(message),
            MessageGroupId=unique,
            MessageDeduplicationId=unique,
        )
        taken = self.deps().uploads.receive_one()
        assert taken is not None
        return msgspec.structs.replace(taken, receive_count=receive_count)

    @property
    def row(self) -> dict[str, Any]:
        return self.aws.rows()[ZIP_ID]

    @property
    def outcome(self) -> tuple[str, str]:
        return self.outcome_of(ZIP_ID)

    def outcome_of(self, zip_id: str) -> tuple[str, str]:
        row = self.aws.rows()[zip_id]
        return row["pipeline_state"], row.get("reason", "")

    def put_row(self, zip_id: str, state: str = "SENT_TO_UPLOADER") -> None:
        """Write an ingest's row as the downloader leaves it, or in another state."""
        self.aws.status.put_item(Item=row_in(zip_id, state))

    def rewrite(self, state: str) -> None:
        """Write another state into the row."""
        self.aws.status.update_item(
            Key={"zip_id": ZIP_ID},
            UpdateExpression="SET pipeline_state = :state",
            ExpressionAttributeValues={":state": state},
        )

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.aws.recordings, self.clock)

    @property
    def record(self) -> Record:
        return self.ledger.get(UUID)

    @property
    def posts_of(self) -> dict[str, list[str]]:
        """The outcomes of each media package's POSTs in the ledger."""
        return {
            media_package: [str(post.outcome) for post in ingest.posts]
            for media_package, ingest in self.record.ingests.items()
        }

    @property
    def own_ingest(self) -> IngestRecord:
        return self.record.ingests[OWN_ID]

    @property
    def failures(self) -> int:
        """The number of failures of the request in the ledger."""
        return self.record.request(ZIP_ID).failures

    def accept(self, *files: str, zip_id: str = ZIP_ID) -> None:
        """Note a request in the ledger as the webhook does, with the ids of the files."""
        names = {file_id: f"{file_id} of some time" for file_id in files}
        change = self.ledger.change
        change(UUID, partial(with_files, names=names, now=self.clock()))
        change(UUID, partial(with_request, zip_id=zip_id, asked=RequestOptions(), now=self.clock()))
        change(UUID, partial(with_sent, zip_id=zip_id, files=files))

    def send_late(self, *files: str, zip_id: str = ZIP_ID) -> None:
        """Note in the ledger that the request's later message, which has more files, was sent."""
        names = {file_id: f"{file_id} of some time" for file_id in files}
        self.ledger.change(UUID, partial(with_files, names=names, now=self.clock()))
        self.ledger.change(UUID, partial(with_sent, zip_id=zip_id, files=files))

    @property
    def posts(self) -> int:
        """The number of POSTs of an ingest that Opencast didn't refuse with 401."""
        return sum(
            request.method == "POST" and request.status != 401
            for request in self.opencast.requests
            if request.path.startswith("/ingest/")
        )

    def asked(self, path: str) -> int:
        return sum(request.path.startswith(path) for request in self.opencast.requests)

    def dead(self) -> list[dict[str, Any]]:
        return self.aws.messages(self.aws.upload_dlq)

    def fail(self, kind: Any, path: str = "/ingest/", **more: Any) -> None:
        self.opencast.fail(Fault(kind=kind, path=path, **more))

    def has_event(self, identifier: str = OWN_ID) -> None:
        """Add to Opencast an event that didn't come from the uploader."""
        event = Event(identifier=identifier, terms={"title": ["T"]}, created="2026-10-14T14:00:12Z")
        self.opencast.store.add_event(event, active=False)

    def break_down(self, *, after_work: bool = False) -> None:
        """Make Opencast answer the next ingest with 500 and no Content-Type, unlike a proxy.

        With `after_work`, Opencast ingests the recording before the answer.
        """
        done: list[bool] = []

        def take_page(response: requests.Response, **_: Any) -> None:
            if "/ingest/" in str(response.url) and response.status_code == 500 and not done:
                done.append(True)
                response.headers.pop("Content-Type", None)

        self.fail("status", status=500, after_work=after_work)
        self.session.hooks["response"].append(take_page)

    def be_busy(self, *, with_ingests: bool = True) -> None:
        """Make Opencast answer that it is working on an ingest, or on no ingest."""
        self.opencast.store.downloading = int(with_ingests)

    def be_silent(self) -> None:
        """Make Opencast refuse to answer whether it is working on an ingest."""
        self.fail("status", path="/services/count", status=403, times=None)

    def delete_event(self, identifier: str = OWN_ID) -> None:
        """Delete an event, as a person can do in Opencast's admin interface."""
        self.opencast.store.events.pop(identifier)

    def when_answered(self, path: str, act: Callable[[], None]) -> None:
        """Call `act` after the first answer, other than a 401, from a URL that contains `path`."""
        done: list[bool] = []

        def hook(response: requests.Response, **_: Any) -> None:
            if path in str(response.url) and response.status_code != 401 and not done:
                done.append(True)
                # Without this read, an error in `act` leaves the socket to the garbage collector.
                assert response.content is not None
                act()

        self.session.hooks["response"].append(hook)

    def parts(self) -> list[tuple[str, str]]:
        """Return the name and the value of each part of the only ingest's form."""
        (ingest,) = self.opencast.ingests
        return ingest.parts

    def part(self, name: str) -> list[str]:
        return [value for part, value in self.parts() if part == name]


def row_in(zip_id: str, state: str) -> dict[str, Any]:
    return {
        "zip_id": zip_id,
        "meeting_id": 95846636714,
        "pipeline_state": state,
        "update_date": "2026-10-14",
        "update_time": 0,
    }


def id_of(view: str, number: int) -> str:
    """Return the id of the file of a view and a segment."""
    return f"{view.replace('_', '-')}-{number}"


def key_of(view: str, number: int) -> str:
    """Return the staging key of the file of a view and a segment."""
    return f"{FOLDER}/{number:03d}-{view}-{id_of(view, number)}.{EXTENSIONS.get(view, 'mp4')}"


def content(view: str, number: int) -> bytes:
    """Return the bytes of the staged file of a view and a segment."""
    return f"{view} {number} ".encode() * 50 + bytes(range(256))
