"""POST a recording to Opencast only once: a claim in the ledger precedes the POST."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ingester.errors import (
    AskLater,
    IngestBroken,
    IngestNotSent,
    IngestOutcomeUnknown,
    IngestRefused,
    RetryableFailure,
)
from ingester.ledger import record as ledger
from ingester.ledger.record import IngestRecord, Outcome, Record
from ingester.ledger.table import Ledger
from ingester.opencast.client import Opencast, Parts


@dataclass(frozen=True)
class IngestOnce:
    """An ingest that sends its POST at most once.

    Attributes:
        opencast: Client that sends the POST.
        ledger: Table of the claim and Opencast's answer.
        with_taken: Returns the record, changed for a media package that Opencast now has.
    """

    opencast: Opencast
    ledger: Ledger
    with_taken: Callable[[Record, str], Record]

    def run(
        self,
        record: Record,
        media_package: str,
        claim: IngestRecord,
        parts: Parts,
        *,
        workflow: str,
        read_seconds: float,
    ) -> Record:
        """Claim the media package, POST it, and return the record with Opencast's answer.

        Args:
            record: The record on which the decision to POST rests.
            media_package: Id of the media package.
            claim: The ingest record with the POST.
            parts: The parts of the form.
            workflow: Name of Opencast's workflow.
            read_seconds: Timeout for Opencast's answer.

        Raises:
            AskLater: Another process has changed the record, so the decision has to be made again;
                or it isn't known whether the POST has created the event.
            IngestBroken, IngestRefused, IngestNotSent: The POST has created nothing.
            LedgerBusy, LedgerUnreadable: See `Ledger.change`.
        """
        self._claim(record, media_package, claim)
        attempt = claim.posts[0].attempt

        def note(outcome: Outcome, workflow_id: str = "") -> Record:
            def answered(record: Record) -> Record:
                noted = ledger.with_answer(record, media_package, attempt, outcome, workflow_id)
                return self.with_taken(noted, media_package) if outcome is Outcome.TAKEN else noted

            return self.ledger.change(record.uuid, answered)

        try:
            workflow_id = self.opencast.ingest(workflow, parts, read_seconds=read_seconds)
        except (IngestRefused, IngestNotSent):
            note(Outcome.REFUSED)
            raise
        except IngestOutcomeUnknown as error:
            raise AskLater(str(error).removesuffix(".")) from error
        except IngestBroken as error:
            if not self._is_there(media_package):
                note(Outcome.REFUSED)
                raise IngestBroken(
                    "It broke down in the ingest (500) and has no such event."
                ) from error
            workflow_id = ""
        return note(Outcome.TAKEN, workflow_id)

    def _claim(self, record: Record, media_package: str, claim: IngestRecord) -> None:
        """Record the planned POST in the ledger before it is made, by a conditional write.

        Raises:
            AskLater: Another process has changed the record.
            LedgerUnreadable: See `Ledger.get`.
        """
        if self.ledger.replace(record, ledger.with_claim(record, media_package, claim)):
            return
        # botocore may retry a write that succeeded. The retry fails because the version has
        # changed, but our own attempt is stored, which counts as success.
        attempt = claim.posts[0].attempt
        known = self.ledger.get(record.uuid).ingests.get(media_package)
        if known is None or known.posts[-1].attempt != attempt:
            raise AskLater("The recording's record in the ledger has just changed")

    def _is_there(self, media_package: str) -> bool:
        try:
            return self.opencast.has_event(media_package)
        except RetryableFailure as error:
            broken = "Opencast broke down in the ingest and can't be asked about it"
            raise AskLater(broken) from error
