"""Unit tests of Opencast's client with scripted answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextvars import copy_context

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingester import log
from ingester.errors import (
    IngestBroken,
    IngestNotSent,
    IngestOutcomeUnknown,
    IngestRefused,
    OpencastRefused,
    OpencastUnreachable,
)
from ingester.opencast.client import Opencast
from local.authority import Authority
from local.neighbours.https_server import Answer, text_answer
from tests.neighbours import Web, client_session, web_server

EVENT = "/api/events/mp-1"
ROLES = "/api/info/me/roles"
SERIES = "/series/20260112345.json"
INGEST = "/ingest/addMediaPackage/wf"
COUNT = "/services/count"
ACTIVE = "/workflow/mediaPackage/mp-1/hasActiveWorkflows"
TERMS = "http://purl.org/dc/terms/"


@pytest.fixture(scope="module")
def _web(tls: Authority) -> Iterator[Web]:
    with web_server(tls) as web:
        yield web


@pytest.fixture(scope="module")
def session(tls: Authority) -> Iterator[requests.Session]:
    with client_session(tls) as session:
        yield session


@pytest.fixture
def web(_web: Web) -> Web:
    _web.forget()
    return _web


@pytest.fixture
def opencast(web: Web, session: requests.Session) -> Opencast:
    return Opencast(f"{web.url}/", "zip", "secret", auth="basic", session=session)


def as_json(value: object, status: int = 200) -> Answer:
    return text_answer(status, "application/json", json.dumps(value).encode())


def plain(text: str) -> Answer:
    return text_answer(200, "text/plain", text.encode())


def as_xml(text: str) -> Answer:
    return text_answer(200, "text/xml", text.encode())


class TestEvents:
    @pytest.mark.parametrize("roles", [[], ["ROLE_API"], {"ROLE_ADMIN": 1}, "ROLE_ADMIN", None])
    def test_check_for_an_event_raises_opencast_refused_when_a_user_without_role_admin_gets_404(
        self, opencast: Opencast, web: Web, roles: object
    ) -> None:
        web.pages = {EVENT: Answer(404), ROLES: as_json(roles)}
        with pytest.raises(OpencastRefused, match="lacks ROLE_ADMIN"):
            opencast.has_event("mp-1")

    def test_roles_are_read_again_when_the_user_lacked_role_admin_before(
        self, opencast: Opencast, web: Web
    ) -> None:
        # An operator may give the role to the user before the next message arrives.
        web.pages = {EVENT: Answer(404), ROLES: [as_json([]), as_json(["ROLE_ADMIN"])]}
        with pytest.raises(OpencastRefused):
            opencast.has_event("mp-1")
        assert not opencast.has_event("mp-1")

    def test_check_for_an_event_raises_opencast_refused_when_opencast_redirects_to_a_login_page(
        self, opencast: Opencast, web: Web
    ) -> None:
        login = text_answer(200, "text/html", b"<form>")
        web.pages = {EVENT: Answer(302, (("Location", "/login.html"),)), "/login.html": login}
        with pytest.raises(OpencastRefused, match="302"):
            opencast.has_event("mp-1")
        assert [request.path for request in web.seen] == [EVENT]


class TestIdleness:
    """Opencast's answers about running ingests and workflows, after a POST with unknown outcome."""

    @pytest.mark.parametrize(
        ("ingests", "active", "expected"),
        [
            ("0", "false", True),
            ("0\n", "false\n", True),
            ("1", "false", False),
            ("0", "true", False),
        ],
    )
    def test_opencast_is_idle_exactly_when_it_counts_no_ingest_and_no_workflow(
        self, opencast: Opencast, web: Web, ingests: str, active: str, expected: bool
    ) -> None:
        web.pages = {COUNT: plain(ingests), ACTIVE: plain(active)}
        assert opencast.is_idle("mp-1") is expected
        assert web.seen[0].query == {
            "serviceType": "org.opencastproject.ingest",
            "status": "RUNNING",
        }

    @pytest.mark.parametrize(
        "answer",
        [Answer(403), Answer(404), Answer(500), Answer(200), plain("few"), plain("\u0663")],
    )
    @pytest.mark.parametrize("path", ["count", "active"])
    def test_check_for_idleness_returns_none_when_opencast_gives_no_valid_answer(
        self, opencast: Opencast, web: Web, answer: Answer, path: str
    ) -> None:
        web.pages = {COUNT: plain("0"), ACTIVE: plain("false")}
        web.pages[COUNT if path == "count" else ACTIVE] = answer
        assert opencast.is_idle("mp-1") is None

    def test_check_for_idleness_raises_opencast_unreachable_when_a_proxy_answers_404(
        self, opencast: Opencast, web: Web
    ) -> None:
        web.pages = {COUNT: text_answer(404, "text/html", b"<h1>404</h1>")}
        with pytest.raises(OpencastUnreachable):
            opencast.is_idle("mp-1")


