"""Reconcile: find recordings whose webhook event never came, and request their ingest.

EventBridge's rule starts this function every hour, unless RECONCILE_DAYS is 0. An operator can
start the function at any time. docs/decisions/0023 says which recordings reconcile may ingest.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import requests
from botocore.exceptions import BotoCoreError, ClientError

from ingester import log, metrics, timestamps
from ingester.errors import (
    AwsFailed,
    BadRequest,
    IngesterError,
    KeyRefused,
    LedgerBusy,
    LedgerUnreadable,
    NotReady,
    WebhookFailed,
    WebhookUnreachable,
    ZoomRefused,
    ZoomUnreachable,
)
from ingester.ledger.table import Ledger
from ingester.metrics import Metric
from ingester.reconcile.decisions import (
    LONGEST_ERROR,
    MAX_FOUND,
    WAITING,
    Decision,
    ListedRecording,
    Run,
    State,
    UnreadableEntry,
    decision_on,
    is_due,
    is_known,
    since_of,
    with_reported,
)
from ingester.reconcile.report import (
    Outcome,
    Report,
    description_of,
    is_scheduled_run,
    outcome_of,
    run_options,
)
from ingester.reconcile.state_table import ReconcileState
from ingester.recording.files import automated_zip_id
from ingester.retry import RandomSource, Sleep
from ingester.runtime import clients
from ingester.runtime.clock import utc_now
from ingester.runtime.container import Container
from ingester.settings import OnDemandSecrets, ReconcileSettings, read, read_secrets
from ingester.zoom import webhook_client
from ingester.zoom.api import ZoomApi
from ingester.zoom.recording_list import ListingMethod, RecordingList
from ingester.zoom.webhook_events import IngestOptions

logger = logging.getLogger("ingester.reconcile")

MARGIN_SECONDS = 60.0
"""Number of seconds before the invocation's timeout in which the run begins nothing new."""

ZOOM_SECONDS = 15.0
WEBHOOK_SECONDS = 20.0

MAX_REFUSALS = 3
"""Number of refusals by Zoom's API at which the run stops, each about a single recording. So many
refusals have another cause than the recordings."""

MAX_UNANSWERED = 3
"""Number of requests to the webhook with a 5xx or no answer at which the run ends. The count begins
again after an accepted request."""

MAX_LISTED = 300
"""Maximum number of recordings that the answer to an operator names. Lambda allows an answer of 6
MB.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

REQUESTED = "requested"
OFF = "Reconcile is off in this stack (RECONCILE_DAYS is 0). With --since it looks all the same."
LISTS = {ListingMethod.ACCOUNT: "the account's list", ListingMethod.USERS: "the users' lists"}
AGAIN = "Reconcile tries it again every hour, for as many days as RECONCILE_DAYS says."
SEND_IT = "`invoke exec.pipeline UUID` sends the recording through."
UNNOTED = "The run isn't noted in reconcile's state"
STOPPED = {"outlook": "The next run looks again, also for what was missed now."}

STATE_ERRORS = (LedgerBusy, LedgerUnreadable, BotoCoreError, ClientError)
"""Errors of `ReconcileState`."""


@dataclass(frozen=True)
class Dependencies:
    """Clients, tables, clocks, settings and secrets that reconcile works with.

    `monotonic` counts seconds for the deadlines.
    """

    settings: ReconcileSettings
    secrets: OnDemandSecrets
    zoom: ZoomApi
    ledger: Ledger
    state: ReconcileState
    session: requests.Session
    clock: Callable[[], datetime]
    sleep: Sleep
    monotonic: Callable[[], float] = time.monotonic
    random_fraction: RandomSource = random.random


def build() -> Dependencies:
    """Make the dependencies from the environment and the secrets in SSM.

    Raises:
        SettingsError: A setting or a secret is missing or malformed.
        BotoCoreError, ClientError: SSM fails.
    """
    settings = read(ReconcileSettings, os.environ)
    log.set_debug(settings.is_debug)
    secrets = read_secrets(OnDemandSecrets, clients.ssm(), settings.secrets_path)
    session = requests.Session()
    table = clients.table(settings.recordings_table)
    return Dependencies(
        settings=settings,
        secrets=secrets,
        zoom=ZoomApi(settings, secrets, session=session, sleep=time.sleep, clock=utc_now),
        ledger=Ledger(table, utc_now),
        state=ReconcileState(table),
        session=session,
        clock=utc_now,
        sleep=time.sleep,
    )


container = Container(build)


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Handle the event of EventBridge's rule, or an operator's call."""
    log.start(context)
    seconds = context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS
    return answer(event, container(), seconds, container.rebuild_sparingly)


