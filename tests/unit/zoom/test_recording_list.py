"""Lists of recordings by Zoom's API: of the account, of each user, in pages, with trouble."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingester.errors import ZoomRefused, ZoomUnreachable
from ingester.reconcile.decisions import ListedRecording, UnreadableEntry
from ingester.settings import ZoomSecrets, ZoomSettings
from ingester.zoom import recording_list as zoom_listing
from ingester.zoom.api import ZoomApi
from ingester.zoom.recording_list import RecordingList
from local.authority import Authority
from local.neighbours.https_server import Answer, Request, json_answer, text_answer
from local.neighbours.zoom import ZoomStandIn
from local.neighbours.zoom_account import (
    ACCOUNT_RECORDINGS_SCOPES,
    READ_FILES_SCOPE,
    USER_RECORDINGS_SCOPES,
    USERS_SCOPES,
)
from local.neighbours.zoom_faults import Fault
from tests.cloud import Clock
from tests.unit.zoom_account import (
    APP,
    Endpoint,
    TimedSession,
    asked,
    endpoint,
    file,
    recording,
    zoom_stand_in,
)
from tests.waits import Stopwatch

ACCOUNT = (READ_FILES_SCOPE, ACCOUNT_RECORDINGS_SCOPES[0])
END = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)
DAY = timedelta(days=1)


class Site:
    """A Zoom, and lists of its recordings."""

    def __init__(self, zoom: ZoomStandIn, session: TimedSession, clock: Clock) -> None:
        self.zoom = zoom
        self.secret = APP.client_secret
        self.watch = Stopwatch()
        self.parts: dict[str, Any] = {"session": session, "clock": clock}
        self.parts |= {"sleep": self.watch.sleep, "monotonic": self.watch}

    def add(self, uuid: str, **changes: Any) -> None:
        self.zoom.add(replace(recording(file(f"file-{uuid}"), uuid=uuid), **changes))

    def list(self, days: int = 3, seconds: float = 800, **more: Any) -> RecordingList:
        return self.list_of(self.zoom.api_base_url, days, seconds, **more)

    def list_of(self, base: str, days: int = 3, seconds: float = 800, **more: Any) -> RecordingList:
        settings = ZoomSettings(
            stack_name="test",
            secrets_path="/p",
            zoom_api_base_url=base,
            zoom_oauth_url=self.zoom.oauth_url,
            zoom_account_id=APP.account_id,
            zoom_client_id=APP.client_id,
        )
        api = ZoomApi(settings, ZoomSecrets(zoom_client_secret=self.secret), **self.parts)
        ends = self.watch() + seconds
        return RecordingList(
            api, END - days * DAY, END, seconds_left=lambda: ends - self.watch(), **more
        )


@pytest.fixture
def site(tls: Authority, tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[Site]:
    with (
        zoom_stand_in(tls, tmp_path_factory.mktemp("zoom"), clock) as zoom,
        TimedSession(tls.ca_bundle, Stopwatch()) as session,
    ):
        yield Site(zoom, session, clock)


@pytest.fixture
def gateway(tls: Authority) -> Iterator[Endpoint]:
    with endpoint(tls) as made:
        yield made


def uuids(found: RecordingList) -> list[str]:
    return sorted(one.uuid for one in found if isinstance(one, ListedRecording))


def test_the_accounts_list_is_used_where_the_app_may(site: Site) -> None:
    site.zoom.grant(*ACCOUNT)
    site.add("a==", host_id="one")
    site.add("b==", host_id="two")
    found = site.list()
    assert (uuids(found), found.how) == (["a==", "b=="], "account")
    assert asked(site.zoom, "/users") == 0


def test_each_users_list_is_used_where_the_accounts_is_refused(site: Site) -> None:
    site.add("a==", host_id="one")
    site.add("b==", host_id="two")
    site.zoom.set_user("two", "inactive")
    site.zoom.set_user("nobody's host", "active")
    found = site.list()
    assert (uuids(found), found.how, found.user) == (["a==", "b=="], "users", "")


@pytest.mark.parametrize("scopes", [ACCOUNT, APP.scopes])
def test_all_pages_are_read(site: Site, scopes: tuple[str, ...]) -> None:
    site.zoom.grant(*scopes)
    names = [f"{number}==" for number in range(5)]
    for name in names:
        site.add(name)
    for user in ("u1", "u2", "u3"):
        site.zoom.set_user(user, "active")
    assert uuids(site.list(page_size=2)) == names


def test_pages_are_asked_for_as_they_are_needed(site: Site) -> None:
    site.zoom.grant(*ACCOUNT)
    for name in ("a==", "b==", "c=="):
        site.add(name)
    found = iter(site.list(page_size=1))
    next(found)
    assert asked(site.zoom, "/accounts/") == 1
    next(found)
    assert asked(site.zoom, "/accounts/") == 2


def test_more_than_a_month_is_asked_for_in_parts(site: Site) -> None:
    site.zoom.grant(*ACCOUNT)
    site.add("old==", start_time="2026-08-20T15:00:00Z")
    site.add("new==")
    assert uuids(site.list(days=60)) == ["new==", "old=="]
    spans = [
        (one.query["from"], one.query["to"]) for one in site.zoom.requests if one.method == "GET"
    ]
    assert spans == [
        ("2026-08-15", "2026-09-13"),
        ("2026-09-14", "2026-10-13"),
        ("2026-10-14", "2026-10-14"),
    ]


@pytest.mark.parametrize("form", ["seconds", "iso"])
def test_a_429_is_waited_for(site: Site, form: Any) -> None:
    site.zoom.grant(*ACCOUNT)
    site.add("a==")
    site.zoom.fail(
        Fault("status", where="api", status=429, retry_after=7, retry_after_form=form, times=2)
    )
    assert uuids(site.list()) == ["a=="]
    assert site.watch.slept == [7, 7]


def test_a_429_without_a_time_is_backed_off_from(site: Site) -> None:
    site.zoom.grant(*ACCOUNT)
    site.add("a==")
    site.zoom.fail(Fault("status", where="api", status=429, times=3))
    assert uuids(site.list()) == ["a=="]
    assert len(site.watch.slept) == 3


def test_a_wait_beyond_the_budget_ends_at_once(site: Site) -> None:
    site.zoom.fail(Fault("status", where="api", status=429, retry_after=900))
    with pytest.raises(ZoomUnreachable, match="429"):
        list(site.list())
    assert not site.watch.slept


@pytest.mark.parametrize(
    ("scopes", "missing"),
    [
        ((READ_FILES_SCOPE,), USERS_SCOPES[0]),
        ((READ_FILES_SCOPE, USER_RECORDINGS_SCOPES[0]), USERS_SCOPES[0]),
        ((READ_FILES_SCOPE, USERS_SCOPES[0]), USER_RECORDINGS_SCOPES[0]),
    ],
)
@pytest.mark.parametrize("status", [400, 401])
def test_a_missing_scope_is_named(
    site: Site, scopes: tuple[str, ...], missing: str, status: int
) -> None:
    site.zoom.set(missing_scope_status=status)
    site.zoom.grant(*scopes)
    site.add("a==")
    with pytest.raises(ZoomRefused) as caught:
        list(site.list())
    said = str(caught.value)
    assert (
        f"By user: Zoom's API answered {status}, code 4711: Invalid access token, does not " in said
    )
    assert f"scopes:[{missing}]" in said
    assert ACCOUNT_RECORDINGS_SCOPES[0] in said
    assert len(said) <= 1000


def test_credentials_that_are_refused_are_no_missing_scope(site: Site) -> None:
    site.zoom.set(bad_client_status=401)
    site.secret = "another"
    with pytest.raises(ZoomRefused, match="Invalid client_id or client_secret"):
        list(site.list())


def test_a_token_that_died_is_fetched_anew(site: Site) -> None:
    site.zoom.grant(*ACCOUNT)
    site.add("a==")
    found = iter(site.list())
    next(found)
    other = site.list()
    assert uuids(other) == ["a=="]
    site.zoom.expire_access_tokens()
    assert uuids(site.list()) == ["a=="]


def test_a_page_token_that_has_expired_ends_the_list(site: Site, clock: Clock) -> None:
    site.zoom.grant(*ACCOUNT)
    site.add("a==")
    site.add("b==")
    found = iter(site.list(page_size=1))
    next(found)
    clock.forward(minutes=15)
    with pytest.raises(ZoomUnreachable, match="next page token is invalid or expired"):
        next(found)


def test_a_user_that_is_gone_meanwhile_is_passed_over(site: Site) -> None:
    site.add("a==", host_id="a")
    site.add("b==", host_id="b")
    # After the account's list, and two lists of users.
    site.zoom.fail(Fault("status", where="api", status=404, skip=3))
    assert uuids(site.list()) == ["b=="]


def test_one_user_whose_list_never_comes_doesnt_hide_the_others(site: Site) -> None:
    site.add("a==", host_id="a")
    site.add("b==", host_id="b")
    site.zoom.fail(Fault("status", where="api", status=500, skip=3, times=zoom_listing.ATTEMPTS))
    found = site.list()
    entries = iter(found)
    last = next(entries)
    assert isinstance(last, ListedRecording)
    assert last.uuid == "b=="
    with pytest.raises(ZoomUnreachable, match="500"):
        next(entries)
    assert found.user == ""


def test_the_list_by_users_ends_in_time_and_goes_on_with_the_same_user(site: Site) -> None:
    for name in ("a", "b", "c"):
        site.add(f"{name}==", host_id=name)
    first = site.list()
    found = iter(first)
    next(found)
    site.watch.now += 900
    assert not list(found)
    assert (first.is_complete, first.user) == (False, "b")
    second = site.list(first_user="b")
    order = [one.uuid for one in second if isinstance(one, ListedRecording)]
    assert order == ["b==", "c==", "a=="]
    assert (second.is_complete, second.user) == (True, "")


@pytest.mark.parametrize(
    "answer",
    [
        json_answer(200, {"users": []}),
        json_answer(200, []),
        text_answer(200, "text/html", b"<html>Sign in</html>"),
        Answer(200),
    ],
)
def test_an_answer_that_makes_no_sense_is_as_good_as_none(
    answer: Answer, gateway: Endpoint, site: Site
) -> None:
    gateway.answers.append(answer)
    with pytest.raises(ZoomUnreachable, match="can't be read"):
        list(site.list_of(gateway.url))
    assert len(gateway.requests) == zoom_listing.ATTEMPTS


GOOD = {"uuid": "a==", "id": "958", "start_time": "2026-10-14T15:00:00Z", "duration": 60}


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ({**GOOD, "uuid": ""}, "id 958, start_time 2026-10-14T15:00:00Z"),
        ({**GOOD, "duration": None}, "uuid a==, id 958, start_time 2026-10-14T15:00:00Z"),
        ({**GOOD, "duration": 1e300}, "uuid a==, id 958, start_time 2026-10-14T15:00:00Z"),
        ({**GOOD, "start_time": "today"}, "uuid a==, id 958, start_time today"),
        ({**GOOD, "start_time": None}, "uuid a==, id 958"),
        ({**GOOD, "recording_files": [1]}, "uuid a==, id 958, start_time 2026-10-14T15:00:00Z"),
        ({"uuid": None, "topic": ""}, "an entry without a name"),
        (7, "an entry that is no object: '7'"),
    ],
)
def test_one_entry_that_makes_no_sense_is_named_and_the_others_are_listed(
    entry: Any, name: str, gateway: Endpoint, site: Site
) -> None:
    gateway.answers.append(json_answer(200, {"meetings": [entry, GOOD]}))
    odd, good = list(site.list_of(gateway.url))
    assert isinstance(odd, UnreadableEntry)
    assert odd.name == name
    assert isinstance(good, ListedRecording)
    assert (good.id, good.topic, good.recording_files) == (958, None, None)


def test_a_page_that_points_to_itself_ends_the_list(gateway: Endpoint, site: Site) -> None:
    def page(_request: Request) -> Answer:
        return json_answer(200, {"meetings": [GOOD], "next_page_token": "same"})

    gateway.answers.append(page)
    assert len(list(site.list_of(gateway.url))) == 2
