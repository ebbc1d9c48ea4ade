"""What one does to a local stack that runs: as Zoom, as users of Opencast and Slack, as operator.

The demo and the end-to-end tests drive the stack through this, over HTTPS and AWS's API only, so
that they see what anybody would see.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

import msgspec
import requests

from local.deploy import Access
from local.state import State

Found = TypeVar("Found")

POLL_SECONDS = 0.1
REQUEST_SECONDS = 35.0


class DriverError(Exception):
    """The stack or a neighbour did not do what it was asked. The text says what."""


class ZoomFile(msgspec.Struct, frozen=True):
    """A file as the Zoom stand-in holds it; `sha256` in hex."""

    id: str
    file_type: str
    recording_type: str
    recording_start: str
    recording_end: str
    name: str
    size: int
    sha256: str


class ZoomRecording(msgspec.Struct, frozen=True):
    """A recording as the Zoom stand-in holds it; `duration` in minutes."""

    uuid: str
    meeting_id: int
    topic: str
    start_time: str
    duration: int
    host_id: str
    files: tuple[ZoomFile, ...]

    def wanted(self) -> tuple[ZoomFile, ...]:
        """The files that the pipeline is to take: MP4 and chat."""
        return tuple(file for file in self.files if file.file_type in ("MP4", "CHAT"))


class OpencastFile(msgspec.Struct, frozen=True):
    """A file that Opencast fetched."""

    part: str
    flavor: str
    path: str
    sha256: str
    size: int


class OpencastIngest(msgspec.Struct, frozen=True):
    """An ingest as Opencast's stand-in lists it; `parts` in order, addresses without query."""

    mediapackage_id: str
    series: str
    workflow: str
    parts: tuple[tuple[str, str], ...]
    files: tuple[OpencastFile, ...]
    status: int | None

    def values(self, name: str) -> list[str]:
        """The values of the form's parts of this name, in order."""
        return [value for part, value in self.parts if part == name]