def answer(
    event: Mapping[str, Any],
    deps: Dependencies,
    seconds: float,
    rebuild: Callable[[], Dependencies] | None = None,
) -> dict[str, Any]:
    """Run reconcile once, and return the report.

    After `seconds` the run begins nothing new. `rebuild` returns dependencies with the current
    secrets.

    Returns:
        A `Report` as a dict; or only a `message` with the reason if the run didn't begin.
    """
    now = deps.clock()
    try:
        options = run_options(event)
        since = since_of(options.since, now) if options.since else None
    except BadRequest as error:
        return {"message": str(error)}
    days = deps.settings.reconcile_days
    if since is None and not days:
        return {"message": OFF}
    try:
        state = deps.state.get()
        if state is None and not options.dry_run:
            state = _set_baseline(now, deps)
        elif state is None and since is None:
            # A dry run must not set the baseline, but reports what the first run would do.
            state = _first_state(now)
    except STATE_ERRORS as error:
        return {"message": _log_state_error(error, "Reconcile is stopped until its next run")}
    run = _Run(
        deps,
        rebuild or (lambda: deps),
        state=state,
        begin=since or now - timedelta(days=days),
        has_since=since is not None,
        waits_for_zoom=is_scheduled_run(event),
        dry_run=options.dry_run,
        deadline=deps.monotonic() + seconds,
    )
    report: dict[str, Any] = msgspec.to_builtins(run.report())
    return report


def _log_state_error(error: Exception, consequence: str) -> str:
    """Log that the state can't be read or written, and return the reason.

    Only an unreadable state is logged as an error, because a person has to mend it. If another
    failure lasts, the alarm reconcile-idle misses the runs' metric.
    """
    reason = str(error if isinstance(error, IngesterError) else AwsFailed.of(error))
    if isinstance(error, LedgerUnreadable):
        logger.error("%s", reason, extra=STOPPED)
    else:
        logger.warning("%s: %s", consequence, reason)
    return reason


def _first_state(now: datetime) -> State:
    return State(baseline=timestamps.write(now))


def _set_baseline(now: datetime, deps: Dependencies) -> State:
    """Set the baseline to `now` unless another run has set it, and return the state.

    Raises:
        LedgerBusy, LedgerUnreadable: See `ReconcileState.begin`.
    """
    state = deps.state.begin(_first_state(now))
    logger.info(
        "The first run of reconcile in this stack: recordings that ended before %s are left alone",
        state.baseline,
    )
    return state


