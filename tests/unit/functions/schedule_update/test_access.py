"""Updates that are refused or fail, new keys and tokens, and the handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

import schedule_update
from ingester.schedule.google_sheets import Sheets
from local.authority import Authority
from local.neighbours.https_server import Answer, Request, json_answer
from tests.cloud import Cloud
from tests.function_harness import schedule_update_dependencies
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
    SheetUser,
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
def test_schedule_update_gives_the_reason_and_changes_nothing_when_google_refuses_or_fails(
    user: SheetUser, answer: Answer, status: int, says: str
) -> None:
    user.google.answers(answer)
    answered = user.update()
    assert answered[0] == status
    assert says in answered[1]
    assert user.stored() == {}, "the lock must be released too"


def test_schedule_update_answers_504_when_google_is_slow(user: SheetUser) -> None:
    watch = Stopwatch(longer=60)

    def slow(_: Request) -> Answer:
        watch.now += schedule_update.GOOGLE_SECONDS + 1
        return tabs([])

    sheets = Sheets(
        user.google.key,
        base_url=user.google.web.url,
        session=user.google.session,
        sleep=watch.sleep,
        clock=user.clock,
        monotonic=watch,
    )
    user.deps = replace(user.deps, sheets=sheets)
    user.google.answers(slow)
    assert user.update() == (504, "Google did not answer in time. Try again in a minute.")


@pytest.mark.parametrize("headers", [{}, {"X_Schedule_Token": "wrong"}, {"x": "right"}])
def test_schedule_update_without_the_token_is_refused_before_google_is_asked(
    user: SheetUser, headers: dict[str, str]
) -> None:
    user.deps = schedule_update_dependencies(
        user.aws, user.clock, user.deps.sheets, token="right", gsheets_doc_id=DOCUMENT
    )
    user.sheet(row())
    status, text = user.update(**headers)
    assert status == 401
    assert "SCHEDULE_UPDATE_TOKEN" in text
    assert "right" not in text.split()[-1]
    assert user.google.web.seen == []


@pytest.mark.parametrize("name", ["X_Schedule_Token", "x_schedule_token"])
def test_schedule_update_accepts_the_token_and_a_renewed_token(user: SheetUser, name: str) -> None:
    old, new = (
        schedule_update_dependencies(
            user.aws, user.clock, user.deps.sheets, token=t, gsheets_doc_id=DOCUMENT
        )
        for t in ("old", "new")
    )
    user.deps = old
    user.sheet(row())
    assert user.update(**{name: "old "})[0] == 200
    assert user.update(**{name: "new"})[0] == 401
    user.rebuild = lambda: new
    assert user.update(**{name: "new"})[0] == 200
    assert user.update(**{name: "\ud800"})[0] == 401


@pytest.mark.parametrize(
    "settings", [{"gsheets_doc_id": ""}, {"gsheets_doc_id": DOCUMENT, "gsheets_sheet_names": ", "}]
)
def test_schedule_update_answers_503_when_no_sheet_is_set_up(
    user: SheetUser, settings: Mapping[str, str]
) -> None:
    user.deps = schedule_update_dependencies(user.aws, user.clock, user.deps.sheets, **settings)
    status, text = user.update()
    assert status == 503
    assert "GSHEETS_DOC_ID" in text


def test_schedule_update_uses_a_replaced_google_key_in_the_request_that_needs_it(
    user: SheetUser,
) -> None:
    user.sheet(row())
    gone = service_key("https://127.0.0.1:9/token").replace("PRIVATE", "LOST")
    new = user.deps
    for key in ("", gone):
        user.deps = replace(new, sheets=sheets_of(user.google, user.clock, key))
        user.rebuild = None
        assert user.update()[0] == 502
        user.rebuild = lambda: new
        assert user.update()[0] == 200


@pytest.mark.parametrize(
    ("first", "renewing", "second", "status"), [(6, 2, 6, 200), (10, 0, 6, 504), (6, 9, 0, 502)]
)
def test_schedule_update_has_one_deadline_for_both_keys_when_google_refuses_the_first_key(
    user: SheetUser, first: int, renewing: int, second: int, status: int
) -> None:
    # After 29 seconds, API Gateway would answer without the reason:
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
    watch = Stopwatch()

    def after(seconds: int, answer: Answer) -> Callable[[Request], Answer]:
        def page(_: Request) -> Answer:
            watch.now += seconds
            return answer

        return page

    def deps() -> schedule_update.Dependencies:
        sheets = Sheets(
            user.google.key,
            base_url=user.google.web.url,
            session=user.google.session,
            sleep=watch.sleep,
            clock=user.clock,
            monotonic=watch,
        )
        return replace(user.deps, sheets=sheets, monotonic=watch)

    refused = json_answer(400, {"error": "invalid_grant"})
    user.google.answers(after(second, tabs([HEADER, row()])))
    user.google.web.pages[TOKEN] = [after(first, refused), GOOD_TOKEN]
    user.deps, newer = deps(), deps()

    def rebuild() -> schedule_update.Dependencies:
        watch.now += renewing
        return newer

    user.rebuild = rebuild
    assert user.update()[0] == status


def test_schedule_update_imports_a_sheet_when_lambda_calls_the_handler(
    aws: Cloud, google_server: Google, tls: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The handler reads settings from the environment, and Google's key and the token from SSM.
    for name, value in {
        "STACK_NAME": "test",
        "SECRETS_PATH": "/zoom-ingester/test",
        "SCHEDULE_TABLE": aws.schedule.name,
        "GOOGLE_CREDENTIALS": "/zoom-ingester/common/gapi-credentials",
        "GSHEETS_API_BASE_URL": google_server.web.url,
        "GSHEETS_DOC_ID": DOCUMENT,
        "GSHEETS_SHEET_NAMES": "Fall",
        "ALLOW_OPEN_SCHEDULE_UPDATE": "true",
        "REQUESTS_CA_BUNDLE": str(tls.ca_bundle),
    }.items():
        monkeypatch.setenv(name, value)
    google_server.answers(tabs([HEADER, row()]))
    with container():
        answer = cold("schedule_update").handler({"headers": None}, Context())
        assert (answer["statusCode"], "schedule.save-creds" in answer["body"]) == (502, True)
        for name, value in (
            ("common/gapi-credentials", google_server.key),
            ("test/SCHEDULE_UPDATE_TOKEN", "t"),
        ):
            aws.ssm.put_parameter(Name=f"/zoom-ingester/{name}", Value=value, Type="SecureString")
        function = cold("schedule_update")
        assert function.handler({}, Context())["statusCode"] == 401
        answer = function.handler({"headers": {"X-Schedule-Token": "t"}}, Context())
    assert answer["body"] == "Success: 1 meeting with 2 events (1 new)."
    assert answer["statusCode"] == 200
