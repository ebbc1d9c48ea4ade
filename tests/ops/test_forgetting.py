"""Tests of `invoke recordings.forget`."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ingester.ledger import record as ledger
from ingester.ledger.record import (
    Captions,
    CaptionsState,
    IngestRecord,
    Outcome,
    Post,
    Record,
)
from ingester.ledger.table import Ledger
from ingester.pipeline.queue import Queue
from ingester.pipeline.states import Origin, State
from ingester.recording.events_table import EventsTable
from ingester.recording.files import automated_zip_id, staging_key
from ingester.recording.pauses import RecordingEvent
from ingester.status.row import RequestOptions
from ingester.status.table import StatusChange, StatusTable
from ingester.zoom.webhook_events import captions_among
from ops.command import OpsError
from ops.queues.queue_messages import SqsQueue
from ops.recordings.forgetting import (
    ZOOM_REPEATS,
    Places,
    StagedUpload,
    Traces,
    check_is_known,
    check_not_in_progress,
    reasons_to_wait,
)
from tests.cloud import BUCKET, Clock, Cloud
from tests.command_line import invoke
from tests.hooks import failing
from tests.ops.queue_harness import subject_of

ANN, BOB = "ann/+secret==", "bob=="
MEETING = 86168921331
START, BOBS_START = "2026-10-14T12:00:00Z", "2026-10-14T13:00:00Z"
POST = Post(attempt="a", at="2026-10-14T12:30:00Z")


class Stack:
    """A stack with two recordings of one meeting, whose traces `add` wrote three hours ago."""

    def __init__(self, aws: Cloud, clock: Clock) -> None:
        self.aws, self.clock = aws, clock
        self.ledger, self.status = Ledger(aws.recordings, clock), StatusTable(aws.status, clock)
        self.events = EventsTable(aws.events, clock)
        dead = [
            SqsQueue(aws.sqs, name, 0) for name in ("test-download-dlq", "test-upload-dlq.fifo")
        ]
        self.places = Places(
            self.ledger, aws.status, aws.events, aws.s3, BUCKET, tuple(dead), clock
        )
        for uuid, start in ((ANN, START), (BOB, BOBS_START)):
            self.add(uuid, start)
        clock.forward(hours=3)

    def add(self, uuid: str, start: str) -> None:
        """Add a recording that is in Opencast.

        The recording has a record, rows, a recording event, staged files and messages on the DLQs.
        """
        file_id = f"file-of-{uuid[:3]}"
        record = ledger.with_files(Record(uuid=uuid), {file_id: "speaker"}, self.clock())
        for zip_id in (automated_zip_id(uuid), f"on-demand-{uuid[:3]}"):
            origin = Origin.WEBHOOK if zip_id.startswith("auto") else Origin.ON_DEMAND
            subject = subject_of(uuid, MEETING, origin, topic="A name")
            self.status.write(zip_id, StatusChange(State.SENT_TO_OPENCAST, subject=subject))
            record = ledger.with_request(record, zip_id, RequestOptions(), self.clock())
            record = ledger.with_sent(record, zip_id, [file_id])
            ingest = IngestRecord(zip_id=zip_id, series="S", files={}, posts=(POST,))
            record = ledger.with_claim(record, zip_id, ingest)
            record = ledger.with_answer(record, zip_id, POST.attempt, Outcome.TAKEN)
        self.ledger.change(uuid, lambda _: record)
        self.events.append(uuid, RecordingEvent("recording.started", 1_791_990_000))
        # No row has the start time in the second key. Only the file id in that key identifies the
        # recording.
        other_day = start.replace("-14T", "-01T")
        for begin, view in ((start, "gallery_view"), (other_day, "active_speaker")):
            self.put(staging_key(MEETING, begin, 0, view, file_id, "mp4"))
        for queue in (self.aws.download_dlq, self.aws.upload_dlq):
            body = json.dumps({"uuid": uuid, "zip_id": automated_zip_id(uuid), "topic": "A name"})
            Queue(self.aws.sqs, queue).send_with_reason(body, "no", group=uuid, identity=uuid[:3])

    def put(self, key: str) -> None:
        self.aws.s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")

    def left(self) -> str:
        """Return items of tables, keys of the bucket and messages on the DLQs, as text.

        Also delete the messages.
        """
        tables = (self.aws.status, self.aws.recordings, self.aws.events)
        items = [item for table in tables for item in table.scan()["Items"]]
        versions = self.aws.s3.list_object_versions(Bucket=BUCKET)
        keys = [found["Key"] for found in versions.get("Versions", [])]
        markers = [found["Key"] for found in versions.get("DeleteMarkers", [])]
        dead = [
            message["body"]
            for queue in (self.aws.download_dlq, self.aws.upload_dlq)
            for message in self.aws.messages(queue)
        ]
        return repr((items, keys, markers, dead))

    def forget(self, uuid: str = ANN) -> tuple[Traces, int]:
        traces = self.places.find(uuid)
        return traces, self.places.remove(uuid, traces)


@pytest.fixture
def stack(aws: Cloud, clock: Clock) -> Stack:
    return Stack(aws, clock)


@contextmanager
def answering(monkeypatch: pytest.MonkeyPatch, answer: str) -> Iterator[None]:
    """Let an operator at the terminal type `answer` during the `with` block."""
    with monkeypatch.context() as patch:
        patch.setenv("NONINTERACTIVE", "")
        patch.setattr("sys.stdin", io.StringIO(f"{answer}\n"))
        yield


def test_forgetting_leaves_only_uuid_version_and_time_and_keeps_other_recordings(
    stack: Stack,
) -> None:
    other = stack.ledger.get(BOB)
    traces, letters = stack.forget()
    assert (len(traces.rows), len(traces.files), letters) == (2, 2, 2)
    assert stack.ledger.get(ANN) == Record(
        uuid=ANN, version=stack.ledger.get(ANN).version, forgotten="2026-10-14T21:30:00Z"
    )
    assert stack.ledger.get(BOB) == other
    assert set(stack.aws.rows()) == {automated_zip_id(BOB), "on-demand-bob"}
    left = stack.left()
    assert left.count(ANN) == 1
    assert "file-of-ann" not in left
    # The other recording's file id is in the keys of two staged files, and in the record.
    assert left.count("file-of-bob") >= 3
    assert left.count(f"'uuid': '{BOB}'") == 3


def test_forgetting_a_recording_twice_changes_nothing_the_second_time(stack: Stack) -> None:
    stack.forget()
    record = stack.ledger.get(ANN)
    stack.clock.forward(days=1)
    traces, letters = stack.forget()
    assert (traces.rows, traces.files, traces.has_events, letters) == ((), (), False, 0)
    assert stack.ledger.get(ANN) == record


def test_forgetting_removes_all_versions_and_unfinished_uploads_of_files(stack: Stack) -> None:
    s3 = stack.aws.s3
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    keys = [
        staging_key(MEETING, start, 0, "gallery_view", f"file-of-{name}", "mp4")
        for name, start in (("ann", START), ("bob", BOBS_START))
    ]
    for key in keys:
        stack.put(key)
        s3.create_multipart_upload(Bucket=BUCKET, Key=key)
    s3.delete_object(Bucket=BUCKET, Key=keys[0])
    traces, _ = stack.forget()
    assert len(traces.files) == 4
    assert "file-of-ann" not in stack.left()
    uploads = s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    assert [upload["Key"] for upload in uploads] == keys[1:]


def test_forgetting_removes_captions_that_neither_the_record_nor_a_row_names(stack: Stack) -> None:
    for zip_id in (automated_zip_id(ANN), "on-demand-ann"):
        stack.aws.status.delete_item(Key={"zip_id": zip_id})
    late, others = (
        staging_key(MEETING, start, 0, "transcript", "late-file", "vtt")
        for start in (START, BOBS_START)
    )
    for key in (late, others):
        stack.put(key)
    stack.aws.s3.create_multipart_upload(Bucket=BUCKET, Key=f"{late}.part")
    traces, _ = stack.forget()
    assert (len(traces.files), len(traces.uploads)) == (3, 1)
    left = stack.left()
    assert late not in left
    assert others in left


def test_forgetting_keeps_files_of_another_meeting_whose_captions_have_the_same_made_up_id(
    stack: Stack,
) -> None:
    # Zoom lists closed captions without an id, so the pipeline makes an id from the file's type and
    # start time.
    (made,) = captions_among(
        [
            {
                "file_type": "CC",
                "recording_start": START,
                "recording_end": BOBS_START,
                "download_url": "https://zoom.us/rec/download/cc",
                "file_extension": "VTT",
            }
        ]
    )
    known = Captions(files=(made.recording_id,), state=CaptionsState.DONE)
    stack.ledger.change(
        ANN, lambda record: ledger.with_captions(record, automated_zip_id(ANN), "cc", known)
    )
    others = [
        staging_key(MEETING + 1, START, 0, view, file_id, suffix)
        for view, file_id, suffix in (
            ("cc", made.recording_id, "vtt"),
            ("active_speaker", "video", "mp4"),
        )
    ]
    for key in others:
        stack.put(key)
    stack.forget()
    left = stack.left()
    assert all(key in left for key in others)


def test_forgetting_a_recording_again_completes_an_interrupted_run(stack: Stack) -> None:
    record = stack.ledger.get(ANN)
    client = stack.aws.status.meta.client
    with failing(client, "dynamodb.DeleteItem", "InternalServerError"), pytest.raises(ClientError):
        stack.forget()
    # Until the end of a run, the old record prevents a second ingest of the recording.
    assert stack.ledger.get(ANN) == record
    stack.forget()
    assert stack.left().count(ANN) == 1


def test_forgetting_an_unknown_recording_marks_the_recording_as_forgotten(stack: Stack) -> None:
    traces, _ = stack.forget("never-seen==")
    assert not traces.is_known
    assert stack.ledger.get("never-seen==").forgotten


def test_a_recording_is_known_when_only_an_unfinished_upload_is_left() -> None:
    uploads = (StagedUpload(f"{MEETING}/x.mp4", "1"),)
    traces = Traces(Record(uuid=ANN), rows=(), files=(), uploads=uploads, has_events=False)
    check_is_known(ANN, traces)
    assert traces.is_known


def test_forgetting_removes_messages_without_json_when_they_name_the_recording(
    stack: Stack,
) -> None:
    for text in (f"broken {ANN}", "broken"):
        dead = Queue(stack.aws.sqs, stack.aws.download_dlq)
        dead.send_with_reason(text, "no", group="g", identity=text)
    assert stack.forget()[1] == 3


def reasons(stack: Stack, uuid: str = ANN) -> list[str]:
    return reasons_to_wait(stack.places.find(uuid), stack.clock())


def test_a_recording_in_opencast_can_be_forgotten_only_two_hours_after_the_last_change_of_a_row(
    stack: Stack,
) -> None:
    assert reasons(stack) == []
    stack.clock.now -= timedelta(hours=3) - ZOOM_REPEATS + timedelta(seconds=1)
    [reason] = reasons(stack)
    assert "a repeat of Zoom's webhook event may come for 2 hours" in reason


@pytest.mark.parametrize(
    ("state", "retry_due", "is_running"),
    [
        (State.RECORDING_IN_PROGRESS, "", True),
        (State.SENT_TO_DOWNLOADER, "", True),
        (State.UPLOADER_RECEIVED, "", True),
        (State.DOWNLOADER_FAILED, "2026-10-15T12:00:00Z", True),
        (State.DOWNLOADER_FAILED, "", False),
        (State.IGNORED, "", False),
    ],
)
def test_forgetting_is_refused_only_while_an_ingest_of_the_recording_is_in_progress(
    stack: Stack, state: State, retry_due: str, is_running: bool
) -> None:
    stack.aws.status.update_item(
        Key={"zip_id": automated_zip_id(ANN)},
        UpdateExpression="SET pipeline_state = :state, retry_due = :due",
        ExpressionAttributeValues={":state": str(state), ":due": retry_due},
    )
    assert [reason.split()[0] for reason in reasons(stack)] == [automated_zip_id(ANN)] * is_running
    if is_running:
        with pytest.raises(OpsError, match=r"can't be forgotten now: .* --even-if-running"):
            check_not_in_progress(ANN, stack.places.find(ANN), stack.clock())


def test_a_recording_is_not_forgotten_while_a_message_of_its_request_may_be_on_a_queue(
    stack: Stack,
) -> None:
    change = partial(stack.ledger.change, "cy==")
    change(partial(ledger.with_request, zip_id="z", asked=RequestOptions(), now=stack.clock()))
    assert reasons(stack, "cy==") == []
    change(partial(ledger.with_sent, zip_id="z", files=["f"]))
    assert reasons(stack, "cy==") == ["z was asked for at 2026-10-14T21:30:00Z"]
    stack.clock.forward(days=14)
    assert reasons(stack, "cy==") == []


def forget_command(*options: str) -> tuple[int, str]:
    done = invoke("recordings.forget", ANN, *options)
    return done.code, done.out + done.err


@pytest.mark.usefixtures("shell_of_stack")
def test_invoke_recordings_forget_prints_what_it_removed_and_what_stays(stack: Stack) -> None:
    code, said = forget_command("--even-if-running")
    assert code == 0, said
    assert "Removed: rows of the status table: 2, staged files: 2, " in said
    assert "requests in the ledger: 2, failed messages: 2" in said
    for place in ("ledger, until", "logs, until", "backup", "faults", "Zoom and in Opencast"):
        assert place in said
    assert stack.left().count(ANN) == 1


def test_invoke_recordings_forget_asks_before_it_removes_anything(
    stack: Stack, shell_of_stack: pytest.MonkeyPatch
) -> None:
    before = stack.aws.rows()
    with answering(shell_of_stack, "n"):
        code, said = forget_command("--even-if-running")
    assert (code, stack.aws.rows()) == (1, before)
    assert "staged files: 2" in said
    assert f"{ANN} was left as it is." in said
    with answering(shell_of_stack, "y"):
        assert forget_command("--even-if-running")[0] == 0
    assert automated_zip_id(ANN) not in stack.aws.rows()


def test_invoke_recordings_forget_forgets_an_unknown_recording_only_with_the_option_even_if_running(
    stack: Stack, shell_of_stack: pytest.MonkeyPatch
) -> None:
    with answering(shell_of_stack, "y"):
        done = invoke("recordings.forget", "never-seen==")
    assert done.code == 1
    assert "Nothing is known of never-seen==: is the uuid right?" in " ".join(done.err.split())
    assert "Forget" not in done.out
    assert not stack.ledger.get("never-seen==").forgotten
    done = invoke("recordings.forget", "never-seen==", "--even-if-running")
    assert done.code == 0, done.err
    assert stack.ledger.get("never-seen==").forgotten


def test_invoke_recordings_forget_removes_nothing_when_a_setting_is_wrong(
    stack: Stack, shell_of_stack: pytest.MonkeyPatch
) -> None:
    before = stack.aws.rows()
    shell_of_stack.setenv("LOG_RETENTION_DAYS", "31")
    code, said = forget_command("--even-if-running")
    assert (code, "LOG_RETENTION_DAYS is '31', but has to be one of 1, 3, 5" in said) == (1, True)
    assert stack.aws.rows() == before


@pytest.mark.usefixtures("shell_of_stack", "stack")
def test_invoke_recordings_lists_recordings_although_a_command_group_has_the_same_name() -> None:
    done = invoke("recordings", "--uuid", ANN, "--json")
    assert done.code == 0, done.err
    found: list[dict[str, Any]] = json.loads(done.out)
    assert {row["uuid"] for row in found} == {ANN}


@pytest.mark.parametrize("name", ["recordings", "recordings.list", "schedule.import-csv"])
def test_help_explains_a_command_under_each_of_its_names(name: str) -> None:
    done = invoke("--help", name)
    assert (done.code, done.out.startswith("Usage: invoke ")) == (0, True), done.err
