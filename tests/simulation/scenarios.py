"""Scenarios from seeds, with recordings, happenings, a site and faults."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from random import Random
from zoneinfo import ZoneInfo

from tests.simulation.faults import Fault, Kind
from tests.simulation.truth import (
    CHAPTERS,
    CHAT,
    SUMMARIES,
    TRANSCRIPT,
    VIDEO,
    VIEWS,
    DeletedInOpencast,
    FileTruth,
    Forced,
    Forgery,
    Happening,
    PlusZoom,
    RecordingTruth,
    Rotation,
    Scenario,
    ScheduledClass,
    Site,
    Trash,
    WebhookEvent,
)
from tests.simulation.world import BEGIN, HALF, THROTTLED

MINUTE, HOUR = 60.0, 3600.0
LOCAL = ZoneInfo("US/Eastern")
DAYS = "MTWRFSU"
FIELDS = ("download_token", "host_id", "duration", "topic", "recording_files", "start_time", "id")
SERIES = ("20260112345", "20260154321")
OTHER_SERIES = "20260199999"
BYTES_A_SECOND = 250_000

LONGER_THAN_WAITED = 30 * HOUR
"""Most seconds for which Zoom's list lacks a file. The pipeline waits only for a day."""

IN_USE = 600.0
"""Earliest start of an outage, in seconds of the world.

AWS has to work until a new stack has set its baseline.
"""

CALLS = {
    "dynamodb.UpdateItem": 9.0,
    "dynamodb.GetItem": 5.0,
    "dynamodb.Query": 1.0,
    "sqs.SendMessage": 2.0,
    "sqs.ChangeMessageVisibility": 1.0,
    "ssm.GetParameter": 9.0,
    "s3.HeadObject": 4.0,
    "s3.CompleteMultipartUpload": 2.0,
    "zoom.api": 1.0,
    "zoom.oauth": 1.0,
    "zoom.download": 4.0,
    "opencast.GET": 2.0,
    "opencast.POST": 1.0,
    "opencast.answer": 1.0,
    "webhook.POST": 1.0,
}
"""Name of an outbound call → roughly the average number of the call that a fault hits."""

CAPTIONS_CALLS = (
    "s3.PutObject",
    "s3.GetObject",
    "opencast.track",
    "opencast.workflow",
    "opencast.answer",
)
NEVER = 1e9
"""`fetchable` of a file that Zoom never serves: a time after the end of every world."""
WORKFLOW_ENDS = ("SUCCEEDED", "FAILED", "STOPPED", "PAUSED", "UNPUBLISHED")
FOLLOWED_SHARE = 0.5

NOT_CRASHING = (Kind.ERROR_BEFORE, Kind.ERROR_AFTER, Kind.SLOW, Kind.SENT_TWICE)
CRASHING = (Kind.CRASH_BEFORE, Kind.CRASH_AFTER)
SERVICES = ("dynamodb", "sqs", "ssm", "s3", "opencast", "zoom", "webhook")
ODD_ANSWERS = ("429", "429 with seconds", "500", "502", "503", "timeout", "nonsense")
PROXY_ANSWERS = ("502", "503", "504", "520", "524")
OWN_REFUSALS = ("400", "403", "500", "500")
"""Statuses by which a fault refuses a POST. The fake itself answers 409, so 409 is missing here."""


class Profile(StrEnum):
    """The disturbances of a world.

    In DISORDER, Zoom's webhook events and files come late, twice or out of order. FAULTS adds
    faults of every service. CAPTIONS adds captions as well.
    """

    DISORDER = "disorder"
    FAULTS = "faults"
    CAPTIONS = "captions"


