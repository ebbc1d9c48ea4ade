"""Control a local stack's stand-ins, and act as users and the operator do.

`Driver` uses only HTTPS and AWS's API, so the demo and the end-to-end tests get the same answers
as other clients.
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

ALIAS = "live"
"""The alias of functions in the local cloud, which the stack's own triggers invoke."""

POLL_SECONDS = 0.1
REQUEST_SECONDS = 35.0


class DriverError(Exception):
    """Error for an unexpected answer or behaviour of the stack or a stand-in, or for a timeout."""


class ZoomFile(msgspec.Struct, frozen=True):
    """A file of the Zoom stand-in. `sha256` is in hex."""

    id: str
    file_type: str
    recording_type: str
    recording_start: str
    recording_end: str
    name: str
    size: int
    sha256: str


class ZoomRecording(msgspec.Struct, frozen=True):
    """A recording of the Zoom stand-in. `duration` is in minutes."""

    uuid: str
    meeting_id: int
    topic: str
    start_time: str
    duration: int
    host_id: str
    files: tuple[ZoomFile, ...]

    def expected_files(self) -> tuple[ZoomFile, ...]:
        """Return the files of the types that the pipeline copies by default, MP4 and chat."""
        return tuple(file for file in self.files if file.file_type in ("MP4", "CHAT"))


class OpencastFile(msgspec.Struct, frozen=True):
    """A file that the Opencast stand-in holds. `text` is the content of a WebVTT file, else ""."""

    part: str
    flavor: str
    path: str
    sha256: str
    size: int
    tags: tuple[str, ...] = ()
    text: str = ""


class AddedTrack(msgspec.Struct, frozen=True):
    """A track that was added to an event of the Opencast stand-in after the event's ingest."""

    mediapackage_id: str
    file: OpencastFile


class OpencastIngest(msgspec.Struct, frozen=True):
    """An ingest of the Opencast stand-in.

    `parts` are the parts of the form, whose URLs have no query. `status` is the HTTP status, or
    None before the answer.
    """

    mediapackage_id: str
    series: str
    workflow: str
    parts: tuple[tuple[str, str], ...]
    files: tuple[OpencastFile, ...]
    status: int | None

    def values(self, name: str) -> list[str]:
        """Return the values of the form's parts with this name, in order."""
        return [value for part, value in self.parts if part == name]


class Ingest(msgspec.Struct, frozen=True):
    """An ingest in the answer of `GET /status`."""

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
    """A cache of boto3 clients and resources, which take longer to make than most requests."""

    def __init__(self, access: Access) -> None:
        self.client = cache(access.client)
        self.resource = cache(access.resource)


