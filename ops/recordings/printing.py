"""Print recordings: blocks on a narrow terminal, a table on a wide terminal, lines in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from rich.console import Console
from rich.padding import Padding
from rich.table import Column
from rich.text import Text

from ingester.pipeline.states import Origin
from ingester.status.advice import phrases
from ingester.status.causes import by_cause
from ingester.status.diagnosis import Diagnosis, Situation
from ingester.status.row import StatusRow
from ingester.status.verdict import Verdict, verdicts_of
from ingester.status.words import (
    reason_of,
    reason_with_code,
    series_words,
    state_with_code,
    without_next_attempt,
)
from ops import terminal
from ops.printable import printable, table_time
from ops.terminal import FAILED_STYLE

NARROW = 110
"""Minimum width in characters of a terminal for a table. A table with long words needs more."""

BETWEEN_COLUMNS = 4
"""Maximum width in characters of the lines and spaces between two columns of a table."""

KINDS = {Origin.WEBHOOK: "automated", Origin.ON_DEMAND: "+Zoom"}
COLUMNS = (
    "meeting",
    "topic",
    "recorded (UTC)",
    "kind",
    "state",
    "reason",
    "series",
    "requested",
    "updated",
    "uuid",
)
TERMINAL_COLUMNS = (
    "uuid\nmeeting",
    "topic\nrecorded (UTC)",
    "state\nreason",
    "kind\nseries",
    "updated\nrequested",
)
"""The table's columns on a terminal. A cell has two values, so the table has room for uuids."""


@dataclass(frozen=True)
class Listed:
    """Ingests to print, with the diagnoses of all ingests of the same recordings.

    `rows` are the ingests to print. `every` has all ingests of the same recordings, and may have
    ingests of other recordings. `diagnoses` has the diagnoses by zip id. `links` are lines about a
    recording, by the recording's uuid.
    """

    rows: Sequence[StatusRow]
    every: Sequence[StatusRow]
    diagnoses: Mapping[str, Diagnosis]
    links: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def verdicts(self) -> dict[str, Verdict]:
        return verdicts_of(self.every, self.diagnoses, lambda when: f"{table_time(when)[:16]} UTC")

    def recordings(self) -> list[list[StatusRow]]:
        """Return the ingests to print, grouped by recording in the order of the first ingest."""
        found: dict[str, list[StatusRow]] = {}
        for row in self.rows:
            found.setdefault(row.recording_id or row.zip_id, []).append(row)
        return list(found.values())

    def has_failed(self, row: StatusRow) -> bool:
        return self.diagnoses[row.zip_id].has_failed


def kind(row: StatusRow) -> str:
    """Return the words for the ingest's origin: "automated", "+Zoom" or "-"."""
    return next((word for origin, word in KINDS.items() if row.origin == origin), "-")


def shown_reason(row: StatusRow, listed: Listed, verdict: Verdict | None = None) -> str:
    """Return the text of a row's reason for a list.

    The time of the next attempt is left out if the verdict above the row or the step below the list
    contains that time.
    """
    situation = listed.diagnoses[row.zip_id].situation
    is_in_verdict = verdict is not None and verdict.ingest.zip_id == row.zip_id
    if situation is Situation.RETRY_DUE or (
        situation is Situation.RETRY_SCHEDULED and is_in_verdict
    ):
        return printable(without_next_attempt(row))
    return printable(reason_with_code(row))


def steps_of(rows: Sequence[StatusRow], diagnoses: Mapping[str, Diagnosis]) -> dict[str, str]:
    """Return the operator's next step for each ingest that needs a step, by zip id."""
    said = {row.zip_id: phrases(row, diagnoses[row.zip_id]).operator for row in rows}
    return {zip_id: step for zip_id, step in said.items() if step}


def short_time(wire: str) -> str:
    """Return a timestamp for a table, without `T`, seconds and `Z`; "-" for an empty text."""
    return printable(wire[:16].replace("T", " ")) or "-"


def cells(row: StatusRow, reason: str) -> tuple[str, ...]:
    """Return a row's cells in the order of COLUMNS. `reason` is the text from `shown_reason`."""
    return (
        str(row.meeting_id or "-"),
        printable(row.topic) or "-",
        short_time(row.start_time),
        kind(row),
        state_with_code(row.state),
        reason or "-",
        printable(series_words(row)) or "-",
        short_time(row.ingest_request_time),
        table_time(row.updated),
        printable(row.recording_id) or "-",
    )


def show(listed: Listed) -> None:
    """Print ingests, with links and the next steps below the list."""
    console = terminal.console()
    if not sys.stdout.isatty():
        terminal.show(
            "Recordings", COLUMNS, [cells(row, shown_reason(row, listed)) for row in listed.rows]
        )
    else:
        rows = table_of(listed)
        widths = longest_words(rows)
        if console.width < max(NARROW, sum(widths) + BETWEEN_COLUMNS * len(widths)):
            show_blocks(listed, console)
        else:
            columns = [
                Column(header, overflow="fold", min_width=width)
                for header, width in zip(TERMINAL_COLUMNS, widths, strict=True)
            ]
            terminal.show("Recordings", columns, rows, lambda: show_blocks(listed, console))
    for recording in listed.recordings():
        for line in listed.links.get(recording[0].recording_id, ()):
            terminal.say(printable(line))
    say_next_steps(listed, console)


