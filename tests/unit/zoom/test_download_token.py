"""Unit tests of the download token that all files of a recording share."""

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
    """A fake of Zoom's API that counts its calls and returns a fresh access or raises a failure."""

    calls: int = 0
    failures: list[Exception] = field(default_factory=list)
    second_call: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> Access:
        self.calls += 1
        if self.calls > 1:
            self.second_call.set()
        if self.failures:
            raise self.failures.pop()
        return Access(f"fresh {self.calls}", {"f-1": "https://zoom.us/new"}, is_fresh=True)


def test_download_access_from_the_message_is_used_first() -> None:
    api = Api()
    assert AccessInUse(OLD, api).now is OLD
    assert api.calls == 0


def test_download_access_is_replaced_by_a_fresh_access_when_zoom_refuses_the_old_access() -> None:
    access = AccessInUse(OLD, Api())
    fresh = access.replacement_for(OLD)
    assert fresh == Access("fresh 1", {"f-1": "https://zoom.us/new"}, is_fresh=True)
    assert access.now is fresh


def test_download_access_is_not_replaced_again_when_zoom_refuses_the_fresh_access() -> None:
    api = Api()
    access = AccessInUse(OLD, api)
    fresh = access.replacement_for(OLD)
    assert fresh
    assert access.replacement_for(fresh) is None
    assert api.calls == 1


def test_fresh_download_access_stays_the_same_when_zoom_refuses_the_old_access_again() -> None:
    api = Api()
    access = AccessInUse(OLD, api)
    fresh = access.replacement_for(OLD)
    assert access.replacement_for(OLD) is fresh
    assert api.calls == 1


class SlowApi(Api):
    """A fake that answers after a second call, or after 50 ms without a second call."""

    def __call__(self) -> Access:
        fresh = super().__call__()
        self.second_call.wait(0.05)
        return fresh


def test_fresh_download_access_is_fetched_once_when_zoom_refuses_many_threads_at_once() -> None:
    api, count = SlowApi(), 8
    access, together = AccessInUse(OLD, api), threading.Barrier(count)

    def refused() -> Access | None:
        together.wait()
        return access.replacement_for(OLD)

    with ThreadPoolExecutor(count) as threads:
        results = [future.result() for future in [threads.submit(refused) for _ in range(count)]]
    assert set(map(id, results)) == {id(access.now)}
    assert api.calls == 1


def test_fresh_download_access_is_fetched_by_the_next_call_when_the_zoom_api_failed() -> None:
    api = Api(failures=[ZoomUnreachable("Zoom's API answered 500.")])
    access = AccessInUse(OLD, api)
    with pytest.raises(ZoomUnreachable):
        access.replacement_for(OLD)
    assert access.now is OLD
    assert access.replacement_for(OLD) == Access(
        "fresh 2", {"f-1": "https://zoom.us/new"}, is_fresh=True
    )
