"""Tests of `invoke exec.…`."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
import requests
from botocore.response import StreamingBody
from botocore.stub import Stubber
from invoke import Exit

import webhook
from cdk.settings import load
from ingester.errors import NotReady, WebhookFailed, WebhookUnreachable
from ingester.pipeline.states import State
from ingester.runtime.api_gateway import request_of
from ingester.settings import OnDemandSecrets, ZoomSettings
from ingester.zoom.api import ZoomApi
from ingester.zoom.signature import verify
from local.authority import Authority
from local.neighbours.https_server import Answer, Request, json_answer, text_answer
from local.neighbours.zoom import ZoomStandIn
from ops.command import OpsError
from ops.recordings import execute, invocation, resending
from ops.recordings.resending import Resender, uuid_of
from tests.cloud import Clock, Cloud
from tests.function_harness import OWN_KEY, webhook_dependencies
from tests.hooks import recorded
from tests.infra.template import SETTINGS
from tests.unit.zoom_account import (
    APP,
    MEETING,
    UUID,
    Endpoint,
    endpoint,
    file,
    recording,
    zoom_stand_in,
)
from tests.waits import Sleeper

ZIP_ID = f"auto-ingest-{UUID}"
CLOSED = "https://127.0.0.1:9/live/ingest"


@pytest.fixture(scope="module")
def zoom(tls: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZoomStandIn]:
    with zoom_stand_in(tls, tmp_path_factory.mktemp("zoom"), Clock()) as made:
        made.add(recording())
        yield made


@pytest.fixture
def hook(tls: Authority) -> Iterator[Endpoint]:
    with endpoint(tls) as made:
        yield made


@pytest.fixture
def session(tls: Authority) -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.verify = str(tls.ca_bundle)
        made.trust_env = False
        yield made


def nobody(_: str) -> tuple[int, str]:
    raise AssertionError("the API let the request in")


def test_request_for_an_ingest_is_posted_as_json_and_returns_the_message(
    hook: Endpoint, session: requests.Session
) -> None:
    hook.answers[:] = [json_answer(200, {"message": "Ingest accepted"})]
    content = {"uuid": UUID, "oc_series_id": "S"}
    assert execute.request_ingest(hook.url, content, session, nobody) == "Ingest accepted"
    (request,) = hook.requests
    assert json.loads(request.body) == content


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            json_answer(404, {"message": "Zoom knows no recording."}),
            "Zoom knows no recording. ({} 404.)",
        ),
        (json_answer(503, {"message": "Try again later."}), "Try again later. ({} 503.)"),
        (json_answer(502, {"message": None}), "{} 502: None"),
        (json_answer(500, []), "{} 500: []"),
        (text_answer(504, "text/html", b"<html>\nlate"), "{} 504: <html> late"),
        (Answer(302), "{} 302: nothing more"),
    ],
)
def test_request_for_an_ingest_reports_status_and_message_of_an_unsuccessful_answer(
    answer: Answer, said: str, hook: Endpoint, session: requests.Session
) -> None:
    hook.answers[:] = [answer]
    with pytest.raises(OpsError) as error:
        execute.request_ingest(hook.url, {"uuid": UUID}, session, nobody)
    assert str(error.value) == said.format("/live/new_recording answered")


def test_ingest_is_requested_by_a_direct_call_when_the_api_refuses_the_ip_address(
    hook: Endpoint, session: requests.Session
) -> None:
    hook.answers[:] = [json_answer(403, {"Message": "User: anonymous is not authorized"})]
    bodies: list[str] = []

    def call_directly(body: str) -> tuple[int, str]:
        bodies.append(body)
        return 200, '{"message": "Ingest accepted"}'

    said = execute.request_ingest(hook.url, {"uuid": UUID}, session, call_directly)
    assert said == "Ingest accepted"
    assert bodies == [hook.requests[0].body.decode()]
    with pytest.raises(OpsError, match="answered 404: no such"):
        execute.request_ingest(
            hook.url, {"uuid": UUID}, session, lambda _: (404, '{"message": "no such"}')
        )


def test_request_for_an_ingest_says_that_the_api_cannot_be_reached(
    session: requests.Session,
) -> None:
    with pytest.raises(OpsError, match=r"127.0.0.1 can't be reached \(ConnectionError\)"):
        execute.request_ingest(CLOSED, {"uuid": UUID}, session, nobody)


def answered(content: object, **more: Any) -> dict[str, Any]:
    raw = json.dumps(content).encode()
    return {"StatusCode": 200, "Payload": StreamingBody(io.BytesIO(raw), len(raw)), **more}


@pytest.fixture
def functions() -> Iterator[tuple[Any, Stubber]]:
    client = boto3.client(
        "lambda",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=invocation.CONFIG,
    )
    with Stubber(client) as answers:
        yield client, answers


def test_a_direct_call_of_on_demand_passes_the_request_as_api_gateway_does(
    functions: tuple[Any, Stubber],
) -> None:
    client, answers = functions
    answers.add_response("invoke", answered({"statusCode": 200, "body": '{"message": "ok"}'}))
    with recorded(client, "lambda.Invoke") as calls:
        found = execute.call_on_demand(client, "zip-zoom-on-demand", "live", '{"uuid": "x"}')
    assert found == (200, '{"message": "ok"}')
    (call,) = calls
    assert (call["FunctionName"], call["Qualifier"]) == ("zip-zoom-on-demand", "live")
    assert request_of(json.loads(call["Payload"])).body == b'{"uuid": "x"}'


def test_a_direct_call_reports_the_error_of_the_function_without_the_stack_trace(
    functions: tuple[Any, Stubber],
) -> None:
    client, answers = functions
    error = {
        "errorType": "SettingsError",
        "errorMessage": "A secret is\nmissing, token=abcdef",
        "stackTrace": ["File /var/task"],
    }
    answers.add_response("invoke", answered(error, FunctionError="Unhandled"))
    with pytest.raises(OpsError) as said:
        invocation.call(client, "f", "live", {})
    assert str(said.value) == "f ended with an error: SettingsError: A secret is missing, token=***"
    odd: object
    for odd in ("text", None, {}, []):
        answers.add_response("invoke", answered(odd, FunctionError="Unhandled"))
        with pytest.raises(OpsError, match="doesn't say which"):
            invocation.call(client, "f", "live", {})


def test_a_direct_call_names_the_version_when_the_function_lacks_that_version(
    functions: tuple[Any, Stubber],
) -> None:
    client, answers = functions
    answers.add_client_error("invoke", "ResourceNotFoundException", "Function not found", 404)
    with pytest.raises(OpsError, match="f has no version or alias 77"):
        invocation.call(client, "f", "77", {})


def test_a_direct_call_has_a_longer_timeout_than_the_function_and_is_never_retried(
    functions: tuple[Any, Stubber],
) -> None:
    config = functions[0].meta.config
    assert config.read_timeout > 900
    assert config.retries["total_max_attempts"] == 1


@pytest.mark.parametrize("message", ["done", "nothing waiting"])
def test_result_of_a_direct_call_is_the_message_when_the_function_succeeds(message: str) -> None:
    assert execute.result_message("f", {"message": message}) == message


@pytest.mark.parametrize(
    "answer",
    [
        {"message": "failed, see the recording's row and the log"},
        {"message": "not done, see the recording's row and the log"},
        {"message": None},
        {},
        None,
        [],
        "x",
        {"batchItemFailures": []},
    ],
)
def test_result_of_a_direct_call_is_an_error_when_the_answer_reports_no_success(
    answer: Any,
) -> None:
    with pytest.raises(OpsError, match=r"^f: "):
        execute.result_message("f", answer)


@pytest.fixture
def sender(zoom: ZoomStandIn, hook: Endpoint, session: requests.Session) -> Resender:
    settings = ZoomSettings(
        stack_name="test",
        secrets_path="/zoom-ingester/test",
        zoom_api_base_url=zoom.api_base_url,
        zoom_oauth_url=zoom.oauth_url,
        zoom_account_id=APP.account_id,
        zoom_client_id=APP.client_id,
    )
    secrets = OnDemandSecrets(zoom_client_secret=APP.client_secret, pipeline_signing_key=OWN_KEY)
    clock, sleeper = Clock(), Sleeper()
    api = ZoomApi(settings, secrets, session=session, sleep=sleeper, clock=clock)
    return Resender(api, hook.url, secrets, session, sleeper, clock)


def real_webhook(aws: Cloud, clock: Clock) -> Callable[[Request], Answer]:
    deps = webhook_dependencies(aws, clock)

    def take(request: Request) -> Answer:
        event = {"headers": dict(request.headers.items()), "body": request.body.decode()}
        answer = webhook.respond(event, deps)
        return text_answer(answer.status, "application/json", answer.body.encode())

    return take


def test_a_resent_webhook_event_is_signed_and_requests_the_automated_ingest_with_force(
    sender: Resender, hook: Endpoint
) -> None:
    hook.answers[:] = [text_answer(200, "text/plain", b"Success")]
    assert sender.send(sender.recording(UUID), series_id="S", ignore_schedule=True) == ZIP_ID
    (request,) = hook.requests
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert verify([OWN_KEY], headers, request.body, sender.clock().timestamp()) == OWN_KEY
    event = json.loads(request.body)
    payload = event["payload"]
    assert event["event"] == "on.demand.ingest"
    assert event["download_token"]
    assert payload.pop("object")["uuid"] == UUID
    assert payload == {
        "zip_id": ZIP_ID,
        "force": True,
        "override_series_id": "S",
        "ignore_schedule": True,
        "allow_multiple_ingests": False,
        "ingest_all_mp4": False,
    }


@pytest.mark.parametrize("before", [None, State.IGNORED, State.SENT_TO_OPENCAST])
def test_resending_a_webhook_event_starts_an_ingest_even_if_an_earlier_ingest_has_ended(
    before: State | None, sender: Resender, hook: Endpoint, aws: Cloud, clock: Clock
) -> None:
    if before:
        item = {"zip_id": ZIP_ID, "pipeline_state": str(before), "file_ids": {"file-1"}}
        aws.status.put_item(Item=item)
    hook.answers[:] = [real_webhook(aws, clock)]
    sender.send(sender.recording(UUID))
    (row,) = aws.rows().values()
    assert (row["pipeline_state"], row["origin"]) == ("SENT_TO_DOWNLOADER", "webhook_notification")
    assert (row["meeting_id"], row["recording_id"]) == (MEETING, UUID)
    (message,) = aws.sent_to(aws.download_queue)
    assert (message["body"]["zip_id"], message["body"]["force"]) == (ZIP_ID, True)
    assert "override_series_id" not in message["body"]
    assert message["delay_seconds"] == 0


def test_resending_a_webhook_event_fails_and_names_a_recording_that_zoom_does_not_know(
    sender: Resender, hook: Endpoint
) -> None:
    with pytest.raises(OpsError, match="Zoom knows no recording nowhere=="):
        sender.recording("nowhere==")
    assert not hook.requests


def test_resending_a_webhook_event_fails_when_zoom_has_not_finished_the_recording(
    sender: Resender, zoom: ZoomStandIn, hook: Endpoint
) -> None:
    unfinished = replace(file("late"), processing_asks=100)
    zoom.add(recording(unfinished, uuid="unfinished=="))
    with pytest.raises(NotReady, match="has not finished"):
        sender.recording("unfinished==")
    assert not hook.requests


def test_resending_a_webhook_event_reports_that_the_webhook_refuses_it_or_cannot_be_reached(
    sender: Resender, zoom: ZoomStandIn, hook: Endpoint, aws: Cloud, clock: Clock
) -> None:
    zoom.add(recording(file("audio", "M4A", "audio_only"), uuid="audio=="))
    hook.answers[:] = [real_webhook(aws, clock)]
    with pytest.raises(WebhookFailed, match=r"answered 400: The recording has no MP4 files\.$"):
        sender.send(sender.recording("audio=="))
    stranger = replace(sender, secrets=OnDemandSecrets(pipeline_signing_key="stranger"))
    with pytest.raises(WebhookFailed, match="answered 401"):
        stranger.send(sender.recording(UUID))
    with pytest.raises(WebhookUnreachable, match="can't be reached"):
        replace(sender, webhook_url=CLOSED).send(sender.recording(UUID))


class InterruptedSession(requests.Session):
    """A session in which ^C is pressed during each request."""

    def request(self, *_: Any, **__: Any) -> requests.Response:
        raise KeyboardInterrupt


def test_an_interrupted_resend_says_that_the_webhook_may_have_the_request(
    sender: Resender,
) -> None:
    interrupted = replace(sender, session=InterruptedSession())
    with pytest.raises(Exit, match="may have the request") as exited:
        execute.resend(interrupted, UUID, "")
    assert exited.value.code == 130


def test_the_resender_has_the_secrets_of_the_stack_and_their_repr_hides_them(
    aws: Cloud, session: requests.Session
) -> None:
    settings = load({**SETTINGS, "STACK_NAME": "zip-a"}, None)
    for name, value in (("PIPELINE_SIGNING_KEY", "own-1"), ("ZOOM_CLIENT_SECRET", "zoom-2")):
        aws.ssm.put_parameter(Name=f"/zoom-ingester/zip-a/{name}", Value=value, Type="SecureString")
    made = resending.resender(settings, aws.ssm, "https://x", session, Sleeper())
    assert (made.secrets.pipeline_signing_key, made.secrets.zoom_client_secret) == (
        "own-1",
        "zoom-2",
    )
    assert not [value for value in ("own-1", "zoom-2") if value in repr(made.secrets)]


@pytest.mark.parametrize(
    ("text", "uuid"),
    [
        (UUID, UUID),
        (f"  {UUID}\n", UUID),
        (
            "https://zoom.us/r/detail?meeting_id=ajXp112QmuoKj4854875%3D%3D",
            "ajXp112QmuoKj4854875==",
        ),
    ],
)
def test_a_recording_may_be_given_by_a_uuid_or_a_link(text: str, uuid: str) -> None:
    assert uuid_of(text) == uuid


@pytest.mark.parametrize(
    "text",
    ["", "  ", "\n", "a b", "--help", "a\x1b", "https://zoom.us/r", "x" * 999, "95846636714"],
)
def test_text_without_a_uuid_is_refused_in_one_line(
    text: str,
) -> None:
    with pytest.raises(OpsError) as said:
        uuid_of(text)
    assert "\n" not in str(said.value)