def scenario_of(seed: int, profile: Profile, most_faults: int = 4) -> Scenario:
    """Draw the scenario of a seed."""
    recordings = tuple(
        _recording(Random(f"{seed}/recording/{number}"), number)
        for number in range(Random(f"{seed}/count").choice((1, 1, 1, 2, 2, 3)))
    )
    chance = Random(f"{seed}/site")
    site = _site(chance, recordings)
    happenings: list[Happening] = []
    for number, recording in enumerate(recordings):
        notified = _notified(Random(f"{seed}/told/{number}"), recording)
        people = _people(Random(f"{seed}/people/{number}"), recording)
        happenings += _late_after_deletion(Random(f"{seed}/late/{number}"), notified, people)
        happenings += people
    happenings += _others(Random(f"{seed}/others"))
    old = Random(f"{seed}/old")
    if old.random() < 0.15:
        # Zoom still lists this recording, which is older than the stack and which nobody requests.
        before = _recording(old, len(recordings), -40 * HOUR)
        recordings = (*recordings, before)
        site = replace(site, schedule=(*site.schedule, class_of(before, SERIES[0])))
    odd = Random(f"{seed}/odd")
    recordings = tuple(_with_unknown_type(odd, recording) for recording in recordings)
    happenings = [_with_less(odd, happening) for happening in happenings]
    site = replace(site, etags_differ=odd.random() < 0.03)
    site = _followed(Random(f"{seed}/followed"), site)
    happenings.sort(key=lambda happening: (happening.at, happening.key))
    faults: tuple[Fault, ...] = ()
    if profile is not Profile.DISORDER:
        faults = _faults(Random(f"{seed}/faults"), most_faults, happenings)
        faults += tuple(_release_faults(Random(f"{seed}/release"), most_faults))
    if profile is Profile.CAPTIONS:
        chance = Random(f"{seed}/captions")
        version = chance.choice(("17.3.0", "17.3.0", "17.3.0", "15.6.0"))
        site = replace(site, captions=True, opencast_version=version)
        recordings = tuple(_with_transcripts(chance, recording) for recording in recordings)
        site, recordings = _with_chapters(Random(f"{seed}/chapters"), site, recordings)
        site, recordings = _with_summaries(Random(f"{seed}/summaries"), site, recordings)
        told = [event for recording in recordings for event in _announced(chance, recording)]
        happenings = sorted([*happenings, *told], key=lambda each: (each.at, each.key))
        faults += tuple(_captions_faults(chance, most_faults))
    return Scenario(seed, recordings, tuple(happenings), site, faults)


def _with_transcripts(chance: Random, recording: RecordingTruth) -> RecordingTruth:
    """Add a transcript of each segment to a recording, with a probability of nine in ten.

    Zoom makes most transcripts minutes or hours after the videos.
    """
    if chance.random() < 0.1:
        return recording
    segments = sorted({(file.begins, file.ends) for file in recording.files})
    done = max(file.finished for file in recording.files)
    never = chance.random() < 0.02
    made = []
    for number, (begins, ends) in enumerate(segments):
        finished = done + chance.choice((-1, 2, 10, 60, 400)) * MINUTE + chance.uniform(0, 60)
        lag = chance.choice((0.0, 0.0, 0.0, 3 * MINUTE, 2 * HOUR))
        is_listed_early = chance.random() < 0.3
        made.append(
            FileTruth(
                id=f"t{number}-{chance.randrange(10**6):06}",
                type=TRANSCRIPT,
                recording_type="audio_transcript",
                begins=begins,
                ends=ends,
                size=chance.randrange(500, 90_000),
                finished=finished,
                fetchable=NEVER if never and number == 0 else finished + lag,
                listed=ends + 30.0 if is_listed_early else finished,
            )
        )
    return replace(recording, files=(*recording.files, *made))


def _with_chapters(
    chance: Random, site: Site, recordings: tuple[RecordingTruth, ...]
) -> tuple[Site, tuple[RecordingTruth, ...]]:
    """Turn chapters on and add chapters to the recordings, with a probability of three in four.

    Most sites with chapters have an Opencast that shows them.
    """
    if chance.random() < 0.25:
        return site, recordings
    version = "19.1.0" if chance.random() < 0.7 else site.opencast_version
    site = replace(site, chapters=True, opencast_version=version)
    return site, tuple(_with_own_chapters(chance, recording) for recording in recordings)


