"""Tests of worlds that follow ingests, and of the mistakes that the judge finds in such worlds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.simulation.judge import Category, judge, worst
from tests.simulation.named import DONE, SITE, UUID, file, notify, scenario
from tests.simulation.play import Played, play

F0 = file(0)


def followed(*ends: str) -> Played:
    """Play a world that follows the ingests of one recording. `ends` are the workflows' ends."""
    site = replace(SITE, follows=True, workflow_ends=ends)
    return play(scenario((F0,), notify(DONE + 10, F0), site=site))


def worst_of(played: Played) -> Category:
    return worst(judge(played))


def following_of(played: Played) -> dict[str, Any]:
    """Return the `following` that the ledger has stored for the only ingest."""
    stored = played.cloud.recordings._stored  # noqa: SLF001  # `items` returns copies
    ((ingest,),) = [item["ingests"].values() for item in stored.values() if item["uuid"] == UUID]
    found: dict[str, Any] = ingest["following"]
    return found


@pytest.mark.parametrize(
    ("end", "state", "mails"),
    [
        ("SUCCEEDED", "PUBLISHED", 0),
        ("FAILED", "OPENCAST_FAILED", 1),
        ("STOPPED", "OPENCAST_FAILED", 1),
        ("PAUSED", "SENT_TO_OPENCAST", 1),
        ("UNPUBLISHED", "SENT_TO_OPENCAST", 1),
    ],
)
def test_a_followed_ingest_is_published_in_its_row_or_reported_by_a_mail(
    end: str, state: str, mails: int
) -> None:
    played = followed(end)
    assert judge(played) == []
    (states,) = played.cloud.states.values()
    # The world lasts longer than a week, after which rows expire.
    assert [seen for _, seen in states if seen != "expired"][-1] == state
    assert [mail.who for mail in played.mails] == ["follow"] * mails


def test_the_judge_calls_an_ingest_stuck_when_the_ingest_is_still_followed_at_the_end() -> None:
    played = followed("SUCCEEDED")
    following_of(played)["due"] = "2026-03-20T12:00:00Z"
    assert worst_of(played) is Category.STUCK


@pytest.mark.parametrize("fate", ["failed", "deleted", ""])
def test_the_judge_finds_a_mistake_when_the_ledger_has_a_wrong_fate_of_an_ingest(fate: str) -> None:
    played = followed("SUCCEEDED")
    following_of(played)["fate"] = fate
    assert worst_of(played) is Category.UNREPORTED


@pytest.mark.parametrize("end", ["FAILED", "PAUSED"])
def test_the_judge_calls_an_ingest_unreported_when_its_workflow_fails_or_pauses_without_a_mail(
    end: str,
) -> None:
    played = followed(end)
    played.mails.clear()
    assert worst_of(played) is Category.UNREPORTED


def test_the_judge_calls_a_staged_file_lost_when_it_is_released_before_its_ingest() -> None:
    played = followed("SUCCEEDED")
    ((_, stored),) = played.cloud.bucket.tagged
    played.cloud.bucket.tagged.append((0.0, stored))
    assert worst_of(played) is Category.LOST
