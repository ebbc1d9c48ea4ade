"""Tests of alerts, from the fault to the mail file.

The scenario `mailed_failure` covers a failed upload and its repeats.
"""

from __future__ import annotations

import json
import uuid as uuids

import pytest

from cdk.names import UPLOADER, WEBHOOK
from ingester.opencast.mediapackage import media_package_id
from tests.e2e import deployed
from tests.e2e.mails import await_mail, forget_faults, mails
from tests.e2e.stack import SERIES, Stack

HOSTILE = "<img src=x onerror=alert(1)>"
BACK_ON_THE_QUEUE = "What happens next: Its message returns to the queue after 16 minutes"
TRACEBACK = "Traceback (most recent call last)"


@pytest.fixture(autouse=True)
def no_known_faults(stack: Stack) -> None:
    """Delete the faults of other tests, because after many mails, no fault gets its own mail."""
    forget_faults(stack)


def test_mail_about_a_failed_download_has_the_topic_of_the_recording_as_plain_text(
    stack: Stack,
) -> None:
    recording = stack.lecture(topic=HOSTILE)
    stack.refuse_download(recording)
    stack.send_completed(recording)
    stack.await_state(recording, "DOWNLOADER_FAILED", "permanent failure")
    subject, body = await_mail(stack, recording.uuid)
    assert subject == f"[{stack.name}] Download failed: {HOSTILE}"
    assert f"\n\nRecording: {HOSTILE}\nCourse: HIST E-1010\nSeries: {SERIES}\nBegan " in body
    assert "What happens next: Not retried automatically. The message is kept 14 days." in body
    assert f"What to do: `invoke queue.retry-downloads --uuid {recording.uuid}` after" in body
    assert f"$252Faws$252Flambda$252F{stack.name}-zoom-downloader/log-events/" in body


def test_a_failure_of_the_webhook_is_mailed_and_the_repeated_webhook_event_is_accepted(
    stack: Stack,
) -> None:
    recording = stack.lecture(topic="Oceans")
    missing = f"{stack.driver.queue_url('download')}-missing"
    webhook = stack.function(WEBHOOK)
    with deployed.limited(stack.driver, webhook, seconds=29, DOWNLOAD_QUEUE_URL=missing):
        answer = stack.driver.send("recording.completed", recording.uuid)
        assert answer.status == 503, answer
    subject, body = await_mail(stack, recording.uuid)
    assert subject == f"[{stack.name}] Webhook failed: Oceans"
    assert body.startswith("Webhook failed: AWS failed: SendMessage answered ")
    assert "What happens next: Zoom (or our own caller) is told to send it again" in body
    assert TRACEBACK in body
    stack.send_completed(recording)
    stack.await_state(recording, "SENT_TO_OPENCAST")


def test_a_crash_of_a_function_is_mailed_and_the_message_is_processed_later(
    stack: Stack,
) -> None:
    recording, setting = stack.lecture(), "UPLOAD_RECEIVE_LIMIT"
    before = len(mails(stack, setting))
    with deployed.visible_again_after(stack.driver, "upload.fifo", 5):
        uploader = stack.function(UPLOADER)
        with deployed.limited(stack.driver, uploader, seconds=30, **{setting: "many"}):
            stack.send_completed(recording)
            subject, body = await_mail(stack, setting, before + 1)
        assert subject.startswith(f"[{stack.name}] Upload crashed: ")
        assert "SettingsError: The function's environment is wrong" in body
        assert TRACEBACK in body
        assert BACK_ON_THE_QUEUE in body
        stack.await_state(recording, "SENT_TO_OPENCAST")


def test_a_timeout_of_a_function_is_mailed_and_the_message_is_processed_later(
    stack: Stack,
) -> None:
    recording, timed_out = stack.lecture(), "Task timed out after 3.00 seconds"
    before = len(mails(stack, timed_out))
    path = f"/api/events/{media_package_id(recording.uuid)}"
    stack.driver.inject_opencast_fault(kind="slow", seconds=6.0, path=path)
    with deployed.visible_again_after(stack.driver, "upload.fifo", 6):
        with deployed.limited(stack.driver, stack.function(UPLOADER), seconds=3):
            stack.send_completed(recording)
            subject, body = await_mail(stack, timed_out, before + 1)
        assert subject == f"[{stack.name}] Upload timed out: {timed_out}"
        assert BACK_ON_THE_QUEUE in body
        stack.await_state(recording, "SENT_TO_OPENCAST")


def test_an_alarm_of_cloudwatch_is_mailed_by_the_topic_of_the_stack(stack: Stack) -> None:
    cloudwatch, name = stack.driver.client("cloudwatch"), f"{stack.name}-{uuids.uuid4().hex}"
    [topic] = [
        listed["TopicArn"]
        for listed in stack.driver.client("sns").list_topics()["Topics"]
        if listed["TopicArn"].endswith(f":{stack.names.topic}")
    ]
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[topic],
    )
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="one message")
    subject, body = await_mail(stack, name)
    assert subject.startswith(f'ALARM: "{name[:20]}')
    assert json.loads(body)["NewStateReason"] == "one message"
    cloudwatch.delete_alarms(AlarmNames=[name])