def _with_own_chapters(chance: Random, recording: RecordingTruth) -> RecordingTruth:
    """Add chapters for each transcript to a recording, with a probability of nine in ten.

    Zoom sends no webhook event for chapters (docs/captions.md).
    """
    transcripts = [file for file in recording.files if file.type == TRANSCRIPT]
    if chance.random() < 0.1:
        return recording
    made = []
    for number, transcript in enumerate(transcripts):
        finished = transcript.finished + chance.choice((0, 0, 0, 5, 30, 100, 400)) * MINUTE
        made.append(
            replace(
                transcript,
                id=f"c{number}-{chance.randrange(10**6):06}",
                type=CHAPTERS,
                recording_type="summary_smart_chapters",
                size=chance.randrange(300, 9000),
                finished=finished,
                fetchable=finished + chance.choice((0.0, 0.0, 3 * MINUTE, 2 * HOUR)),
                listed=finished,
            )
        )
    return replace(recording, files=(*recording.files, *made))


def _with_summaries(
    chance: Random, site: Site, recordings: tuple[RecordingTruth, ...]
) -> tuple[Site, tuple[RecordingTruth, ...]]:
    """Add summaries to recordings, and draw whether Opencast takes attachments.

    Opencast takes attachments with a probability of four in five.
    """
    site = replace(site, attachments=chance.random() < 0.8)
    return site, tuple(_with_own_summaries(chance, recording) for recording in recordings)


def _with_own_summaries(chance: Random, recording: RecordingTruth) -> RecordingTruth:
    """Add summaries and next steps of each segment, with a probability of seven in ten.

    Zoom makes most of these files before it serves the last video.
    """
    if chance.random() < 0.3:
        return recording
    videos = [file for file in recording.files if file.type == VIDEO]
    done = max(file.fetchable for file in videos)
    segments = sorted({(file.begins, file.ends) for file in videos})
    made = []
    for number, (begins, ends) in enumerate(segments):
        for recording_type in SUMMARIES:
            finished = done + chance.choice((-1, -1, -1, 2, 60)) * MINUTE
            is_large = chance.random() < 0.02
            made.append(
                FileTruth(
                    id=f"s{number}{recording_type}-{chance.randrange(10**6):06}",
                    type=CHAPTERS,
                    recording_type=recording_type,
                    begins=begins,
                    ends=ends,
                    size=3_000_000 if is_large else chance.randrange(300, 9000),
                    finished=finished,
                    fetchable=finished + chance.choice((0.0, 0.0, 3 * MINUTE)),
                    listed=finished,
                )
            )
    return replace(recording, files=(*recording.files, *made))


def _announced(chance: Random, recording: RecordingTruth) -> list[Happening]:
    """Draw the webhook events about transcripts: one for all transcripts, or one for each."""
    files = [file for file in recording.files if file.type == TRANSCRIPT]
    groups = [files] if chance.random() < 0.6 else [[file] for file in files]
    lacks = ("download_token",) if chance.random() < 0.3 else ()
    return [
        WebhookEvent(
            max(file.finished for file in group) + chance.uniform(1, 90),
            recording.uuid,
            "recording.transcript_completed",
            tuple(file.id for file in group),
            lacks,
            is_repeated=chance.random() < 0.2,
        )
        for group in groups
        if group
    ]


def _release_faults(chance: Random, most: int) -> list[Fault]:
    """Draw a fault of the call by which an ingest releases a staged file, or no fault."""
    if not most or chance.random() < 0.95:
        return []
    kind = chance.choice((*NOT_CRASHING, *CRASHING))
    return [Fault(kind, "s3.PutObjectTagging", chance.choice((1, 1, 2)))]


def _captions_faults(chance: Random, most: int) -> list[Fault]:
    """Draw a fault of a call that captions need, or no fault."""
    if not most or chance.random() < 0.5:
        return []
    kind = chance.choice((*NOT_CRASHING, *CRASHING))
    return [Fault(kind, chance.choice(CAPTIONS_CALLS), chance.choice((1, 1, 2)))]