class _Run:
    """One run of reconcile, and its counts so far.

    With `has_since` an operator has set the earliest time, so the run ignores the stored baseline.
    With `waits_for_zoom`, as in a run of EventBridge's rule, a missed recording may be left to the
    next run (`_leave_to_next_run`).
    """

    def __init__(
        self,
        deps: Dependencies,
        rebuild: Callable[[], Dependencies],
        *,
        state: State | None,
        begin: datetime,
        has_since: bool,
        waits_for_zoom: bool,
        dry_run: bool,
        deadline: float,
    ) -> None:
        self._deps = deps
        self._rebuild = rebuild
        self._state = state
        self._reported = state.told if state else {}
        self._found_before = frozenset(state.found) if state else frozenset()
        self._found: list[str] = []
        self._unanswered_before = state.unanswered if state else []
        self._untried = self._unanswered_before
        self._begin = begin
        self._has_since = has_since
        self._waits_for_zoom = waits_for_zoom
        self._dry_run = dry_run
        self._is_scheduled = not (has_since or dry_run)
        self._now = deps.clock()
        self._deadline = deadline
        self._list = RecordingList(
            deps.zoom,
            begin,
            self._now,
            seconds_left=self._seconds_left,
            first_user=state.next_user if state and not has_since else "",
        )
        self._seen: set[str] = set()
        self._missed: list[Outcome] = []
        self._count: Counter[str] = Counter()
        self._skipped: Counter[Decision] = Counter()
        self._new_problems: list[str] = []
        self._refusals = 0
        self._unanswered: list[tuple[ListedRecording, WebhookUnreachable]] = []
        self._unanswered_uuids: list[str] = []
        self._error = ""
        self._is_complete = True

    def _seconds_left(self) -> float:
        return self._deadline - self._deps.monotonic()

    def report(self) -> Report:
        """Process the recordings in Zoom's list, log the result, and return the report.

        A run without `since` is also noted in reconcile's state, unless it is a dry run.
        """
        try:
            self._process_list()
            self._judge_unanswered()
        except (ZoomUnreachable, ZoomRefused, WebhookUnreachable, KeyRefused) as error:
            self._stop(error)
        except (BotoCoreError, ClientError) as error:
            self._stop(AwsFailed.of(error))
        if self._is_scheduled:
            self._save_state()
        self._log_result()
        return Report(
            since=timestamps.write(self._begin),
            baseline=self._state.baseline if self._state else "",
            how=self._list.how,
            dry_run=self._dry_run,
            listed=self._count["listed"],
            handed_in=self._count["handed_in"],
            failed=self._count["failed"],
            skipped={str(decision): count for decision, count in self._skipped.items()},
            is_complete=self._is_complete,
            recordings=self._missed[:MAX_LISTED],
            left_out=max(0, len(self._missed) - MAX_LISTED),
            message=self._error,
        )

    def _process_list(self) -> None:
        for entry in self._entries():
            if self._seconds_left() <= 0:
                self._is_complete = False
                return
            if isinstance(entry, UnreadableEntry):
                self._count["listed"] += 1
                text = (
                    f"Zoom's list has an entry that can't be read ({entry.name}): {entry.problem}."
                )
                self._fail(entry.name[:200], text)
            elif entry.uuid not in self._seen and entry.end >= self._begin:
                self._seen.add(entry.uuid)
                self._count["listed"] += 1
                with log.context(uuid=entry.uuid):
                    self._process_recording(entry)
        self._is_complete = self._list.is_complete and not self._error

    def _entries(self) -> Iterator[ListedRecording | UnreadableEntry]:
        """Yield the entries of Zoom's list, with the recordings in `State.unanswered` at the end.

        If Zoom's API can't be reached for the rest of the list, the unanswered recordings among the
        entries so far are yielded nevertheless, because the list of one user may fail in every run.

        Raises:
            ZoomRefused: See `RecordingList`.
        """
        postponed: dict[str, ListedRecording] = {}
        try:
            for entry in self._list:
                if isinstance(entry, ListedRecording) and entry.uuid in self._unanswered_before:
                    postponed[entry.uuid] = entry
                else:
                    yield entry
        except ZoomUnreachable as error:
            self._stop(error)
        self._untried = [uuid for uuid in self._unanswered_before if uuid in postponed]
        while self._untried:
            yield postponed[self._untried.pop(0)]

    def _process_recording(self, listed: ListedRecording) -> None:
        baseline = None if self._has_since or not self._state else self._state.baseline
        begin = timestamps.parse(baseline) if baseline else None
        decision = decision_on(listed, self._now, begin)
        try:
            if decision is Decision.MISSED:
                decision = self._request_if_missed(listed)
        except WebhookUnreachable as error:
            self._unanswered.append((listed, error))
            self._unanswered_uuids.append(listed.uuid)
            if listed.uuid in self._unanswered_before:
                self._fail_recording(listed, error)
            if len(self._unanswered) == MAX_UNANSWERED:
                raise
            return
        except (LedgerUnreadable, ZoomUnreachable, ZoomRefused, WebhookFailed) as error:
            self._refusals += isinstance(error, ZoomRefused)
            if isinstance(error, KeyRefused) or self._refusals == MAX_REFUSALS:
                raise
            self._fail_recording(listed, error)
            return
        if decision is not Decision.MISSED:
            self._skipped[decision] += 1

    def _judge_unanswered(self) -> None:
        """Count recordings as failed if their requests got a 5xx or no answer.

        Recordings that are also in `State.unanswered` are counted already.

        Raises:
            WebhookUnreachable: A request got a 5xx or no answer, and the webhook has accepted no
                request of this run.
        """
        for listed, error in self._unanswered:
            if not self._count["handed_in"]:
                raise error
            if listed.uuid not in self._unanswered_before:
                self._fail_recording(listed, error)
        self._unanswered.clear()

    def _request_if_missed(self, listed: ListedRecording) -> Decision:
        """Check again whether a recording is missed.

        If so, leave the recording to the next run, or request the recording's ingest if Zoom's API
        has the finished files of a video. A dry run only notes the recording for the report.

        Returns:
            The decision after the check.

        Raises:
            IngesterError: The ledger's record can't be read, or Zoom or the webhook refuses a
                request or gives no usable answer.
            BotoCoreError, ClientError: AWS failed.
        """
        deps = self._deps
        if is_known(deps.ledger.get(listed.uuid), listed):
            return Decision.KNOWN
        if self._dry_run:
            self._missed.append(outcome_of(listed, "would be requested"))
            return Decision.MISSED
        if self._waits_for_zoom and self._leave_to_next_run(listed):
            return Decision.FOUND
        recording = deps.zoom.recordings(listed.uuid, seconds=ZOOM_SECONDS)
        if recording is None:
            return Decision.GONE
        try:
            webhook_client.check_files(recording)
            webhook_client.check_video(recording)
        except NotReady:
            return Decision.UNFINISHED
        except BadRequest:
            return Decision.NO_VIDEO
        options = IngestOptions(zip_id=automated_zip_id(listed.uuid))
        self._post(webhook_client.webhook_event(recording, options, deps.clock()))
        self._count["handed_in"] += 1
        self._judge_unanswered()
        self._missed.append(outcome_of(listed, REQUESTED))
        logger.info("Requested: %s", description_of(listed))
        return Decision.MISSED

    def _leave_to_next_run(self, listed: ListedRecording) -> bool:
        """Leave a recording to the next run if no earlier run found it.

        If the list of found recordings is full, the recording isn't left.

        Returns:
            Whether the recording is left to the next run.
        """
        if listed.uuid in self._found_before or len(self._found) == MAX_FOUND:
            return False
        self._found.append(listed.uuid)
        return True

    def _post(self, body: bytes) -> None:
        try:
            _post(body, self._deps)
        except KeyRefused:
            newer = self._rebuild()
            if newer.secrets == self._deps.secrets:
                raise
            self._deps = newer
            _post(body, newer)

    def _fail_recording(self, listed: ListedRecording, error: IngesterError) -> None:
        with log.context(uuid=listed.uuid):
            self._fail(listed.uuid, f"{description_of(listed)} can't be requested: {error}")
        self._missed.append(outcome_of(listed, f"failed: {error}"))

    def _fail(self, problem: str, text: str) -> None:
        """Count a recording that can't be requested or read, and log `text`.

        The same problem is logged as an error once a day at most, otherwise as a warning. `problem`
        is the key by which reconcile recognizes a problem that it has logged.
        """
        self._count["failed"] += 1
        self._log_problem(problem, text, log.nonfatal(AGAIN, SEND_IT))

    def _stop(self, error: IngesterError) -> None:
        """Log an error that stops the run, and note the error if it is the first one."""
        self._error = self._error or str(error)[:LONGEST_ERROR]
        self._is_complete = False
        if isinstance(error, ZoomRefused | KeyRefused):
            self._log_problem(str(error)[:200], f"Reconcile is stopped: {error}", STOPPED)
        else:
            logger.warning("Reconcile is stopped until its next run: %s", error)

    def _log_problem(self, problem: str, text: str, extra: dict[str, Any]) -> None:
        is_new = self._is_scheduled and is_due(self._reported, problem, self._now)
        if is_new and problem not in self._new_problems:
            self._new_problems.append(problem)
            logger.error("%s", text, extra=extra)
        else:
            logger.warning("%s", text)

    def _save_state(self) -> None:
        """Note the run in the state. A failure becomes the run's error, unless the run has one."""
        try:
            self._note_run()
        except STATE_ERRORS as error:
            reason = f"{UNNOTED}: {_log_state_error(error, UNNOTED)}"
            self._error = self._error or reason[:LONGEST_ERROR]

    def _note_run(self) -> None:
        run = Run(
            at=timestamps.write(self._deps.clock()),
            how=self._list.how,
            listed=self._count["listed"],
            handed_in=self._count["handed_in"],
            waiting=sum(self._skipped[decision] for decision in WAITING),
            failed=self._count["failed"],
            error=self._error,
        )
        self._deps.state.change(
            lambda state: msgspec.structs.replace(
                state,
                last=run,
                next_user=self._list.user,
                told=with_reported(state.told, self._new_problems, self._now),
                found=self._found_until_now(),
                unanswered=self._unanswered_until_now(),
            )
        )

    def _unanswered_until_now(self) -> list[str]:
        """Return the uuids of the recordings that the next run requests last, in this order.

        If unanswered requests ended the run, the list begins with the recordings in
        `State.unanswered` that this run didn't reach, so that the next run reaches them.
        """
        is_ended = len(self._unanswered) == MAX_UNANSWERED
        return [*(self._untried if is_ended else ()), *self._unanswered_uuids][:MAX_FOUND]

    def _found_until_now(self) -> list[str]:
        """Return the uuids of missed recordings that aren't requested yet, for the next run."""
        if self._is_complete:
            kept = {outcome.uuid for outcome in self._missed if outcome.outcome != REQUESTED}
        else:
            done = {outcome.uuid for outcome in self._missed if outcome.outcome == REQUESTED}
            kept = {*self._found_before} - done
        return [*self._found, *sorted(kept)][:MAX_FOUND]

    def _log_result(self) -> None:
        """Log the result of the run."""
        handed_in = self._count["handed_in"]
        values = {Metric.RECORDINGS_RECONCILED: float(handed_in)}
        # A run with an error sends no 0, because an alarm looks for missing values.
        counts = values if self._is_scheduled and (handed_in or not self._error) else {}
        end = "" if self._is_complete else ", not done with the list: the next run goes on"
        logger.info(
            "Reconciled by %s: %s of %s recordings requested%s",
            LISTS[self._list.how],
            handed_in,
            self._count["listed"],
            end,
            extra={
                "since": timestamps.write(self._begin),
                "failed": self._count["failed"],
                "skipped": {str(decision): count for decision, count in self._skipped.items()},
                **metrics.log_fields(self._deps.settings.stack_name, self._deps.clock(), counts),
            },
        )


def _post(body: bytes, deps: Dependencies) -> None:
    webhook_client.post(
        body,
        url=deps.settings.webhook_url,
        key=deps.secrets.pipeline_signing_key,
        seconds=WEBHOOK_SECONDS,
        session=deps.session,
        sleep=deps.sleep,
        clock=deps.clock,
        monotonic=deps.monotonic,
        random_fraction=deps.random_fraction,
    )
