"""Tests of the output of `invoke recordings`, on terminals of any width and in a pipe."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from ingester.ledger.record import IngestRecord, Outcome, Post, Record
from ingester.pipeline.reasons import ALREADY_THERE, INVALID_SERIES
from ingester.pipeline.states import Origin, State
from ingester.status.diagnosis import PATIENCE, diagnose_each
from ingester.status.row import RequestOptions, StatusRow
from ingester.status.verdict import verdict_of
from ops.recordings.listing import as_json, links_of
from ops.recordings.printing import Listed, show

Printed = Callable[[Listed, int], str]
NOW = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)
RED = "\x1b[1;31m"
UUID = "8dXp112QmuoKj48wAbcdeQ=="


class Terminal(io.StringIO):
    """An output whose `isatty` is true."""

    def isatty(self) -> bool:
        return True


def row(state: State, reason: str = "", *, minutes: float = 0, **more: object) -> StatusRow:
    fields = {
        "zip_id": f"auto-ingest-{UUID}",
        "meeting_id": 95846636714,
        "recording_id": UUID,
        "topic": "Introduction to Machine Learning, Section 3",
        "start_time": "2026-10-14T15:00:00Z",
        "origin": str(Origin.WEBHOOK),
        "ingest_request_time": "2026-10-14T17:00:00Z",
        "files": frozenset({"file"}),
        **more,
    }
    updated = NOW - timedelta(minutes=minutes)
    return StatusRow(state=state, reason=reason, updated=updated, **fields)  # type: ignore[arg-type]


def listed(*rows: StatusRow) -> Listed:
    return Listed(rows, rows, diagnose_each(rows, rows, NOW, PATIENCE))


def missing(number: int) -> StatusRow:
    return row(
        State.UPLOADER_FAILED,
        f"permanent failure: {INVALID_SERIES}",
        zip_id=f"z{number}",
        recording_id=f"{number}{UUID}",
        topic=f"Part {number}",
        oc_series_id="20260112345",
    )


TWICE = (
    row(
        State.IGNORED,
        ALREADY_THERE,
        zip_id="on-demand-1",
        origin=str(Origin.ON_DEMAND),
        ingest_request_time="2026-10-14T18:00:00Z",
    ),
    row(State.SENT_TO_OPENCAST, minutes=60, oc_series_id="20260112345"),
)
LONG_WORDS = (
    row(State.SENT_TO_OPENCAST, oc_series_id="4c05b4f5-7e5c-4d64-a9fc-1aa4bd8d3c4d-of-another"),
    row(
        State.RECORDING_IN_PROGRESS,
        zip_id="b",
        recording_id=f"2{UUID}",
        topic="Donaudampfschifffahrtsgesellschaft 1",
    ),
)
FAILED = (missing(1), row(State.DOWNLOADER_FAILED, "permanent failure: gone"), missing(2))


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> Printed:
    """Return a function that shows rows on a terminal of a given width, and returns the text."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def on_terminal(what: Listed, columns: int) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        out = Terminal()
        with contextlib.redirect_stdout(out):
            show(what)
        return out.getvalue()

    return on_terminal


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_invoke_recordings_prints_a_block_for_each_recording_on_a_narrow_terminal(
    printed: Printed,
) -> None:
    lines = plain(printed(listed(*TWICE), 80)).splitlines()
    assert [line.rstrip() for line in lines] == [
        "Introduction to Machine Learning, Section 3",
        "  Recorded 2026-10-14 15:00 UTC, meeting 95846636714",
        f"  uuid {UUID}",
        "  In Opencast since 2026-10-14 17:30 UTC; a later request was ignored because it",
        "  is there already.",
        "  2026-10-14 18:30  +Zoom: Ignored (IGNORED): It is in Opencast already (Already",
        "  in opencast)",
        "  2026-10-14 17:30  automated: In Opencast (SENT_TO_OPENCAST), series",
        "  20260112345",
        "",
    ]


def test_invoke_recordings_prints_a_table_with_verdicts_on_a_wide_terminal(
    printed: Printed,
) -> None:
    text = plain(printed(listed(*TWICE), 130))
    assert "updated" in text
    assert text.index("In Opencast since") < text.index("Ignored (IGNORED)")
    assert "2 ingests" in text
    # A single ingest needs no verdict above it.
    assert "since" not in plain(printed(listed(TWICE[1]), 130))


def test_invoke_recordings_prints_either_blocks_or_a_table_when_a_topic_has_a_long_word(
    printed: Printed,
) -> None:
    # The longest word of a column decides whether a table fits. A table must not mix with blocks.
    word = "Donaudampfschifffahrtsgesellschaft"
    rows = [msgspec.structs.replace(each, topic=f"HIST E-1010 {word}") for each in TWICE]
    for columns in range(100, 160):
        text = plain(printed(listed(*rows), columns))
        is_table = any("topic" in line and "state" in line for line in text.splitlines())
        assert is_table != ("  Recorded 2026-10-14" in text), columns


@pytest.mark.parametrize("columns", [60, 80, 109, 110, 120, 160])
@pytest.mark.parametrize("rows", [TWICE, FAILED, LONG_WORDS], ids=["twice", "failed", "long"])
def test_invoke_recordings_breaks_no_word_on_a_terminal(
    printed: Printed, columns: int, rows: tuple[StatusRow, ...]
) -> None:
    text = plain(printed(listed(*rows), columns))
    assert max(map(len, text.splitlines())) <= columns
    shown = text.split()
    for known in rows:
        assert known.recording_id in shown
        assert any(f"({known.state})" in word for word in shown)
        assert all(word in text for word in (*known.topic.split(), known.oc_series_id))