class TestSeries:
    def test_series_has_the_catalog_and_publisher_of_the_answer(
        self, opencast: Opencast, web: Web
    ) -> None:
        catalog = {TERMS: {"title": [{"value": "Ü & <b>"}], "publisher": [{"value": "p@x.edu"}]}}
        web.pages = {SERIES: as_json(catalog)}
        series = opencast.series("20260112345")
        assert series is not None
        assert json.loads(series.catalog) == catalog
        assert series.publisher == "p@x.edu"

    @pytest.mark.parametrize("catalog", [{}, {TERMS: {}}, {TERMS: {"publisher": []}}])
    def test_series_has_an_empty_publisher_when_the_catalog_has_none(
        self, opencast: Opencast, web: Web, catalog: object
    ) -> None:
        web.pages = {SERIES: as_json(catalog)}
        series = opencast.series("20260112345")
        assert series is not None
        assert series.publisher == ""

    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        catalog=st.one_of(
            st.none(),
            st.lists(st.integers(), max_size=2),
            st.text(max_size=5),
            st.fixed_dictionaries({TERMS: st.one_of(st.text(), st.lists(st.text()), st.none())}),
            st.fixed_dictionaries(
                {
                    TERMS: st.fixed_dictionaries(
                        {"publisher": st.one_of(st.text(), st.lists(st.text(), min_size=1))}
                    )
                }
            ),
        )
    )
    def test_lookup_of_a_series_raises_opencast_unreachable_when_the_catalog_is_invalid(
        self, opencast: Opencast, web: Web, catalog: object
    ) -> None:
        web.pages = {SERIES: as_json(catalog)}
        with pytest.raises(OpencastUnreachable, match="makes no sense"):
            opencast.series("20260112345")

    def test_series_id_is_encoded_as_one_path_segment(self, opencast: Opencast, web: Web) -> None:
        assert opencast.series("../a/b?c#d") is None
        assert web.seen[0].path == "/series/..%2Fa%2Fb%3Fc%23d.json"


