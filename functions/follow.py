"""Follow ingests: ask Opencast what became of them, and write the answers to row, ledger and log.

A rule of EventBridge starts this function every minute if `FOLLOW_INGESTS` is on. `invoke
exec.pipeline` starts this function for one recording. docs/decisions/0032 says why the ledger, and
not a queue, lists the ingests to follow.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import requests

from ingester import log, metrics, timestamps
from ingester.errors import LedgerUnreadable, OpencastRefused, OpencastUnreachable
from ingester.ledger import record as ledger
from ingester.ledger.record import Fate, Following, IngestRecord, Record
from ingester.ledger.table import Ledger
from ingester.metrics import Metric
from ingester.opencast import following as rules
from ingester.opencast.client import Opencast, opencast_of
from ingester.opencast.processing import News
from ingester.pipeline.states import State
from ingester.runtime import clients
from ingester.runtime.clock import utc_now
from ingester.runtime.container import Container
from ingester.settings import FollowSettings, UploaderSecrets, read, read_secrets
from ingester.status.table import StatusChange, StatusTable

logger = logging.getLogger("ingester.follow")

MAX_RECORDINGS = 5
"""Maximum number of recordings in one run. An ingest takes at most three requests to Opencast,
usually two."""

OFF = "Ingests aren't followed in this stack (FOLLOW_INGESTS is off)."
FAILED = {"outlook": "Nothing happens automatically: it needs attention."}
LOOK = "Look for the event in Opencast."


@dataclass(frozen=True)
class Dependencies:
    """Clients, tables, clock and settings that the function `follow` works with."""

    settings: FollowSettings
    opencast: Opencast
    ledger: Ledger
    status: StatusTable
    clock: Callable[[], datetime]


def build() -> Dependencies:
    """Make the dependencies from the environment and the secrets in SSM.

    Raises:
        SettingsError: A setting or a secret is missing or malformed.
        BotoCoreError, ClientError: SSM fails.
    """
    settings = read(FollowSettings, os.environ)
    log.set_debug(settings.is_debug)
    secrets = read_secrets(UploaderSecrets, clients.ssm(), settings.secrets_path)
    return Dependencies(
        settings=settings,
        opencast=opencast_of(settings, secrets, requests.Session()),
        ledger=Ledger(clients.table(settings.recordings_table), utc_now),
        status=StatusTable(clients.table(settings.status_table), utc_now),
        clock=utc_now,
    )


container = Container(build)


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Handle the event of EventBridge's rule, or an operator's call with a `uuid`."""
    log.start(context)
    return answer(event, container())


def answer(event: Mapping[str, Any], deps: Dependencies) -> dict[str, Any]:
    """Ask Opencast about recordings whose polls are due, or only about the `uuid` in `event`.

    Returns:
        `asked`, the number of polls, and a `message` if an error of Opencast ended the run early.
        Only a `message` if `FOLLOW_INGESTS` is off.

    Raises:
        BotoCoreError, ClientError: The ledger's index can't be read.
        Exception: The first error other than Opencast's, such as AWS's, about a recording; raised
            at the end of the run.
    """
    if not deps.settings.follow_ingests:
        return {"message": OFF}
    requested_uuid = str(event.get("uuid") or "")
    now = timestamps.write(deps.clock())
    asked = 0
    problem = ""
    errors: list[Exception] = []
    for uuid in [requested_uuid] if requested_uuid else deps.ledger.due_to_follow(MAX_RECORDINGS):
        with log.context(uuid=uuid):
            try:
                count, problem = _follow_recording(uuid, None if requested_uuid else now, deps)
            except Exception as error:  # noqa: BLE001  # raised below: no record stops the others
                logger.warning("Left for the next run: %s", type(error).__name__)
                errors.append(error)
                continue
        asked += count
        if problem:
            # Opencast gives no usable answer, so ask no further questions now. The next run doesn't
            # begin with this ingest, because the ingest's next poll is due later.
            break
    if errors:
        raise errors[0]
    return {"asked": asked, "message": problem} if problem else {"asked": asked}


def _follow_recording(uuid: str, now: str | None, deps: Dependencies) -> tuple[int, str]:
    """Ask Opencast about those ingests of a recording whose polls are due at `now`.

    If `now` is None, ask about every ingest that is followed. Stop after a poll without a usable
    answer.

    Returns:
        The number of polls, and the reason why the last poll got no usable answer, or "".
    """
    record = _read(uuid, deps)
    if record is None:
        return 0, ""
    is_stored = record != Record(uuid=uuid)
    if is_stored and not record.follow_due:
        # The index may have this record although the record needs no poll: an older version of the
        # code wrote the record, or the index lags behind. This write takes the record out of the
        # index.
        deps.ledger.replace(record, record)
    asked = 0
    for media_package, ingest in record.ingests.items():
        due = ingest.following.due if ingest.following else ""
        if due and (now is None or due <= now):
            asked += 1
            if problem := _follow(record, media_package, ingest, deps):
                return asked, problem
    return asked, ""


