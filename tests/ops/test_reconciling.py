"""Tests of `invoke exec.reconcile`, and of reconcile's last run in `invoke stack.status`."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from botocore.response import StreamingBody
from invoke import Context, Exit

from ingester.reconcile.report import Outcome, Report
from ingester.reconcile.state_table import KEY
from ops.code.releases import Releases
from ops.command import OpsError
from ops.recordings import reconciling
from ops.stack import overview
from tests.cloud import Clock, Cloud
from tests.ops.aws_answers import released_function, target_answering

MISSED = Outcome(
    uuid="xoTo+WaQTl2gLEzeEVfGbg==",
    meeting_id=95846636714,
    topic="HIST E-10 \x1b[31m",
    start_time="2026-10-14T15:00:00Z",
    outcome="would be requested",
)


def report(**changes: Any) -> Report:
    known: dict[str, Any] = {
        "since": "2026-10-11T18:30:00Z",
        "baseline": "2026-10-01T00:00:00Z",
        "how": "users",
        "dry_run": True,
        "listed": 4,
        "handed_in": 0,
        "failed": 0,
        "skipped": {"known": 2, "ended less than an hour ago": 1},
        "is_complete": True,
        "recordings": [MISSED],
        "left_out": 0,
    }
    return Report(**{**known, **changes})


def test_reconcile_is_called_with_the_options_of_the_operator() -> None:
    raw = b'{"message": "Reconcile is off in this stack."}'
    answer = {"StatusCode": 200, "Payload": StreamingBody(io.BytesIO(raw), len(raw))}
    target = target_answering({"lambda.Invoke": (200, answer)}, "zip")
    requests: list[str] = []
    target.session.events.register(
        "provide-client-params.lambda.Invoke",
        lambda params, **_: requests.append(params["Payload"]),
    )
    with pytest.raises(OpsError, match="zip-zoom-reconcile: Reconcile is off in this stack"):
        reconciling.report_of(target, {"since": "5d", "dry_run": True})
    assert [json.loads(request) for request in requests] == [{"since": "5d", "dry_run": True}]


def test_the_report_of_a_reconcile_dry_run_fits_into_eighty_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reconciling.show(report())
    printed = capsys.readouterr().out
    assert all(len(line) <= 80 for line in printed.splitlines())
    assert "xoTo+WaQTl2gLEzeEVfGbg==" in printed
    assert "\x1b" not in printed
    assert "Looked at the lists of its users since 2026-10-11T18:30:00Z: 4 recordings" in printed
    assert "Left alone, ended less than an hour ago: 1" in printed
    assert "Would be requested: 1" in printed


def test_the_report_of_a_reconcile_run_lists_failures(capsys: pytest.CaptureFixture[str]) -> None:
    failed = Outcome(
        uuid="b==",
        meeting_id=1,
        topic="",
        start_time="",
        outcome="failed: The webhook answered 400.",
    )
    reconciling.show(
        report(dry_run=False, handed_in=1, failed=1, recordings=[MISSED, failed], is_complete=False)
    )
    printed = capsys.readouterr().out
    assert "b== failed: The webhook answered 400." in printed
    assert "Requested: 1, failed: 1" in printed
    assert "Run it again." in printed


def test_error_of_a_reconcile_report_is_raised_and_nothing_is_printed_when_no_recording_was_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(OpsError, match="Zoom's API answered 500"):
        reconciling.show(report(message="Zoom's API answered 500.", listed=0, recordings=[]))
    assert capsys.readouterr().out == ""


def test_showing_a_reconcile_report_raises_an_error_when_the_run_was_stopped() -> None:
    with pytest.raises(OpsError, match="does not contain scopes"):
        reconciling.show(report(message="… does not contain scopes:[x]."))


@pytest.mark.parametrize("since", ["yesterday", "31d", "--dry-run"])
def test_invoke_exec_reconcile_refuses_a_wrong_since_option_with_a_one_line_error(
    since: str,
) -> None:
    with pytest.raises(Exit) as caught:
        reconciling.reconcile(Context(), since=since)
    assert str(caught.value).startswith(f"--since '{since}' has to be a number of days or hours")
    assert "\n" not in str(caught.value)


def status_of_reconcile(aws: Cloud, clock: Clock, days: str, **item: Any) -> str:
    """Write `item`, if given, as reconcile's state. Return the overview's sentence on reconcile."""
    target = target_answering(released_function(RECONCILE_DAYS=days))
    if item:
        aws.recordings.put_item(Item={"uuid": KEY, "baseline": "2026-10-01T00:00:00Z", **item})
    releases = Releases(target.client("lambda"), target.names, "live")
    return overview.reconcile_sentence(target, releases, clock())


@pytest.mark.parametrize(
    ("days", "item", "said"),
    [
        ("0", {}, "off (RECONCILE_DAYS is 0)"),
        ("3", {}, "hasn't run yet"),
        ("3", {"version": 1}, "hasn't run yet"),
        (
            "3",
            {"last": {"at": "2026-10-14T18:05:00Z"}},
            "last run 2026-10-14T18:05:00Z, 25 min 0 s ago: nothing missing",
        ),
        (
            "3",
            {"last": {"at": "2026-10-14T18:30:00Z", "handed_in": 2}},
            "last run 2026-10-14T18:30:00Z, - ago: 2 requested",
        ),
        (
            "3",
            {"last": {"at": "2026-10-14T18:05:00Z", "error": "No scope."}},
            "last run 2026-10-14T18:05:00Z, 25 min 0 s ago. No scope.",
        ),
    ],
)
def test_stack_status_describes_the_setting_and_the_last_run_of_reconcile(
    aws: Cloud, clock: Clock, days: str, item: dict[str, Any], said: str
) -> None:
    assert status_of_reconcile(aws, clock, days, **item) == said


def test_stack_status_says_that_the_state_of_reconcile_cannot_be_read_when_it_is_malformed(
    aws: Cloud, clock: Clock
) -> None:
    assert "can't be read" in status_of_reconcile(aws, clock, "3", last="never")


def test_stack_status_says_that_the_last_reconcile_run_is_unreadable_when_the_ledger_is_missing(
    aws: Cloud, clock: Clock
) -> None:
    aws.recordings.delete()
    assert (
        status_of_reconcile(aws, clock, "3")
        == "its last run can't be read (ResourceNotFoundException)"
    )
