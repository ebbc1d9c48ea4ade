"""The slack function as Lambda calls it, for a command and in a second invocation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from local.authority import Authority
from local.neighbours.https_server import json_answer
from tests.cloud import Cloud
from tests.slack_messages import texts
from tests.unit.functions.deployed import Context, cold, container
from tests.unit.functions.slack.conftest import Put
from tests.unit.functions.slack.test_refusals import BODY, signed
from tests.unit.functions.slack.workspace import MEETING, SIGNING_SECRET, TOKEN, Harness

Handler = Callable[[dict[str, Any], object], dict[str, Any]]


@pytest.fixture(autouse=True)
def _container() -> Iterator[None]:
    with container():
        yield


@pytest.fixture
def handler(
    harness: Harness, aws: Cloud, tls: Authority, monkeypatch: pytest.MonkeyPatch
) -> Handler:
    environment = {
        "STACK_NAME": "test",
        "SECRETS_PATH": "/zoom-ingester/test",
        "STATUS_TABLE": aws.status.name,
        "SCHEDULE_TABLE": aws.schedule.name,
        "OWN_ALIAS": "test-slack:live",
        "SLACK_API_BASE_URL": f"{harness.workspace.url}/api",
        "SLACK_ZIP_CHANNEL": "#zip",
        "SLACK_ALLOWED_GROUPS": "@producers",
        "ZOOM_OAUTH_URL": "https://zoomgov.com/oauth/token",
        "SSL_CERT_FILE": str(tls.ca_bundle),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name, value in (("SLACK_SIGNING_SECRET", SIGNING_SECRET), ("SLACK_API_TOKEN", TOKEN)):
        aws.ssm.put_parameter(Name=f"/zoom-ingester/test/{name}", Value=value, Type="SecureString")
    made: Handler = cold("slack").handler
    return made


@pytest.fixture
def now(harness: Harness) -> None:
    """Set the test's clock to the real time, which the handler uses."""
    harness.clock.now = datetime.now(UTC)


@pytest.mark.usefixtures("now")
def test_deployed_slack_function_answers_a_command(handler: Handler, harness: Harness) -> None:
    answer = handler({"headers": signed(harness), "body": BODY.decode()}, Context())
    assert answer["statusCode"] == 200
    assert answer["headers"]["Content-Type"] == "application/json"
    assert "shows where" in json.loads(answer["body"])["text"]
    assert handler({"headers": {}, "body": BODY.decode()}, Context())["statusCode"] == 401


@pytest.mark.usefixtures("now")
def test_slack_group_members_stay_cached_when_a_request_is_forged(
    handler: Handler, harness: Harness
) -> None:
    # Otherwise anybody could trigger calls to Slack.
    command = {"headers": signed(harness), "body": BODY.decode()}
    forged = {**command, "headers": {**signed(harness), "x-slack-signature": "v0=" + "0" * 64}}
    assert handler(command, Context())["statusCode"] == 200
    assert handler(forged, Context())["statusCode"] == 401
    assert handler(command, Context())["statusCode"] == 200
    assert harness.workspace.asked_for_groups == 1


@pytest.mark.usefixtures("now")
def test_slack_group_members_are_read_again_when_the_slack_token_has_changed(
    handler: Handler, harness: Harness, aws: Cloud
) -> None:
    command = {"headers": signed(harness), "body": BODY.decode()}
    assert "shows where" in handler(command, Context())["body"]
    for name, value in (("SLACK_SIGNING_SECRET", "new"), ("SLACK_API_TOKEN", "other")):
        aws.ssm.put_parameter(
            Name=f"/zoom-ingester/test/{name}", Value=value, Type="SecureString", Overwrite=True
        )
    invalid = json_answer(200, {"ok": False, "error": "invalid_auth"})
    harness.workspace.answer("/api/usergroups.list", invalid)
    answer = handler({**command, "headers": signed(harness, "new")}, Context())
    assert "whether you may use this command" in answer["body"]


def asked(harness: Harness) -> dict[str, str]:
    """Return the request in the event with which the function invokes itself."""
    return {
        "type": "command",
        "user_id": "U111",
        "channel_id": "C1",
        "channel_name": "zip",
        "response_url": f"{harness.workspace.url}/respond",
        "text": str(MEETING),
    }


def test_deployed_slack_function_posts_the_answer_in_its_second_invocation(
    handler: Handler, harness: Harness, put: Put
) -> None:
    put("u1")
    assert handler({"slack_asked": asked(harness)}, Context()) == {}
    (message,) = harness.workspace.messages
    assert "https://zoomgov.com/recording/management/detail?meeting_id=u1" in texts(message)
    with pytest.raises(msgspec.ValidationError):
        handler({"slack_asked": {**asked(harness), "type": "other"}}, Context())


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize("is_later", [False, True])
def test_log_records_about_a_request_name_the_slack_user(
    handler: Handler, harness: Harness, capsys: pytest.CaptureFixture[str], is_later: bool
) -> None:
    # Threads call Slack, and their log records have to name the user as well.
    harness.workspace.groups = {}
    request = {"headers": signed(harness), "body": BODY.decode()}
    handler({"slack_asked": asked(harness)} if is_later else request, Context())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    # botocore logs once in a process that it has found credentials, before a user is known.
    records = [line for line in lines if not line["message"].startswith("Found credentials")]
    assert [record for record in records if "no user group" in record["message"]]
    for record in records:
        assert (record["slack_user"], record["aws_request_id"]) == ("U111", Context.aws_request_id)


@pytest.mark.usefixtures("now")
def test_slack_request_is_answered_when_slack_is_not_set_up(handler: Handler, aws: Cloud) -> None:
    for name in ("SLACK_SIGNING_SECRET", "SLACK_API_TOKEN"):
        aws.ssm.delete_parameter(Name=f"/zoom-ingester/test/{name}")
    answer = handler({"headers": {}, "body": BODY.decode()}, Context())
    assert answer["statusCode"] == 200
    assert "is not set up" in json.loads(answer["body"])["text"]