class TestIngest:
    @pytest.mark.parametrize(
        "xml",
        [
            '<workflow xmlns="http://workflow.opencastproject.org" id="1603"/>',
            '<?xml version="1.0"?><n7:workflow xmlns:n7="http://x" state="S" id="1603"/>',
        ],
    )
    def test_ingest_returns_the_workflow_id_whatever_the_namespace_prefix(
        self, opencast: Opencast, web: Web, xml: str
    ) -> None:
        web.pages = {INGEST: as_xml(xml)}
        assert opencast.ingest("wf", [("title", "T")], read_seconds=5) == "1603"

    @pytest.mark.parametrize(
        "text",
        ["", "Success", "<html", '<html id="main"><body/></html>', "<workflow/>", '{"id": 1}'],
    )
    def test_ingest_outcome_is_unknown_when_the_answer_has_no_workflow(
        self, opencast: Opencast, web: Web, text: str
    ) -> None:
        web.pages = {INGEST: as_xml(text)}
        with pytest.raises(IngestOutcomeUnknown):
            opencast.ingest("wf", [("title", "T")], read_seconds=5)

    @pytest.mark.parametrize("encoding", ["foo", "utf-32", "idna", "utf-7", "rot13"])
    def test_ingest_outcome_is_unknown_when_the_answer_declares_an_unusual_encoding(
        self, opencast: Opencast, web: Web, encoding: str
    ) -> None:
        web.pages = {INGEST: as_xml(f'<?xml version="1.0" encoding="{encoding}"?><a id="\xff"/>')}
        with pytest.raises(IngestOutcomeUnknown):
            opencast.ingest("wf", [("title", "T")], read_seconds=5)

    @pytest.mark.parametrize("answer", [Answer(500), text_answer(500, "text/plain", b"no")])
    def test_ingest_raises_ingest_broken_when_opencast_answers_500_without_html(
        self, opencast: Opencast, web: Web, answer: Answer
    ) -> None:
        web.pages = {INGEST: answer}
        with pytest.raises(IngestBroken, match="Opencast answered 500 to the ingest"):
            opencast.ingest("wf", [("title", "T")], read_seconds=5)

    @pytest.mark.parametrize(
        ("status", "content_type"),
        [
            (500, "text/html"),
            (500, "text/html;charset=utf-8"),
            *((status, "text/html") for status in (502, 503, 504, 520, 522, 524, 530)),
            *((status, "text/plain") for status in (502, 503, 504, 520)),
        ],
    )
    def test_ingest_outcome_is_unknown_when_a_proxy_answers_5xx(
        self, opencast: Opencast, web: Web, status: int, content_type: str
    ) -> None:
        # Opencast may still fetch the files.
        web.pages = {INGEST: text_answer(status, content_type, b"no")}
        with pytest.raises(IngestOutcomeUnknown, match=f"answered the ingest with {status}"):
            opencast.ingest("wf", [("title", "T")], read_seconds=5)

    def test_ingest_raises_ingest_not_sent_when_the_connection_is_refused(
        self, session: requests.Session
    ) -> None:
        opencast = Opencast("https://127.0.0.1:9", "zip", "x", auth="basic", session=session)
        with pytest.raises(IngestNotSent, match=r"127\.0\.0\.1:9 took no connection"):
            opencast.ingest("wf", [("title", "T")], read_seconds=5)

    def test_error_of_a_refused_ingest_quotes_the_answer_of_opencast_in_one_short_line(
        self, opencast: Opencast, web: Web
    ) -> None:
        answer = text_answer(400, "text/plain", b"Could not parse\n\tflavor " + b"x" * 500)
        web.pages = {INGEST: answer}
        with pytest.raises(IngestRefused) as raised:
            opencast.ingest("wf", [("title", "T")], read_seconds=5)
        assert "400 to the ingest: Could not parse flavor xxx" in str(raised.value)
        assert len(str(raised.value)) < 300

    @pytest.mark.parametrize("before", ["wrong: ", "x" * 190])
    def test_error_of_a_refused_ingest_contains_no_part_of_a_secret_that_the_answer_repeats(
        self, before: str, opencast: Opencast, web: Web
    ) -> None:
        def check() -> None:
            log.hide("S3cretPassword")
            web.pages = {INGEST: text_answer(400, "text/plain", f"{before}S3cretPassword".encode())}
            with pytest.raises(IngestRefused) as raised:
                opencast.ingest("wf", [("title", "T")], read_seconds=5)
            assert str(raised.value).endswith(f"400 to the ingest: {before}***")

        copy_context().run(check)

    def test_workflow_name_is_encoded_as_one_path_segment(
        self, opencast: Opencast, web: Web
    ) -> None:
        with pytest.raises(IngestRefused, match="404"):
            opencast.ingest("../a/b?c#d", [("title", "T")], read_seconds=5)
        assert web.seen[0].path == "/ingest/addMediaPackage/..%2Fa%2Fb%3Fc%23d"

    def test_ingest_follows_no_redirect(self, opencast: Opencast, web: Web) -> None:
        # The form contains presigned URLs, which give access to the files.
        web.pages = {INGEST: Answer(307, (("Location", f"{web.other}/elsewhere"),))}
        with pytest.raises(IngestRefused, match="307"):
            opencast.ingest("wf", [("title", "T")], read_seconds=5)
        assert len(web.seen) == 1

    @settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(value=st.text(max_size=60))
    def test_ingest_sends_values_unchanged_and_repeated_names_twice(
        self, opencast: Opencast, web: Web, value: str
    ) -> None:
        web.forget()
        web.pages = {INGEST: as_xml('<workflow id="1"/>')}
        opencast.ingest("wf", [("title", value), ("title", "again")], read_seconds=5)
        (request,) = web.seen
        assert b'name="title"\r\n\r\n' + value.encode() + b"\r\n--" in request.body
        assert request.body.count(b'name="title"') == 2
