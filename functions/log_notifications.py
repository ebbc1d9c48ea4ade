"""Mail the error records of the other functions to the operators, one mail per fault."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from botocore.exceptions import BotoCoreError, ClientError

from ingester import log
from ingester.alerts.faults import Fault, faults_in
from ingester.alerts.faults_table import Claim, FaultsTable
from ingester.alerts.log_records import records_of
from ingester.alerts.mail import (
    Mail,
    Source,
    combined_mail,
    fault_mail,
    repeat_mail,
    with_limit_note,
)
from ingester.alerts.rate_limit import MailRateLimiter
from ingester.alerts.subscription import LogBatch, batch_of
from ingester.alerts.topic import Topic, redacted
from ingester.errors import AwsFailed, MessageError
from ingester.recording.files import automated_zip_id
from ingester.runtime import clients
from ingester.runtime.clock import utc_now
from ingester.runtime.container import Container
from ingester.settings import LogNotificationsSettings, read
from ingester.status.row import StatusRow
from ingester.status.table import StatusTable
from ingester.time_zones import zone_of

logger = logging.getLogger("ingester.log_notifications")

MAILED_AGAIN = "It is mailed once more, as a repeat."
UNCOUNTED = "This occurrence is mailed, whether it is a repeat or not."
SENT_LATER = "The scheduled run sends it."

WAIT = timedelta(seconds=20)
"""Longest time that an invocation waits for the rate limit of mails. The function's timeout is 30
s."""


@dataclass(frozen=True)
class Dependencies:
    """Tables, topic, clock and settings that the function `log-notifications` works with."""

    settings: LogNotificationsSettings
    status: StatusTable
    faults: FaultsTable
    pace: MailRateLimiter
    topic: Topic
    zone: ZoneInfo
    clock: Callable[[], datetime]


def build() -> Dependencies:
    """Make the dependencies from the environment.

    Raises:
        SettingsError: A setting is missing or malformed.
    """
    settings = read(LogNotificationsSettings, os.environ)
    log.set_debug(settings.is_debug)
    quiet = timedelta(seconds=settings.notification_quiet_seconds)
    faults = clients.table(settings.faults_table)
    return Dependencies(
        settings=settings,
        status=StatusTable(clients.table(settings.status_table), utc_now),
        faults=FaultsTable(faults, quiet, utc_now),
        pace=MailRateLimiter(
            faults, clock=utc_now, sleep=time.sleep, random_fraction=random.random
        ),
        topic=Topic(clients.sns(), settings.topic_arn),
        zone=zone_of(settings.local_time_zone),
        clock=utc_now,
    )


container = Container(build)


def handler(event: Mapping[str, Any], context: object) -> None:
    """Handle records of one log from CloudWatch Logs, or the event of EventBridge's schedule.

    The scheduled run sends the mails that wait in the table, so `mail_faults` raises no error for a
    mail that the table has stored. After an error, Lambda retries the event after one and two
    minutes:
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html

    Raises:
        ExceptionGroup, BotoCoreError, ClientError, SettingsError: See `build`, `mail_faults` and
            `mail_repeats`.
    """
    log.start(context)
    if "awslogs" in event:
        mail_faults(event, container())
    else:
        mail_repeats(container())


def mail_faults(event: Mapping[str, Any], deps: Dependencies) -> None:
    """Mail the faults in the records of one log, or count the faults as repeats.

    Raises:
        ExceptionGroup: A mail that isn't stored in the table couldn't be sent.
        SettingsError: See `LogNotificationsSettings.min_level`.
    """
    try:
        batch = batch_of(event)
    except MessageError as error:
        # Don't raise: Lambda would retry the same event, which would fail again.
        # https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
        logger.error("%s", error, extra={"outlook": "Its records aren't mailed: see the logs."})
        return
    if batch is None:
        return
    function = batch.log_group.rpartition("/")[2].removeprefix(f"{deps.settings.stack_name}-")
    faults = faults_in(records_of(batch.lines), function, deps.settings.min_level)
    until, uncounted = deps.clock() + WAIT, list[Mail]()
    mails = [partial(_mail_or_count, fault, batch, until, uncounted, deps) for fault in faults]
    _send_each([*mails, partial(_mail_uncounted, uncounted, until, deps)])


def mail_repeats(deps: Dependencies) -> None:
    """Mail each fault that has unmailed occurrences, once its quiet period is over.

    The unmailed occurrences are repeats, or their mail couldn't be sent before.

    Raises:
        ExceptionGroup: A mail couldn't be sent. The mail waits in the table for the next run.
        BotoCoreError, ClientError: The table of faults can't be read or written.
    """
    until = deps.clock() + WAIT
    # Claim each fault just before its mail, because a claim doesn't last as long as many mails
    # take.
    _send_each(partial(_send, claim, claim.mail, until, deps) for claim in deps.faults.claim_due())


def _send_each(mails: Iterable[Callable[[], None]]) -> None:
    """Send all mails; afterwards raise their errors together, as an ExceptionGroup."""
    failures = []
    for mail in mails:
        try:
            mail()
        except Exception as error:  # noqa: BLE001  # raised below
            failures.append(error)
    if failures:
        raise ExceptionGroup("Not every mail could be sent", failures)


def _mail_or_count(
    fault: Fault, batch: LogBatch, until: datetime, uncounted: list[Mail], deps: Dependencies
) -> None:
    """Count a fault, and mail the fault if a mail is due.

    If there were too many mails about the function, count and mail a fault of the whole function
    instead. If the table fails, add the mail to `uncounted`. If SNS fails, `mail_repeats` sends the
    mail later.
    """
    source = Source(
        stack=deps.settings.stack_name,
        region=deps.topic.region,
        log_group=batch.log_group,
        log_stream=batch.log_stream,
        page=deps.settings.page_url,
    )
    row, is_readable = _row(fault, deps)
    now, zone = deps.clock(), deps.zone
    mail = redacted(fault_mail(fault, row, source, now, zone, is_readable=is_readable))
    own = len(fault.records)
    try:
        claim = deps.faults.count_and_claim(fault.key, own, mail)
        if claim is not None and deps.faults.count_mail_and_check_limit(fault.function):
            own = claim.times
            mail = redacted(with_limit_note(mail))
            claim = _function_claim(claim, fault.function, mail, deps)
    except (BotoCoreError, ClientError):
        logger.exception("Repeats can't be counted", extra={"outlook": UNCOUNTED})
        uncounted.append(mail)
        return
    if claim is None:
        return
    try:
        _send(claim, mail, until, deps, own=own)
    except AwsFailed:
        # Don't raise: Lambda retries only twice in three minutes, but `mail_repeats` can send the
        # mail later.
        # https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
        logger.exception("A mail couldn't be sent", extra={"outlook": SENT_LATER})


def _function_claim(
    fault_claim: Claim, function: str, mail: Mail, deps: Dependencies
) -> Claim | None:
    """Replace a fault's claim with a claim to mail about the whole function.

    The fault's occurrences count as the function's.

    Returns:
        The new claim; None if a mail about the function isn't due.
    """
    claim = deps.faults.count_and_claim(function, fault_claim.times, mail)
    # The function's mail names this fault, so release the fault's claim. The fault's next
    # occurrence checks the limit again.
    deps.faults.release_claim(fault_claim, fault_claim.times)
    return claim


def _mail_uncounted(mails: list[Mail], until: datetime, deps: Dependencies) -> None:
    """Send one mail in place of the mails that the table couldn't count, to limit the mails.

    After an error, Lambda retries the event:
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html

    Raises:
        AwsFailed: The rate limit of mails allows none before `until`.
        BotoCoreError, ClientError: SNS failed.
    """
    if not mails:
        return
    if not deps.pace.wait_for_slot(until):
        raise AwsFailed(
            "The table of faults failed, and other invocations used up the limit of mails."
        )
    deps.topic.publish(combined_mail(mails))


def _row(fault: Fault, deps: Dependencies) -> tuple[StatusRow | None, bool]:
    """Return the status row of a fault's ingest, or None, and whether the read succeeded."""
    zip_id = fault.first.zip_id or (automated_zip_id(fault.first.uuid) if fault.first.uuid else "")
    try:
        return deps.status.get(zip_id) if zip_id else None, True
    except (BotoCoreError, ClientError, ValueError, TypeError, ArithmeticError):
        logger.exception("The recording's row can't be read", extra={"outlook": "Mailed without."})
        return None, False


