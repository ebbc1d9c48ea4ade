"""A fresh access is asked for once, however many files and threads are refused."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from ingester.errors import ZoomUnreachable
from ingester.zoom.download_token import Access, AccessInUse

OLD = Access("old")


@dataclass
class Api:
    """Hands out a fresh access, and counts how often."""

    asked: int = 0
    failures: list[Exception] = field(default_factory=list)
    somebody_else: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> Access:
        self.asked += 1
        if self.asked > 1:
            self.somebody_else.set()
        if self.failures:
            raise self.failures.pop()
        return Access(f"fresh {self.asked}", {"f-1": "https://zoom.us/new"}, is_fresh=True)


def test_the_messages_own_comes_first() -> None:
    api = Api()
    assert AccessInUse(OLD, api).now is OLD
    assert api.asked == 0


def test_a_refused_one_is_replaced() -> None:
    access = AccessInUse(OLD, Api())
    fresh = access.instead_of(OLD)
    assert fresh == Access("fresh 1", {"f-1": "https://zoom.us/new"}, is_fresh=True)
    assert access.now is fresh


def test_when_the_fresh_one_is_refused_too_there_is_none() -> None:
    api = Api()
    access = AccessInUse(OLD, api)
    fresh = access.instead_of(OLD)
    assert fresh
    assert access.instead_of(fresh) is None
    assert api.asked == 1


def test_who_was_refused_the_old_one_later_gets_the_fresh_one_as_well() -> None:
    api = Api()
    access = AccessInUse(OLD, api)
    fresh = access.instead_of(OLD)
    assert access.instead_of(OLD) is fresh
    assert api.asked == 1


class Slow(Api):
    """Answers when a second one asks, or when none has for a while."""

    def __call__(self) -> Access:
        fresh = super().__call__()
        self.somebody_else.wait(0.05)
        return fresh


def test_many_threads_that_are_refused_at_once_share_one() -> None:
    api, count = Slow(), 8
    access, together = AccessInUse(OLD, api), threading.Barrier(count)

    def refused() -> Access | None:
        together.wait()
        return access.instead_of(OLD)

    with ThreadPoolExecutor(count) as threads:
        got = [future.result() for future in [threads.submit(refused) for _ in range(count)]]
    assert set(map(id, got)) == {id(access.now)}
    assert api.asked == 1


def test_an_api_that_fails_is_asked_again_by_the_next() -> None:
    api = Api(failures=[ZoomUnreachable("Zoom's API answered 500.")])
    access = AccessInUse(OLD, api)
    with pytest.raises(ZoomUnreachable):
        access.instead_of(OLD)
    assert access.now is OLD
    assert access.instead_of(OLD) == Access(
        "fresh 2", {"f-1": "https://zoom.us/new"}, is_fresh=True
    )
