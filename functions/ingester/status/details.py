"""Details of ingests and recordings that `/status` returns to the page and other clients."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from ingester import timestamps
from ingester.recording.files import zoom_page_of
from ingester.status.advice import phrases
from ingester.status.causes import cause_of
from ingester.status.diagnosis import Diagnosis, Situation
from ingester.status.row import RequestOptions, StatusRow, Step
from ingester.status.words import reason_of, reason_words, state_words


class StepDetails(Step, frozen=True, kw_only=True, omit_defaults=True):
    """A step, with the words for its reason if those differ from the stored reason."""

    reason_words: str = ""


class IngestDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Details of an ingest. Unknown values are left out.

    Attributes:
        state_words: Words for the state.
        reason_words: Words for the reason.
        zoom_page: Address of the recording's page in Zoom.
        attention: Whether a person has to act.
        cause: Text that is the same for all ingests that need a person for the same cause.
        settled_by: The `zip_id` of the later ingest that is in Opencast, so that nobody has to act.
        waits_for: The `zip_id` of the ingest that is in progress or will be retried, so that nobody
            has to act yet.
        next_step: Advice for operators, with commands.
        what_to_do: Advice for people without a terminal.
        request_helps: Whether `what_to_do` asks for a request by the page's form.
        steps: The row's steps, from the first to the last.
        steps_left_out: Number of steps that are missing between the first and the last ones.
        asked: Options of the request; None without options.
    """

    zip_id: str
    uuid: str = ""
    zoom_page: str = ""
    meeting_id: int = 0
    topic: str = ""
    start_time: str = ""
    origin: str = ""
    state: str = ""
    state_words: str = ""
    reason: str = ""
    reason_words: str = ""
    course: str = ""
    oc_series_id: str = ""
    ingest_request_time: str = ""
    last_updated: str = ""
    retry_due: str = ""
    attention: bool = False
    cause: str = ""
    settled_by: str = ""
    waits_for: str = ""
    next_step: str = ""
    what_to_do: str = ""
    request_helps: bool = False
    steps: Sequence[StepDetails] = ()
    steps_left_out: int = 0
    asked: RequestOptions | None = None


class Scheduled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The series, title and course that a request without a series would get.

    All attributes are empty if a request without a series would be ignored. For the fallback
    series, only the series is given.
    """

    oc_series_id: str = ""
    title: str = ""
    course: str = ""


class RecordingDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Details of a recording as a whole.

    Only the recording that a client asks for has more than the uuid and the verdict.

    Attributes:
        verdict: Sentence that says where the recording is.
        editor: Address of the recording's event in Opencast's editor; "" if unknown.
        files: Words for each of the event's files; without an event, for each file that Zoom
            reported.
        scheduled: Series and scheduled class by the schedule; None if the schedule or the start
            can't be read.
    """

    uuid: str
    verdict: str
    editor: str = ""
    files: Sequence[str] = ()
    scheduled: Scheduled | None = None


def file_words(name: str, seconds: int, size: int) -> str:
    """Return the words for a file, with its duration and size (in bytes) unless these are 0."""
    known = ", ".join(filter(None, (_length_words(seconds), _size_words(size))))
    return f"{name} ({known})" if known else name


def _length_words(seconds: int) -> str:
    if not seconds:
        return ""
    return f"{round(seconds / 60)} min" if seconds >= 60 else f"{seconds} s"


def _size_words(size: int) -> str:
    if not size:
        return ""
    if size >= 1_000_000_000:
        return f"{size / 1e9:.1f} GB"
    return f"{round(size / 1e6)} MB" if size >= 1_000_000 else f"{max(1, round(size / 1e3))} KB"


def editor_of(media_package: str, opencast: str) -> str:
    """Return the address of an event in Opencast's editor. `opencast` is Opencast's address.

    Source: https://docs.opencast.org/r/17.x/admin/configuration/videoeditor.frontend
    """
    return f"{opencast.rstrip('/')}/editor-ui/index.html?id={quote(media_package, safe='')}"


def details_of(row: StatusRow, diagnosis: Diagnosis, *, zoom_web: str) -> IngestDetails:
    """Return the details of a diagnosed ingest. `zoom_web` is the address of Zoom's pages."""
    said = phrases(row, diagnosis)
    other = diagnosis.other.zip_id if diagnosis.other else ""
    return IngestDetails(
        zip_id=row.zip_id,
        uuid=row.recording_id,
        zoom_page=zoom_page_of(row.recording_id, zoom_web) if row.recording_id else "",
        meeting_id=row.meeting_id,
        topic=row.topic,
        start_time=row.start_time,
        origin=row.origin,
        state=str(row.state or ""),
        state_words=state_words(row.state),
        reason=row.reason,
        reason_words=reason_of(row),
        course=row.course,
        oc_series_id=row.oc_series_id,
        ingest_request_time=row.ingest_request_time,
        last_updated=timestamps.write(row.updated),
        retry_due=row.retry_due,
        attention=diagnosis.needs_attention,
        cause=cause_of(row, diagnosis) if diagnosis.needs_attention else "",
        settled_by=other if diagnosis.situation is Situation.SUPERSEDED else "",
        waits_for=other if diagnosis.situation is Situation.AWAITS_OTHER else "",
        next_step=said.operator,
        what_to_do=said.producer,
        request_helps=said.can_request,
        steps=tuple(_step(step, row.oc_series_id) for step in row.steps),
        steps_left_out=row.steps_left_out,
        asked=None if row.asked == RequestOptions() else row.asked,
    )


def _step(step: Step, series: str) -> StepDetails:
    words = reason_words(step.reason, series)
    return StepDetails(
        state=step.state,
        at=step.at,
        reason=step.reason,
        reason_words="" if words == step.reason else words,
    )