class Ingest(msgspec.Struct, frozen=True):
    """What `GET /status` says of one ingest."""

    last_updated: str
    status: str
    origin: str
    reason: str = ""
    ingest_request_time: str = ""
    oc_series_id: str = ""


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer."""

    status: int
    body: str


class KeptClients:
    """Makes each boto3 client and resource once, since that takes longer than most requests."""

    def __init__(self, access: Access) -> None:
        self.client = cache(access.client)
        self.resource = cache(access.resource)


class Driver:
    """Drives the stack of a `stack.json`, with the local account's own key."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._session = requests.Session()
        self._session.verify = state.ca_bundle
        # Else a REQUESTS_CA_BUNDLE or a proxy of the shell would win, see requests' documentation.
        self._session.trust_env = False
        self._access = KeptClients(Access.of(state))

    def close(self) -> None:
        """Lets go of the connections."""
        self._session.close()

    def client(self, service: str) -> Any:
        """A boto3 client of the local cloud."""
        return self._access.client(service)

    def table(self, name: str) -> Any:
        """A DynamoDB table of the stack, by its name without the stack's."""
        return self._access.resource("dynamodb").Table(f"{self.state.stack_name}-{name}")

    def queue_url(self, name: str) -> str:
        """A queue's URL, by its name without the stack's."""
        name = f"{self.state.stack_name}-{name}"
        return str(self.client("sqs").get_queue_url(QueueName=name)["QueueUrl"])

    # As Zoom

    def add_lecture(self, **lecture: Any) -> ZoomRecording:
        """Records a lecture in Zoom: see `local.neighbours.zoom_recordings.Lecture`."""
        if isinstance(lecture.get("start_time"), datetime):
            lecture["start_time"] = lecture["start_time"].isoformat()
        answer = self._control("POST", "zoom", "recordings", lecture)
        return msgspec.convert(answer, ZoomRecording)

    def recording(self, uuid: str) -> ZoomRecording:
        """A recording as Zoom holds it now. DriverError if there is none."""
        listed = self._control("GET", "zoom", "recordings")
        for recording in msgspec.convert(listed, list[ZoomRecording]):
            if recording.uuid == uuid:
                return recording
        raise DriverError(f"Zoom's stand-in holds no recording {uuid}.")

    def sent(self, file: ZoomFile) -> int:
        """Bytes that Zoom has sent of a file so far, those that never arrived included."""
        return int(self._control("GET", "zoom", "sent").get(file.id, 0))

    def send(self, event: str, uuid: str = "", **options: Any) -> Answer:
        """Lets Zoom send a webhook, and gives what the endpoint answered."""
        asked = {"url": self.webhook_url, "event": event, "uuid": uuid, "timeout": 30, **options}
        answer = self._control("POST", "zoom", "events", asked)
        return Answer(answer["status"], answer["body"])

    def trouble_zoom(self, **fault: Any) -> None:
        """Lets Zoom fail: see `local.neighbours.zoom_faults.Fault`."""
        self._control("POST", "zoom", "faults", fault)

    def cdn_url(self) -> str:
        """Where Zoom's downloads are redirected to."""
        return str(self._control("GET", "zoom", "health")["cdn_url"])

    def switch_zoom(self, **switches: Any) -> None:
        """Changes how Zoom behaves: see `local.neighbours.zoom_account.Switches`."""
        self._control("POST", "zoom", "switches", switches)

    def scopes_in_zoom(self, *scopes: str) -> None:
        """The app has these scopes in the tokens that it gets from now on."""
        self._control("POST", "zoom", "app", {"scopes": scopes})

    @property
    def webhook_url(self) -> str:
        return f"{self.state.api_url}/new_recording"

    # As Opencast and its users

    def add_series(self, identifier: str, title: str) -> None:
        """Makes a series in Opencast."""
        series = {"identifier": identifier, "title": title}
        self._control("POST", "opencast", "series", series)

    def trouble_opencast(self, **fault: Any) -> None:
        """Lets Opencast fail: see `local.neighbours.opencast_store.Fault`."""
        self._control("POST", "opencast", "faults", fault)

    def mend_opencast(self) -> None:
        """Lets no more request to Opencast fail."""
        self._control("DELETE", "opencast", "faults")

    def ingests(self) -> tuple[OpencastIngest, ...]:
        """Every ingest that Opencast was sent, in order."""
        answer = self._session.get(f"{self.state.opencast_url}/_ingests", timeout=REQUEST_SECONDS)
        return msgspec.json.decode(answer.content, type=tuple[OpencastIngest, ...])

    def ingests_of(self, recording: ZoomRecording) -> list[OpencastIngest]:
        """The ingests that name this recording as their source."""
        source = f"ZIP-{recording.uuid}"
        return [ingest for ingest in self.ingests() if source in ingest.values("source")]

    def ask_for_ingest(self, **request: Any) -> Answer:
        """`POST /ingest`, as the "+Zoom" form does."""
        answer = self._session.post(
            f"{self.state.api_url}/ingest", json=request, timeout=REQUEST_SECONDS
        )
        return Answer(answer.status_code, answer.text)

    def status(self, meeting_id: int) -> dict[str, list[Ingest]]:
        """`GET /status` of a meeting: recording uuid → its ingests; empty if it isn't known."""
        answer = self._session.get(
            f"{self.state.api_url}/status",
            params={"meeting_id": str(meeting_id)},
            timeout=REQUEST_SECONDS,
        )
        if answer.status_code != 200:
            raise DriverError(f"GET /status answered {answer.status_code}: {answer.text[:200]}")
        records = answer.json()["records"] or {"recordings": []}
        return {
            recording["recording_id"]: msgspec.convert(recording["zip_ingests"], list[Ingest])
            for recording in records["recordings"]
        }

    def recent(self, seconds: int) -> set[str]:
        """The uuids of the recordings that `GET /status?seconds=` tells."""
        answer = self._session.get(
            f"{self.state.api_url}/status", params={"seconds": seconds}, timeout=REQUEST_SECONDS
        )
        if answer.status_code != 200:
            raise DriverError(f"GET /status answered {answer.status_code}: {answer.text[:200]}")
        return {
            recording["recording_id"]
            for meeting in answer.json()["records"]["meetings"]
            for recording in meeting["recordings"]
        }

    def backlogs(self) -> dict[str, dict[str, int]]:
        """What `GET /status?queues=true` counts, by queue."""
        answer = self._session.get(
            f"{self.state.api_url}/status", params={"queues": "true"}, timeout=REQUEST_SECONDS
        )
        if answer.status_code != 200:
            raise DriverError(f"GET /status answered {answer.status_code}: {answer.text[:200]}")
        return msgspec.convert(answer.json()["queues"], dict[str, dict[str, int]])

    def ingest_status(self, recording: ZoomRecording) -> Ingest | None:
        """The state of a recording's newest ingest, None if there is none."""
        found = self.status(recording.meeting_id).get(recording.uuid, [])
        return max(found, key=lambda one: one.last_updated, default=None)

    # As the rule that starts reconcile, which the local cloud honours every hour

    def begin_reconcile(self, baseline: datetime) -> None:
        """Let reconcile's first run have been at this time: what ended earlier is left alone."""
        item = {"uuid": "#reconcile", "baseline": f"{baseline:%Y-%m-%dT%H:%M:%SZ}", "version": 1}
        self.table("recordings").put_item(Item=item)

    def reconcile(self) -> dict[str, Any]:
        """Run reconcile now, as the rule does; its report. DriverError if something stops it."""
        answer = self.client("lambda").invoke(
            FunctionName=f"{self.state.stack_name}-zoom-reconcile", Payload=b"{}"
        )
        report: dict[str, Any] = msgspec.json.decode(answer["Payload"].read())
        if answer.get("FunctionError") or report["message"]:
            raise DriverError(f"Reconcile was stopped: {report}")
        return report

    def last_reconcile(self) -> dict[str, Any]:
        """What `GET /status?queues=true` tells of reconcile."""
        answer = self._session.get(
            f"{self.state.api_url}/status", params={"queues": "true"}, timeout=REQUEST_SECONDS
        )
        if answer.status_code != 200:
            raise DriverError(f"GET /status answered {answer.status_code}: {answer.text[:200]}")
        found: dict[str, Any] = answer.json()["reconcile"]
        return found

    # As people in Slack, and as who keeps the class schedule

    def type(self, text: str, *, user: str = "producer", channel: str = "", **more: Any) -> Any:
        """Lets a user type `/zip <text>`, by default in the channel for it; what came of it.

        See `local.neighbours.slack_player.Typed` and `Outcome`.
        """
        typed = {"user": user, "channel": channel or "C0ZIPCHAN", "text": text, **more}
        return self._control("POST", "slack", "command", typed)

    def press(self, ts: str, action_id: str, *, user: str = "producer", **more: Any) -> Any:
        """Lets a user press a button of the message `ts`; what came of it."""
        pressed = {"user": user, "ts": ts, "action_id": action_id, **more}
        return self._control("POST", "slack", "press", pressed)

    def shown(self, user: str = "producer") -> list[dict[str, Any]]:
        """The messages that a user sees, see `local.neighbours.slack_workspace.Message`."""
        found: list[dict[str, Any]] = self._control("GET", "slack", f"messages?user={user}")
        return found

    def trouble_slack(self, **fault: Any) -> None:
        """Lets Slack fail: see `local.neighbours.host.Fault`."""
        self._control("POST", "slack", "faults", fault)

    def refused_by_slack(self) -> list[dict[str, Any]]:
        """The messages that Slack didn't take so far, and why."""
        found: list[dict[str, Any]] = self._control("GET", "slack", "refused")
        return found

    def scopes_in_slack(self, *scopes: str) -> None:
        """The app has these scopes from now on."""
        self._control("POST", "slack", "app", {"scopes": scopes})

    def fill_tab(self, tab: str, rows: list[list[Any]], **more: Any) -> None:
        """Replaces a tab of the schedule's spreadsheet, see `local.neighbours.sheets`."""
        self._control("POST", "sheets", "tabs", {"tab": tab, "rows": rows, **more})

    def rename_tab(self, tab: str, to: str) -> None:
        """Gives a tab another name."""
        self._control("POST", "sheets", "rename", {"tab": tab, "to": to})

    def expire_google_tokens(self) -> None:
        """Kills every token that Google's stand-in gave out so far."""
        self._control("POST", "sheets", "expire")

    def trouble_sheets(self, **fault: Any) -> None:
        """Lets Google fail: see `local.neighbours.host.Fault`."""
        self._control("POST", "sheets", "faults", fault)

    def _control(self, method: str, neighbour: str, path: str, content: object = None) -> Any:
        base = {
            "zoom": self.state.zoom_url,
            "opencast": self.state.opencast_url,
            "slack": self.state.slack_url,
            "sheets": self.state.sheets_url,
        }[neighbour]
        answer = self._session.request(
            method, f"{base}/_control/{path}", json=content, timeout=REQUEST_SECONDS
        )
        if answer.status_code >= 300:
            raise DriverError(
                f"{neighbour}'s stand-in answered {answer.status_code} to {path}: "
                f"{answer.text[:200]}"
            )
        return answer.json() if answer.content else None


def wait_for(ask: Callable[[], Found | None], what: str, seconds: float) -> Found:
    """Asks again and again until the answer is true, and gives it. DriverError after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        found = ask()
        if found:
            return found
        if time.monotonic() > end:
            raise DriverError(f"Waited {seconds:.0f} s in vain for {what}.")
        time.sleep(POLL_SECONDS)
