"""Unit tests of reconcile's decisions, problems and last run, and of an operator's search."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingester.errors import BadRequest
from ingester.ledger.record import Record, with_files, with_sent
from ingester.reconcile.decisions import (
    MAX_PROBLEMS,
    Check,
    Decision,
    ListedRecording,
    Run,
    State,
    check_of,
    decision_on,
    is_due,
    is_known,
    since_of,
    with_reported,
)

NOW = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)
VIDEO = {"file_type": "MP4", "status": "completed"}


def listed(*files: dict[str, Any], start: str = "2026-10-14T15:00:00Z") -> ListedRecording:
    return ListedRecording(
        uuid="a==", id=1, start_time=start, duration=60, recording_files=list(files)
    )


@pytest.mark.parametrize(
    ("files", "decision"),
    [
        ((VIDEO,), Decision.MISSED),
        (({"file_type": "mp4"},), Decision.MISSED),
        ((VIDEO, {"file_type": "TIMELINE"}), Decision.MISSED),
        ((VIDEO, {"file_type": "M4A", "status": "processing"}), Decision.UNFINISHED),
        (({"file_type": "", "status": "processing"},), Decision.UNFINISHED),
        (({"file_type": "CHAT", "status": "completed"},), Decision.NO_VIDEO),
        ((), Decision.UNFINISHED),
        (({"file_type": None, "status": 3},), Decision.NO_VIDEO),
    ],
)
def test_recording_counts_as_missed_only_when_its_files_are_finished_and_include_a_video(
    files: tuple[dict[str, Any], ...], decision: Decision
) -> None:
    assert decision_on(listed(*files), NOW, None) is decision


@pytest.mark.parametrize(
    ("start", "baseline", "decision"),
    [
        ("2026-10-14T16:30:00Z", None, Decision.MISSED),
        ("2026-10-14T16:30:01Z", None, Decision.RECENT),
        ("9999-12-31T22:30:00Z", None, Decision.RECENT),
        ("2026-10-14T15:00:00Z", "16:00", Decision.MISSED),
        ("2026-10-14T15:00:00Z", "16:01", Decision.TOO_OLD),
        ("2026-10-14T17:00:00Z", "18:01", Decision.TOO_OLD),
    ],
)
def test_recording_counts_as_missed_an_hour_after_its_end_unless_the_baseline_is_later(
    start: str, baseline: str | None, decision: Decision
) -> None:
    begin = datetime.fromisoformat(f"2026-10-14T{baseline}:00+00:00") if baseline else None
    assert decision_on(listed(VIDEO, start=start), NOW, begin) is decision


@pytest.mark.parametrize("file_id", [["f"], {"f": 1}, 7, None, "other"])
def test_recording_is_not_known_when_the_id_of_its_file_at_zoom_is_malformed_or_unknown(
    file_id: object,
) -> None:
    asked = with_files(Record(uuid="a=="), {"f": "x"}, NOW)
    sent = with_sent(asked, "auto-ingest-a==", ["f"])
    assert is_known(sent, listed({**VIDEO, "id": "f"}))
    assert not is_known(sent, listed({**VIDEO, "id": file_id}))


def test_problem_of_reconcile_is_due_to_be_logged_again_after_a_day() -> None:
    logged = with_reported({}, ["a"], NOW)
    assert not is_due(logged, "a", NOW + timedelta(hours=23))
    assert is_due(logged, "a", NOW + timedelta(hours=24))
    assert is_due(logged, "b", NOW)


def test_logged_problems_of_reconcile_are_dropped_when_they_are_a_day_old_or_too_many() -> None:
    logged = with_reported({}, ["old"], NOW - timedelta(days=1))
    many = [str(number) for number in range(MAX_PROBLEMS + 5)]
    assert len(with_reported(logged, many, NOW)) == MAX_PROBLEMS
    assert "old" not in with_reported(logged, ["new"], NOW)


def state(at: str, error: str = "") -> State:
    return State(baseline="2026-10-01T00:00:00Z", last=Run(at=at, handed_in=2, error=error))


@pytest.mark.parametrize(
    ("current", "days", "check"),
    [
        (state("2026-10-14T18:00:00Z"), 0, None),
        (None, 3, Check()),
        (State(baseline="2026-10-01T00:00:00Z"), 3, Check()),
        (state("2026-10-14T18:00:00Z"), 3, Check(at="2026-10-14T18:00:00Z", handed_in=2)),
        (
            state("2026-10-14T15:30:00Z"),
            3,
            Check(at="2026-10-14T15:30:00Z", handed_in=2, problem="It hasn't run for 3 hours."),
        ),
        (
            state("2026-10-14T18:00:00Z", "No scope."),
            3,
            Check(at="2026-10-14T18:00:00Z", handed_in=2, problem="No scope."),
        ),
    ],
)
def test_check_of_reconcile_has_a_problem_only_when_the_last_run_is_old_or_failed(
    current: State | None, days: int, check: Check | None
) -> None:
    assert check_of(current, days, NOW) == check


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("30d", NOW - timedelta(days=30)),
        ("720h", NOW - timedelta(days=30)),
        ("2026-09-14", datetime(2026, 9, 14, tzinfo=UTC)),
    ],
)
def test_search_of_an_operator_may_start_30_days_back(text: str, start: datetime) -> None:
    assert since_of(text, NOW) == start


@pytest.mark.parametrize("text", ["31d", "721h", "743h", "2026-09-13"])
def test_search_of_an_operator_is_refused_when_it_starts_more_than_30_days_back(text: str) -> None:
    with pytest.raises(BadRequest, match="at most 30 days back"):
        since_of(text, NOW)
