"""`invoke exec.reconcile`: request ingests of recordings whose webhook event never came."""

from __future__ import annotations

from typing import Any

import msgspec
from invoke import Context, Exit

from cdk.names import RECONCILE
from ingester.errors import BadRequest
from ingester.reconcile.decisions import SINCE, since_of
from ingester.reconcile.report import Report
from ops import terminal
from ops.command import OpsError, command
from ops.printable import printable
from ops.recordings import invocation
from ops.recordings.resending import now
from ops.target import Target, existing_target, target_to_change

LISTS = {"account": "the account's list", "users": "the lists of its users"}


@command(
    help={
        "since": f"how far to look back, also before reconcile's first run: {SINCE}",
        "dry_run": "only say what would be sent to the webhook",
    }
)
def reconcile(_context: Context, since: str = "", dry_run: bool = False) -> None:
    """Ingest recordings whose webhook event never came.

    Without --since, the command looks RECONCILE_DAYS back, as each hourly run does, and leaves out
    recordings that ended before the baseline, the time of reconcile's first run in this stack. An
    hourly run leaves a recording that it finds for the first time to the next run. This command
    requests it immediately.
    """
    event: dict[str, Any] = {"dry_run": dry_run}
    if since.strip():
        # Refuse a wrong period before the call. The error's text begins with "since".
        try:
            since_of(since, now())
        except BadRequest as error:
            raise OpsError(f"--{error}") from None
        event["since"] = since.strip()
    target = existing_target() if dry_run else target_to_change()
    show(report_of(target, event))


def report_of(target: Target, event: dict[str, Any]) -> Report:
    """Run reconcile and return its report.

    Raises:
        OpsError: The function can't be called, fails, or returns only a message (for example, that
            reconcile is off).
        ClientError: See `invocation.call`.
        Exit: ^C was pressed. The run continues.
    """
    name, alias = target.names.function(RECONCILE), target.place.release_alias
    client = target.client("lambda", invocation.CONFIG)
    try:
        with terminal.working("Comparing Zoom's recordings with the ledger"):
            answer = invocation.call(client, name, alias, event)
    except KeyboardInterrupt:
        raise Exit(f"Interrupted: {name} continues automatically.", code=130) from None
    try:
        return msgspec.convert(answer, Report)
    except msgspec.ValidationError:
        said = answer.get("message") if isinstance(answer, dict) else None
        raise OpsError(f"{name}: {str(said or answer)[:300]}") from None


def show(report: Report) -> None:
    """Print the report of a run or of a dry run.

    Raises:
        OpsError: The report has an error, which stopped the run or the storing of the run's result.
    """
    if report.message and not report.listed:
        raise OpsError(report.message)
    lists = LISTS.get(report.how, report.how)
    terminal.say(f"Looked at {lists} since {report.since}: {report.listed} recordings")
    if report.baseline:
        terminal.say(f"The hourly runs take what ended after {report.baseline}.")
    _show_missed(report)
    for why, count in sorted(report.skipped.items()):
        terminal.say(f"Left alone, {why}: {count}")
    missed = len(report.recordings) + report.left_out
    if report.dry_run:
        terminal.say(f"Would be requested: {missed - report.failed}")
    else:
        terminal.say(f"Requested: {report.handed_in}, failed: {report.failed}")
    if report.message:
        raise OpsError(report.message)
    if not report.is_complete:
        terminal.say("The time didn't suffice for the whole list. Run it again.")


def _show_missed(report: Report) -> None:
    """Print the missed recordings, and the reasons of failed requests."""
    if report.recordings:
        terminal.show(
            "Missed",
            ("uuid", "recorded (UTC)", "topic"),
            [
                (
                    recording.uuid,
                    recording.start_time[:16].replace("T", " "),
                    printable(recording.topic),
                )
                for recording in report.recordings
            ],
        )
    for recording in report.recordings:
        if recording.outcome.startswith("failed"):
            terminal.say(f"{recording.uuid} {printable(recording.outcome)}", failed=True)
    if report.left_out:
        terminal.say(f"and {report.left_out} more")