def _send(claim: Claim, mail: Mail, until: datetime, deps: Dependencies, *, own: int = 0) -> None:
    """Send the mail of a claim.

    `own` is the number of the claim's occurrences that the caller has just counted.

    If the rate limit of mails allows none before `until`, or if SNS fails, the mail waits in the
    table for the scheduled run.

    Raises:
        AwsFailed: SNS failed.
    """
    if claim.times > max(own, 1 if claim.is_first else 0):
        mail = repeat_mail(mail, claim.times, claim.since, claim.latest, deps.zone)
    if not deps.pace.wait_for_slot(until):
        _release_claim(claim, deps)
        logger.warning("Too many mails go out now", extra={"outlook": SENT_LATER})
        return
    try:
        deps.topic.publish(mail)
    except (BotoCoreError, ClientError) as error:
        _release_claim(claim, deps)
        raise AwsFailed.of(error) from error
    try:
        deps.faults.mark_mailed(claim)
    except (BotoCoreError, ClientError):
        logger.exception("A mail went out, but not into the table", extra={"outlook": MAILED_AGAIN})


def _release_claim(claim: Claim, deps: Dependencies) -> None:
    """Release a claim, so that another invocation can mail. If AWS fails, the claim expires."""
    with suppress(BotoCoreError, ClientError):
        deps.faults.release_claim(claim)
