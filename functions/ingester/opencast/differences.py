"""One ingest, not two: how an ingest that is there differs from what a message wants."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ingester.ledger.record import Ingest
from ingester.pipeline.messages import StagedFile, UploadMessage
from ingester.recording.files import name_of

ADD_THEM = "Add them in Opencast; or a second event: \
`invoke exec.on-demand UUID --allow-multiple-ingests`."
CHANGE_IT = "Look which series is right, and change it in Opencast if need be."
SEND_IT = "If it is wanted there: `invoke exec.pipeline UUID`."


def files_of(message: UploadMessage) -> dict[str, str]:
    """A message's files, id → name. A message of an earlier version has keys in place of ids."""
    return {
        identity_of(file): name_of(view, file.recording_start)
        for view, staged in message.s3_files.items()
        for file in staged.segments
    }


def identity_of(file: StagedFile) -> str:
    """What tells a staged file from all others of its recording."""
    return file.file_id or file.filename


def deleted(ingest: Ingest) -> str:
    """The reason of an ingest whose event is gone."""
    return (
        f"The ingest of {ingest.posted_at} isn't in Opencast any more: was it deleted there? It "
        "isn't sent again by itself; `exec.pipeline` sends it."
    )


class Difference(msgspec.Struct, frozen=True):
    """What a message wanted otherwise than its recording was ingested, and what to do about it."""

    reason: str
    advice: str


def differences(message: UploadMessage, ingest: Ingest) -> list[Difference]:
    """How the ingest that is there differs from the message's."""
    found = [
        Difference(stayed_outside(files_of(message), ingest), ADD_THEM),
        Difference(_other_series(message, ingest), CHANGE_IT),
    ]
    return [difference for difference in found if difference.reason]


def stayed_outside(files: Mapping[str, str], ingest: Ingest) -> str:
    """The reason of an ingest that lacks some of these files (id → name); "" if it has all."""
    outside = [name for file_id, name in files.items() if file_id not in ingest.files]
    if not outside:
        return ""
    return (
        f"{len(outside)} file(s) came after the ingest and stayed outside of it: "
        f"{', '.join(outside)}. Add them in Opencast, or ingest the recording again."
    )


def _other_series(message: UploadMessage, ingest: Ingest) -> str:
    """The reason of an ingest into a series that isn't the message's; "" if it is."""
    if ingest.series == message.opencast_series_id:
        return ""
    return (
        f"It was ingested into series {ingest.series}, before it was asked for in "
        f"{message.opencast_series_id}: in Opencast its series can be changed."
    )
