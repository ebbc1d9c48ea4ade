"""The downloader as Lambda calls it: settings from the environment, logs and metrics."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ingester import log
from local.authority import Authority
from local.neighbours.zoom_faults import Fault
from local.neighbours.zoom_recordings import Recording
from tests.function_harness import received
from tests.staging_bucket import KNOWN
from tests.unit.functions.deployed import Context, cold, container, environment_of
from tests.unit.functions.downloader.harness import ZIP_ID, Harness, contents

Printed = Callable[[], str]


@dataclass(frozen=True)
class Function:
    """The downloader, called as Lambda calls it."""

    harness: Harness
    set: Callable[[str, str], None]

    def take(self, message: dict[str, Any], **settings: str) -> dict[str, Any]:
        """Run an invocation in a new container with `settings`, and return the answer."""
        for name, value in settings.items():
            self.set(name, value)
        taken = received(self.harness.aws, self.harness.aws.download_queue, message)
        record = {
            "messageId": taken.message_id,
            "receiptHandle": taken.receipt_handle,
            "body": taken.body,
            "attributes": {"ApproximateReceiveCount": "1"},
        }
        answer: dict[str, Any] = cold("downloader").handler({"Records": [record]}, Context())
        return answer


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Iterator[Printed]:
    """Yield a function that returns the text printed since its last call; restore the loggers."""
    with container():
        yield lambda: capsys.readouterr().out


@pytest.fixture
def function(
    harness: Harness, tls: Authority, monkeypatch: pytest.MonkeyPatch, printed: Printed
) -> Function:
    printed()
    zoom = harness.zoom
    environment = {
        **environment_of(harness.aws),
        "ZOOM_API_BASE_URL": zoom.api_base_url,
        "ZOOM_OAUTH_URL": zoom.oauth_url,
        "ZOOM_ACCOUNT_ID": zoom.app.account_id,
        "ZOOM_CLIENT_ID": zoom.app.client_id,
        # `localhost` is the CDN, to which Zoom redirects downloads.
        "ZOOM_DOWNLOAD_HOSTS": "127.0.0.1,localhost",
        "DEFAULT_SERIES_ID": "99999999999",
        "DEBUG": "1",
        "AWS_ENDPOINT_URL_S3": harness.bucket.peer.url,
        "AWS_ACCESS_KEY_ID": KNOWN.access_key,
        "AWS_SECRET_ACCESS_KEY": KNOWN.secret_key,
        "AWS_SESSION_TOKEN": KNOWN.token,
        "SSL_CERT_FILE": str(tls.ca_bundle),
        "REQUESTS_CA_BUNDLE": str(tls.ca_bundle),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    harness.aws.ssm.put_parameter(
        Name="/zoom-ingester/test/ZOOM_CLIENT_SECRET",
        Value=zoom.app.client_secret,
        Type="SecureString",
    )
    return Function(harness, monkeypatch.setenv)


def records_in(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.usefixtures("function")
@pytest.mark.parametrize(("given", "connections"), [("", 16), ("3", 3)])
def test_number_of_download_connections_comes_from_its_setting(
    monkeypatch: pytest.MonkeyPatch, given: str, connections: int
) -> None:
    monkeypatch.setenv("DOWNLOAD_CONNECTIONS", given)
    assert cold("downloader").build().engine.budget.connections == connections


def test_deployed_downloader_stages_a_recording(function: Function, longish: Recording) -> None:
    answer = function.take(function.harness.message(longish), DOWNLOAD_CONNECTIONS="1")
    assert answer == {"batchItemFailures": []}
    assert function.harness.outcome == ("SENT_TO_UPLOADER", "")
    assert set(function.harness.objects().values()) == contents(longish)
    assert function.harness.bucket.peer.stats().most_bodies == 1


def test_log_records_name_the_recording_and_no_secret_when_downloads_fail(
    function: Function, longish: Recording, printed: Printed
) -> None:
    # Copies run in other threads, whose log records have to name the recording as well.
    harness, video = function.harness, longish.files[0].file_id
    message = harness.message(longish)
    harness.zoom.expire_download_tokens(longish.uuid)
    harness.zoom.fail(Fault(kind="reset", where="cdn", file_id=video, skip=1))
    harness.zoom.fail(Fault(kind="expired", where="cdn", file_id=video, skip=1))
    harness.zoom.fail(Fault(kind="status", where="cdn", status=503, retry_after=0, skip=1))
    function.take(message, DOWNLOAD_CONNECTIONS="1")
    assert harness.outcome == ("SENT_TO_UPLOADER", "")
    assert harness.zoom.faults == ()
    text = printed()
    assert "The part goes on in" in text
    for record in records_in(text):
        assert (record["uuid"], record["zip_id"]) == (longish.uuid, ZIP_ID)
        assert record["aws_request_id"] == Context.aws_request_id
    for secret in secrets_of(harness):
        assert secret not in text
    for address in ("/rec/", "/replay/", "http://", "https://"):
        assert address not in text


def secrets_of(harness: Harness) -> set[str]:
    """Return the function's secrets, and the credentials in the requests to Zoom."""
    used = {harness.zoom.app.client_secret, KNOWN.secret_key, KNOWN.token}
    for request in harness.zoom.requests:
        used |= set(request.query.values())
        used.add((request.header("Authorization") or "").partition(" ")[2])
    used -= {"", "true"}
    assert len(used) > 6
    return used


class TestMetrics:
    """Metrics of copies in the log, which CloudWatch reads."""

    @pytest.fixture
    def copied(
        self, harness: Harness, printed: Printed
    ) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """Return a function that processes a message and returns the log record with metrics."""

        def take(message: dict[str, Any]) -> dict[str, Any]:
            taken = received(harness.aws, harness.aws.download_queue, message)
            log.start(Context())
            log.set_debug(False)
            harness.process(taken, harness.deps(), Context())
            (found,) = [record for record in records_in(printed()) if "BytesTransferred" in record]
            return found

        return take

    def test_copied_bytes_and_the_transfer_rate_are_counted(
        self, harness: Harness, longish: Recording, copied: Any
    ) -> None:
        record = copied(harness.message(longish))
        assert record["BytesTransferred"] == longish.files[0].size + longish.files[1].size
        assert record["TransferRate"] > 0
        assert record["message"] == "Copied"
        assert record["_aws"] == {
            "Timestamp": int(harness.clock().timestamp() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": "test-log-metrics",
                    "Dimensions": [[]],
                    "Metrics": [
                        {"Name": "BytesTransferred", "Unit": "Bytes"},
                        {"Name": "TransferRate", "Unit": "Megabytes/Second"},
                    ],
                }
            ],
        }

    def test_transfer_rate_is_not_counted_when_nothing_is_copied(
        self, harness: Harness, small: Recording, copied: Any
    ) -> None:
        # A redelivery without copies would spoil the average.
        message = harness.message(small)
        copied(message)
        record = copied(message)
        assert record["BytesTransferred"] == 0
        assert "TransferRate" not in record
        (directive,) = record["_aws"]["CloudWatchMetrics"]
        assert [metric["Name"] for metric in directive["Metrics"]] == ["BytesTransferred"]

    def test_copied_bytes_are_counted_when_the_copy_fails(
        self, harness: Harness, longish: Recording, copied: Any
    ) -> None:
        chat = longish.files[1].file_id
        harness.connections = 1
        harness.zoom.fail(Fault(kind="status", status=404, times=9, file_id=chat))
        record = copied(harness.message(longish))
        assert record["BytesTransferred"] == longish.files[0].size
        assert record["message"] == "Copied in part"
        assert harness.outcome[0] == "DOWNLOADER_FAILED"
