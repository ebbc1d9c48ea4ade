"""The answers of an HTTP function, and the errors of its use case."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ingester.errors import BadRequest, NotFound, SheetsTimedOut, SheetsUnreachable
from ingester.runtime.api_gateway import Answer, Request
from ingester.runtime.http_endpoint import AwsFailure, ErrorAnswers, handle, log_nothing

THROTTLED = ClientError({"Error": {"Code": "Throttling"}}, "PutItem")
ANSWER = Answer(status=200, body="done")
AWS = AwsFailure(
    status=503,
    text="Not now.",
    headline=lambda error: f"{type(error).__name__}!",
    outlook="It is tried again.",
)


def raising(error: Exception) -> Any:
    def use_case(_request: Request) -> Answer:
        raise error

    return use_case


def levels(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    return [(record.levelno, record.getMessage()) for record in caplog.records]


def test_use_case_gets_the_request_of_the_lambda_event() -> None:
    seen: list[Request] = []

    def use_case(request: Request) -> Answer:
        seen.append(request)
        return ANSWER

    event = {"body": "a", "headers": {"X-A": "1"}, "resource": "/status"}
    assert ErrorAnswers().respond(event, use_case) is ANSWER
    assert seen == [Request(headers={"x-a": "1"}, query={}, body=b"a", resource="/status")]


def test_request_error_is_answered_with_its_own_status(caplog: pytest.LogCaptureFixture) -> None:
    answer = ErrorAnswers().respond({}, raising(NotFound("No such recording.")))
    assert (answer.status, json.loads(answer.body)) == (404, {"message": "No such recording."})
    assert levels(caplog) == [(logging.WARNING, "Refused with 404: No such recording.")]


def test_request_is_refused_with_400_when_its_body_is_not_the_declared_base64() -> None:
    event = {"body": "a", "isBase64Encoded": True}
    assert ErrorAnswers().respond(event, raising(AssertionError())).status == 400


def test_first_matching_error_type_determines_the_http_status() -> None:
    errors = ErrorAnswers(statuses={SheetsTimedOut: 504, SheetsUnreachable: 503})
    assert errors.respond({}, raising(SheetsTimedOut("Late."))).status == 504
    assert errors.respond({}, raising(SheetsUnreachable("Away."))).status == 503


def test_aws_failure_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    answer = ErrorAnswers(aws=AWS, report=log_nothing).respond({}, raising(THROTTLED))
    assert (answer.status, json.loads(answer.body)) == (503, {"message": "Not now."})
    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "ClientError!")
    assert record.exc_info
    assert vars(record)["outlook"] == "It is tried again."


@pytest.mark.parametrize("error", [THROTTLED, KeyError("a"), SheetsUnreachable("Away.")])
def test_unexpected_error_is_raised_and_not_answered(error: Exception) -> None:
    with pytest.raises(type(error)):
        ErrorAnswers().respond({}, raising(error))


def test_error_answer_is_made_and_reported_by_the_given_callbacks() -> None:
    reports: list[tuple[int, str]] = []
    errors = ErrorAnswers(
        aws=AWS,
        make=lambda status, text: Answer(status=status, body=text),
        report=lambda status, error: reports.append((status, str(error))),
    )
    assert errors.respond({}, raising(BadRequest("No."))) == Answer(status=400, body="No.")
    assert errors.respond({}, raising(THROTTLED)) == Answer(status=503, body="Not now.")
    assert reports == [(400, "No."), (503, "Not now.")]


def test_log_contains_the_request_id_while_a_function_builds_its_dependencies(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Context:
        aws_request_id = "r-1"

    root = logging.getLogger()
    before = root.handlers[:], root.level

    def respond() -> Answer:
        logging.getLogger("ingester").warning("Building")
        return ANSWER

    try:
        answer = handle(Context(), respond)
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
    assert (answer["statusCode"], answer["body"]) == (200, "done")
    assert "r-1" in capsys.readouterr().out
