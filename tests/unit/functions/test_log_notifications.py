"""Mails about faults, with and without failures of the tables or the topic."""

from __future__ import annotations

import json

import pytest

import log_notifications
from ingester import log
from ingester.alerts.faults_table import MAX_MAILS
from ingester.errors import AwsFailed, SettingsError
from ingester.pipeline.states import Origin, State
from ingester.recording.files import Subject
from ingester.status.table import StatusChange
from tests.cloud import Clock, Cloud
from tests.function_harness import log_notifications_dependencies
from tests.log_lines import line_of
from tests.subscription import log_event
from tests.unit.functions.deployed import Context, cold, container
from tests.unit.functions.mailing import failures_of, refusing

UUID = "abc123=="
ZIP_ID = f"auto-ingest-{UUID}"


@pytest.fixture
def deps(aws: Cloud, clock: Clock) -> log_notifications.Dependencies:
    return log_notifications_dependencies(aws, clock)


def failed_upload(deps: log_notifications.Dependencies, topic: str = "Oceans") -> str:
    """Write the row of a failed upload, and return the log line about the upload."""
    subject = Subject(
        meeting_id=86168921331,
        recording_id=UUID,
        topic=topic,
        start_time="2026-10-14T14:00:00Z",
        origin=Origin.WEBHOOK,
    )
    deps.status.write(ZIP_ID, StatusChange(State.WEBHOOK_RECEIVED, subject=subject, files=["f"]))
    deps.status.write(ZIP_ID, StatusChange(State.UPLOADER_FAILED, "Invalid Opencast series id."))
    with log.context(uuid=UUID, zip_id=ZIP_ID):
        return line_of()


def test_mail_names_the_recording_and_the_command_for_a_retry(
    aws: Cloud, deps: log_notifications.Dependencies
) -> None:
    log_notifications.mail_faults(log_event(failed_upload(deps)), deps)
    [(subject, body)] = aws.mails()
    assert subject == "[zip] Upload failed: Oceans"
    assert "Recording: Oceans\nBegan 2026-10-14 10:00 (US/Eastern)" in body
    assert f"`invoke queue.retry-uploads --uuid {UUID}`" in body
    assert "$252Faws$252Flambda$252Fzip-zoom-uploader/log-events/2026$252F10" in body


def test_mail_names_the_recording_of_a_zoom_webhook_event_when_the_log_record_has_no_zip_id(
    aws: Cloud, deps: log_notifications.Dependencies
) -> None:
    failed_upload(deps)
    with log.context(uuid=UUID):
        line = line_of("ERROR", "AWS failed")
    log_notifications.mail_faults(log_event(line), deps)
    assert "Recording: Oceans\n" in aws.mails()[0][1]


def test_mail_has_the_number_of_log_records_when_a_fault_has_several_log_records(
    aws: Cloud, deps: log_notifications.Dependencies
) -> None:
    lines = [line_of("ERROR", "One, try %d", 1), line_of(), line_of("ERROR", "One, try %d", 2)]
    log_notifications.mail_faults(log_event(*lines), deps)
    (_, first), (_, second) = aws.mails()
    assert "2 records are about it:" in first
    assert "records are about it" not in second


def test_repeats_of_a_fault_become_one_mail_with_a_count(
    aws: Cloud, deps: log_notifications.Dependencies, clock: Clock
) -> None:
    event = log_event(failed_upload(deps))
    log_notifications.mail_faults(event, deps)
    assert len(aws.mails()) == 1
    for _ in range(17):
        clock.forward(seconds=20)
        log_notifications.mail_faults(event, deps)
    log_notifications.mail_repeats(deps)
    assert aws.mails() == []
    clock.forward(minutes=5)
    log_notifications.mail_repeats(deps)
    [(subject, body)] = aws.mails()
    assert subject == "(17 more times) [zip] Upload failed: Oceans"
    assert body.startswith("This happened 17 more times since 14:30, last at 14:35 (US/Eastern).")
    assert "Recording: Oceans\n" in body
    clock.forward(minutes=20)
    log_notifications.mail_repeats(deps)
    assert aws.mails() == []


