"""Tests of following a recording's row, and of the report of the outcome."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from cdk.names import DOWNLOADER
from ingester.ledger.record import IngestRecord, Outcome, Post, Record, with_following
from ingester.ledger.table import Ledger
from ingester.pipeline.states import State
from ingester.status.row import RequestOptions, StatusRow
from ingester.status.words import state_with_code
from ops.command import OpsError
from ops.logs.lines import Line
from ops.recordings import following
from tests.cloud import Clock, Cloud
from tests.hooks import failing

UUID = "/4Mhc+abc//def=="
ZIP_ID = f"auto-ingest-{UUID}"
NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)


def row(state: State, reason: str = "", *, minute: int = 0, **more: Any) -> StatusRow:
    return StatusRow(
        files=frozenset({"file"}),
        zip_id=ZIP_ID,
        state=state,
        recording_id=UUID,
        reason=reason,
        updated=NOW.replace(minute=minute),
        **more,
    )


class ScriptedReads:
    """A reader of a status row, whose successive reads have prepared results."""

    def __init__(self, *found: StatusRow | Exception | None) -> None:
        self.found = list(found)
        self.said: list[str] = []
        self.slept = 0.0

    def __call__(self) -> StatusRow | None:
        now = self.found.pop(0)
        if isinstance(now, Exception):
            raise now
        return now

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    def follow(self) -> StatusRow:
        return following.follow(self, UUID, self.said.append, self.sleep)


def test_following_a_recording_prints_each_change_of_the_row_once() -> None:
    reads = ScriptedReads(
        row(State.SENT_TO_DOWNLOADER),
        row(State.SENT_TO_DOWNLOADER),
        row(State.OC_SERIES_FOUND, minute=1),
        row(State.OC_SERIES_FOUND, "1 of 2 MB are copied", minute=2),
        row(State.SENT_TO_OPENCAST, minute=3, oc_series_id="S"),
    )
    assert reads.follow().state is State.SENT_TO_OPENCAST
    assert reads.said == [
        "2026-11-24T15:00:00Z  Waiting for download (SENT_TO_DOWNLOADER)",
        "2026-11-24T15:01:00Z  Downloading (OC_SERIES_FOUND)",
        f"2026-11-24T15:02:00Z  {'Downloading (OC_SERIES_FOUND)':<41}  1 of 2 MB are copied",
        "2026-11-24T15:03:00Z  In Opencast (SENT_TO_OPENCAST)",
    ]
    assert reads.slept == 4 * following.POLL_SECONDS


def line(message: str, **fields: object) -> Line:
    record = {"level": "INFO", "message": message, **fields}
    return Line(DOWNLOADER, "stream", message, NOW, NOW, "", record)


def test_copy_progress_shows_megabytes_speed_and_seconds_of_the_newest_copying_line() -> None:
    lines = [
        line("Copying", bytes=1, total_bytes=2, megabytes_per_second=3),
        line("Copying", bytes=1.2e9, total_bytes=4.8e9, megabytes_per_second=200.4),
        line("Looked up"),
    ]
    told = following.progress(row(State.OC_SERIES_FOUND), lines)
    assert told == "Downloading: 1,200 of 4,800 MB, 200 MB/s, 18 s left"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"bytes": 5e6, "total_bytes": 9e6}, "Downloading: 5 of 9 MB, 0 MB/s"),
        ({"bytes": "edited", "total_bytes": None}, "Downloading: 0 of 0 MB, 0 MB/s"),
    ],
)
def test_copy_progress_shows_no_remaining_seconds_when_the_speed_is_unknown(
    fields: dict[str, Any], told: str
) -> None:
    assert following.progress(row(State.OC_SERIES_FOUND), [line("Copying", **fields)]) == told


def test_copy_progress_shows_only_the_state_when_nothing_is_copied() -> None:
    lines = [line("Copying", bytes=1, total_bytes=2, megabytes_per_second=3)]
    assert following.progress(row(State.SENT_TO_UPLOADER), lines) == "Waiting for upload"
    assert following.progress(row(State.OC_SERIES_FOUND), []) == "Downloading"


def test_following_a_recording_shows_the_row_until_its_ingest_ends() -> None:
    reads = ScriptedReads(row(State.OC_SERIES_FOUND), row(State.SENT_TO_OPENCAST))
    shown: list[StatusRow] = []
    following.follow(reads, UUID, reads.said.append, reads.sleep, shown.append)
    assert [each.state for each in shown] == [State.OC_SERIES_FOUND]


@pytest.mark.parametrize("failed", [State.DOWNLOADER_FAILED, State.UPLOADER_FAILED])
def test_following_a_recording_continues_after_a_failure_when_a_retry_is_due(failed: State) -> None:
    due = "2026-11-24T15:01:00Z"
    reads = ScriptedReads(
        row(failed, "Zoom answered 503", retry_due=due),
        row(failed, "Zoom answered 503", retry_due=due),
        row(State.SENT_TO_OPENCAST, minute=1),
    )
    reads.follow()
    assert reads.said == [
        f"2026-11-24T15:00:00Z  {state_with_code(failed):<41}  Zoom answered 503",
        f"                      tries again at {due}",
        "2026-11-24T15:01:00Z  In Opencast (SENT_TO_OPENCAST)",
    ]


def test_following_a_recording_prints_the_time_of_a_retry_once() -> None:
    due = "2026-11-24T15:01:00Z"
    reason = f"Zoom answered 503 (attempt 1 of 12, next try at {due})"
    said = following.lines(row(State.DOWNLOADER_FAILED, reason, retry_due=due))
    assert said[0].endswith("Zoom answered 503 (attempt 1 of 12)")
    assert said[1].strip() == f"tries again at {due}"


def test_following_a_recording_prints_no_control_characters() -> None:
    (line,) = following.lines(row(State.IGNORED, "a\x1b[2Jb\nc"))
    assert line.isprintable()


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://dynamodb"),
        ClientError({"Error": {"Code": "ExpiredTokenException"}}, "GetItem"),
    ],
)
def test_following_a_recording_says_that_the_ingest_continues_when_the_row_cannot_be_read(
    error: Exception,
) -> None:
    reads = ScriptedReads(row(State.SENT_TO_DOWNLOADER), error)
    with pytest.raises(OpsError, match="continues automatically") as said:
        reads.follow()
    assert f"`invoke recordings --uuid {UUID}`" in str(said.value)


def test_following_a_recording_raises_an_error_when_the_row_is_gone() -> None:
    with pytest.raises(OpsError, match="no row"):
        ScriptedReads(None).follow()


def record(series: str = "T", *, zip_id: str = ZIP_ID, **posts: Outcome) -> Record:
    """Return the ledger's record after POSTs, such as `h15=Outcome.TAKEN` for a success at 15:00.

    The default is a success at 15:00.
    """
    made = tuple(
        Post(attempt=at, at=f"2026-11-24T{at[1:]}:00:00Z", outcome=outcome)
        for at, outcome in (posts or {"h15": Outcome.TAKEN}).items()
    )
    ingest = IngestRecord(zip_id=zip_id, series=series, files={}, posts=made)
    return Record(uuid=UUID, version=1, ingests={"mp": ingest})


def test_outcome_of_following_names_series_and_media_package_of_the_ingest_record() -> None:
    arrived = row(State.SENT_TO_OPENCAST, oc_series_id="S")
    assert following.outcome(arrived, NOW, record()) == "In Opencast: series T, media package mp"


@pytest.mark.parametrize(("series", "said"), [("S", "In Opencast: series S"), ("", "In Opencast.")])
@pytest.mark.parametrize("known", [Record(uuid=UUID), record(zip_id="on-demand-1")])
def test_outcome_of_following_names_no_media_package_without_an_ingest_record_of_the_request(
    known: Record, series: str, said: str
) -> None:
    arrived = row(State.SENT_TO_OPENCAST, oc_series_id=series)
    assert following.outcome(arrived, NOW, known) == said


@pytest.mark.parametrize(
    ("posts", "requested", "is_earlier"),
    [
        ({"h15": Outcome.TAKEN}, "2026-11-24T15:00:00Z", False),
        ({"h15": Outcome.TAKEN}, "2026-11-24T15:00:01Z", True),
        ({"h15": Outcome.TAKEN}, "", False),
        ({"h14": Outcome.UNKNOWN, "h16": Outcome.TAKEN}, "2026-11-24T15:00:00Z", False),
        ({"h14": Outcome.TAKEN, "h16": Outcome.REFUSED}, "2026-11-24T15:00:00Z", True),
    ],
)
def test_outcome_of_an_ingest_in_opencast_is_an_error_only_when_the_post_precedes_the_request(
    posts: dict[str, Outcome], requested: str, is_earlier: bool
) -> None:
    arrived = row(State.SENT_TO_OPENCAST, oc_series_id="T", ingest_request_time=requested)
    known = record(**posts)
    if not is_earlier:
        assert following.outcome(arrived, NOW, known).startswith("In Opencast: ")
        return
    with pytest.raises(OpsError) as said:
        following.outcome(arrived, NOW, known)
    since = known.ingests["mp"].posted_at
    assert str(said.value) == (
        f"It was in Opencast already, since {since} (series T, media package mp), and stays as it "
        f"is. To replace it, delete its event in Opencast, then `invoke exec.pipeline {UUID}`. For "
        f"a second event: `invoke exec.on-demand {UUID} --oc-series-id T --allow-multiple-ingests`."
    )


def test_following_advises_a_change_of_series_when_another_series_was_requested() -> None:
    arrived = row(
        State.SENT_TO_OPENCAST,
        oc_series_id="T",
        ingest_request_time="2026-11-24T15:00:01Z",
        asked=RequestOptions(oc_series_id="S"),
    )
    with pytest.raises(OpsError) as said:
        following.outcome(arrived, NOW, record())
    assert str(said.value) == (
        "It was in Opencast already, since 2026-11-24T15:00:00Z (series T, media package mp), and "
        "stays as it is. To move it to series S, change its series in Opencast. For a second "
        f"event: `invoke exec.on-demand {UUID} --oc-series-id S --allow-multiple-ingests`."
    )


def test_following_uses_an_empty_record_when_the_ledger_cannot_be_read(
    aws: Cloud, clock: Clock
) -> None:
    ledger = Ledger(aws.recordings, clock)
    written = ledger.change(UUID, lambda _: record())
    assert following.record_of(ledger, UUID) == written
    refused = failing(aws.recordings.meta.client, "dynamodb.GetItem", "AccessDeniedException")
    with refused:
        assert following.record_of(ledger, UUID) == Record(uuid=UUID)
    aws.recordings.put_item(Item={"uuid": UUID, "version": 1, "ingests": "nonsense"})
    assert following.record_of(ledger, UUID) == Record(uuid=UUID)


@pytest.mark.parametrize(
    ("state", "reason", "advice"),
    [
        (State.IGNORED, "No opencast series match", "--oc-series-id"),
        (State.UPLOADER_FAILED, "Invalid Opencast series id.", "--oc-series-id"),
        (State.DOWNLOADER_FAILED, "permanent failure: gone", "queue.retry-downloads"),
        (State.IGNORED, "Already in opencast", ""),
        (State.WEBHOOK_FAILED, "", "exec.webhook"),
    ],
)
def test_error_about_a_followed_recording_names_the_next_command_if_there_is_one(
    state: State, reason: str, advice: str
) -> None:
    with pytest.raises(OpsError) as said:
        following.outcome(row(state, reason), NOW, Record(uuid=UUID))
    text = str(said.value)
    assert text.startswith(f"{state_with_code(state)}: ")
    assert (reason.removeprefix("permanent failure: ") or "no reason is known") in text
    assert advice in text
    assert ".." not in text


def test_following_a_recording_asks_opencast_with_backoff_until_the_ingest_is_published() -> None:
    waiting, arrived = row(State.SENT_TO_OPENCAST), row(State.PUBLISHED, minute=9)
    reads = ScriptedReads(waiting, waiting, waiting, arrived)
    pauses: list[float] = []
    found = following.follow_in_opencast(
        reads, lambda: {"asked": 1}, UUID, reads.said.append, pauses.append
    )
    assert found is arrived
    assert reads.said == ["2026-11-24T15:09:00Z  Published (PUBLISHED)"]
    assert pauses == [2.0, 3.0, 4.5]


@pytest.mark.parametrize("state", [State.OPENCAST_FAILED, State.OPENCAST_DELETED])
def test_following_raises_an_error_when_the_ingest_failed_or_was_deleted_in_opencast(
    state: State,
) -> None:
    reads = ScriptedReads(row(state, "Opencast's operation encode failed."))
    with pytest.raises(OpsError, match=r"operation encode failed\. .*`invoke exec\.pipeline"):
        following.follow_in_opencast(
            reads, lambda: {"asked": 1}, UUID, reads.said.append, reads.sleep
        )


def test_following_a_recording_ends_when_the_pipeline_no_longer_follows_the_ingest() -> None:
    reads = ScriptedReads(row(State.SENT_TO_OPENCAST))
    asked = {"asked": 0}
    found = following.follow_in_opencast(reads, lambda: asked, UUID, reads.said.append, reads.sleep)
    assert found.state is State.SENT_TO_OPENCAST


def test_following_a_recording_prints_a_refusal_of_opencast_once() -> None:
    waiting = row(State.SENT_TO_OPENCAST)
    reads = ScriptedReads(waiting, waiting, row(State.PUBLISHED))
    answer = {"asked": 1, "message": "it needs ROLE_ADMIN"}
    following.follow_in_opencast(reads, lambda: answer, UUID, reads.said.append, reads.sleep)
    assert [line for line in reads.said if "ROLE_ADMIN" in line] == [
        "Opencast can't be asked now: it needs ROLE_ADMIN"
    ]


@pytest.mark.parametrize("is_followed", [True, False])
def test_ingest_counts_as_followed_only_when_its_ingest_record_has_a_follow_up(
    is_followed: bool,
) -> None:
    known = record()
    if is_followed:
        known = with_following(known, "mp", NOW)
    assert following.is_followed(row(State.SENT_TO_OPENCAST), known) is is_followed


def test_following_a_recording_passes_a_keyboard_interrupt_to_the_caller() -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    read: Callable[[], StatusRow] = lambda: row(State.SENT_TO_DOWNLOADER)  # noqa: E731
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        following.follow(read, UUID, said.append, interrupt)
