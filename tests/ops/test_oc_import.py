"""Tests of `invoke schedule.oc-import` with a stand-in for DCE's Opencast (HTTPS, Digest)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from ingester.schedule.model import DAYS
from local.authority import Authority
from local.neighbours.https_server import Answer, json_answer
from ops.command import OpsError
from ops.schedule.commands import import_classes
from ops.schedule.oc_import import PATH, Endpoint, days_of, endpoint_of, fetch, parse, time_of
from tests.class_listing import ClassListing, class_listing, listed
from tests.cloud import Cloud, plain
from tests.command_line import invoke, said_in_a_line
from tests.neighbours import client_session

USER, PASSWORD = "zip", "p4ss-w0rd"


@pytest.fixture
def listing(tls: Authority) -> Iterator[ClassListing]:
    with class_listing(tls, USER, PASSWORD) as made:
        yield made


@pytest.fixture
def session(tls: Authority) -> Iterator[requests.Session]:
    with client_session(tls) as made:
        yield made


def at(listing: ClassListing, password: str = PASSWORD, path: str = PATH) -> Endpoint:
    return endpoint_of(listing.url, path, USER, password)


def test_oc_import_writes_a_scheduled_class_with_its_series_for_each_listed_day(
    aws: Cloud, listing: ClassListing, session: requests.Session
) -> None:
    listing.classes = [
        listed(day="Tu Th"),
        listed(seriesId="2026099", seriesNumber=777, day="F", time="9:05 am"),
    ]
    parsed = parse(listing.host, fetch(at(listing), session))
    assert parsed.problems == ()
    report = import_classes(aws.schedule, parsed)
    assert (report.plan.added, report.meetings, report.classes) == (1, 1, 3)
    (row,) = aws.schedule.scan()["Items"]
    assert plain(row) == {
        "zoom_series_id": "86168921331",
        "opencast_series_id": "2026099",
        "course_code": "777",
        "events": [
            {
                "day": day,
                "time": time,
                "title": "Lecture",
                "course_code": course,
                "opencast_series_id": series,
                "source": f"oc:{listing.host}",
            }
            for day, time, course, series in (
                ("T", "14:30", "HIST E-1010", "20260112345"),
                ("R", "14:30", "HIST E-1010", "20260112345"),
                ("F", "9:05", "777", "2026099"),
            )
        ],
    }


@pytest.mark.parametrize(("number", "page_size"), [(0, 10), (1, 10), (7, 7), (7, 3), (7, 1)])
def test_oc_import_reads_every_page_of_the_listing(
    listing: ClassListing, session: requests.Session, number: int, page_size: int
) -> None:
    listing.classes = [listed(10_000 + index) for index in range(number)]
    listing.page_size = page_size
    assert fetch(at(listing), session) == listing.classes
    assert len(listing.seen) == max(1, -(-number // page_size))


def test_oc_import_refuses_an_incomplete_listing(
    listing: ClassListing, session: requests.Session
) -> None:
    listing.classes, listing.total = [listed(), listed()], "5"
    with pytest.raises(OpsError, match=r"speaks of 5 classes and gave 2: nothing was changed"):
        fetch(at(listing), session)
    # A server that ignores offsets returns the same page for each request.
    page = {"helixEvents": {"total": 5, "resultSet": [listed(), listed()]}}
    listing.content = json_answer(200, page)
    with pytest.raises(OpsError, match=r"speaks of 5 classes and gave 2"):
        fetch(at(listing), session)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Answer(500), "answers 500: check --endpoint and --path"),
        (Answer(302, (("Location", "/login.html"),)), "answers 302"),
        (Answer(403), r"refuses zip \(403\)"),
        (Answer(200, body=b"<html>"), "doesn't answer with a list of classes"),
        (json_answer(200, []), "no helixEvents"),
        (json_answer(200, {"helixEvents": {"total": None}}), "no total"),
    ],
)
def test_oc_import_explains_an_answer_that_is_not_a_listing(
    listing: ClassListing, session: requests.Session, answer: Answer, sentence: str
) -> None:
    listing.content = answer
    with pytest.raises(OpsError, match=sentence) as error:
        fetch(at(listing), session)
    assert "\n" not in str(error.value)


def test_oc_import_hides_the_password_when_opencast_refuses_it(
    listing: ClassListing, session: requests.Session
) -> None:
    with pytest.raises(OpsError, match=r"refuses zip \(401\)") as error:
        fetch(at(listing, "wr0ng"), session)
    assert "wr0ng" not in f"{error.value}{at(listing, 'wr0ng')!r}"


def test_oc_import_says_that_opencast_cannot_be_reached_when_the_connection_fails(
    tls: Authority, session: requests.Session
) -> None:
    with class_listing(tls, USER, PASSWORD) as gone:
        pass
    with pytest.raises(OpsError, match="can't be reached"):
        fetch(at(gone), session)


@pytest.mark.parametrize(
    "address",
    [
        *("ftp://oc", "https://", "https://me:pw@oc.example.edu", "", "https://[oc"),
        *("https://oc.example.edu/series.json?q=1", "https://oc.example.edu/series.json#top"),
    ],
)
def test_oc_import_refuses_a_malformed_address(address: str) -> None:
    with pytest.raises(OpsError, match="--endpoint has to be") as error:
        endpoint_of(address, PATH, USER, PASSWORD)
    assert "pw@" not in str(error.value)


def test_oc_import_adds_https_to_a_host_and_requires_a_password() -> None:
    assert endpoint_of("oc.edu/", PATH, USER, PASSWORD).url == f"https://oc.edu/{PATH}"
    with pytest.raises(OpsError, match="OPENCAST_API_PASSWORD isn't set"):
        endpoint_of("oc.edu", PATH, USER, "")


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (f"https://oc.edu/{PATH}", f"https://oc.edu/{PATH}"),
        (f"oc.edu/{PATH}", f"https://oc.edu/{PATH}"),
        ("http://oc.edu:8080/search/series.json", "http://oc.edu:8080/search/series.json"),
        ("https://oc.edu/series.json", "https://oc.edu/series.json"),
        ("https://oc.edu/opencast", f"https://oc.edu/opencast/{PATH}"),
        ("https://oc.edu/myseries.json/", f"https://oc.edu/myseries.json/{PATH}"),
    ],
)
def test_oc_import_adds_the_path_unless_the_address_already_ends_with_series_json(
    address: str, url: str
) -> None:
    endpoint = endpoint_of(address, PATH, USER, PASSWORD)
    assert endpoint.url == url
    assert endpoint.host == url.split("/")[2]


def test_oc_import_does_not_use_the_path_option_when_the_address_ends_with_series_json(
    listing: ClassListing, session: requests.Session
) -> None:
    listing.classes = [listed()]
    endpoint = endpoint_of(f"{listing.url}/{PATH}", "elsewhere", USER, PASSWORD)
    assert fetch(endpoint, session) == listing.classes
    assert endpoint.host == listing.host


@pytest.fixture
def listed_stack(
    shell_of_stack: pytest.MonkeyPatch, listing: ClassListing, tls: Authority
) -> ClassListing:
    """Set a stack and its Opencast user in the shell.

    Return the stand-in for Opencast, which lists one scheduled class.
    """
    settings = {"OPENCAST_API_USER": USER, "OPENCAST_API_PASSWORD": PASSWORD}
    unset = {"OPENCAST_BASE_URL": "", "OC_CLUSTER_NAME": ""}
    for name, value in {**settings, **unset, "REQUESTS_CA_BUNDLE": str(tls.ca_bundle)}.items():
        shell_of_stack.setenv(name, value)
    listing.classes = [listed()]
    return listing


@pytest.mark.parametrize(
    "words",
    [("{url}",), ("--endpoint", "{url}"), ("{url}/" + PATH,), ("-e", "{url}/" + PATH), ()],
    ids=" ".join,
)
def test_oc_import_asks_the_given_opencast_or_else_the_opencast_of_the_stack(
    listed_stack: ClassListing, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    if not words:
        monkeypatch.setenv("OPENCAST_BASE_URL", f"{listed_stack.url}/")
    given_words = [word.format(url=listed_stack.url) for word in words]
    done = invoke("schedule.oc-import", *given_words, "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert "1 meeting with 1 event: 1 would be added" in done.out


@pytest.mark.usefixtures("listed_stack")
def test_oc_import_advises_to_name_an_address_when_no_opencast_is_known() -> None:
    line = said_in_a_line(invoke("schedule.oc-import", "--dry-run"))
    assert line.startswith("It isn't known which Opencast to ask: name its address")


@pytest.mark.usefixtures("listed_stack")
def test_oc_import_does_not_ask_the_opencast_of_the_stack_when_the_given_address_is_empty(
    monkeypatch: pytest.MonkeyPatch, listed_stack: ClassListing
) -> None:
    # An empty address may be a script's unset variable.
    monkeypatch.setenv("OPENCAST_BASE_URL", listed_stack.url)
    line = said_in_a_line(invoke("schedule.oc-import", "--dry-run", "--endpoint", ""))
    assert "--endpoint has to be" in line
    assert listed_stack.seen == []


def test_oc_import_refuses_an_unknown_option() -> None:
    assert "--dry is no option here" in said_in_a_line(invoke("schedule.oc-import", "--dry"))


def test_unusable_listed_scheduled_classes_are_named_without_their_link() -> None:
    rows = [
        listed(),
        listed(zoomLink="https://zoom.us/my/room?pwd=topsecret"),
        listed(zoomLink=None),
        listed(seriesId=""),
        listed(day="Someday"),
        listed(time="late"),
        "nothing",
        listed(seriesNumber=None, day=""),
    ]
    parsed = parse("oc", rows)
    assert len(parsed.classes) == 1
    assert [str(row) for row in parsed.problems] == [
        "oc row 2: HIST E-1010: its zoomLink is not like https://zoom.us/j/1234567890",
        "oc row 3: HIST E-1010: no zoomLink",
        "oc row 4: HIST E-1010: no seriesId",
        "oc row 5: HIST E-1010: day 'Someday' is none that is known",
        "oc row 6: HIST E-1010: time 'late' is not like 02:30 PM",
        "oc row 7: it is no object",
        "oc row 8: no seriesNumber: no day",
    ]


def test_imported_scheduled_class_is_kept_when_its_entry_is_unusable_but_has_a_link(
    aws: Cloud,
) -> None:
    def bring(*rows: object) -> set[str]:
        report = import_classes(aws.schedule, parse("oc", rows))
        assert len(report.retained) == len({kept.meeting for kept in report.retained})
        return {str(item["zoom_series_id"]) for item in aws.schedule.scan()["Items"]}

    rows = [listed(1000 + number, seriesNumber=f"C-{number}", day="M") for number in range(5)]
    assert len(bring(*rows)) == 5
    broken = [
        rows[0],
        {**rows[1], "time": "late"},
        {**rows[2], "zoomLink": "https://zoom.us/my/room"},
        {**rows[3], "zoomLink": None},
    ]
    assert bring(*broken) == {"1000", "1001", "1002"}


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        *((text, "M") for text in ("M", "MON", "Mon", "monday")),
        *((text, "T") for text in ("T", "TUES", "Tu", "Tues")),
        *((text, "W") for text in ("W", "WED", "Wed")),
        *((text, "R") for text in ("R", "THURS", "Th", "Thurs")),
        *((text, "F") for text in ("F", "FRI")),
        *((text, "S") for text in ("S", "Sat")),
        *((text, "U") for text in ("U", "Sun")),
        ("TuTh", "TR"),
        ("MWF", "MWF"),
        ("M, W / Fri", "MWF"),
        ("TR TR", "TR"),
    ],
)
def test_oc_import_accepts_many_spellings_of_days(text: str, letters: str) -> None:
    assert days_of(text) == list(letters)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("02:30 PM", "14:30"),
        ("2:30pm", "14:30"),
        ("12:00 AM", "0:00"),
        ("12:15 p.m.", "12:15"),
        ("11:59 PM", "23:59"),
        ("14:30", "14:30"),
        ("09:05:00", "9:05"),
    ],
)
def test_oc_import_accepts_many_spellings_of_times(text: str, time: str) -> None:
    assert time_of(text) == time


@pytest.mark.parametrize("text", ["", "13:00 PM", "0:30 AM", "24:00", "9:60", "noon", "9"])
def test_oc_import_refuses_text_that_is_not_a_time(text: str) -> None:
    with pytest.raises(ValueError, match="is not like 02:30 PM"):
        time_of(text)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    st.lists(
        st.just(listed()) | anything | st.fixed_dictionaries(dict.fromkeys(listed(), anything))
    )
)
def test_oc_import_reads_or_skips_each_entry_of_any_content(
    rows: list[object],
) -> None:
    parsed = parse("oc", rows)
    read = {parsed_class.row for parsed_class in parsed.classes}
    assert sorted([*read, *(row.row for row in parsed.problems)]) == list(range(1, len(rows) + 1))
    for meeting, event in parsed.pairs:
        assert re.fullmatch(r"[0-9]{3,}", meeting)
        assert event.day in DAYS
        assert event.minute_of_week is not None