class Driver:
    """A client of the local stack that `state` describes, with the key of the account's root.

    A method that controls a stand-in or reads `GET /status` raises DriverError if the answer is an
    error.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self._session = requests.Session()
        self._session.verify = state.ca_bundle
        # Otherwise REQUESTS_CA_BUNDLE in the environment would override `verify`.
        self._session.trust_env = False
        self._access = KeptClients(Access.of(state))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def client(self, service: str) -> Any:
        """Return a boto3 client of the local cloud."""
        return self._access.client(service)

    def table(self, name: str) -> Any:
        """Return a DynamoDB table of the stack by the table's name without the stack's prefix."""
        return self._access.resource("dynamodb").Table(f"{self.state.stack_name}-{name}")

    def queue_url(self, name: str) -> str:
        """Return the URL of a queue of the stack by the queue's name without the stack's prefix."""
        name = f"{self.state.stack_name}-{name}"
        return str(self.client("sqs").get_queue_url(QueueName=name)["QueueUrl"])

    def add_lecture(self, **lecture: Any) -> ZoomRecording:
        """Add a lecture (`zoom_recordings.Lecture`) to Zoom, and return the recording."""
        if isinstance(lecture.get("start_time"), datetime):
            lecture["start_time"] = lecture["start_time"].isoformat()
        answer = self._control("POST", "zoom", "recordings", lecture)
        return msgspec.convert(answer, ZoomRecording)

    def recording(self, uuid: str) -> ZoomRecording:
        """Return the Zoom stand-in's recording with this uuid.

        Raises:
            DriverError: The stand-in has no recording with the uuid.
        """
        listed = self._control("GET", "zoom", "recordings")
        for recording in msgspec.convert(listed, list[ZoomRecording]):
            if recording.uuid == uuid:
                return recording
        raise DriverError(f"Zoom's stand-in holds no recording {uuid}.")

    def sent_bytes(self, file: ZoomFile) -> int:
        """Return the number of bytes of a file that Zoom has sent, lost bytes included."""
        return int(self._control("GET", "zoom", "sent").get(file.id, 0))

    def send(self, event: str, uuid: str = "", **options: Any) -> Answer:
        """Make Zoom send a webhook event, and return the endpoint's answer.

        `options` are other fields of `local.neighbours.zoom.SendEvent`. Zoom waits 30 s by default.
        """
        asked = {"url": self.webhook_url, "event": event, "uuid": uuid, "timeout": 30, **options}
        answer = self._control("POST", "zoom", "events", asked)
        return Answer(answer["status"], answer["body"])

    def inject_zoom_fault(self, **fault: Any) -> None:
        """Add a fault (`local.neighbours.zoom_faults.Fault`) to Zoom."""
        self._control("POST", "zoom", "faults", fault)

    def cdn_url(self) -> str:
        """Return the origin to which Zoom redirects downloads."""
        return str(self._control("GET", "zoom", "origins")["cdn_url"])

    def set_zoom_switches(self, **switches: Any) -> None:
        """Change Zoom's behaviour (`local.neighbours.zoom_account.Switches`)."""
        self._control("POST", "zoom", "switches", switches)

    def set_zoom_scopes(self, *scopes: str) -> None:
        """Set the scopes of the tokens that Zoom issues from now on."""
        self._control("POST", "zoom", "app", {"scopes": scopes})

    @property
    def webhook_url(self) -> str:
        return f"{self.state.api_url}/new_recording"

    def add_series(self, identifier: str, title: str) -> None:
        """Add a series to Opencast, unless the series exists."""
        series = {"identifier": identifier, "title": title}
        self._control("POST", "opencast", "series", series)

    def inject_opencast_fault(self, **fault: Any) -> None:
        """Add a fault (`local.neighbours.opencast_store.Fault`) to Opencast."""
        self._control("POST", "opencast", "faults", fault)

    def clear_opencast_faults(self) -> None:
        """Remove every fault from Opencast."""
        self._control("DELETE", "opencast", "faults")

    def set_opencast_switches(self, **switches: Any) -> None:
        """Change Opencast's behaviour (`local.neighbours.opencast_store.Switches`)."""
        self._control("POST", "opencast", "switches", switches)

    def change_workflows(self, **change: Any) -> None:
        """Change an Opencast event's workflows (`opencast_store.WorkflowChange`)."""
        self._control("POST", "opencast", "workflows", change)

    def ingests(self) -> tuple[OpencastIngest, ...]:
        """Return every ingest that Opencast received, in order."""
        listed = self._control("GET", "opencast", "ingests")
        return msgspec.convert(listed, tuple[OpencastIngest, ...])

    def added_to(self, mediapackage_id: str) -> list[OpencastFile]:
        """Return the tracks that were added to an Opencast event after the event's ingest."""
        listed = self._control("GET", "opencast", "tracks")
        added = msgspec.convert(listed, list[AddedTrack])
        return [track.file for track in added if track.mediapackage_id == mediapackage_id]

    def ingests_of(self, recording: ZoomRecording) -> list[OpencastIngest]:
        """Return the ingests in Opencast whose source is this recording."""
        source = f"ZIP-{recording.uuid}"
        return [ingest for ingest in self.ingests() if source in ingest.values("source")]

    def request_ingest(self, **request: Any) -> Answer:
        """POST to `/ingest` as the "+Zoom" form does, and return the answer."""
        answer = self._session.post(
            f"{self.state.api_url}/ingest", json=request, timeout=REQUEST_SECONDS
        )
        return Answer(answer.status_code, answer.text)

    def status(self, meeting_id: int) -> dict[str, list[Ingest]]:
        """Return a meeting's ingests in the answer of `GET /status`, by the recording's uuid."""
        records = self._get_status(meeting_id=meeting_id)["records"] or {"recordings": []}
        return {
            recording["recording_id"]: msgspec.convert(recording["zip_ingests"], list[Ingest])
            for recording in records["recordings"]
        }

    def recent_uuids(self, seconds: int) -> set[str]:
        """Return the uuids of the recordings that `GET /status` lists for the last `seconds`."""
        return {
            recording["recording_id"]
            for meeting in self._get_status(seconds=seconds)["records"]["meetings"]
            for recording in meeting["recordings"]
        }

    def backlogs(self) -> dict[str, dict[str, int]]:
        """Return the counts of messages in the answer of `GET /status`, by queue and kind."""
        return msgspec.convert(self._get_status(queues="true")["queues"], dict[str, dict[str, int]])

    def ingest_status(self, recording: ZoomRecording) -> Ingest | None:
        """Return a recording's ingest that was updated last, or None without an ingest."""
        found = self.status(recording.meeting_id).get(recording.uuid, [])
        return max(found, key=lambda ingest: ingest.last_updated, default=None)

    def recording_details(self, recording: ZoomRecording) -> dict[str, Any]:
        """Return a recording's entry in the answer of `GET /status`, or {} without an entry."""
        uuid = recording.uuid
        told = self._get_status(meeting_id=recording.meeting_id, details="true", uuid=uuid)
        return next((one for one in told["recordings"] if one["uuid"] == uuid), {})

    def ingest_details(self, recording: ZoomRecording) -> Ingest | None:
        """Return a recording's ingest that was updated last, or None without an ingest.

        The ingest's `status` can be an outcome in Opencast, such as PUBLISHED. `ingest_status`
        returns no outcome in Opencast.
        """
        found = self._get_status(meeting_id=recording.meeting_id, details="true")["ingests"]
        own = [ingest for ingest in found if ingest["uuid"] == recording.uuid]
        newest = max(own, key=lambda ingest: str(ingest["last_updated"]), default=None)
        if newest is None:
            return None
        named = {**newest, "status": newest["state"]}
        return msgspec.convert(named, Ingest)

    def _get_status(self, **query: str | int) -> dict[str, Any]:
        answer = self._session.get(
            f"{self.state.api_url}/status", params=query, timeout=REQUEST_SECONDS
        )
        if answer.status_code != 200:
            raise DriverError(f"GET /status answered {answer.status_code}: {answer.text[:200]}")
        found: dict[str, Any] = answer.json()
        return found

    def set_reconcile_baseline(self, baseline: datetime) -> None:
        """Replace reconcile's state by a state that has only a baseline.

        Reconcile ignores recordings that ended before the baseline.
        """
        item = {"uuid": "#reconcile", "baseline": f"{baseline:%Y-%m-%dT%H:%M:%SZ}", "version": 1}
        self.table("recordings").put_item(Item=item)

    def reconcile(self) -> dict[str, Any]:
        """Run reconcile, and return the report.

        Raises:
            DriverError: Reconcile failed or stopped early.
        """
        return self._run("zoom-reconcile", {})

    def last_reconcile(self) -> dict[str, Any]:
        """Return the report on reconcile's last run in the answer of `GET /status`."""
        found: dict[str, Any] = self._get_status(queues="true")["reconcile"]
        return found

    def follow(self, uuid: str = "") -> dict[str, Any]:
        """Run follow for the recording `uuid`, or for all due recordings, and return the report.

        Raises:
            DriverError: Follow failed or stopped early.
        """
        return self._run("zoom-follow", {"uuid": uuid} if uuid else {})

    def _run(self, function: str, event: dict[str, str]) -> dict[str, Any]:
        """Run a function that a rule calls, and return the function's report.

        Raises:
            DriverError: The function failed or stopped early.
        """
        answer = self.client("lambda").invoke(
            FunctionName=f"{self.state.stack_name}-{function}",
            Qualifier=ALIAS,
            Payload=msgspec.json.encode(event),
        )
        report: dict[str, Any] = msgspec.json.decode(answer["Payload"].read())
        if answer.get("FunctionError") or report.get("message"):
            raise DriverError(f"{function} was stopped: {report}")
        return report

    def type_command(
        self, text: str, *, user: str = "producer", channel: str = "", **more: Any
    ) -> Any:
        """Type `/zip <text>` as a user, by default in the zip channel, and return the outcome.

        See `local.neighbours.slack_player.Typed` and `Outcome`.
        """
        typed = {"user": user, "channel": channel or "C0ZIPCHAN", "text": text, **more}
        return self._control("POST", "slack", "command", typed)

    def press(self, ts: str, action_id: str, *, user: str = "producer", **more: Any) -> Any:
        """Press a button of the message `ts` as a user, and return the outcome."""
        pressed = {"user": user, "ts": ts, "action_id": action_id, **more}
        return self._control("POST", "slack", "press", pressed)

    def shown_messages(self, user: str = "producer") -> list[dict[str, Any]]:
        """Return the messages that a user sees (`local.neighbours.slack_workspace.Message`)."""
        found: list[dict[str, Any]] = self._control("GET", "slack", f"messages?user={user}")
        return found

    def inject_slack_fault(self, **fault: Any) -> None:
        """Add a fault (`local.neighbours.faults.Fault`) to Slack."""
        self._control("POST", "slack", "faults", fault)

    def refused_by_slack(self) -> list[dict[str, Any]]:
        """Return Slack's refusals of messages so far (`slack_workspace.Refusal`)."""
        found: list[dict[str, Any]] = self._control("GET", "slack", "refused")
        return found

    def set_slack_scopes(self, *scopes: str) -> None:
        """Set the scopes of the app in Slack."""
        self._control("POST", "slack", "app", {"scopes": scopes})

    def fill_tab(self, tab: str, rows: list[list[Any]], **more: Any) -> None:
        """Replace a tab of the sheet, or add the tab (`local.neighbours.sheets.TabContent`)."""
        self._control("POST", "sheets", "tabs", {"tab": tab, "rows": rows, **more})

    def rename_tab(self, tab: str, to: str) -> None:
        """Give a tab of the sheet another title."""
        self._control("POST", "sheets", "rename", {"tab": tab, "to": to})

    def expire_google_tokens(self) -> None:
        """Expire every token that Google has issued."""
        self._control("POST", "sheets", "expire")

    def inject_sheets_fault(self, **fault: Any) -> None:
        """Add a fault (`local.neighbours.faults.Fault`) to the Google stand-in."""
        self._control("POST", "sheets", "faults", fault)

    def _control(self, method: str, neighbour: str, path: str, content: object = None) -> Any:
        headers = {"Authorization": f"Bearer {self.state.control_token}"}
        base = {
            "zoom": self.state.zoom_url,
            "opencast": self.state.opencast_url,
            "slack": self.state.slack_url,
            "sheets": self.state.sheets_url,
        }[neighbour]
        url = f"{base}/_control/{path}"
        answer = self._session.request(
            method, url, json=content, headers=headers, timeout=REQUEST_SECONDS
        )
        if answer.status_code >= 300:
            raise DriverError(
                f"{neighbour}'s stand-in answered {answer.status_code} to {path}: "
                f"{answer.text[:200]}"
            )
        return answer.json() if answer.content else None


def wait_for(ask: Callable[[], Found | None], what: str, seconds: float) -> Found:
    """Call `ask` until `ask` returns a truthy value, and return that value.

    Raises:
        DriverError: No call returned a truthy value within `seconds`. The text contains `what`.
    """
    end = time.monotonic() + seconds
    while True:
        found = ask()
        if found:
            return found
        if time.monotonic() > end:
            raise DriverError(f"Timed out after {seconds:.0f} s waiting for {what}.")
        time.sleep(POLL_SECONDS)