def test_five_mails_and_one_about_the_others_are_sent_when_thirty_recordings_fail(
    aws: Cloud, deps: log_notifications.Dependencies, clock: Clock
) -> None:
    # SNS deletes the subscription of a mailbox that gets more than ten mails in a second, if nobody
    # confirms the subscription again:
    # https://repost.aws/knowledge-center/sns-email-subscription-disabled
    for first in range(0, 30, 10):
        log_notifications.mail_faults(log_event(*failures_of(range(first, first + 10))), deps)
    subjects = [subject for subject, _ in aws.mails()]
    assert subjects[:MAX_MAILS] == ["[zip] Upload failed: Gave up: Opencast answers 503"] * 5
    assert subjects[MAX_MAILS:] == ["(many) [zip] Upload failed: Gave up: Opencast answers 503"]
    clock.forward(minutes=10)
    log_notifications.mail_repeats(deps)
    [(subject, body)] = aws.mails()
    assert subject.startswith("(24 more times) (many) [zip] Upload failed")
    assert "`invoke recordings --failed`" in body
    assert "uuid29==" in body
    log_notifications.mail_faults(log_event(*failures_of(range(10, 20))), deps)
    assert len(aws.mails()) <= MAX_MAILS + 1
    clock.forward(minutes=20)
    log_notifications.mail_repeats(deps)
    [(subject, _)] = aws.mails()
    assert "more times) (many) " in subject


def test_fault_has_its_own_mail_when_many_faults_occurred_ten_minutes_before(
    aws: Cloud, deps: log_notifications.Dependencies, clock: Clock
) -> None:
    log_notifications.mail_faults(log_event(*failures_of(range(20))), deps)
    aws.mails()
    clock.forward(minutes=10)
    log_notifications.mail_faults(log_event(*failures_of(range(30, 31))), deps)
    assert [subject for subject, _ in aws.mails()] == [
        "[zip] Upload failed: Gave up: Opencast answers 503"
    ]


def test_fault_of_another_function_has_its_own_mail_when_one_function_has_many_faults(
    aws: Cloud, deps: log_notifications.Dependencies
) -> None:
    log_notifications.mail_faults(log_event(*failures_of(range(20))), deps)
    aws.mails()
    group = "/aws/lambda/zip-zoom-downloader"
    log_notifications.mail_faults(log_event(*failures_of(range(1)), group=group), deps)
    assert [subject for subject, _ in aws.mails()] == [
        "[zip] Download failed: Gave up: Opencast answers 503"
    ]


def test_mail_about_many_faults_is_sent_later_when_sns_refused_it(
    aws: Cloud, deps: log_notifications.Dependencies, clock: Clock
) -> None:
    log_notifications.mail_faults(log_event(*failures_of(range(MAX_MAILS))), deps)
    aws.mails()
    event = log_event(*failures_of(range(10, 13)))
    with refusing(aws.sns, "Publish"):
        log_notifications.mail_faults(event, deps)
    clock.forward(minutes=5)
    log_notifications.mail_repeats(deps)
    assert [subject.partition(" [zip]")[0] for subject, _ in aws.mails()] == [
        "(3 more times) (many)",
    ]


@pytest.mark.parametrize("operations", [("UpdateItem",), ("GetItem",), ("UpdateItem", "GetItem")])
def test_fault_is_mailed_when_the_status_table_and_the_faults_table_fail(
    aws: Cloud, deps: log_notifications.Dependencies, operations: tuple[str, ...]
) -> None:
    line = failed_upload(deps)
    # In tests, the tables share a client, so both tables refuse the operations.
    with refusing(aws.status.meta.client, *operations):
        log_notifications.mail_faults(log_event(line), deps)
    [(subject, body)] = aws.mails()
    assert subject.startswith("[zip] Upload failed")
    assert ("couldn't be read just now" in body) == ("GetItem" in operations)
    assert UUID in body