@pytest.mark.parametrize("columns", [80, 130])
def test_invoke_recordings_prints_the_requested_series_beside_the_series_of_the_event(
    printed: Printed, columns: int
) -> None:
    asked = RequestOptions(oc_series_id="9999999")
    elsewhere = row(State.SENT_TO_OPENCAST, oc_series_id="20260112345", asked=asked)
    words = plain(printed(listed(elsewhere), columns)).split()
    assert {"asked", "9999999"} <= {word.strip("()") for word in words}
    found = as_json(elsewhere, None)
    assert (found["oc_series_id"], found["asked_oc_series_id"]) == ("20260112345", "9999999")


WAITING = row(
    State.UPLOADER_FAILED,
    "Opencast answered 503 (attempt 2 of 12, next try at 2026-10-14T18:40:00Z)",
    retry_due="2026-10-14T18:40:00Z",
)


@pytest.mark.parametrize("columns", [80, 130, 0])
@pytest.mark.parametrize("others", [(), TWICE[:1]], ids=["alone", "one of two"])
def test_invoke_recordings_prints_the_time_of_the_next_attempt_once(
    printed: Printed,
    capsys: pytest.CaptureFixture[str],
    others: tuple[StatusRow, ...],
    columns: int,
) -> None:
    ingests = listed(WAITING, *others)
    if columns:
        text = plain(printed(ingests, columns))
    else:
        show(ingests)
        text = capsys.readouterr().out
    assert len(re.findall("18:40", text)) == 1
    assert "attempt 2 of 12" in " ".join(text.split()) or columns == 130


def test_invoke_recordings_prints_the_time_of_a_due_attempt_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    due = WAITING.retry_due.replace("18:40", "18:20")
    reason = WAITING.reason.replace("18:40", "18:20")
    show(listed(msgspec.structs.replace(WAITING, retry_due=due, reason=reason)))
    text = capsys.readouterr().out
    assert text.count("18:20") == 1
    assert "due since 2026-10-14T18:20:00Z" in text


def test_invoke_recordings_prints_failures_in_red_only_on_a_terminal_with_colours(
    printed: Printed,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for columns in (80, 130):
        assert f"{RED}Download failed" in printed(listed(*FAILED), columns)
        assert RED not in printed(listed(*TWICE), columns)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[1;31m" not in printed(listed(*FAILED), 80)
    show(listed(*FAILED))
    assert "\x1b" not in capsys.readouterr().out


def test_invoke_recordings_prints_an_ingest_in_one_line_with_its_state_in_a_pipe(
    capsys: pytest.CaptureFixture[str],
) -> None:
    known = row(State.DOWNLOADER_FAILED, "permanent failure: gone", topic="\x1b[2Jhidden")
    show(listed(known))
    header, line, said, step = capsys.readouterr().out.splitlines()[1:]
    assert header.split()[:2] == ["meeting", "topic"]
    assert "\\x1b[2Jhidden" in line
    assert "Download failed (DOWNLOADER_FAILED)" in line
    assert "gone" in line
    assert said == "What to do next:"
    assert step.startswith(
        f"  95846636714 {UUID} (automated): `invoke queue.retry-downloads --uuid"
    )


def test_invoke_recordings_prints_advice_once_for_recordings_with_the_same_cause(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show(listed(*FAILED))
    steps = capsys.readouterr().out.partition("What to do next:\n")[2].splitlines()
    assert steps[0].startswith(f"  95846636714 {UUID} (automated): `invoke queue.retry-downloads")
    assert steps[1] == "  Opencast has no series 20260112345 (2 recordings):"
    assert steps[2].startswith("    Another series: `invoke exec.pipeline UUID --oc-series-id")
    assert steps[3:] == [
        f"      95846636714 1{UUID} (automated) Part 1",
        f"      95846636714 2{UUID} (automated) Part 2",
    ]


def test_invoke_recordings_prints_advice_once_when_both_requests_of_a_recording_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    again = msgspec.structs.replace(
        FAILED[0],
        zip_id="on-demand-9",
        origin=str(Origin.ON_DEMAND),
        ingest_request_time="2026-10-14T18:20:00Z",
    )
    show(listed(again, *FAILED))
    steps = capsys.readouterr().out.partition("What to do next:\n")[2].splitlines()
    assert "  Opencast has no series 20260112345 (2 recordings):" in steps
    named = [line.strip() for line in steps if f" {again.recording_id} (" in line]
    assert named == [f"95846636714 {again.recording_id} (+Zoom) Part 1"]


def test_invoke_recordings_lists_files_and_a_link_when_a_recording_is_in_opencast() -> None:
    there = TWICE[1]
    verdict = verdict_of([there], diagnose_each([there], [there], NOW, PATIENCE))
    post = Post(attempt="a", at="2026-10-14T17:30:00Z", outcome=Outcome.TAKEN)
    files = {"1": "gallery_view 15:00", "2": "chat 15:00"}
    ingest = IngestRecord(zip_id=there.zip_id, series="S", files=files, posts=(post,))
    record = Record(uuid=UUID, ingests={"mp": ingest})
    assert links_of(record, verdict, "https://oc.example.edu/") == [
        "Files in Opencast: chat 15:00, gallery_view 15:00",
        "In Opencast's editor: https://oc.example.edu/editor-ui/index.html?id=mp",
    ]
    assert links_of(record, verdict, "") == ["Files in Opencast: chat 15:00, gallery_view 15:00"]
    assert links_of(Record(uuid=UUID), verdict, "https://oc.example.edu") == []
