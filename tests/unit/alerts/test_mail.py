"""Mails about faults: their content, and SNS's limits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk.names import FUNCTIONS, LOG_NOTIFICATIONS
from ingester import log
from ingester.alerts import mail as alerts
from ingester.alerts.faults import faults_in
from ingester.alerts.log_records import records_of
from ingester.alerts.mail import BODY_LIMIT, SUBJECT_LIMIT, Mail, Source, fitted_to_sns, log_link
from ingester.log_level import Level
from ingester.pipeline.states import State
from ingester.status.row import RequestOptions, StatusRow
from tests import log_lines
from tests.log_lines import line_of

NOW = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)
ZONE = ZoneInfo("US/Eastern")
SOURCE = Source(
    stack="zip",
    region="us-east-1",
    log_group="/aws/lambda/zip-zoom-uploader",
    log_stream="2026/10/14/[7]abc",
    page="https://zip.example.edu/live/",
)


def row(state: State = State.UPLOADER_FAILED, **more: object) -> StatusRow:
    known = {
        "zip_id": "auto-ingest-u",
        "meeting_id": 86168921331,
        "recording_id": "u",
        "topic": "Oceans",
        "start_time": "2026-10-14T14:00:00Z",
        "reason": "Invalid Opencast series id.",
        "course": "HIST E-1010",
        "oc_series_id": "20260112345",
        "files": frozenset({"f"}),
        "updated": NOW,
    }
    return StatusRow(state=state, **{**known, **more})  # type: ignore[arg-type]


def mail(line: str, about: StatusRow | None = None, function: str = "zoom-uploader") -> Mail:
    [fault] = faults_in(records_of([line]), function, Level.DEBUG)
    return alerts.fault_mail(fault, about, SOURCE, NOW, ZONE)


def test_mail_names_the_requested_series_next_to_the_series_of_the_row() -> None:
    sent = mail(line_of(), row(asked=RequestOptions(oc_series_id="9999999")))
    assert "\nSeries: 20260112345, asked for 9999999\n" in sent.body


def test_mail_begins_with_cause_and_recording_then_state_outlook_advice_and_links() -> None:
    sent = mail(line_of(), row())
    assert sent.subject == "[zip] Upload failed: Oceans"
    what, recording, state, following, step, link, *_ = sent.body.split("\n\n")
    assert what == (
        "Upload failed: Opencast has no series 20260112345 (Invalid Opencast series id.)"
    )
    assert recording == (
        "Recording: Oceans\nCourse: HIST E-1010\nSeries: 20260112345\n"
        "Began 2026-10-14 10:00 (US/Eastern), meeting 86168921331, uuid u"
    )
    assert state == (
        "State: Upload failed (UPLOADER_FAILED): Opencast has no series 20260112345 "
        "(Invalid Opencast series id.)"
    )
    assert following == "What happens next: Nothing happens automatically: it needs attention."
    assert step.startswith("What to do: Another series: `invoke exec.pipeline u --oc-series-id")
    page, log_link = link.split("\n")
    assert page == "Page: https://zip.example.edu/live/#meeting=86168921331&recording=u"
    assert log_link.startswith("Log: https://us-east-1.console.aws.amazon.com/cloudwatch/home?")


@pytest.mark.parametrize(
    ("about", "outlook", "following", "step"),
    [
        (
            row(retry_due="2026-10-14T18:40:00Z"),
            "",
            "Retried automatically at 2026-10-14T18:40:00Z.",
            "Nothing yet. If all attempts fail, another mail follows.",
        ),
        (row(State.SENT_TO_OPENCAST), "", "Nothing: this ingest has ended.", "See the state"),
        (row(State.SENT_TO_OPENCAST), "It stays.", "It stays.", "If it happens again"),
        (row(State.OC_SERIES_FOUND), "", "The ingest continues automatically.", "Nothing, unless"),
        (
            row(State.SENT_TO_DOWNLOADER, updated=NOW - timedelta(hours=3)),
            "",
            "Nothing happens automatically: it needs attention.",
            "Nothing has happened since 2026-10-14T15:30:00Z: `invoke queue.downloads`",
        ),
        (
            row(retry_due="2026-10-14T08:40:00Z"),
            "",
            "Nothing happens automatically: it needs attention.",
            "Was due again at 2026-10-14T08:40:00Z: `invoke queue.uploads`",
        ),
        (row(), "Buried.", "Buried.", "Another series: `invoke exec.pipeline u"),
        (
            None,
            "Zoom sends again.",
            "Zoom sends again.",
            "If it happens again: `invoke queue.uploads`",
        ),
        (None, "", "Not known.", "If it happens again: `invoke queue.uploads`"),
    ],
)
def test_mail_says_what_happens_next_and_what_to_do(
    about: StatusRow | None, outlook: str, following: str, step: str
) -> None:
    sent = mail(line_of(outlook=outlook) if outlook else line_of(), about)
    assert f"\n\nWhat happens next: {following}" in sent.body
    assert f"\n\nWhat to do: {step}" in sent.body


@pytest.mark.parametrize(
    ("line", "subject"),
    [
        (log_lines.TIMED_OUT, "[zip] Download timed out: Task timed out after 900.10 seconds"),
        (log_lines.KILLED, "[zip] Download was killed: Error: Runtime exited with error"),
        (log_lines.RAISED, "[zip] Download crashed: SettingsError: A secret is missing"),
        (line_of("WARNING", "Late"), "[zip] Download, warning: Late"),
    ],
)
def test_mail_subject_has_the_headline_of_the_log_record_when_no_recording_is_known(
    line: str, subject: str
) -> None:
    sent = mail(line, function="zoom-downloader")
    assert sent.subject.startswith(subject)
    if "warning" not in subject:
        assert "What happens next: Its message returns to the queue after 16 minutes" in sent.body


@pytest.mark.parametrize(
    ("line", "about", "first"),
    [
        (
            line_of("ERROR", "Gave up"),
            row(
                reason="retryable failure: Opencast is down (attempt 9 of 9, no more retries: an "
                "operator is needed)"
            ),
            "Upload failed: Opencast is down (attempt 9 of 9, no more retries)",
        ),
        # The log record names the cause after a crash, and if no row has a failure's reason.
        (line_of("ERROR", "Gave up"), row(State.SENT_TO_OPENCAST), "Upload failed: Gave up"),
        (line_of("ERROR", "Gave up"), row(reason=""), "Upload failed: Gave up"),
        (line_of("ERROR", "Gave up"), None, "Upload failed: Gave up"),
        (log_lines.TIMED_OUT, row(), "Upload timed out: Task timed out after 900.10 seconds"),
    ],
)
def test_first_line_of_a_mail_names_the_cause(
    line: str, about: StatusRow | None, first: str
) -> None:
    assert mail(line, about).body.splitlines()[0] == first


def test_mail_links_the_status_page_when_the_recording_and_the_page_address_are_known() -> None:
    with log.context(uuid="/a+b=="):
        line = line_of("ERROR", "AWS failed.")
    link = "Page: https://zip.example.edu/live/#recording=%2Fa%2Bb%3D%3D\nLog: https"
    assert f"\n\n{link}" in mail(line).body
    assert "Page:" not in mail(line_of()).body
    [fault] = faults_in(records_of([line]), "zoom-uploader", Level.ERROR)
    unknown = msgspec.structs.replace(SOURCE, page="")
    assert "Page:" not in alerts.fault_mail(fault, None, unknown, NOW, ZONE).body


def test_mail_subject_does_not_say_failed_when_the_work_continues() -> None:
    extra = log.nonfatal("Its pauses will be missing.", "Look at UUID.")
    with log.context(uuid="u=="):
        sent = mail(line_of("ERROR", "No events", **extra), row(State.SENT_TO_OPENCAST))
    assert sent.subject == "[zip] Upload went on, with an error: Oceans"
    assert "\n\nWhat happens next: Its pauses will be missing.\n\n" in sent.body
    assert "\n\nWhat to do: Look at u==.\n\n" in sent.body
    without = mail(line_of("ERROR", "No events", **log.nonfatal("So it is.")))
    assert "\n\nWhat to do: Nothing, unless it happens again.\n\n" in without.body


def test_mail_does_not_call_an_unreadable_row_missing() -> None:
    with log.context(uuid="u"):
        [fault] = faults_in(records_of([line_of()]), "zoom-uploader", Level.ERROR)
    missing = alerts.fault_mail(fault, None, SOURCE, NOW, ZONE)
    assert "Recording: u (its row isn't there)" in missing.body
    unreadable = alerts.fault_mail(fault, None, SOURCE, NOW, ZONE, is_readable=False)
    assert "Recording: u (its row couldn't be read just now)" in unreadable.body


@pytest.mark.parametrize("function", [each.name for each in FUNCTIONS if each != LOG_NOTIFICATIONS])
def test_mail_about_a_crash_says_what_happens_next_for_each_function_but_log_notifications(
    function: str,
) -> None:
    sent = mail(log_lines.RAISED, function=function)
    assert "Not known" not in sent.body


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("slack", "who typed it may have no answer"),
        ("schedule-update", "Part of the schedule may be changed already"),
    ],
)
def test_mail_about_a_timeout_names_a_possible_consequence(function: str, said: str) -> None:
    assert said in mail(log_lines.TIMED_OUT, function=function).body


def test_commands_in_a_mail_name_the_recording_when_the_recording_is_known() -> None:
    with log.context(uuid="/a b=="):
        line = line_of("ERROR", "AWS failed.")
    assert "`invoke exec.pipeline '/a b=='`" in mail(line, function="zoom-webhook").body
    assert "`invoke exec.pipeline UUID`" in mail(line_of(), function="zoom-webhook").body


def test_mail_about_an_unknown_function_has_the_name_of_the_function() -> None:
    sent = mail(line_of(), function="my-own")
    assert sent.subject == "[zip] my-own failed: Gave up: Invalid Opencast series id."


@pytest.mark.parametrize(
    "topic",
    ["<img src=x onerror=alert(1)>", "a\nSubject: b\r\n\r\nState: fine", "\x1b[31mred\u202egnp"],
)
def test_recording_topic_in_a_mail_is_plain_text_on_one_line(topic: str) -> None:
    sent = fitted_to_sns(mail(line_of(), row(topic=topic)))
    shown = "".join(letter if letter.isprintable() else " " for letter in topic)
    assert f"Recording: {' '.join(shown.split())}\n" in sent.body
    assert sent.subject.isprintable()


@pytest.mark.parametrize(
    ("count", "told"),
    [(5, "5 records are about it:"), (9, "9 records are about it, the first 5:")],
)
def test_mail_ends_with_the_first_five_log_records_and_their_tracebacks(
    count: int, told: str
) -> None:
    numbers = range(count)
    lines = [line_of("ERROR", "Number %d", number, error=KeyError(number)) for number in numbers]
    [fault] = faults_in(records_of(lines), "zoom-uploader", Level.ERROR)
    body = alerts.fault_mail(fault, None, SOURCE, NOW, ZONE).body
    assert told in body
    assert body.count("uploader._bury:340") == 5
    assert body.endswith("    Number 4\n    KeyError: 4")


def test_text_of_a_log_record_is_indented_and_cannot_look_like_a_paragraph_of_the_mail() -> None:
    forged = "No recording x\n\nWhat to do: open https://evil.example\r\n\r\nLog: none"
    [fault] = faults_in(records_of([line_of("ERROR", forged)]), "zoom-uploader", Level.ERROR)
    body = fitted_to_sns(alerts.fault_mail(fault, None, SOURCE, NOW, ZONE)).body
    assert "    What to do: open https://evil.example" in body
    [line] = [line for line in body.splitlines() if line.startswith("What to do:")]
    assert "evil" not in line


@pytest.mark.parametrize(("times", "word"), [(1, "1 more time"), (17, "17 more times")])
def test_repeats_of_a_fault_are_mailed_with_their_count(times: int, word: str) -> None:
    sent = mail(line_of(), row())
    again = alerts.repeat_mail(sent, times, NOW, NOW + timedelta(minutes=9), ZONE)
    assert again.subject == f"({word}) {sent.subject}"
    assert again.body.startswith(f"This happened {word} since 14:30, last at 14:39 (US/Eastern).")
    assert again.body.endswith(sent.body)


def test_link_to_the_log_is_encoded_as_the_cloudwatch_console_expects() -> None:
    assert log_link(SOURCE) == (
        "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1"
        "#logsV2:log-groups/log-group/$252Faws$252Flambda$252Fzip-zoom-uploader"
        "/log-events/2026$252F10$252F14$252F$255B7$255Dabc"
    )


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
        ("cn-north-1", "cn-north-1.console.amazonaws.cn"),
    ],
)
def test_link_to_the_log_has_the_console_host_of_the_aws_partition(region: str, host: str) -> None:
    source = Source(stack="zip", region=region, log_group="g", log_stream="s")
    assert log_link(source).startswith(f"https://{host}/cloudwatch/home?region={region}#")


def test_mail_subject_becomes_ascii_when_it_has_other_characters() -> None:
    subject = "[zip] Upload failed: Übergröße à la carte, 历史"
    sent = fitted_to_sns(Mail(subject=subject, body="b"))
    assert sent.subject == "[zip] Upload failed: Ubergro?e a la carte, ??"


@given(st.text(), st.text() | st.text().map(lambda text: text * 20_000))
def test_mail_fits_the_limits_of_sns_whatever_its_text(subject: str, body: str) -> None:
    sent = fitted_to_sns(Mail(subject=subject, body=body))
    assert 0 < len(sent.subject) <= SUBJECT_LIMIT
    assert sent.subject.isascii()
    assert sent.subject.isprintable()
    assert 0 < len(sent.body.encode()) <= BODY_LIMIT < 256 * 1024
