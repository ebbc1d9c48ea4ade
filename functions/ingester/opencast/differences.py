"""Compare an ingest that Opencast already has with an upload message for the same recording.

Without `allow_multiple_ingests`, a recording is ingested once. If a later message has more files,
the row and the log name these files. If a later message of the same request has another series, the
row and the log name both series.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ingester.ledger.record import IngestRecord
from ingester.pipeline.messages import StagedFile, UploadMessage
from ingester.recording.files import name_of

ADD_THEM = "Add them in Opencast; or a second event: \
`invoke exec.on-demand UUID --allow-multiple-ingests`."
CHANGE_IT = "Look which series is right, and change it in Opencast if need be."
SEND_IT = "If it is wanted there: `invoke exec.pipeline UUID`."


def files_of(message: UploadMessage) -> dict[str, str]:
    """Return the names of a message's files by the files' ids."""
    return {
        _id_of(file): name_of(view, file.recording_start)
        for view, staged in message.s3_files.items()
        for file in staged.segments
    }


def _id_of(file: StagedFile) -> str:
    """Return a file's id at Zoom; the S3 key in a message of an older version, which has no ids."""
    return file.file_id or file.filename


def deleted(ingest: IngestRecord) -> str:
    """Return a sentence that says that Opencast no longer has the event of an ingest."""
    return (
        f"The ingest of {ingest.posted_at} isn't in Opencast any more: was it deleted there? It "
        "isn't sent again automatically; `exec.pipeline` sends it."
    )


class Difference(msgspec.Struct, frozen=True):
    """One difference between a message and the recording's ingest, and the advice to a person."""

    reason: str
    advice: str


def differences(message: UploadMessage, ingest: IngestRecord) -> list[Difference]:
    """Return the differences between a message and the ingest that Opencast already has."""
    candidates = [
        Difference(stayed_outside(files_of(message), ingest), ADD_THEM),
        Difference(_other_series(message, ingest), CHANGE_IT),
    ]
    return [difference for difference in candidates if difference.reason]


def stayed_outside(files: Mapping[str, str], ingest: IngestRecord) -> str:
    """Return text that names the files which an ingest lacks or may lack; "" if there are none.

    `files` are names by id.
    """
    missing = [name for file_id, name in files.items() if file_id not in ingest.certain_files]
    if not missing:
        return ""
    return (
        f"{len(missing)} file(s) came after the ingest and stayed outside of it: "
        f"{', '.join(missing)}. Add them in Opencast, or ingest the recording again."
    )


def _other_series(message: UploadMessage, ingest: IngestRecord) -> str:
    """Return a sentence if an ingest went into another series than the message's; "" if not."""
    if ingest.series == message.opencast_series_id:
        return ""
    return (
        f"It is in series {ingest.series}, but this request is for series "
        f"{message.opencast_series_id}: in Opencast its series can be changed."
    )
