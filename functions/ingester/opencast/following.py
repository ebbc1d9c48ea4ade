"""Decide what became of an ingest in Opencast, and when to ask Opencast again."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from ingester import timestamps
from ingester.ledger.record import Fate, Following
from ingester.opencast.processing import ENDED, News, Workflow, WorkflowState
from ingester.pipeline.states import State

LONGEST = timedelta(days=7)
"""Maximum duration of a follow-up, whatever became of the ingest."""

SHORTEST_PAUSE = timedelta(minutes=2)
LONGEST_PAUSE = timedelta(hours=6)

PAUSES_IN_AGE = 4
"""Divisor of a follow-up's age that gives the wait before the next poll of Opencast. A workflow of
an hour takes about 13 polls."""

ABSENT = timedelta(hours=1)
"""Time without an event in Opencast after which the event counts as deleted. Opencast's index may
lack an event for a while, for example during a rebuild."""

STATES = {
    Fate.PUBLISHED: State.PUBLISHED,
    Fate.FAILED: State.OPENCAST_FAILED,
    Fate.DELETED: State.OPENCAST_DELETED,
}
"""States of an ingest's status row, by the ingest's fate."""


def fate_of(news: News) -> Fate | None:
    """Return what has become of an ingest so far; None while a workflow runs, or without an event.

    The result is also None after a workflow that succeeds without publishing, because a person may
    have to cut the video. FAILED may still become PUBLISHED. `_with_news` decides on DELETED.
    """
    event, workflow = news.event, news.workflow
    if event is None or (workflow and workflow.state not in ENDED):
        return None
    # The event's state is that of its last workflow, such as a person's repair.
    states = {event.state, workflow.state if workflow else None}
    if event.is_published and WorkflowState.SUCCEEDED in states:
        return Fate.PUBLISHED
    own = workflow.state if workflow else event.state
    if own in (WorkflowState.FAILED, WorkflowState.STOPPED):
        return Fate.FAILED
    return None


def after_poll(following: Following, news: News | None, now: datetime) -> Following:
    """Return the follow-up after a poll of Opencast. `news` is None without a usable answer."""
    if news is not None:
        following = _with_news(following, news, now)
    is_final = following.fate in (Fate.PUBLISHED, Fate.DELETED)
    due = "" if is_final else _next_question(following, now)
    return replace(following, due=due)


def is_given_up(following: Following) -> bool:
    """Return whether the follow-up has ended while the ingest's fate is unknown."""
    return not following.due and following.fate is None


def _with_news(following: Following, news: News, now: datetime) -> Following:
    if news.event is None:
        since = following.missing_since or timestamps.write(now)
        is_deleted = now - timestamps.parse(since) >= ABSENT
        fate = Fate.DELETED if is_deleted else following.fate
        return replace(following, missing_since=since, fate=fate)
    return replace(following, missing_since="", fate=fate_of(news) or following.fate)


def _next_question(following: Following, now: datetime) -> str:
    since = timestamps.parse(following.since)
    age = now - since
    if age >= LONGEST:
        return ""
    pause = min(max(age / PAUSES_IN_AGE, SHORTEST_PAUSE), LONGEST_PAUSE)
    return timestamps.write(min(now + pause, since + LONGEST))


def reason_of(fate: Fate, workflow: Workflow | None, said: str) -> str:
    """Return the reason why an ingest failed or was deleted; "" for a published ingest.

    `workflow` is None if the workflow is unknown. `said` is Opencast's own text about the failed
    operation; "" without such a text.
    """
    if fate is Fate.DELETED:
        return "Its event isn't in Opencast any more: somebody has deleted it there."
    if fate is not Fate.FAILED:
        return ""
    if workflow and workflow.state is WorkflowState.STOPPED:
        return "Somebody has stopped its workflow in Opencast."
    operation = f"operation {workflow.operation}" if workflow and workflow.operation else "workflow"
    return f"Opencast's {operation} failed: {said}" if said else f"Opencast's {operation} failed."


def reason_of_giving_up(news: News | None) -> str:
    """Return a sentence that says how far an ingest got until its follow-up was given up.

    `news` is None if the last poll got no usable answer.
    """
    days = LONGEST.days
    if news is None:
        return f"Opencast hasn't told for {days} days what became of the ingest."
    if news.event is None:
        return f"Opencast doesn't show the event, {days} days after the ingest."
    workflow = news.workflow
    if workflow and workflow.state not in ENDED:
        at = f" at operation {workflow.operation}" if workflow.operation else ""
        return f"Its workflow in Opencast is {workflow.state}{at} after {days} days."
    return f"Opencast hasn't published it in {days} days, though its workflow has ended."
