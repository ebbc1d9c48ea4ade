"""The handlers as Lambda calls them: settings from the environment, secrets from SSM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ingester.errors import SettingsError
from tests.cloud import Cloud
from tests.function_harness import received
from tests.unit.functions.deployed import Context, cold, container, environment_of


@pytest.fixture(autouse=True)
def _container() -> Iterator[None]:
    with container():
        yield


@pytest.fixture
def environment(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    for name, value in environment_of(aws).items():
        monkeypatch.setenv(name, value)
    aws.ssm.put_parameter(
        Name="/zoom-ingester/test/OPENCAST_API_PASSWORD", Value="secret", Type="SecureString"
    )
    return aws


def record(aws: Cloud, url: str, body: str) -> dict[str, Any]:
    taken = received(aws, url, body)
    return {
        "messageId": "m-1",
        "receiptHandle": taken.receipt_handle,
        "body": taken.body,
        "attributes": {"ApproximateReceiveCount": "1"},
    }


@pytest.mark.parametrize("name", ["downloader", "uploader"])
@pytest.mark.usefixtures("environment")
def test_answer_to_an_operator_says_that_nothing_waits_when_the_queue_is_empty(
    name: str,
) -> None:
    assert cold(name).handler({}, Context()) == {"message": "nothing waiting"}


@pytest.mark.parametrize("name", ["downloader", "uploader"])
def test_malformed_message_goes_to_the_dlq_in_a_new_container(
    environment: Cloud, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    queue, dead = {
        "downloader": (environment.download_queue, environment.download_dlq),
        "uploader": (environment.upload_queue, environment.upload_dlq),
    }[name]
    event = {"Records": [record(environment, queue, '{"zip_id": "none"}')]}
    assert cold(name).handler(event, Context()) == {"batchItemFailures": []}
    (message,) = environment.messages(dead)
    assert "can't be read" in message["reason"]
    assert Context.aws_request_id in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "setting"), [("downloader", "STAGING_BUCKET"), ("uploader", "OPENCAST_BASE_URL")]
)
@pytest.mark.usefixtures("environment")
def test_downloader_and_uploader_raise_an_error_that_names_the_missing_setting(
    name: str, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(setting)
    module = cold(name)
    with pytest.raises(SettingsError, match=setting):
        module.handler({}, Context())


def test_uploader_raises_an_error_that_names_the_missing_secret(environment: Cloud) -> None:
    environment.ssm.delete_parameter(Name="/zoom-ingester/test/OPENCAST_API_PASSWORD")
    module = cold("uploader")
    with pytest.raises(SettingsError, match="OPENCAST_API_PASSWORD"):
        module.handler({}, Context())


def test_reconcile_sets_its_baseline_in_a_new_container_when_zoom_is_unreachable(
    environment: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {
        "RECORDINGS_TABLE": environment.recordings.name,
        "WEBHOOK_URL": "https://127.0.0.1:9/new_recording",
        "ZOOM_API_BASE_URL": "https://127.0.0.1:9/v2",
        "RECONCILE_DAYS": "1",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    for name in ("PIPELINE_SIGNING_KEY", "APIGEE_KEY"):
        environment.ssm.put_parameter(
            Name=f"/zoom-ingester/test/{name}", Value="secret", Type="SecureString"
        )

    class LateContext(Context):
        def get_remaining_time_in_millis(self) -> int:
            return 61_000

    said = cold("reconcile").handler({"source": "aws.events"}, LateContext())
    assert said["message"] == "Zoom's API can't be reached (ConnectionError)."
    item = environment.recordings.get_item(Key={"uuid": "#reconcile"})["Item"]
    assert item["baseline"]
    assert item["last"]["error"] == said["message"]
