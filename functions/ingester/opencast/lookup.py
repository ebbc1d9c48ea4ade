"""Find out whether a recording has to be ingested, is in Opencast already, or is on its way.

Opencast shows an event only after Opencast has fetched the files. Before the files are fetched,
only the ledger knows the ingest. If the ledger has an ingest record, an event in Opencast is the
pipeline's own, and a missing event may still come.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ingester.errors import AskLater
from ingester.ledger import record as ledger
from ingester.ledger.record import Absence, IngestRecord, Record
from ingester.opencast import mediapackage
from ingester.opencast.client import Opencast
from ingester.pipeline.messages import UploadMessage

logger = logging.getLogger("ingester.opencast")

BEING_INGESTED = "Another request for this recording is just being ingested"


@dataclass(frozen=True)
class ToIngest:
    """A recording that has to be ingested as this media package."""

    media_package: str


@dataclass(frozen=True)
class AlreadyThere:
    """A recording that Opencast has already. The ingest `ingest` made the recording's event."""

    media_package: str
    ingest: IngestRecord


@dataclass(frozen=True)
class MadeElsewhere:
    """A recording of which Opencast has an event that the pipeline didn't make."""


@dataclass(frozen=True)
class Deleted:
    """A recording whose event was deleted in Opencast. `ingest` made the event."""

    ingest: IngestRecord


Found = ToIngest | AlreadyThere | MadeElsewhere | Deleted


@dataclass(frozen=True)
class Lookup:
    """The search for a recording in Opencast and the ledger.

    Attributes:
        opencast: Client that asks Opencast for events.
        patience: Longest time that Opencast takes to process a POST.
        clock: Returns the time.
        new_id: Returns the id of a second media package.
    """

    opencast: Opencast
    patience: timedelta
    clock: Callable[[], datetime]
    new_id: Callable[[], str]

    def run(self, message: UploadMessage, record: Record) -> Found:
        """Return whether a recording is in Opencast, was deleted there, or has to be ingested.

        Raises:
            AskLater: An ingest is on its way.
            OpencastUnreachable, OpencastRefused: Opencast gives no valid answer, or refuses our
                user.
        """
        primary = mediapackage.media_package_id(message.uuid)
        own = record.media_package_of(message.zip_id)
        if not own and message.allow_multiple_ingests:
            is_there = primary in record.ingests or self.opencast.has_event(primary)
            return ToIngest(self.new_id() if is_there else primary)
        ingest = record.ingests.get(own or primary)
        logger.debug("An ingest was sent at %s", ingest.posted_at if ingest else "no time")
        if ingest is None:
            is_there = self.opencast.has_event(primary)
            return MadeElsewhere() if is_there else ToIngest(primary)
        return self._after_ingest(message, own or primary, ingest, record)

    def _after_ingest(
        self, message: UploadMessage, media_package: str, ingest: IngestRecord, record: Record
    ) -> Found:
        """Look up a recording of which the ledger has an ingest record already.

        The errors are those of `run`.
        """
        is_own = ingest.zip_id == message.zip_id
        now = self.clock()
        # Ask whether Opencast is idle before asking for the event. If a POST ends between the two
        # requests, its event exists by then, and the second request finds the event.
        may_be_lost = ledger.may_be_lost(ingest, now)
        is_idle = self.opencast.is_idle(media_package) if may_be_lost else None
        if self.opencast.has_event(media_package):
            return AlreadyThere(media_package, ingest)
        request = record.request(message.zip_id)
        match ledger.absence_of(ingest, request, now, self.patience, is_idle=is_idle):
            case Absence.COMING:
                sent = "The ingest was sent to Opencast" if is_own else BEING_INGESTED
                raise AskLater(f"{sent}, which doesn't show it yet" if is_own else sent)
            case Absence.DELETED:
                return Deleted(ingest)
            case Absence.LOST:
                logger.warning(
                    "Opencast shows nothing of the ingest sent at %s: again", ingest.posted_at
                )
        return ToIngest(media_package)
