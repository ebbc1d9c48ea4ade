"""Log records in JSON, with the recording's ids and redacted secrets."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester import log
from ingester.log import JsonFormatter, redact

logger = logging.getLogger("ingester.test")


class Context:
    aws_request_id = "request-1"


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("ingester")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    log.set_debug(False)
    # Other tests of this process may have read secrets. The log would remove the secrets' values
    # from the texts of this module.
    log._hidden.set(())  # noqa: SLF001  # the product never forgets a secret
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_log_record_has_its_level_its_message_and_the_lambda_request_id(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.start(Context())
    logger.info("Sent %s to %s", 3, "the downloader", extra={"files": 3})
    (line,) = lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line.pop("location").startswith("test_log.test_log_record_has_its_level_")
    assert line == {
        "level": "INFO",
        "message": "Sent 3 to the downloader",
        "aws_request_id": "request-1",
        "files": 3,
    }


def test_log_record_contains_the_redacted_traceback_of_its_exception(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.start(Context())
    try:
        raise ValueError("no such thing, token=abc123")
    except ValueError:
        logger.exception("It failed")
    (line,) = lines(capsys)
    assert line["level"] == "ERROR"
    assert "Traceback" in line["exception"]
    assert "no such thing" in line["exception"]
    assert "abc123" not in line["exception"]


def test_log_records_name_the_recording_inside_of_a_log_context_block(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.start(Context())
    with log.context(uuid="u=="):
        with log.context(zip_id="auto-ingest-u=="):
            logger.info("both")
        logger.info("outer")
    logger.info("none")
    both, outer, none = lines(capsys)
    assert (both["uuid"], both["zip_id"]) == ("u==", "auto-ingest-u==")
    assert (outer["uuid"], "zip_id" in outer) == ("u==", False)
    assert "uuid" not in none
    assert none["aws_request_id"] == "request-1"


def test_log_records_of_a_new_invocation_do_not_name_the_recording_of_the_invocation_before(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.start(Context())
    with log.context(uuid="u=="):
        log.start(object())
        logger.info("new")
    (line,) = lines(capsys)
    assert "uuid" not in line
    assert line["aws_request_id"] == ""


def test_log_record_is_written_once_when_the_log_is_started_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.start(Context())
    log.start(Context())
    logger.info("once")
    assert len(lines(capsys)) == 1


@pytest.mark.parametrize(("on", "seen"), [(True, 1), (False, 0)])
def test_debug_log_records_are_written_only_when_debug_is_on(
    on: bool, seen: int, capsys: pytest.CaptureFixture[str]
) -> None:
    log.start(Context())
    log.set_debug(on)
    logger.debug("detail")
    logging.getLogger("botocore").info("never")
    assert len(lines(capsys)) == seen


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer SECRET.part-2_x", "SECRET.part-2_x"),
        ("authorization=bearer SECRET", "SECRET"),
        ("{'Authorization': 'Basic SECRET=='}", "SECRET=="),
        ("https://b.example/k?X-Amz-Credential=SECRET%2Fus&X-Amz-Date=1", "SECRET%2Fus"),
        ("https://b.example/k?X-Amz-Signature=SECRET", "SECRET"),
        ("https://b.example/k?a=1&X-Amz-Security-Token=SECRET%2F&b=2", "SECRET%2F"),
        ("https://localhost/replay/x?Policy=SECRET&Signature=SECRET&Key-Pair-Id=K", "SECRET"),
        ("https://zoom.us/rec/download/x?access_token=SECRET", "SECRET"),
        ("https://zoom.us/j/95846636714?pwd=SECRET.1", "SECRET.1"),
        ('{"download_token": "SECRET", "event": "recording.completed"}', "SECRET"),
        ('{"download_token":"part, one;SECRET}"}', "part, one;SECRET}"),
        ('{"download_access_token":"SECRET"}', "SECRET"),
        ('{"password":"3H\\"X*SECRET"}', '3H\\"X*SECRET'),
        ('{"recording_play_passcode":"SECRET"}', "SECRET"),
        ("{'download_token': 'SECRET'}", "SECRET"),
        (json.dumps({"body": json.dumps({"download_token": "SECRET", "n": 1})}), "SECRET"),
        (json.dumps({"body": json.dumps({"password": 'a"SECRET'})}), r"a\\\"SECRET"),
        (json.dumps(json.dumps(json.dumps({"client_token": "SECRET"}))), "SECRET"),
        ("DownloadMessage(uuid='u', download_token='SECRET')", "SECRET"),
        ("X-Api-Key: SECRET", "SECRET"),
        ("ZOOM_API_SECRET=hunter2", "hunter2"),
        ("x-zm-signature: v0=SECRET", "v0=SECRET"),
    ],
)
def test_redaction_removes_the_whole_secret_and_nothing_else(text: str, secret: str) -> None:
    assert redact(text) == text.replace(secret, "***")


@pytest.mark.parametrize(
    "text",
    [
        "The request's signature is too old.",
        "https://example.edu/engage/ui/index.html#/2021/01/12345",
        "auto-ingest-4Mhc+abc/def==",
        "1234/1795446000/000-shared_screen.mp4",
        '{"event": "recording.completed", "zip_id": "auto-ingest-u=="}',
    ],
)
def test_redaction_keeps_a_text_without_secrets(text: str) -> None:
    assert redact(text) == text


def test_redaction_keeps_the_rest_of_a_line_with_a_secret() -> None:
    text = '{"download_token": "SECRET", "event": "recording.completed"}'
    assert redact(text) == '{"download_token": "***", "event": "recording.completed"}'
    assert redact("https://b/k?X-Amz-Signature=ff&x=1") == "https://b/k?X-Amz-Signature=***&x=1"


def record(**extra: Any) -> dict[str, Any]:
    made = logging.makeLogRecord({"msg": "%s", "args": ("text",), **extra})
    return dict(json.loads(JsonFormatter().format(made)))


def test_nested_values_of_a_log_record_are_redacted() -> None:
    line = record(
        request={"download_token": "SECRET", "headers": [("Authorization", "Bearer SECRET")]},
        webhook_secret="SECRET",
    )
    assert "SECRET" not in json.dumps(line)
    assert line["request"]["download_token"] == "***"
    assert line["webhook_secret"] == "***"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.sets(st.integers()),
    max_leaves=8,
)


def test_log_record_has_a_question_mark_when_a_text_has_a_lone_surrogate() -> None:
    found = record(msg="half \ud800", args=(), key={"\udfff": "\ud800"})
    assert (found["message"], found["key"]) == ("half ?", {"?": "?"})


@given(json_values)
def test_log_record_is_json_whatever_its_values(value: object) -> None:
    assert record(thing=value)["message"] == "text"


@given(st.text(st.characters(codec="utf-8", exclude_characters='"\\\n\r'), min_size=1))
def test_redaction_removes_a_quoted_token_whatever_its_characters(token: str) -> None:
    assert redact(f'{{"download_token": "{token}", "a": 1}}') == (
        '{"download_token": "***", "a": 1}'
    )