def _read(uuid: str, deps: Dependencies) -> Record | None:
    """Return a record, or None for an unreadable record.

    An unreadable record is logged as an error and removed from the index, so that the scheduled
    runs log the error only once.
    """
    try:
        return deps.ledger.get(uuid)
    except LedgerUnreadable as error:
        deps.ledger.remove_from_follow_index(uuid)
        logger.error("%s", error, extra=log.nonfatal("Its ingest isn't followed any more."))
        return None


def _follow(record: Record, media_package: str, ingest: IngestRecord, deps: Dependencies) -> str:
    """Ask Opencast about one ingest, and record the answer.

    Return the reason why Opencast gave no usable answer, or "".

    The row is written before the ledger. If this invocation dies between the two writes, another
    invocation reports a failure again, so no failure stays unreported.
    """
    before = ingest.following
    assert before is not None  # noqa: S101  # `_follow_recording` checks it
    news: News | None = None
    problem = ""
    try:
        news = deps.opencast.news_of(media_package, ingest.workflow)
    except (OpencastUnreachable, OpencastRefused) as error:
        problem = str(error)
        logger.warning("%s", error)
    after = rules.after_poll(before, news, deps.clock())
    with log.context(zip_id=ingest.zip_id):
        _report_change(before, after, news, ingest, deps)
        change = partial(_with_following, media_package=media_package, before=before, after=after)
        written = deps.ledger.change(record.uuid, change)
        # A recording that was forgotten meanwhile has no ingests any more.
        known = written.ingests.get(media_package)
        is_ours = known is not None and known.following == after
        if is_ours and after.fate is Fate.PUBLISHED:
            extra = _metrics_of_publication(record, ingest, news, deps)
            logger.info("Published in Opencast", extra=extra)
    return problem


def _with_following(
    record: Record, media_package: str, before: Following, after: Following
) -> Record:
    """Return the record with the follow-up `after`.

    If the ingest's follow-up isn't `before` any more, such as after a new POST, return the record
    unchanged.
    """
    ingest = record.ingests.get(media_package)
    if ingest is None or ingest.following != before:
        return record
    return ledger.with_followed(record, media_package, after)


def _report_change(
    before: Following,
    after: Following,
    news: News | None,
    ingest: IngestRecord,
    deps: Dependencies,
) -> None:
    """Write an ingest's new outcome into the row, and log a failure or a deletion.

    If the follow-up ends without an outcome, write the reason into the row, and log an error.
    """
    page = deps.opencast.page_of(ingest.workflow)
    if rules.is_given_up(after):
        reason = rules.reason_of_giving_up(news)
        deps.status.explain(ingest.zip_id, frozenset({State.SENT_TO_OPENCAST}), reason)
        extra = log.nonfatal("It isn't followed any more.", LOOK)
        logger.error("%s %s", reason, page, extra=extra)
    if after.fate is None or after.fate is before.fate:
        return
    workflow = news.workflow if news else None
    failed = after.fate is Fate.FAILED
    said = deps.opencast.reason_of(workflow) if workflow and failed else ""
    reason = rules.reason_of(after.fate, workflow, said)
    # Keep the row's reason at the first final state: the reason may name late files, which a
    # published ingest lacks, too.
    is_first = before.fate is None
    change = StatusChange(rules.STATES[after.fate], reason, keeps_reason=is_first)
    deps.status.report(ingest.zip_id, change)
    if failed:
        logger.error("%s %s", reason, page, extra=FAILED)
    elif reason:
        logger.warning("%s", reason)


def _metrics_of_publication(
    record: Record, ingest: IngestRecord, news: News | None, deps: Dependencies
) -> dict[str, Any]:
    """Return a log record's `extra` with a metric: the minutes from request to publication."""
    now = deps.clock()
    requested = record.request(ingest.zip_id).at or ingest.posted_at
    completed = news.workflow.completed if news and news.workflow else None
    is_plausible = completed and timestamps.parse(ingest.posted_at) <= completed <= now
    published = completed if completed and is_plausible else now
    minutes = (published - timestamps.parse(requested)).total_seconds() / 60
    values = {Metric.MINUTES_TO_PUBLISHED: round(minutes, 2)}
    return metrics.log_fields(deps.settings.stack_name, now, values)