def test_refused_mail_is_sent_by_the_first_scheduled_run_that_can_publish(
    aws: Cloud,
    deps: log_notifications.Dependencies,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    event = log_event(failed_upload(deps), line_of("ERROR", "Another"))
    with refusing(aws.sns, "Publish"):
        log_notifications.mail_faults(event, deps)
        assert caplog.text.count("Publish answered AccessDenied") == 2
        for _ in range(3):
            clock.forward(minutes=5)
            with pytest.raises(ExceptionGroup) as raised:
                log_notifications.mail_repeats(deps)
            assert raised.group_contains(AwsFailed, match="Publish answered AccessDenied")
    clock.forward(minutes=5)
    log_notifications.mail_repeats(deps)
    assert sorted(subject for subject, _ in aws.mails()) == [
        "[zip] Upload failed: Another",
        "[zip] Upload failed: Oceans",
    ]
    clock.forward(minutes=15)
    log_notifications.mail_repeats(deps)
    assert aws.mails() == []


def test_repeat_of_a_fault_is_mailed_immediately_when_sns_refused_the_first_mail(
    aws: Cloud, deps: log_notifications.Dependencies, clock: Clock
) -> None:
    with refusing(aws.sns, "Publish"):
        log_notifications.mail_faults(log_event(line_of()), deps)
    clock.forward(seconds=1)
    log_notifications.mail_faults(log_event(line_of()), deps)
    assert [subject.partition(" [zip]")[0] for subject, _ in aws.mails()] == ["(2 more times)"]


def test_invocation_of_log_notifications_fails_when_faults_table_and_topic_are_unavailable(
    aws: Cloud, deps: log_notifications.Dependencies
) -> None:
    # Only the event of CloudWatch Logs has the fault, so Lambda has to retry the invocation.
    event = log_event(failed_upload(deps))
    with (
        refusing(aws.sns, "Publish"),
        refusing(aws.status.meta.client, "UpdateItem"),
        pytest.raises(ExceptionGroup),
    ):
        log_notifications.mail_faults(event, deps)


def test_mail_about_repeats_is_sent_later_when_sns_refused_it(
    aws: Cloud, deps: log_notifications.Dependencies, clock: Clock
) -> None:
    for _ in range(3):
        log_notifications.mail_faults(log_event(line_of()), deps)
    aws.mails()
    clock.forward(minutes=10)
    with refusing(aws.sns, "Publish"), pytest.raises(ExceptionGroup):
        log_notifications.mail_repeats(deps)
    clock.forward(minutes=5)
    log_notifications.mail_repeats(deps)
    [(subject, _)] = aws.mails()
    assert subject.startswith("(2 more times)")


def test_malformed_event_of_cloudwatch_logs_is_logged_and_not_retried(
    deps: log_notifications.Dependencies, caplog: pytest.LogCaptureFixture
) -> None:
    log_notifications.mail_faults({"awslogs": {"data": "?"}}, deps)
    assert "What CloudWatch Logs sent can't be read" in caplog.text


def test_mail_contains_no_secret(aws: Cloud, deps: log_notifications.Dependencies) -> None:
    url = "https://b.s3.amazonaws.com/k?X-Amz-Credential=AKIA1&X-Amz-Signature=5ec2e7"
    text = f"GET {url} Authorization: Bearer 5ec2e7 password='5ec2e7 5ec2e7' download_token=5ec2e7"
    own = json.dumps({"level": "ERROR", "message": text, "exception": text, "location": "a"})
    log_notifications.mail_faults(log_event(own, f"[ERROR] Bad: {text}"), deps)
    mails = aws.mails()
    assert len(mails) == 2
    assert "5ec2e7" not in str(mails)
    assert "5ec2e7" not in str(aws.faults.scan()["Items"])


def test_handler_of_log_notifications_mails_faults_and_accepts_a_scheduled_event(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {
        "STACK_NAME": "zip",
        "STATUS_TABLE": aws.status.name,
        "FAULTS_TABLE": aws.faults.name,
        "TOPIC_ARN": aws.topic,
        "NOTIFICATION_QUIET_SECONDS": "0",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with container():
        module = cold("log_notifications")
        for _ in range(2):
            module.handler(log_event(line_of()), Context())
        module.handler({"source": "aws.events", "detail-type": "Scheduled Event"}, Context())
        assert len(aws.mails()) == 2


def test_error_names_the_setting_when_the_level_for_mails_is_unknown(
    aws: Cloud, clock: Clock
) -> None:
    with pytest.raises(SettingsError, match="LOG_NOTIFICATIONS_FILTER_LOG_LEVEL 'LOUD'"):
        log_notifications.mail_faults(
            log_event(line_of()), log_notifications_dependencies(aws, clock, "loud")
        )
