"""Runs of reconcile that an operator starts."""

from __future__ import annotations

import logging

import pytest

from tests.unit.functions.reconcile.harness import Harness, named


def test_dry_run_of_reconcile_lists_the_recordings_that_a_run_would_request(
    harness: Harness,
) -> None:
    harness.begin()
    harness.zoom.add(named("missed=="))
    harness.zoom.add(named("known=="))
    harness.note_request("known==")
    before = harness.state()
    report = harness.run({"dry_run": True})
    assert report["recordings"] == [
        {
            "uuid": "missed==",
            "meeting_id": 95846636714,
            "topic": "HIST E-10",
            "start_time": "2026-10-14T15:00:00Z",
            "outcome": "would be requested",
        }
    ]
    assert (report["handed_in"], report["skipped"], report["dry_run"]) == (0, {"known": 1}, True)
    assert not harness.hook.requests
    assert harness.state() == before


def test_reconcile_by_an_operator_requests_a_recording_that_no_earlier_run_has_found(
    harness: Harness,
) -> None:
    harness.begin()
    harness.zoom.add(named("missed=="))
    assert harness.run({})["handed_in"] == 1


def test_dry_run_of_reconcile_reports_the_effect_of_a_first_run_and_sets_no_baseline(
    harness: Harness,
) -> None:
    harness.zoom.add(named("earlier=="))
    report = harness.run({"dry_run": True})
    assert (report["baseline"], report["message"]) == ("2026-10-14T18:30:00Z", "")
    assert (report["listed"], report["skipped"]) == (1, {"before the baseline": 1})
    assert not harness.aws.recordings.scan()["Items"]
    dry = harness.run({"dry_run": True, "since": "5d"})
    assert (dry["baseline"], len(dry["recordings"])) == ("", 1)


def test_reconcile_by_an_operator_requests_recordings_from_before_the_baseline(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.begin("2026-10-14T18:00:00Z")
    harness.zoom.add(named("old==", start_time="2026-10-10T15:00:00Z"))
    with caplog.at_level(logging.INFO, "ingester.reconcile"):
        report = harness.run({"since": "5d"})
    assert (report["since"], report["handed_in"]) == ("2026-10-09T18:30:00Z", 1)
    assert harness.requested_uuids() == ["old=="]
    # A run with `since` writes no metric for the alarm, and isn't noted in the state.
    assert "RecordingsReconciled" not in vars(caplog.records[-1])
    assert "last" not in harness.state() or not harness.state()["last"]


def test_reconcile_by_an_operator_requests_missed_recordings_when_reconcile_days_is_0(
    harness: Harness,
) -> None:
    harness.set_up(reconcile_days=0)
    harness.zoom.add(named("a=="))
    assert harness.run({"since": "2026-10-14"})["handed_in"] == 1


def test_reconcile_by_an_operator_sets_the_baseline_when_the_run_is_the_first(
    harness: Harness,
) -> None:
    harness.zoom.add(named("a=="))
    assert harness.run({"since": "1d"})["handed_in"] == 1
    assert harness.state()["baseline"] == "2026-10-14T18:30:00Z"


@pytest.mark.parametrize(
    "since", ["yesterday", "31d", "0d", "5", "2026-10-15", "2026-02-30", "2026-01-01", "-1d"]
)
def test_reconcile_by_an_operator_answers_with_one_sentence_when_the_field_since_is_invalid(
    harness: Harness, since: str
) -> None:
    said = harness.run({"since": since})["message"]
    assert said == (
        f"since {since!r} has to be a number of days or hours, like 5d or 12h, or a date like "
        "2026-10-14 (UTC), at most 30 days back."
    )
    assert not harness.zoom.requests


@pytest.mark.parametrize("event", [{"days": 3}, {"since": 5}, {"dry_run": "yes"}])
def test_reconcile_by_an_operator_answers_with_an_example_when_the_lambda_event_is_invalid(
    harness: Harness, event: dict[str, object]
) -> None:
    assert harness.run(event)["message"].startswith('Ask with {"since": "5d", "dry_run": true}: ')
    assert not harness.zoom.requests