def _with_unknown_type(chance: Random, recording: RecordingTruth) -> RecordingTruth:
    """Give a recording with a single view an unknown view, with a probability of one in ten."""
    types = {file.recording_type for file in recording.files if file.type == VIDEO}
    if len(types) > 1 or chance.random() >= 0.1:
        return recording
    files = (
        replace(file, recording_type="production_studio") if file.type == VIDEO else file
        for file in recording.files
    )
    return replace(recording, files=tuple(files))


def _with_less(chance: Random, happening: Happening) -> Happening:
    """Remove a field from a `recording.completed`, with a probability of one in twenty."""
    if not isinstance(happening, WebhookEvent) or happening.event != "recording.completed":
        return happening
    if chance.random() >= 0.05:
        return happening
    return replace(happening, lacks=(chance.choice(FIELDS),))


def _recording(chance: Random, number: int, after: float = 0.0) -> RecordingTruth:
    begins = after + number * 2 * HOUR + chance.uniform(0, 6 * HOUR)
    uuid = base64.b64encode(chance.randbytes(16)).decode()
    views = sorted(chance.sample(VIEWS, chance.choice((1, 2, 2, 3))), key=VIEWS.index)
    has_chat = chance.random() < 0.4
    files: list[FileTruth] = []
    segment = begins
    for index in range(chance.choice((1, 1, 2, 2, 3))):
        short = chance.random() < 0.06 and index == 0
        ends = segment + (40.0 if short else chance.uniform(5, 70) * MINUTE)
        done = ends + chance.uniform(2, 40) * MINUTE
        files += [
            _file(chance, f"{number}{index}{kind}", kind, (segment, ends, done))
            for kind in (*views, *(("chat_file",) if has_chat else ()))
        ]
        segment = ends + chance.uniform(1, 10) * MINUTE
    last = max(file.ends for file in files)
    minutes = 1 if chance.random() < 0.03 else max(2, int((last - begins) / 60))
    return RecordingTruth(
        uuid=uuid,
        meeting_id=91000000000 + number,
        host_id=f"host-{number % 2}",
        topic=f"Topic {number}",
        begins=float(int(begins)),
        minutes=minutes,
        files=tuple(files),
    )


def _file(chance: Random, name: str, kind: str, times: tuple[float, float, float]) -> FileTruth:
    begins, ends, done = (float(int(moment)) for moment in times)
    is_chat = kind == "chat_file"
    late = chance.uniform(1, 60) * MINUTE if chance.random() < 0.06 else 0.0
    hidden = chance.uniform(1, 40) * MINUTE if chance.random() < 0.04 else 0.0
    unlisted = chance.uniform(1, 120) * MINUTE if chance.random() < 0.04 else 0.0
    if chance.random() < 0.003:
        unlisted = LONGER_THAN_WAITED
    finished = done + late
    return FileTruth(
        id=f"f{name}-{chance.randrange(10**6):06}",
        type=CHAT if is_chat else VIDEO,
        recording_type=kind,
        begins=begins,
        ends=ends,
        size=chance.randrange(200, 4000) if is_chat else int((ends - begins) * BYTES_A_SECOND),
        finished=finished,
        fetchable=finished + hidden,
        listed=done + unlisted if unlisted else ends + 30.0,
    )


def _site(chance: Random, recordings: Sequence[RecordingTruth]) -> Site:
    default = SERIES[1] if chance.random() < 0.4 else ""
    schedule = [
        class_of(recording, SERIES[0])
        for recording in recordings
        if chance.random() < (0.5 if default else 0.9)
    ]
    return Site(
        default_series=default,
        schedule=tuple(schedule),
        series=(*SERIES, OTHER_SERIES),
        opencast_rate=chance.choice((2e6, 20e6, 100e6)),
        workflow_seconds=chance.choice((300.0, 1800.0, 7200.0)),
        index_lag=chance.choice((0.0, 2.0, 30.0)),
        zoom_rate=chance.choice((2e6, 20e6, 60e6)),
        cdn=chance.choice(("ignores", "wants", "refuses")),
        gone_is_page=chance.random() < 0.7,
    )


