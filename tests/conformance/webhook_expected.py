"""The webhook's expected messages and rows for a case, by the rules for each request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.conformance import webhook_rules as rules
from tests.conformance.webhook_rules import Outcome, Request

NEW_IN_FILES = {"file_size", "file_extension", "status"}
CHANGED_WITH_THE_STATE = {"pipeline_state", "reason", "update_date", "update_time"}
SUBJECT = {
    "meeting_id": "id",
    "topic": "topic",
    "recording_start_time": "start_time",
}
"""Fields of Zoom's object, by the row's attribute with the same content."""

Case = dict[str, Any]
Row = dict[str, Any]
Message = dict[str, Any]


@dataclass
class RowHistory:
    """The requests about one row, and the attributes that may differ from the recorded row."""

    requests: list[Request] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    known_files: set[str] | None = None
    differs: set[str] = field(default_factory=set)
    is_ours_alone: bool = False

    @property
    def states(self) -> set[str]:
        """The states that the row may have.

        The set is empty if the row must have its recorded state.
        """
        if Outcome.ACCEPTED in self.outcomes:
            return {"SENT_TO_DOWNLOADER"}
        found = {Outcome.FAILED: "WEBHOOK_FAILED", Outcome.IGNORED: "IGNORED"}
        return {state for outcome, state in found.items() if outcome in self.outcomes}

    def may_say(self, name: str) -> set[Any]:
        """Return the values that the row may have for the attribute `name`."""
        key = SUBJECT[name]
        values = {str(rules.object_of(request).get(key) or "") for request in self.requests}
        # The webhook doesn't write an invalid value.
        return values | {""} if self.is_ours_alone else values


@dataclass
class Expected:
    """The rows' histories by zip id, and the requests for which the webhook has to send a message.

    Each request has its recorded message, or None if the first system sent none.
    """

    histories: dict[str, RowHistory]
    messages: list[tuple[Request, Message | None]]


def expected_of(case: Case) -> Expected:
    """Return the messages and rows that the webhook has to write for a case.

    Also check that each recorded message belongs to a request.
    """
    recorded: Iterator[Message] = iter(case["download_queue"])
    found = Expected({}, [])
    for step in case["steps"]:
        request, status = step["request"], step["status_code"]
        message = next(recorded) if rules.is_ingest(request) and status == 200 else None
        outcome = rules.outcome(request, status)
        if outcome is Outcome.REFUSED or not rules.zip_id_of(request):
            continue
        history = found.histories.setdefault(rules.zip_id_of(request), RowHistory())
        is_new = _follow(history, request, outcome, status)
        if is_new:
            found.messages.append((request, message))
    assert next(recorded, None) is None, "the recorded queue has a message that nobody sent"
    return found


def _follow(history: RowHistory, request: Request, outcome: Outcome, recorded: int) -> bool:
    """Add a request to its row's history. Return whether the webhook has to send a message."""
    is_late = outcome is not Outcome.ACCEPTED and bool(history.states)
    history.requests.append(request)
    history.outcomes.append(outcome)
    if is_late:
        # Section 2 of the specification: "A Zoom-side state never replaces […] [fixed] any
        # pipeline state". The state of a refused request doesn't replace such a state either.
        history.differs |= {*CHANGED_WITH_THE_STATE, "ingest_request_time"}
    if outcome is Outcome.FAILED:
        history.differs |= {*CHANGED_WITH_THE_STATE, "ingest_request_time"}
        history.is_ours_alone = True
    if outcome in (Outcome.ACCEPTED, Outcome.IGNORED) and _is_ours(request, recorded):
        history.differs |= {*CHANGED_WITH_THE_STATE, "ingest_request_time", "origin"}
        history.is_ours_alone = True
        if not rules.is_fixed(request):
            history.differs |= set(SUBJECT)
    if outcome is not Outcome.ACCEPTED:
        return False
    # Section 3 of the specification, Duplicates [fixed]: requests with the same webhook event, uuid
    # and file ids put one message on the queue.
    files = {str(file["id"]) for file in rules.needed_files(request) if file.get("id")}
    if history.known_files is not None and files <= history.known_files:
        return False
    history.known_files = (history.known_files or set()) | files
    return True


def _is_ours(request: Request, recorded: int) -> bool:
    """Return whether the first system refused a request that is valid for the webhook."""
    return recorded == 400 and (rules.is_asked_of_zoom(request) or rules.is_fixed(request))


def check_messages(expected: Expected, sent: list[Message]) -> None:
    """Check that the webhook sent the expected messages in order, and no other message."""
    assert len(sent) == len(expected.messages)
    for message, (request, recorded) in zip(sent, expected.messages, strict=True):
        body = message["body"]
        if recorded is not None:
            files = [without(file, NEW_IN_FILES) for file in body["recording_files"]]
            assert {**message, "body": {**body, "recording_files": files}} == recorded
            continue
        assert body["uuid"] == rules.uuid_of(request)
        assert body["zip_id"] == rules.zip_id_of(request)
        # The downloader asks Zoom's API for the fields that a partial message lacks.
        assert body.get("is_partial", False) is not rules.is_fixed(request)


def check_rows(expected: Expected, rows: list[Row], recorded_rows: list[Row]) -> None:
    """Check the rows against the recorded rows, except for attributes that may differ."""
    ours = {row["zip_id"]: row for row in rows}
    recorded = {row["zip_id"]: row for row in recorded_rows}
    alone = {
        zip_id
        for zip_id, history in expected.histories.items()
        if history.is_ours_alone and zip_id not in recorded
    }
    assert set(ours) == set(recorded) | alone
    for zip_id, row in ours.items():
        history = expected.histories.get(zip_id, RowHistory())
        if history.states and history.differs:
            assert row["pipeline_state"] in history.states
        if row["pipeline_state"] == "WEBHOOK_FAILED":
            assert row["reason"]
        if zip_id in alone:
            _check_subject(history, row)
            continue
        differing = {name for name in SUBJECT if len(history.may_say(name)) > 1}
        if differing:
            _check_subject(history, row)
        may_differ = history.differs | differing
        assert without(row, may_differ) == without(recorded[zip_id], may_differ)


def _check_subject(history: RowHistory, row: Row) -> None:
    """Check each attribute of SUBJECT against the values that the row may have."""
    for name in SUBJECT:
        assert str(row.get(name, "")) in history.may_say(name)


def without(row: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in names}
