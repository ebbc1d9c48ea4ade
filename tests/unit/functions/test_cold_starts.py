"""The handlers as Lambda calls them: settings from the environment, secrets from SSM."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ingester.errors import SettingsError
from tests.cloud import Cloud
from tests.kits import received

FUNCTIONS = Path(__file__).resolve().parents[3] / "functions"
ENVIRONMENT = {
    "STACK_NAME": "test",
    "SECRETS_PATH": "/zoom-ingester/test",
    "STATUS_TABLE": "test-pipeline-status",
    "EVENTS_TABLE": "test-recording-events",
    "SCHEDULE_TABLE": "test-schedule",
    "STAGING_BUCKET": "test-zoom-recording-files",
    "ZOOM_API_BASE_URL": "https://api.zoom.us/v2",
    "DOWNLOAD_RECEIVE_LIMIT": "12",
    "UPLOAD_RECEIVE_LIMIT": "50",
    "OPENCAST_BASE_URL": "https://127.0.0.1:9",
    "OPENCAST_API_USER": "zip",
    "DEFAULT_OC_WORKFLOW": "dce-wf",
}


class Context:
    """Lambda's context, as far as it is used."""

    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@pytest.fixture(autouse=True)
def _container() -> Iterator[None]:
    """What a cold start leaves behind goes: a logger that writes to stdout, a module."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in [name for name in sys.modules if name.startswith("cold_")]:
        del sys.modules[name]


@pytest.fixture
def environment(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    queues = {
        "DOWNLOAD_QUEUE_URL": aws.download_queue,
        "DOWNLOAD_DLQ_URL": aws.download_dlq,
        "UPLOAD_QUEUE_URL": aws.upload_queue,
        "UPLOAD_DLQ_URL": aws.upload_dlq,
    }
    for name, value in {**ENVIRONMENT, **queues}.items():
        monkeypatch.setenv(name, value)
    aws.ssm.put_parameter(
        Name="/zoom-ingester/test/OPENCAST_API_PASSWORD", Value="secret", Type="SecureString"
    )
    return aws


def cold(name: str) -> ModuleType:
    """The function's module as a new container loads it."""
    spec = importlib.util.spec_from_file_location(f"cold_{name}", FUNCTIONS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses looks for it
    spec.loader.exec_module(module)
    return module


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
def test_nothing_waiting(name: str) -> None:
    assert cold(name).handler({}, Context()) == {"message": "nothing waiting"}


@pytest.mark.parametrize("name", ["downloader", "uploader"])
def test_a_malformed_message_is_done_with(
    environment: Cloud, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    queue, dead = {
        "downloader": (environment.download_queue, environment.download_dlq),
        "uploader": (environment.upload_queue, environment.upload_dlq),
    }[name]
    event = {"Records": [record(environment, queue, '{"zip_id": "none"}')]}
    assert cold(name).handler(event, Context()) == {"batchItemFailures": []}
    (buried,) = environment.messages(dead)
    assert "can't be read" in buried["reason"]
    assert Context.aws_request_id in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "setting"), [("downloader", "STAGING_BUCKET"), ("uploader", "OPENCAST_BASE_URL")]
)
@pytest.mark.usefixtures("environment")
def test_a_missing_setting_is_said(
    name: str, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(setting)
    module = cold(name)
    with pytest.raises(SettingsError, match=setting):
        module.handler({}, Context())


def test_a_missing_secret_is_said(environment: Cloud) -> None:
    environment.ssm.delete_parameter(Name="/zoom-ingester/test/OPENCAST_API_PASSWORD")
    module = cold("uploader")
    with pytest.raises(SettingsError, match="OPENCAST_API_PASSWORD"):
        module.handler({}, Context())