def show_blocks(listed: Listed, console: Console) -> None:
    """Print a block for each recording, with the recording's verdict and ingests."""
    verdicts = listed.verdicts()
    for recording in listed.recordings():
        first = recording[0]
        verdict = verdicts.get(first.recording_id)
        console.print(Text(printable(first.topic) or "Without a topic", style="bold"))
        about = f"Recorded {short_time(first.start_time)} UTC, meeting {first.meeting_id or '-'}"
        lines = [Text(about), Text(f"uuid {printable(first.recording_id) or '-'}")]
        if verdict:
            style = FAILED_STYLE if verdict.needs_attention else ""
            lines.append(Text(printable(verdict.text), style=style))
        lines += [_ingest(row, listed, verdict) for row in recording]
        for line in lines:
            console.print(Padding(line, (0, 0, 0, 2), expand=False))
        console.print()


def _ingest(row: StatusRow, listed: Listed, verdict: Verdict | None) -> Text:
    text = Text(f"{table_time(row.updated)[:16]}  {kind(row)}: ")
    text.append(state_with_code(row.state), style=FAILED_STYLE if listed.has_failed(row) else "")
    if row.oc_series_id:
        text.append(f", series {printable(series_words(row))}")
    if row.reason:
        text.append(f": {shown_reason(row, listed, verdict)}")
    return text


def table_of(listed: Listed) -> list[tuple[str | Text, ...]]:
    """Return the table's rows: a row for each ingest.

    If several ingests of a recording are shown, a row with the verdict precedes the ingests' rows.
    """
    verdicts = listed.verdicts()
    rows: list[tuple[str | Text, ...]] = []
    for recording in listed.recordings():
        verdict = verdicts.get(recording[0].recording_id)
        if len(recording) == 1:
            verdict = None
        if verdict:
            meeting, topic, recorded, *_, uuid = cells(recording[0], "")
            what = (f"{uuid}\n{meeting}", f"{topic}\n{recorded}", printable(verdict.text))
            rows.append((*what, f"{len(recording)} ingests", ""))
        rows += [_stacked(row, listed, verdict) for row in recording]
    return rows


def longest_words(rows: Sequence[Sequence[str | Text]]) -> list[int]:
    """Return the length of the longest word of each column of the table."""
    columns = zip(TERMINAL_COLUMNS, *rows, strict=True)
    return [max(len(word) for cell in column for word in str(cell).split()) for column in columns]


def _stacked(row: StatusRow, listed: Listed, verdict: Verdict | None) -> tuple[str | Text, ...]:
    meeting, topic, recorded, kind, state, reason, series, requested, updated, uuid = cells(
        row, shown_reason(row, listed, verdict)
    )
    said = Text(state, style=FAILED_STYLE if listed.has_failed(row) else "")
    said.append(f"\n{reason}", style="not bold default" if listed.has_failed(row) else "")
    return (
        f"{uuid}\n{meeting}",
        f"{topic}\n{recorded}",
        said,
        f"{kind}\n{series}",
        f"{updated[:16]}\n{requested}",
    )


def say_next_steps(listed: Listed, console: Console) -> None:
    """Print the next steps, one step for all recordings with the same cause (`by_cause`)."""
    steps = steps_of(listed.rows, listed.diagnoses)
    # A scheduled retry needs no step, and the list has the retry's time.
    rows = [
        row
        for row in listed.rows
        if row.zip_id in steps
        and listed.diagnoses[row.zip_id].situation is not Situation.RETRY_SCHEDULED
    ]
    groups = by_cause(rows, listed.diagnoses).values()
    alone = [some[0] for some in groups if len(some) == 1]
    lines = [(2, f"{_name(row)}: {steps[row.zip_id]}") for row in alone]
    for some in (some for some in groups if len(some) > 1):
        # For a row without a uuid, the phrase contains the placeholder UUID.
        any_of = msgspec.structs.replace(some[0], recording_id="")
        what = reason_of(some[0]).rstrip(".") or state_with_code(some[0].state)
        lines.append((2, f"{what} ({len(some)} recordings):"))
        lines.append((4, phrases(any_of, listed.diagnoses[some[0].zip_id]).operator))
        lines += [(6, f"{_name(row)} {row.topic}".rstrip()) for row in some]
    if lines:
        terminal.say("What to do next:")
    for indent, line in lines:
        if sys.stdout.isatty():
            console.print(Padding(Text(printable(line)), (0, 0, 0, indent), expand=False))
        else:
            terminal.say(f"{'':<{indent}}{printable(line)}")


def _name(row: StatusRow) -> str:
    return f"{row.meeting_id} {row.recording_id} ({kind(row)})"