def _followed(chance: Random, site: Site) -> Site:
    """Draw whether ingests are followed, and how Opencast's workflows end."""
    ends = tuple(chance.choices(WORKFLOW_ENDS, (6, 2, 1, 1, 1), k=3))
    return replace(site, follows=chance.random() < FOLLOWED_SHARE, workflow_ends=ends)


def class_of(recording: RecordingTruth, series: str) -> ScheduledClass:
    """Make the scheduled class of a recording."""
    start = (BEGIN + timedelta(seconds=recording.begins)).astimezone(LOCAL)
    time = f"{start.hour}:{start.minute:02}"
    return ScheduledClass(recording.meeting_id, DAYS[start.weekday()], time, series)


def _notified(chance: Random, recording: RecordingTruth) -> list[Happening]:
    """Draw Zoom's webhook events of a recording."""
    uuid = recording.uuid
    found: list[Happening] = []
    for begins, ends in sorted({(file.begins, file.ends) for file in recording.files}):
        found.append(WebhookEvent(begins + chance.uniform(1, 20), uuid, "recording.started"))
        if chance.random() < 0.2:
            found.append(
                WebhookEvent(begins + 60 + chance.uniform(1, 20), uuid, "recording.paused")
            )
            found.append(
                WebhookEvent(begins + 90 + chance.uniform(1, 20), uuid, "recording.resumed")
            )
        found.append(WebhookEvent(ends + chance.uniform(1, 20), uuid, "recording.stopped"))
    last = max(file.ends for file in recording.files)
    found.append(WebhookEvent(last + chance.uniform(5, 60), uuid, "meeting.ended"))
    return found + _completed(chance, recording)


def _completed(chance: Random, recording: RecordingTruth) -> list[Happening]:
    """Draw the webhook events `recording.completed`: one for all files, or two.

    One of two webhook events is for some files, and the other is for all files or the rest.
    """
    files = recording.files
    whole = tuple(file.id for file in files)
    done = max(file.finished for file in files) + chance.uniform(5, 120)
    how = chance.random()
    if how < 0.7 or len(files) == 1:
        early = chance.random() < 0.25
        at = max(file.ends for file in files) + chance.uniform(60, 600) if early else done
        twice = chance.random() < 0.2
        return [WebhookEvent(at, recording.uuid, "recording.completed", whole, is_repeated=twice)]
    split = chance.randrange(1, len(files))
    order = sorted(files, key=lambda file: (file.begins, file.id))
    if chance.random() < 0.5:
        order.reverse()
    first, second = order[:split], order[split:]
    if how < 0.88:
        second = order
    gap = chance.choice((5.0, 20.0, 60.0, 200.0, 900.0, 3 * HOUR))
    begin = max(file.finished for file in first) + chance.uniform(5, 60)
    then = max(begin + gap, *(file.finished for file in second)) + chance.uniform(5, 60)
    moments = [begin, then]
    if chance.random() < 0.2:
        moments.reverse()
    return [
        WebhookEvent(at, recording.uuid, "recording.completed", tuple(file.id for file in part))
        for at, part in zip(moments, (first, second), strict=True)
    ]


def _late_after_deletion(
    chance: Random, notified: list[Happening], people: list[Happening]
) -> list[Happening]:
    """Return the webhook events, with the last of several `recording.completed` possibly later.

    The new time is after the deletion in Opencast.
    """
    deleted = next(
        (happening.at for happening in people if isinstance(happening, DeletedInOpencast)), None
    )
    completed = [
        happening for happening in notified if happening.key.startswith("recording.completed")
    ]
    if deleted is None or len(completed) < 2 or chance.random() < 0.5:
        return notified
    last = max(completed, key=lambda happening: happening.at)
    later = replace(last, at=max(last.at, deleted + chance.uniform(0.1, 3) * HOUR))
    return [later if happening is last else happening for happening in notified]


