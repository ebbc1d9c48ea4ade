"""Unit tests of the lists of recordings of an account or of each user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingester.errors import ZoomRefused, ZoomUnreachable
from ingester.pipeline.messages import LONGEST_UUID
from ingester.reconcile.decisions import ListedRecording, UnreadableEntry
from ingester.settings import ZoomSecrets, ZoomSettings
from ingester.zoom.api import ZoomApi
from ingester.zoom.recording_list import ATTEMPTS, RecordingList
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
    """The Zoom stand-in, and the lists of its recordings."""

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
        deadline = self.watch() + seconds
        return RecordingList(
            api, END - days * DAY, END, seconds_left=lambda: deadline - self.watch(), **more
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
    with endpoint(tls) as server:
        yield server


def uuids(recordings: Iterable[ListedRecording | UnreadableEntry]) -> list[str]:
    return sorted(entry.uuid for entry in recordings if isinstance(entry, ListedRecording))


def test_recording_list_reads_the_list_of_the_account_when_the_app_has_the_scope_for_the_list(
    site: Site,
) -> None:
    site.zoom.grant(*ACCOUNT)
    site.add("a==", host_id="one")
    site.add("b==", host_id="two")
    recordings = site.list()
    assert (uuids(recordings), recordings.how) == (["a==", "b=="], "account")
    assert asked(site.zoom, "/users") == 0


def test_recording_list_reads_the_list_of_each_user_when_zoom_refuses_the_account_list(
    site: Site,
) -> None:
    site.add("a==", host_id="one")
    site.add("b==", host_id="two")
    site.zoom.set_user("two", "inactive")
    site.zoom.set_user("nobody's host", "active")
    recordings = site.list()
    assert (uuids(recordings), recordings.how, recordings.user) == (["a==", "b=="], "users", "")


@pytest.mark.parametrize("scopes", [ACCOUNT, APP.scopes])
def test_recording_list_has_the_recordings_of_all_pages(
    site: Site, scopes: tuple[str, ...]
) -> None:
    site.zoom.grant(*scopes)
    names = [f"{number}==" for number in range(5)]
    for name in names:
        site.add(name)
    for user in ("u1", "u2", "u3"):
        site.zoom.set_user(user, "active")
    assert uuids(site.list(page_size=2)) == names


def test_recording_list_requests_the_next_page_only_when_an_entry_of_the_page_is_needed(
    site: Site,
) -> None:
    site.zoom.grant(*ACCOUNT)
    for name in ("a==", "b==", "c=="):
        site.add(name)
    recordings = iter(site.list(page_size=1))
    next(recordings)
    assert asked(site.zoom, "/accounts/") == 1
    next(recordings)
    assert asked(site.zoom, "/accounts/") == 2


def test_recording_list_makes_several_requests_when_the_days_are_more_than_a_month(
    site: Site,
) -> None:
    site.zoom.grant(*ACCOUNT)
    site.add("old==", start_time="2026-08-20T15:00:00Z")
    site.add("new==")
    assert uuids(site.list(days=60)) == ["new==", "old=="]
    date_ranges = [
        (request.query["from"], request.query["to"])
        for request in site.zoom.requests
        if request.method == "GET"
    ]
    assert date_ranges == [
        ("2026-08-15", "2026-09-13"),
        ("2026-09-14", "2026-10-13"),
        ("2026-10-14", "2026-10-14"),
    ]


@pytest.mark.parametrize("form", ["seconds", "iso"])
def test_list_request_is_retried_after_the_seconds_of_retry_after_when_zoom_answers_429(
    site: Site, form: Any
) -> None:
    site.zoom.grant(*ACCOUNT)
    site.add("a==")
    site.zoom.fail(
        Fault("status", where="api", status=429, retry_after=7, retry_after_form=form, times=2)
    )
    assert uuids(site.list()) == ["a=="]
    assert site.watch.slept == [7, 7]


def test_list_request_is_retried_after_a_wait_when_a_429_has_no_retry_after(site: Site) -> None:
    site.zoom.grant(*ACCOUNT)
    site.add("a==")
    site.zoom.fail(Fault("status", where="api", status=429, times=3))
    assert uuids(site.list()) == ["a=="]
    assert len(site.watch.slept) == 3


def test_list_request_is_given_up_without_waiting_when_retry_after_exceeds_the_limit(
    site: Site,
) -> None:
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
def test_error_of_a_recording_list_names_the_scope_that_the_app_lacks(
    site: Site, scopes: tuple[str, ...], missing: str, status: int
) -> None:
    site.zoom.set(missing_scope_status=status)
    site.zoom.grant(*scopes)
    site.add("a==")
    with pytest.raises(ZoomRefused) as caught:
        list(site.list())
    message = str(caught.value)
    answer = f"Zoom's API answered {status}, code 4711: Invalid access token, does not "
    assert f"By user: {answer}" in message
    assert f"scopes:[{missing}]" in message
    assert ACCOUNT_RECORDINGS_SCOPES[0] in message
    assert len(message) <= 1000


def test_error_of_a_recording_list_quotes_zoom_when_the_credentials_are_wrong(site: Site) -> None:
    site.zoom.set(bad_client_status=401)
    site.secret = "another"
    with pytest.raises(ZoomRefused, match="Invalid client_id or client_secret"):
        list(site.list())


def test_recording_list_gets_a_new_oauth_token_when_the_token_expires_between_two_pages(
    site: Site,
) -> None:
    site.zoom.grant(*ACCOUNT)
    site.add("a==")
    site.add("b==")
    recordings = iter(site.list(page_size=1))
    next(recordings)
    site.zoom.expire_access_tokens()
    assert len(list(recordings)) == 1
    assert asked(site.zoom, "/oauth/token") == 2


def test_zoom_unreachable_is_raised_when_the_page_token_has_expired(
    site: Site, clock: Clock
) -> None:
    site.zoom.grant(*ACCOUNT)
    site.add("a==")
    site.add("b==")
    recordings = iter(site.list(page_size=1))
    next(recordings)
    clock.forward(minutes=15)
    with pytest.raises(ZoomUnreachable, match="next page token is invalid or expired"):
        next(recordings)


def test_recording_list_skips_a_user_when_zoom_answers_404(site: Site) -> None:
    site.add("a==", host_id="a")
    site.add("b==", host_id="b")
    # `skip` counts the request for the account's list and two requests for lists of users.
    site.zoom.fail(Fault("status", where="api", status=404, skip=3))
    assert uuids(site.list()) == ["b=="]


def uuids_before_the_error(recordings: RecordingList) -> list[str]:
    """Assert that a list raises an error about a 500, and return the uuids listed before."""
    found: list[ListedRecording | UnreadableEntry] = []
    with pytest.raises(ZoomUnreachable, match="500"):
        found.extend(recordings)
    return uuids(found)


def test_recordings_of_other_users_are_listed_when_the_list_of_one_user_fails(site: Site) -> None:
    site.add("a==", host_id="a")
    site.add("b==", host_id="b")
    site.zoom.fail(Fault("status", where="api", status=500, skip=3, times=ATTEMPTS))
    recordings = site.list()
    assert uuids_before_the_error(recordings) == ["b=="]
    assert recordings.user == ""


def test_recording_list_ends_when_the_lists_of_three_users_in_a_row_fail(site: Site) -> None:
    for name in ("a", "b", "c", "d"):
        site.add(f"{name}==", host_id=name)
    site.zoom.fail(Fault("status", where="api", status=500, skip=3, times=3 * ATTEMPTS))
    recordings = site.list()
    with pytest.raises(ZoomUnreachable, match="500"):
        next(iter(recordings))
    assert recordings.user == "c"


def test_recording_list_continues_when_zoom_answers_404_between_three_failed_lists(
    site: Site,
) -> None:
    for name in ("a", "b", "c", "d", "e"):
        site.add(f"{name}==", host_id=name)
    for status, times in ((500, 2 * ATTEMPTS), (404, 1), (500, ATTEMPTS)):
        site.zoom.fail(Fault("status", where="api", status=status, skip=3, times=times))
    recordings = site.list()
    assert uuids_before_the_error(recordings) == ["e=="]
    assert recordings.user == ""


def test_recording_list_begins_with_the_user_at_whom_the_last_list_ran_out_of_time(
    site: Site,
) -> None:
    for name in ("a", "b", "c"):
        site.add(f"{name}==", host_id=name)
    first = site.list()
    recordings = iter(first)
    next(recordings)
    site.watch.now += 900
    assert not list(recordings)
    assert (first.is_complete, first.user) == (False, "b")
    second = site.list(first_user="b")
    order = [entry.uuid for entry in second if isinstance(entry, ListedRecording)]
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
def test_zoom_unreachable_is_raised_when_an_answer_of_zoom_is_invalid(
    answer: Answer, gateway: Endpoint, site: Site
) -> None:
    gateway.answers.append(answer)
    with pytest.raises(ZoomUnreachable, match="can't be read"):
        list(site.list_of(gateway.url))
    assert len(gateway.requests) == ATTEMPTS


GOOD = {"uuid": "a==", "id": "958", "start_time": "2026-10-14T15:00:00Z", "duration": 60}


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ({**GOOD, "uuid": ""}, "id 958, start_time 2026-10-14T15:00:00Z"),
        (
            {**GOOD, "uuid": "a" * (LONGEST_UUID + 1)},
            f"uuid {'a' * 80}, id 958, start_time 2026-10-14T15:00:00Z",
        ),
        (
            {**GOOD, "uuid": "#reconcile"},
            "uuid #reconcile, id 958, start_time 2026-10-14T15:00:00Z",
        ),
        ({**GOOD, "duration": None}, "uuid a==, id 958, start_time 2026-10-14T15:00:00Z"),
        ({**GOOD, "duration": 1e300}, "uuid a==, id 958, start_time 2026-10-14T15:00:00Z"),
        ({**GOOD, "start_time": "today"}, "uuid a==, id 958, start_time today"),
        ({**GOOD, "start_time": None}, "uuid a==, id 958"),
        ({**GOOD, "recording_files": [1]}, "uuid a==, id 958, start_time 2026-10-14T15:00:00Z"),
        ({"uuid": None, "topic": ""}, "an entry without a name"),
        (7, "an entry that is no object: '7'"),
    ],
)
def test_recording_list_describes_an_invalid_entry_and_lists_the_valid_entry(
    entry: Any, name: str, gateway: Endpoint, site: Site
) -> None:
    gateway.answers.append(json_answer(200, {"meetings": [entry, GOOD]}))
    invalid, good = list(site.list_of(gateway.url))
    assert isinstance(invalid, UnreadableEntry)
    assert invalid.name == name
    assert isinstance(good, ListedRecording)
    assert (good.id, good.topic, good.recording_files) == (958, None, None)


def test_recording_list_ends_when_a_page_names_itself_as_the_next_page(
    gateway: Endpoint, site: Site
) -> None:
    def page(_request: Request) -> Answer:
        return json_answer(200, {"meetings": [GOOD], "next_page_token": "same"})

    gateway.answers.append(page)
    assert len(list(site.list_of(gateway.url))) == 2


def test_error_of_a_recording_list_does_not_mention_credentials_when_zoom_answers_404(
    site: Site,
) -> None:
    site.zoom.grant(*ACCOUNT)
    site.zoom.fail(Fault("status", where="api", status=404))
    with pytest.raises(ZoomRefused, match=r"3301: This recording does not exist\. By user"):
        list(site.list())
