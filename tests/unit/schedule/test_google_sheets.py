"""Requests and errors of the client of Google Sheets, over HTTPS."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jwt
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingester.errors import (
    GoogleKeyRefused,
    SheetsRefused,
    SheetsTimedOut,
    SheetsUnreachable,
)
from ingester.schedule.google_sheets import ATTEMPTS, LARGEST_ANSWER, Sheets, Tab
from local.authority import Authority
from local.neighbours.https_server import Answer, Disruption, Request, json_answer, text_answer
from tests.cloud import Clock
from tests.google_web import (
    DOCUMENT,
    EMAIL,
    GOOD_TOKEN,
    TOKEN,
    VALUES,
    Google,
    google,
    private_key,
    refusal,
    service_key,
    tabs,
)
from tests.waits import Stopwatch


@pytest.fixture(scope="module")
def google_server(tls: Authority) -> Iterator[Google]:
    with google(tls) as made:
        yield made


@pytest.fixture
def watch() -> Stopwatch:
    return Stopwatch()


Ask = Callable[..., list[Tab]]


@pytest.fixture
def ask(google_server: Google, watch: Stopwatch, clock: Clock) -> Ask:
    def read(
        *names: str, key: str | None = None, seconds: float = 15.0, url: str = ""
    ) -> list[Tab]:
        sheets = Sheets(
            google_server.key if key is None else key,
            base_url=url or google_server.web.url,
            session=google_server.session,
            sleep=watch.sleep,
            clock=clock,
            monotonic=watch,
        )
        return sheets.tabs(DOCUMENT, names or ("Fall",), seconds=seconds)

    return read


def test_sheets_client_reads_the_displayed_values_of_all_tabs_in_one_request(
    google_server: Google, ask: Ask
) -> None:
    google_server.answers(tabs([["a", "b"], [], ["", "9:30"]], []))
    assert ask("Fall 2026", "Jon's") == [
        Tab("Fall 2026", (("a", "b"), (), ("", "9:30"))),
        Tab("Jon's", ()),
    ]
    [query] = google_server.asked()
    assert query["ranges"] == ["'Fall 2026'", "'Jon''s'"]
    assert query["valueRenderOption"] == ["FORMATTED_VALUE"]
    assert query["majorDimension"] == ["ROWS"]
    assert google_server.web.tokens()[1] == (VALUES, "Bearer ya29.t")


def test_sheets_client_signs_in_with_its_key_for_reading_only(
    google_server: Google, ask: Ask
) -> None:
    google_server.answers(tabs([]))
    ask()
    token_request = google_server.web.seen[0]
    assert token_request.path == TOKEN
    form = dict(part.split("=", 1) for part in token_request.body.decode().split("&"))
    claims = jwt.decode(form["assertion"], options={"verify_signature": False})
    assert claims["iss"] == EMAIL
    assert claims["scope"] == "https://www.googleapis.com/auth/spreadsheets.readonly"


def test_sheets_client_returns_text_for_cells_that_are_not_text(
    google_server: Google, ask: Ask
) -> None:
    google_server.answers(tabs([[1, 0.5625, True, False, None, "x"]]))
    [tab] = ask()
    assert tab.rows == (("1", "0.5625", "TRUE", "FALSE", "", "x"),)


def test_sheets_client_returns_no_rows_for_a_tab_without_values(
    google_server: Google, ask: Ask
) -> None:
    google_server.answers(json_answer(200, {"valueRanges": [{"range": "Fall!A1:Z1000"}]}))
    assert ask() == [Tab("Fall", ())]


REFUSALS = [
    (
        refusal(403, "PERMISSION_DENIED", "The caller does not have permission"),
        f"not shared with {EMAIL}: share it with this address",
    ),
    (
        refusal(
            403,
            "PERMISSION_DENIED",
            "Google Sheets API has not been used in project 1 before or it is disabled.",
            reason="SERVICE_DISABLED",
        ),
        "Google Sheets API is not enabled",
    ),
    (refusal(404, "NOT_FOUND", "Requested entity was not found."), "no document with the id"),
    (
        refusal(400, "INVALID_ARGUMENT", "Unable to parse range: 'Sprung 2027'"),
        "The sheet has no tab Sprung 2027: was it renamed?",
    ),
    (
        refusal(400, "INVALID_ARGUMENT", "Unable to parse range: something else"),
        "not all of the tabs Fall, Sprung 2027",
    ),
    (
        refusal(400, "FAILED_PRECONDITION", "This operation is not supported for this document"),
        "not a Google Sheet: save an Excel file as one",
    ),
    (refusal(418, "TEAPOT", "short\n and stout"), "Google answered 418: short and stout"),
    (Answer(403), f"not shared with {EMAIL}"),
    (Answer(302, (("Location", "https://127.0.0.1:9/"),)), "Google answered 302: without a reason"),
    (json_answer(400, ["x"]), "Google answered 400: without a reason"),
]


@pytest.mark.parametrize(("answer", "says"), REFUSALS)
def test_sheets_client_explains_the_refusal_and_does_not_retry_when_google_refuses(
    google_server: Google, ask: Ask, watch: Stopwatch, answer: Answer, says: str
) -> None:
    google_server.answers(answer)
    with pytest.raises(SheetsRefused) as refused:
        ask("Fall", "Sprung 2027")
    assert says in str(refused.value)
    assert watch.slept == []


@pytest.mark.parametrize(
    ("token", "says"),
    [
        (
            json_answer(400, {"error": "invalid_grant", "error_description": "Invalid JWT"}),
            "invalid_grant: Invalid JWT",
        ),
        (text_answer(403, "text/html", b"<html>no</html>"), "<html>no</html>"),
        (json_answer(200, {"token_type": "Bearer"}), "No access token"),
    ],
)
def test_sheets_client_names_the_key_when_google_gives_no_token_for_the_key(
    google_server: Google, ask: Ask, watch: Stopwatch, token: Answer, says: str
) -> None:
    google_server.answers(tabs([]), token=token)
    with pytest.raises(GoogleKeyRefused) as refused:
        ask()
    assert says in str(refused.value)
    assert f"the key of {EMAIL}" in str(refused.value)
    assert "invoke schedule.save-creds" in str(refused.value)
    assert private_key() not in str(refused.value)
    assert watch.slept == []


def test_sheets_client_raises_google_key_refused_when_no_key_was_saved(ask: Ask) -> None:
    with pytest.raises(GoogleKeyRefused, match=r"No Google account .* schedule.save-creds"):
        ask(key="")


def test_sheets_client_raises_google_key_refused_when_google_refuses_the_token(
    google_server: Google, ask: Ask
) -> None:
    google_server.answers(refusal(401, "UNAUTHENTICATED", "Request had invalid credentials."))
    with pytest.raises(GoogleKeyRefused, match="doesn't take the token of reader@"):
        ask()


@pytest.mark.parametrize(
    "key",
    [
        "{}",
        "[]",
        "null",
        "not json",
        service_key("https://x").replace("BEGIN", "SECRET"),
        json.dumps({**json.loads(service_key("https://x")), "private_key": "SECRET"}),
        json.dumps({**json.loads(service_key("https://x")), "private_key": 5}),
        json.dumps({**json.loads(service_key("https://x")), "client_email": None}),
    ],
)
def test_sheets_client_refuses_a_malformed_key_without_quoting_the_key(ask: Ask, key: str) -> None:
    with pytest.raises(GoogleKeyRefused, match="none of a service account") as refused:
        ask(key=key)
    assert "SECRET" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "answer",
    [
        refusal(429, "RESOURCE_EXHAUSTED", "Quota exceeded"),
        refusal(500, "INTERNAL", "x"),
        Answer(503),
        text_answer(502, "text/html", b"<html>"),
        text_answer(200, "application/json", b'{"valueRanges": [{"range": "Fa'),
        text_answer(200, "text/html", b"<html>sign in</html>"),
        json_answer(200, [1]),
        json_answer(200, 7),
        json_answer(200, {"valueRanges": "x"}),
        json_answer(200, {"valueRanges": []}),
        json_answer(200, {"valueRanges": [{"range": "Fall!B7:Z9", "values": []}]}),
        json_answer(200, {"valueRanges": [{"range": "Fall!A1", "values": [[{"a": 1}]]}]}),
        text_answer(200, "application/json", b"\xff\xfe"),
        text_answer(200, "application/json", b"[" * 100_000),
        Answer(200, (), b'{"valueRanges": []}', disruption=Disruption(after_bytes=3, how="reset")),
        Answer(200, (), b'{"valueRanges": []}', disruption=Disruption(after_bytes=3, how="close")),
    ],
)
def test_sheets_client_retries_temporary_errors_and_malformed_answers(
    google_server: Google, ask: Ask, watch: Stopwatch, answer: Answer
) -> None:
    google_server.answers(answer, tabs([["x"]]))
    assert ask() == [Tab("Fall", (("x",),))]
    assert len(watch.slept) == 1
    google_server.answers(answer)
    with pytest.raises(SheetsUnreachable, match="Google"):
        ask()
    assert len(watch.slept) == 1 + ATTEMPTS - 1


def test_sheets_client_retries_when_the_token_endpoint_is_busy(
    google_server: Google, ask: Ask, watch: Stopwatch
) -> None:
    google_server.answers(tabs([]), token=lambda _: Answer(503))
    with pytest.raises(SheetsUnreachable, match="503"):
        ask()
    assert len(watch.slept) == ATTEMPTS - 1
    google_server.web.pages[TOKEN] = [Answer(500), GOOD_TOKEN]
    assert ask() == [Tab("Fall", ())]


@pytest.mark.parametrize(
    "token",
    [json_answer(200, 5), json_answer(200, {"access_token": "t", "expires_in": "soon"})],
)
def test_sheets_client_raises_sheets_unreachable_when_the_token_answer_is_malformed(
    google_server: Google, ask: Ask, token: Answer
) -> None:
    google_server.answers(tabs([]), token=token)
    with pytest.raises(SheetsUnreachable, match="about the token can't be read"):
        ask()


def test_sheets_client_waits_as_long_as_retry_after_says(
    google_server: Google, ask: Ask, watch: Stopwatch
) -> None:
    google_server.answers(Answer(429, (("Retry-After", "2"),)), tabs([]))
    ask()
    assert watch.slept == [2.0]


def test_sheets_client_raises_sheets_unreachable_when_the_connection_is_refused(
    ask: Ask, google_server: Google
) -> None:
    google_server.answers(tabs([]))
    with pytest.raises(SheetsUnreachable, match="ConnectionError"):
        ask(url="https://127.0.0.1:9")


def test_sheets_client_raises_sheets_unreachable_when_the_certificate_authority_is_unknown(
    google_server: Google, clock: Clock, watch: Stopwatch
) -> None:
    with requests.Session() as session:
        session.trust_env = False
        sheets = Sheets(
            google_server.key,
            base_url=google_server.web.url,
            session=session,
            sleep=watch.sleep,
            clock=clock,
            monotonic=watch,
        )
        with pytest.raises(SheetsUnreachable, match="SSLError"):
            sheets.tabs(DOCUMENT, ["Fall"], seconds=15)


def test_sheets_client_times_out_when_google_is_slow(
    google_server: Google, ask: Ask, watch: Stopwatch
) -> None:
    def slow(_: Request) -> Answer:
        watch.now += 20
        return tabs([])

    google_server.answers(slow)
    with pytest.raises(SheetsTimedOut, match="did not answer in time"):
        ask(seconds=15)


def test_sheets_client_does_not_retry_when_its_time_is_over(
    google_server: Google, ask: Ask, watch: Stopwatch
) -> None:
    def slow(_: Request) -> Answer:
        watch.now += 20
        return Answer(503)

    google_server.answers(slow)
    with pytest.raises(SheetsUnreachable, match="503"):
        ask(seconds=15)
    assert watch.slept == []


def test_sheets_client_times_out_when_google_is_silent(google_server: Google, ask: Ask) -> None:
    google_server.answers(Answer(200, (), b"{}", disruption=Disruption(wait=30)))
    with pytest.raises(SheetsTimedOut, match="did not answer in time"):
        ask(seconds=0.2)


def test_sheets_client_refuses_an_answer_of_more_than_32_mib(
    google_server: Google, ask: Ask
) -> None:
    google_server.answers(tabs([["x" * (LARGEST_ANSWER + 1)]]))
    with pytest.raises(SheetsRefused, match="more than 32 MB"):
        ask()


def test_sheets_client_reads_thousands_of_rows(google_server: Google, ask: Ask) -> None:
    rows: Sequence[Sequence[str]] = [["some text"] * 10] * 5000
    google_server.answers(tabs(rows))
    [tab] = ask()
    assert len(tab.rows) == 5000


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["valueRanges", "range", "values", "error", "message", "status", "details"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(status=st.sampled_from([200, 200, 204, 400, 401, 403, 404]), content=anything)
def test_sheets_client_returns_tabs_or_raises_a_readable_error_whatever_the_answer(
    google_server: Google, ask: Ask, status: int, content: Any
) -> None:
    google_server.answers(json_answer(status, content))
    said = ""
    try:
        assert all(isinstance(cell, str) for tab in ask() for row in tab.rows for cell in row)
    except (SheetsRefused, SheetsUnreachable) as error:
        said = str(error)
    assert said == "" or said.startswith(("Google", "The sheet", "The document"))