def _people(chance: Random, recording: RecordingTruth) -> list[Happening]:
    """Draw people's requests for a recording, moves to the trash, and deletions in Opencast."""
    uuid = recording.uuid
    done = max(file.finished for file in recording.files)
    found: list[Happening] = []
    if chance.random() < 0.25:
        found += [_plus_zoom(chance, uuid, done) for _ in range(chance.choice((1, 1, 2)))]
    if chance.random() < 0.05:
        series = OTHER_SERIES if chance.random() < 0.5 else ""
        found.append(Forced(done + chance.uniform(0, 5) * HOUR, uuid, series))
    if chance.random() < 0.06:
        after = done + chance.uniform(-0.5, 2) * HOUR
        recovered = chance.uniform(0.1, 20) * HOUR if chance.random() < 0.7 else 0.0
        found.append(Trash(after, uuid, recovered, batch=chance.random() < 0.4))
    if chance.random() < 0.04:
        found.append(DeletedInOpencast(done + chance.uniform(1, 30) * HOUR, uuid))
    return found


def _plus_zoom(chance: Random, uuid: str, done: float) -> PlusZoom:
    at = done + chance.choice((-0.1, 0.02, 0.1, 0.5, 3, 24, 8 * 24)) * HOUR
    at += chance.uniform(0, 120)
    series = chance.choice(("", SERIES[0], OTHER_SERIES))
    multiple = chance.random() < 0.3
    return PlusZoom(at, uuid, series, multiple, all_mp4=chance.random() < 0.2)


def _others(chance: Random) -> list[Happening]:
    found: list[Happening] = []
    if chance.random() < 0.08:
        found.append(Rotation(chance.uniform(0, 10) * HOUR, ""))
    if chance.random() < 0.08:
        found.append(Forgery(chance.uniform(0, 10) * HOUR, ""))
    return found


def _faults(chance: Random, most: int, happenings: Sequence[Happening]) -> tuple[Fault, ...]:
    count = chance.randint(0, most)
    return tuple(
        _fault(Random(f"{chance.random()}/{number}"), happenings) for number in range(count)
    )


def _fault(chance: Random, happenings: Sequence[Happening]) -> Fault:
    match chance.choices(
        ("call", "any", "outage", "twice", "lost", "proxy", "refusal", "odd"),
        (40, 20, 12, 5, 4, 5, 5, 9),
    )[0]:
        case "call":
            kind = chance.choice((*NOT_CRASHING, *CRASHING))
            name = chance.choice(list(CALLS))
            return Fault(kind, name, int(chance.expovariate(1 / CALLS[name])) + 1)
        case "any":
            kind = chance.choice((*NOT_CRASHING, *CRASHING, *CRASHING))
            return Fault(kind, "*", chance.randrange(1, 130))
        case "outage":
            seconds = chance.choice((30.0, 300.0, 1200.0, 2 * HOUR, 6 * HOUR))
            at = chance.choice(happenings).at + chance.uniform(-0.8 * seconds, 1200.0)
            detail = chance.choice(("", HALF, THROTTLED))
            service = chance.choice(SERVICES)
            if service == "opencast" and chance.random() < 0.3:
                seconds, detail = 20 * HOUR, ""
            return Fault(Kind.OUTAGE, service, 0, max(at, IN_USE), seconds, detail)
        case "twice":
            return Fault(Kind.DELIVERED_TWICE, "download", chance.randrange(1, 6))
        case "lost":
            keys = [
                happening.key for happening in happenings if isinstance(happening, WebhookEvent)
            ]
            completed = [key for key in keys if key.startswith("recording.completed")]
            return Fault(Kind.WEBHOOK_LOST, chance.choice(completed or keys))
        case "proxy":
            detail = chance.choice(PROXY_ANSWERS)
            return Fault(Kind.PROXY, "opencast.POST", chance.choice((1, 1, 2)), detail=detail)
        case "refusal":
            detail = chance.choice(OWN_REFUSALS)
            return Fault(Kind.REFUSAL, "opencast.POST", chance.choice((1, 1, 2)), detail=detail)
    detail = chance.choice(ODD_ANSWERS)
    return Fault(Kind.ANSWER, "zoom.api", chance.randrange(1, 10), detail=detail)
