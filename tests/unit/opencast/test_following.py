"""The final state of an ingest, and the time of the next poll of Opencast."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester import timestamps
from ingester.ledger.record import Fate, Following
from ingester.opencast.following import (
    ABSENT,
    LONGEST,
    LONGEST_PAUSE,
    SHORTEST_PAUSE,
    after_poll,
    fate_of,
    is_given_up,
)
from ingester.opencast.processing import ENDED, Event, News, Workflow, WorkflowState

NOW = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)
AT = timestamps.write(NOW)
BEGUN = Following(since=AT, due=AT)
RUNNING = News(
    event=Event(state=WorkflowState.RUNNING, is_published=False),
    workflow=Workflow(state=WorkflowState.RUNNING),
)
states = st.sampled_from(WorkflowState)
events = st.builds(Event, state=st.none() | states, is_published=st.booleans())
news = st.builds(
    News,
    event=st.none() | events,
    workflow=st.none() | st.builds(Workflow, state=states),
)


def asked_until_the_end(answer: News | None) -> list[datetime]:
    """Return the times of all polls of Opencast if every poll gets `answer`."""
    following, found = BEGUN, []
    while following.due:
        now = timestamps.parse(following.due)
        found.append(now)
        following = after_poll(following, answer, now)
    return found


@pytest.mark.parametrize("answer", [RUNNING, None])
def test_polls_of_opencast_become_rarer_and_end_after_a_week(
    answer: News | None,
) -> None:
    asked = asked_until_the_end(answer)
    pauses = [after - before for before, after in pairwise(asked)]
    # The last pause is cut, so that the follow-up ends at its deadline.
    assert all(before <= after for before, after in pairwise(pauses[:-1]))
    assert (pauses[0], max(pauses)) == (SHORTEST_PAUSE, LONGEST_PAUSE)
    assert asked[-1] - NOW == LONGEST
    assert len(asked) < 60


@given(news, st.timedeltas(timedelta(0), LONGEST * 2))
def test_next_poll_of_opencast_is_never_in_the_past(answer: News, age: timedelta) -> None:
    now = NOW + age
    after = after_poll(BEGUN, answer, now)
    assert after.due == "" or timestamps.parse(after.due) >= now.replace(microsecond=0)


@given(news)
def test_an_ingest_is_published_only_when_its_event_is_published(answer: News) -> None:
    if fate_of(answer) is Fate.PUBLISHED:
        assert answer.event is not None
        assert answer.event.is_published
        assert answer.workflow is None or answer.workflow.state in ENDED


@pytest.mark.parametrize("own", [WorkflowState.RUNNING, WorkflowState.PAUSED])
def test_earlier_publication_of_an_event_does_not_count_until_the_workflow_has_ended(
    own: WorkflowState,
) -> None:
    event = Event(state=WorkflowState.SUCCEEDED, is_published=True)
    assert fate_of(News(event=event, workflow=Workflow(state=own))) is None


def test_ingest_fails_despite_an_earlier_publication_when_its_workflow_has_failed() -> None:
    event = Event(state=WorkflowState.FAILED, is_published=True)
    answer = News(event=event, workflow=Workflow(state=WorkflowState.FAILED))
    assert fate_of(answer) is Fate.FAILED


def test_ingest_without_a_known_workflow_fails_when_its_event_fails() -> None:
    event = Event(state=WorkflowState.FAILED, is_published=False)
    assert fate_of(News(event=event)) is Fate.FAILED


def test_event_counts_as_deleted_when_it_is_missing_for_an_hour_without_a_break() -> None:
    gone = News(event=None)
    once = after_poll(BEGUN, gone, NOW)
    assert once.fate is None
    back = after_poll(once, RUNNING, NOW + ABSENT)
    assert after_poll(back, gone, NOW + 2 * ABSENT).fate is None
    assert after_poll(once, gone, NOW + ABSENT).fate is Fate.DELETED


def test_failure_of_an_ingest_stays_when_opencast_gives_no_answer() -> None:
    failed = Following(since=AT, due=AT, fate=Fate.FAILED)
    after = after_poll(failed, None, NOW + LONGEST)
    assert (after.fate, after.due) == (Fate.FAILED, "")
    assert not is_given_up(after)
