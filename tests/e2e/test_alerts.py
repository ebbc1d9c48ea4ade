"""Each kind of alert, once, as a mail file: from the fault itself to the mailbox.

A failed upload and its repeats are a scenario (`mailed`), which the grants' test runs too.
"""

from __future__ import annotations

import json
import uuid as uuids

import pytest

from cdk.names import UPLOADER, WEBHOOK, Names
from ingester.opencast.mediapackage import media_package_id
from tests.e2e import deployed
from tests.e2e.mails import forget_faults, mail, mails
from tests.e2e.scene import SERIES, Scene

IMAGE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def names(scene: Scene) -> Names:
    return Names(scene.driver.state.stack_name)


@pytest.fixture(autouse=True)
def few_faults(scene: Scene) -> None:
    """Of many, as other tests may have had, the next one would only be counted."""
    forget_faults(scene)


def test_a_failed_download_and_a_topic_that_stays_text(scene: Scene, names: Names) -> None:
    recording = scene.lecture(topic=IMAGE)
    (file,) = recording.wanted()
    scene.driver.trouble_zoom(kind="status", status=403, where="download", file_id=file.id, times=2)
    scene.completed(recording)
    scene.until(recording, "DOWNLOADER_FAILED", "permanent failure")
    subject, body = mail(scene, recording.uuid)
    assert subject == f"[{names.stack}] Download failed: {IMAGE}"
    assert f"\n\nRecording: {IMAGE}\nCourse: HIST E-1010\nSeries: {SERIES}\nBegan " in body
    assert "What happens next: Nothing by itself: its message waits among the dead letters." in body
    assert f"What to do: `invoke queue.retry-downloads --uuid {recording.uuid}` once" in body
    assert f"$252Faws$252Flambda$252F{names.stack}-zoom-downloader/log-events/" in body


def test_a_webhook_that_aws_fails(scene: Scene, names: Names) -> None:
    recording = scene.lecture(topic="Oceans")
    nowhere = f"{scene.driver.queue_url('download')}-nowhere"
    function = names.function(WEBHOOK)
    with deployed.limited(scene.driver, function, seconds=30, DOWNLOAD_QUEUE_URL=nowhere):
        answer = scene.driver.send("recording.completed", recording.uuid)
        assert answer.status == 503, answer
    subject, body = mail(scene, recording.uuid)
    assert subject == f"[{names.stack}] Webhook failed: Oceans"
    assert body.startswith("Webhook failed. AWS failed: SendMessage answered ")
    assert "What happens next: Zoom (or our own caller) is told to send it again" in body
    assert "Traceback (most recent call last)" in body
    scene.completed(recording)
    scene.until(recording, "SENT_TO_OPENCAST")


def test_a_function_that_crashes(scene: Scene, names: Names) -> None:
    recording, said = scene.lecture(), "UPLOAD_RECEIVE_LIMIT"
    before = len(mails(scene, said))
    with deployed.delivered_again_after(scene.driver, "upload.fifo", 5):
        broken = {"UPLOAD_RECEIVE_LIMIT": "many"}
        with deployed.limited(scene.driver, names.function(UPLOADER), seconds=30, **broken):
            scene.completed(recording)
            subject, body = mail(scene, said, before + 1)
        assert subject.startswith(f"[{names.stack}] Upload crashed: ")
        assert "SettingsError: The function's environment is wrong" in body
        assert "Traceback (most recent call last)" in body
        assert "What happens next: Its message is back on the queue after 16 minutes" in body
        scene.until(recording, "SENT_TO_OPENCAST")


def test_a_function_that_runs_out_of_time(scene: Scene, names: Names) -> None:
    recording, said = scene.lecture(), "Task timed out after 3.00 seconds"
    before = len(mails(scene, said))
    path = f"/api/events/{media_package_id(recording.uuid)}"
    scene.driver.trouble_opencast(kind="slow", seconds=6.0, path=path)
    with deployed.delivered_again_after(scene.driver, "upload.fifo", 6):
        with deployed.limited(scene.driver, names.function(UPLOADER), seconds=3):
            scene.completed(recording)
            subject, body = mail(scene, said, before + 1)
        assert subject == f"[{names.stack}] Upload timed out: {said}"
        assert "What happens next: Its message is back on the queue after 16 minutes" in body
        scene.until(recording, "SENT_TO_OPENCAST")


def test_an_alarm(scene: Scene, names: Names) -> None:
    """CloudWatch writes these itself; here it is seen that they come where the others do."""
    cloudwatch, name = scene.driver.client("cloudwatch"), f"{names.stack}-{uuids.uuid4().hex}"
    [topic] = [
        one["TopicArn"]
        for one in scene.driver.client("sns").list_topics()["Topics"]
        if one["TopicArn"].endswith(f":{names.topic}")
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
    subject, body = mail(scene, name)
    assert subject.startswith(f'ALARM: "{name[:20]}')
    assert json.loads(body)["NewStateReason"] == "one message"
    cloudwatch.delete_alarms(AlarmNames=[name])
