"""Phrases that explain an ingest's situation and advise each audience."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import datetime

import msgspec

from ingester import timestamps
from ingester.pipeline.states import Origin
from ingester.status.diagnosis import Diagnosis, Situation
from ingester.status.row import StatusRow


class Phrases(msgspec.Struct, frozen=True, kw_only=True):
    """Phrases for one situation. `phrases` fills in the names in braces.

    Attributes:
        operator: Advice for operators, often with a command. May be empty if nothing is to be done.
        producer: Advice for producers, without commands. May be empty if nothing is to be done.
        can_request: Whether the producer's phrase asks for a request by the page's form.
        lecturer: Outlook for lecturers, in Slack. Empty if the state says everything.
        mail_outlook: Outlook in a mail: the next automatic step.
        mail_advice: Advice in a mail. If empty, the mail has the operator's phrase.
    """

    operator: str
    producer: str
    can_request: bool = False
    lecturer: str
    mail_outlook: str
    mail_advice: str = ""


NOTHING = ""
"""Phrase for an audience that has nothing to do."""

HISTORY = "`invoke logs.recording {uuid}` shows what happened"
ELSEWHERE = (
    "Taken over from another stack, whose queues have its message: if that one is done with it, "
    "`invoke exec.pipeline {uuid}` sends it through this one."
)
SUPERSEDED = "Nothing to do: another request brought the recording into {destination}."
THERE_ALREADY = "Nothing to do: the recording is in Opencast already."
TICK_AGAIN = "To have it there twice, tick Ingest it again."
AWAITS_OTHER = "Wait: another request for it is on its way to Opencast."

TELL_OPERATOR = "Tell an operator."
RETRIES = "It is retried automatically."
REQUEST_AGAIN = "Request it again; if that fails too, tell an operator."

STUCK = "Nothing has happened for too long: an operator has to look"
FAILED = "It isn't retried automatically: an operator has to look"
FAILED_UNLESS_REQUESTED = (
    f"{FAILED}, unless a producer requests it again, by +Zoom or on the status page"
)

NEEDS_A_PERSON = "Nothing happens automatically: it needs attention."
HAS_ENDED = "Nothing: this ingest has ended."
GOES_ON = "The ingest continues automatically."
SEE_STATE = "See the state above."
UNLESS_IT_STAYS = "Nothing, unless its state stays as it is."
WAIT_FOR_MAIL = "Nothing yet. If all attempts fail, another mail follows."

_IN_PROGRESS = Phrases(
    operator=NOTHING,
    producer=NOTHING,
    lecturer=NOTHING,
    mail_outlook=GOES_ON,
    mail_advice=UNLESS_IT_STAYS,
)
_ENDED = Phrases(
    operator=NOTHING,
    producer=NOTHING,
    lecturer=NOTHING,
    mail_outlook=HAS_ENDED,
    mail_advice=SEE_STATE,
)

ADVICE = {
    Situation.UNKNOWN: _IN_PROGRESS,
    Situation.AT_ZOOM: _IN_PROGRESS,
    Situation.IN_PROGRESS: _IN_PROGRESS,
    Situation.RETRY_SCHEDULED: Phrases(
        operator="Retried automatically at {retry_at}.",
        producer=RETRIES,
        lecturer="It is retried automatically, next at {retry_at}",
        mail_outlook="Retried automatically at {retry_at}.",
        mail_advice=WAIT_FOR_MAIL,
    ),
    Situation.RETRY_DUE: Phrases(
        operator="Retried automatically when its turn comes, due since {retry_at}.",
        producer=RETRIES,
        lecturer="It is retried automatically when its turn comes, due since {retry_at}",
        mail_outlook="Retried automatically when its turn comes, due since {retry_at}.",
        mail_advice=WAIT_FOR_MAIL,
    ),
    Situation.IN_OPENCAST: _ENDED,
    Situation.PUBLISHED: _ENDED,
    Situation.OPENCAST_FAILED: Phrases(
        operator="Repair its workflow in Opencast: this row follows. Or delete the event there, "
        "then `invoke exec.pipeline {uuid}`.",
        producer="Opencast couldn't process it: tell who runs Opencast.",
        lecturer="Opencast doesn't continue automatically: an operator has to look",
        mail_outlook=NEEDS_A_PERSON,
    ),
    Situation.OPENCAST_DELETED: Phrases(
        operator="Nothing, if that was meant. Else `invoke exec.pipeline {uuid}` sends it again.",
        producer="Somebody has deleted it in Opencast. If it is wanted there, request it again.",
        can_request=True,
        lecturer="If it is wanted there, a producer can request it again",
        mail_outlook=HAS_ENDED,
        mail_advice=SEE_STATE,
    ),
    Situation.ALREADY_IN_OPENCAST: Phrases(
        operator=NOTHING,
        producer=f"It is in Opencast already. {TICK_AGAIN}",
        lecturer=NOTHING,
        mail_outlook=HAS_ENDED,
        mail_advice=SEE_STATE,
    ),
    Situation.IGNORED: _ENDED,
    Situation.NO_SCHEDULED_CLASS: Phrases(
        operator="With its class in the schedule: `invoke exec.pipeline {uuid}`; without: "
        "`invoke exec.pipeline {uuid} --oc-series-id SERIES`.",
        producer="Request it with its series.",
        can_request=True,
        lecturer="If it is wanted there, a producer can request it with its series",
        mail_outlook=HAS_ENDED,
    ),
    Situation.NOT_NEEDED: Phrases(
        operator=THERE_ALREADY,
        producer=f"{THERE_ALREADY} {TICK_AGAIN}",
        lecturer=THERE_ALREADY,
        mail_outlook=HAS_ENDED,
    ),
    Situation.SUPERSEDED: Phrases(
        operator=SUPERSEDED,
        producer=SUPERSEDED,
        lecturer=SUPERSEDED,
        mail_outlook=HAS_ENDED,
    ),
    Situation.AWAITS_OTHER: Phrases(
        operator=AWAITS_OTHER,
        producer=AWAITS_OTHER,
        lecturer=AWAITS_OTHER,
        mail_outlook=HAS_ENDED,
    ),
    Situation.REQUEST_FAILED: Phrases(
        operator=f"`invoke {{request}}` requests it again; {HISTORY}.",
        producer=REQUEST_AGAIN,
        can_request=True,
        lecturer=FAILED_UNLESS_REQUESTED,
        mail_outlook=NEEDS_A_PERSON,
    ),
    Situation.DOWNLOAD_FAILED: Phrases(
        operator="`invoke queue.retry-downloads --uuid {uuid}` after fixing the cause; "
        f"{HISTORY}.",
        producer=REQUEST_AGAIN,
        can_request=True,
        lecturer=FAILED_UNLESS_REQUESTED,
        mail_outlook=NEEDS_A_PERSON,
    ),
    Situation.UPLOAD_FAILED: Phrases(
        operator=f"`invoke queue.retry-uploads --uuid {{uuid}}` after fixing the cause; {HISTORY}.",
        producer=REQUEST_AGAIN,
        can_request=True,
        lecturer=FAILED_UNLESS_REQUESTED,
        mail_outlook=NEEDS_A_PERSON,
    ),
    Situation.UNKNOWN_SERIES: Phrases(
        operator="Another series: `invoke {request_with_series}`; or, once "
        "Opencast has this one: `invoke queue.retry-uploads --uuid {uuid}`.",
        producer="Request it with the right series.",
        can_request=True,
        lecturer=FAILED_UNLESS_REQUESTED,
        mail_outlook=NEEDS_A_PERSON,
    ),
    Situation.STAGED_FILES_LOST: Phrases(
        operator=f"`invoke {{request}}` fetches its files again, while Zoom has them; {HISTORY}.",
        producer=REQUEST_AGAIN,
        can_request=True,
        lecturer=FAILED_UNLESS_REQUESTED,
        mail_outlook=NEEDS_A_PERSON,
    ),
    Situation.RETRY_LOST: Phrases(
        operator="Was due again at {retry_at}: `invoke queue.{queue}` shows whether its message is "
        f"still there, {HISTORY}.",
        producer=TELL_OPERATOR,
        lecturer=STUCK,
        mail_outlook=NEEDS_A_PERSON,
    ),
    Situation.NEVER_QUEUED: Phrases(
        operator="It never reached the queue: `invoke {request}` requests it again.",
        producer=TELL_OPERATOR,
        lecturer=STUCK,
        mail_outlook=NEEDS_A_PERSON,
    ),
    Situation.NEVER_COMPLETED: Phrases(
        operator="Zoom never reported that it is complete: `invoke exec.pipeline {uuid}` asks "
        "Zoom.",
        producer=TELL_OPERATOR,
        lecturer=STUCK,
        mail_outlook=NEEDS_A_PERSON,
    ),
    Situation.STUCK: Phrases(
        operator="Nothing has happened since {since}: `invoke queue.{queue}` shows whether its "
        "message waits or has failed (then `invoke queue.retry-{queue} --uuid {uuid}`); "
        f"{HISTORY}.",
        producer=TELL_OPERATOR,
        lecturer=STUCK,
        mail_outlook=NEEDS_A_PERSON,
    ),
    Situation.FAILED_ELSEWHERE: Phrases(
        operator=ELSEWHERE,
        # A request to this stack might bring the recording into Opencast twice.
        producer=TELL_OPERATOR,
        lecturer=FAILED,
        mail_outlook=NEEDS_A_PERSON,
    ),
    Situation.STUCK_ELSEWHERE: Phrases(
        operator=ELSEWHERE,
        producer=TELL_OPERATOR,
        lecturer=STUCK,
        mail_outlook=NEEDS_A_PERSON,
    ),
}


def phrases(
    row: StatusRow,
    diagnosis: Diagnosis,
    write_time: Callable[[datetime], str] = timestamps.write,
) -> Phrases:
    """Return the phrases for a diagnosed ingest, with the names in braces filled in.

    Args:
        row: The ingest.
        diagnosis: Diagnosis of the ingest.
        write_time: Returns a time as text for the audience.
    """
    other = diagnosis.other
    # Quote the uuid for a shell, because the uuid is untrusted if webhook events may be unsigned.
    uuid = shlex.quote(row.recording_id) if row.recording_id else "UUID"
    values = {
        "uuid": uuid,
        "request": _request_command(row, uuid, row.asked.oc_series_id),
        # exec.pipeline doesn't send a recording that is in Opencast already.
        "request_with_series": _request_command(row, uuid, "SERIES")
        if row.asked.allow_multiple_ingests
        else f"exec.pipeline {uuid} --oc-series-id SERIES",
        "queue": diagnosis.queue,
        "since": write_time(diagnosis.since),
        "retry_at": write_time(diagnosis.retry_at) if diagnosis.retry_at else "",
        "destination": f"Opencast, series {other.oc_series_id}"
        if other and other.oc_series_id
        else "Opencast",
    }
    chosen = ADVICE[diagnosis.situation]
    return Phrases(
        operator=chosen.operator.format_map(values),
        producer=chosen.producer.format_map(values),
        can_request=chosen.can_request,
        lecturer=chosen.lecturer.format_map(values),
        mail_outlook=chosen.mail_outlook.format_map(values),
        mail_advice=chosen.mail_advice.format_map(values),
    )


def _request_command(row: StatusRow, uuid: str, series: str) -> str:
    """Return the command that repeats a row's request.

    An on-demand request keeps its options. The command names the series `series`, or no series if
    `series` is "".
    """
    asked, is_on_demand = row.asked, row.origin == Origin.ON_DEMAND
    words = ["exec.on-demand" if is_on_demand else "exec.webhook", uuid]
    if series:
        words.append(f"--oc-series-id {shlex.quote(series)}")
    if is_on_demand:
        if asked.oc_workflow:
            words.append(f"--oc-workflow {shlex.quote(asked.oc_workflow)}")
        flags = {
            "--allow-multiple-ingests": asked.allow_multiple_ingests,
            "--ingest-all-mp4": asked.ingest_all_mp4,
        }
        words += [flag for flag, is_set in flags.items() if is_set]
    return " ".join(words)
