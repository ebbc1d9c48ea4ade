"""Google's refusals, the token, the key, and the function as Lambda calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

import schedule_update
from ingester.schedule.google_sheets import Sheets
from local.authority import Authority
from local.neighbours.https_server import Answer, Request, json_answer
from tests.cloud import Cloud
from tests.function_harness import schedule_tools
from tests.google_web import (
    DOCUMENT,
    GOOD_TOKEN,
    HEADER,
    TOKEN,
    Google,
    refusal,
    row,
    service_key,
    tabs,
)
from tests.unit.functions.deployed import Context, cold, container
from tests.unit.functions.schedule_update.harness import (
    Desk,
    sheets_of,
)
from tests.waits import Stopwatch


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [
        (refusal(403, "PERMISSION_DENIED", "no"), 502, "not shared with reader@"),
        (refusal(404, "NOT_FOUND", "no"), 502, "no document"),
        (refusal(400, "INVALID_ARGUMENT", "Unable to parse range: 'Fall'"), 502, "no tab Fall"),
        (refusal(429, "RESOURCE_EXHAUSTED", "no"), 503, "Google is busy"),
        (Answer(500), 503, "Google answered 500"),
        (json_answer(200, {"valueRanges": []}), 503, "0 tabs instead of 1"),
    ],
)
def test_update_fails_with_a_sentence_when_google_fails(
    desk: Desk, answer: Answer, status: int, says: str
) -> None:
    desk.google.answers(answer)
    told = desk.press()
    assert told[0] == status
    assert says in told[1]
    assert desk.stored() == {}, "not even the lock is left"


def test_update_is_504_when_google_is_too_slow(desk: Desk) -> None:
    watch = Stopwatch(longer=60)

    def slow(_: Request) -> Answer:
        watch.now += schedule_update.GOOGLE_SECONDS + 1
        return tabs([])

    sheets = Sheets(
        desk.google.key,
        base_url=desk.google.web.url,
        session=desk.google.session,
        sleep=watch.sleep,
        clock=desk.clock,
        monotonic=watch,
    )
    desk.deps = replace(desk.deps, sheets=sheets)
    desk.google.answers(slow)
    assert desk.press() == (504, "Google did not answer in time. Try again in a minute.")


@pytest.mark.parametrize("headers", [{}, {"X_Schedule_Token": "wrong"}, {"x": "right"}])
def test_update_is_401_without_the_token(desk: Desk, headers: dict[str, str]) -> None:
    desk.deps = schedule_tools(
        desk.aws, desk.clock, desk.deps.sheets, token="right", gsheets_doc_id=DOCUMENT
    )
    desk.sheet(row())
    status, text = desk.press(**headers)
    assert status == 401
    assert "SCHEDULE_UPDATE_TOKEN" in text
    assert "right" not in text.split()[-1]
    assert desk.google.web.seen == []


@pytest.mark.parametrize("name", ["X_Schedule_Token", "x_schedule_token"])
def test_update_takes_the_token_and_one_that_was_set_since(desk: Desk, name: str) -> None:
    old, new = (
        schedule_tools(desk.aws, desk.clock, desk.deps.sheets, token=t, gsheets_doc_id=DOCUMENT)
        for t in ("old", "new")
    )
    desk.deps = old
    desk.sheet(row())
    assert desk.press(**{name: "old "})[0] == 200
    assert desk.press(**{name: "new"})[0] == 401
    desk.renewed = lambda: new
    assert desk.press(**{name: "new"})[0] == 200
    assert desk.press(**{name: "\ud800"})[0] == 401


@pytest.mark.parametrize(
    "settings", [{"gsheets_doc_id": ""}, {"gsheets_doc_id": DOCUMENT, "gsheets_sheet_names": ", "}]
)
def test_update_is_503_when_no_sheet_is_set_up(desk: Desk, settings: Mapping[str, str]) -> None:
    desk.deps = schedule_tools(desk.aws, desk.clock, desk.deps.sheets, **settings)
    status, text = desk.press()
    assert status == 503
    assert "GSHEETS_DOC_ID" in text


def test_update_uses_a_replaced_key_at_once(desk: Desk) -> None:
    desk.sheet(row())
    gone = service_key("https://127.0.0.1:9/token").replace("PRIVATE", "LOST")
    new = desk.deps
    for key in ("", gone):
        desk.deps = replace(new, sheets=sheets_of(desk.google, desk.clock, key))
        desk.renewed = None
        assert desk.press()[0] == 502
        desk.renewed = lambda: new
        assert desk.press()[0] == 200


@pytest.mark.parametrize(
    ("first", "renewing", "second", "status"), [(6, 2, 6, 200), (10, 0, 6, 504), (6, 9, 0, 502)]
)
def test_two_keys_share_the_time_limit_of_one(
    desk: Desk, first: int, renewing: int, second: int, status: int
) -> None:
    """The function ends after 30 seconds, and API Gateway tells the sheet nothing then."""
    watch = Stopwatch()

    def after(seconds: int, answer: Answer) -> Callable[[Request], Answer]:
        def page(_: Request) -> Answer:
            watch.now += seconds
            return answer

        return page

    def deps() -> schedule_update.Dependencies:
        sheets = Sheets(
            desk.google.key,
            base_url=desk.google.web.url,
            session=desk.google.session,
            sleep=watch.sleep,
            clock=desk.clock,
            monotonic=watch,
        )
        return replace(desk.deps, sheets=sheets, monotonic=watch)

    refused = json_answer(400, {"error": "invalid_grant"})
    desk.google.answers(after(second, tabs([HEADER, row()])))
    desk.google.web.pages[TOKEN] = [after(first, refused), GOOD_TOKEN]
    desk.deps, newer = deps(), deps()

    def renewed() -> schedule_update.Dependencies:
        watch.now += renewing
        return newer

    desk.renewed = renewed
    assert desk.press()[0] == status


def test_deployed_function_updates_the_schedule(
    aws: Cloud, there: Google, tls: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings from the environment, the key and the token from SSM, trust from the CA bundle."""
    for name, value in {
        "STACK_NAME": "test",
        "SECRETS_PATH": "/zoom-ingester/test",
        "SCHEDULE_TABLE": aws.schedule.name,
        "GOOGLE_CREDENTIALS": "/zoom-ingester/common/gapi-credentials",
        "GSHEETS_API_BASE_URL": there.web.url,
        "GSHEETS_DOC_ID": DOCUMENT,
        "GSHEETS_SHEET_NAMES": "Fall",
        "REQUESTS_CA_BUNDLE": str(tls.ca_bundle),
    }.items():
        monkeypatch.setenv(name, value)
    there.answers(tabs([HEADER, row()]))
    with container():
        answer = cold("schedule_update").handler({"headers": None}, Context())
        assert (answer["statusCode"], "schedule.save-creds" in answer["body"]) == (502, True)
        for name, value in (
            ("common/gapi-credentials", there.key),
            ("test/SCHEDULE_UPDATE_TOKEN", "t"),
        ):
            aws.ssm.put_parameter(Name=f"/zoom-ingester/{name}", Value=value, Type="SecureString")
        function = cold("schedule_update")
        assert function.handler({}, Context())["statusCode"] == 401
        answer = function.handler({"headers": {"X-Schedule-Token": "t"}}, Context())
    assert answer["body"] == "Success: 1 meeting with 2 events (1 new)."
    assert answer["statusCode"] == 200
