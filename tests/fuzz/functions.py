"""The functions over fakes and with planted secrets, otherwise built as in production."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from typing import Any, cast

import requests
import urllib3

import downloader
import log_notifications
import on_demand
import reconcile
import schedule_update
import slack
import status_query
import uploader
import webhook
from ingester.alerts.faults_table import FaultsTable
from ingester.alerts.rate_limit import MailRateLimiter
from ingester.alerts.topic import Topic
from ingester.errors import MessageError
from ingester.ledger.table import Ledger
from ingester.opencast.client import opencast_of
from ingester.pipeline.messages import UploadMessage, decode
from ingester.pipeline.queue import Queue
from ingester.reconcile.state_table import ReconcileState
from ingester.recording.events_table import EventsTable
from ingester.recording.staging_bucket import Staging
from ingester.runtime.api_gateway import Answer
from ingester.runtime.queue_worker import SourceQueue
from ingester.runtime.static_page import page_answer
from ingester.schedule.google_sheets import Sheets
from ingester.schedule.lock import ScheduleLock
from ingester.schedule.table import ScheduleTable
from ingester.settings import (
    DownloaderSettings,
    LogNotificationsSettings,
    OnDemandSecrets,
    OnDemandSettings,
    ReconcileSettings,
    ScheduleUpdateSecrets,
    ScheduleUpdateSettings,
    SlackSecrets,
    SlackSettings,
    UploaderSecrets,
    UploaderSettings,
    WebhookSecrets,
    WebhookSettings,
    ZoomSecrets,
    read_secrets,
)
from ingester.slack.api import Members
from ingester.status.table import StatusTable
from ingester.status.time_index import StatusPages
from ingester.time_zones import zone_of
from ingester.transfer.engine import Engine
from ingester.zoom.api import ZoomApi
from ingester.zoom.download import ZoomFile
from ingester.zoom.download_urls import DownloadHosts
from ingester.zoom.pause_table import ZoomPause
from tests.cloud import Clock
from tests.fuzz import planted
from tests.fuzz.fakes import NOW, Aws, Downloads, Movie, NoEngine, Session, Watch, now, response
from tests.simulation.aws.calls import call_directly
from tests.simulation.aws.ssm import FakeParameters
from tests.waits import Sleeper

STACK, SECRETS = "fuzz", "/zoom-ingester/fuzz"
DOWNLOAD_RECEIVES, UPLOAD_RECEIVES = 12, 50
WEBHOOK = "https://webhook.example.edu/live/new_recording"
ZOOM_ACCESS: dict[str, Any] = {
    "stack_name": STACK,
    "secrets_path": SECRETS,
    "zoom_api_base_url": "https://api.zoom.us/v2",
    "zoom_account_id": "account",
    "zoom_client_id": "client",
}
HOSTS = DownloadHosts(("zoom.us", "*.zoom.us"))
GOOD_OAUTH = {"content": {"access_token": planted.OAUTH_TOKEN, "expires_in": 3600}}


@cache
def parameters() -> FakeParameters:
    """Return a fake SSM with the planted secrets."""
    made = FakeParameters(call=call_directly)
    for name, value in {
        "WEBHOOK_VALIDATION_SECRET_TOKEN": planted.ZOOM_SECRET,
        "PIPELINE_SIGNING_KEY": planted.OWN_KEY,
        "ZOOM_CLIENT_SECRET": planted.CLIENT_SECRET,
        "OPENCAST_API_PASSWORD": planted.PASSWORD,
        "SLACK_SIGNING_SECRET": planted.SLACK_SECRET,
        "SLACK_API_TOKEN": planted.SLACK_TOKEN,
        "SCHEDULE_UPDATE_TOKEN": planted.SCHEDULE_TOKEN,
    }.items():
        made.set(f"{SECRETS}/{name}", value)
    return made


def session(answers: Mapping[str, Any]) -> requests.Session:
    return cast(requests.Session, Session(answers))


def queue(aws: Aws, url: str) -> Queue:
    return Queue(cast(Any, aws.queues), url)


def ledger(aws: Aws) -> Ledger:
    return Ledger(cast(Any, aws.recordings), now)


def status_table(aws: Aws) -> StatusTable:
    return StatusTable(cast(Any, aws.status), now)


@cache
def secrets_of(secrets_type: Any) -> Any:
    return read_secrets(secrets_type, parameters(), SECRETS)


def webhook_of(aws: Aws) -> webhook.Dependencies:
    return webhook.Dependencies(
        settings=WebhookSettings(
            stack_name=STACK,
            secrets_path=SECRETS,
            status_table=aws.status.name,
            recordings_table=aws.recordings.name,
            events_table=aws.events.name,
            download_queue_url=aws.download_queue,
        ),
        secrets=secrets_of(WebhookSecrets),
        ledger=ledger(aws),
        status=status_table(aws),
        events=EventsTable(cast(Any, aws.events), now),
        downloads=queue(aws, aws.download_queue),
        clock=now,
        new_id=aws.new_id,
    )


@dataclass
class OwnWebhook:
    """A session that passes each POST to the webhook function, and returns the answer."""

    aws: Aws

    def post(
        self, _url: str, *, data: bytes, headers: Mapping[str, str], **_: Any
    ) -> requests.Response:
        event = {"headers": dict(headers), "body": data.decode(), "isBase64Encoded": False}
        answered = webhook.respond(event, webhook_of(self.aws))
        return response({"status": answered.status, "content": answered.body.encode()})


def zoom_api(settings: Any, secrets: Any, answers: Mapping[str, Any], watch: Watch) -> ZoomApi:
    return ZoomApi(
        settings,
        secrets,
        session=session({"oauth/token": GOOD_OAUTH, **answers}),
        sleep=watch.sleep,
        clock=now,
        monotonic=watch,
        random_fraction=lambda: 0.5,
    )


def on_demand_of(aws: Aws, zoom: Mapping[str, Any]) -> on_demand.Dependencies:
    settings = OnDemandSettings(
        **ZOOM_ACCESS,
        status_table=aws.status.name,
        recordings_table=aws.recordings.name,
        webhook_url=WEBHOOK,
    )
    secrets, watch = secrets_of(OnDemandSecrets), Watch()
    return on_demand.Dependencies(
        settings=settings,
        secrets=secrets,
        zoom=zoom_api(settings, secrets, zoom, watch),
        ledger=ledger(aws),
        status=status_table(aws),
        session=cast(requests.Session, OwnWebhook(aws)),
        clock=now,
        sleep=watch.sleep,
        monotonic=watch,
        random_fraction=lambda: 0.5,
        new_id=aws.new_id,
    )


def reconcile_of(aws: Aws, zoom: Mapping[str, Any]) -> reconcile.Dependencies:
    settings = ReconcileSettings(
        **ZOOM_ACCESS, recordings_table=aws.recordings.name, webhook_url=WEBHOOK
    )
    secrets, watch = secrets_of(OnDemandSecrets), Watch()
    return reconcile.Dependencies(
        settings=settings,
        secrets=secrets,
        zoom=zoom_api(settings, secrets, zoom, watch),
        ledger=ledger(aws),
        state=ReconcileState(cast(Any, aws.recordings)),
        session=cast(requests.Session, OwnWebhook(aws)),
        clock=now,
        sleep=watch.sleep,
        monotonic=watch,
        random_fraction=lambda: 0.5,
    )


def downloader_of(
    aws: Aws, zoom: Mapping[str, Any], downloads: list[Any]
) -> downloader.Dependencies:
    settings = DownloaderSettings(
        **ZOOM_ACCESS,
        status_table=aws.status.name,
        recordings_table=aws.recordings.name,
        schedule_table=aws.schedule.name,
        staging_bucket=aws.bucket.name,
        download_queue_url=aws.download_queue,
        download_dlq_url=aws.download_dlq,
        download_receive_limit=DOWNLOAD_RECEIVES,
        upload_queue_url=aws.upload_queue,
        default_series_id="20260100001",
    )
    http = cast(urllib3.PoolManager, Downloads(downloads))
    return downloader.Dependencies(
        settings=settings,
        zoom=zoom_api(settings, secrets_of(ZoomSecrets), zoom, Watch()),
        engine=cast(Engine, NoEngine()),
        open_file=partial(ZoomFile, http=http, hosts=HOSTS),
        staging=Staging(cast(Any, aws.bucket), aws.bucket.name),
        ledger=ledger(aws),
        status=status_table(aws),
        schedule=ScheduleTable(cast(Any, aws.schedule)),
        downloads=queue(aws, aws.download_queue),
        dead_letters=queue(aws, aws.download_dlq),
        uploads=queue(aws, aws.upload_queue),
        inspect=lambda _key, _read, _size: Movie(),
        pause=ZoomPause(cast(Any, aws.recordings), now),
        clock=now,
    )


def uploader_of(aws: Aws, opencast: Mapping[str, Any], body: str) -> uploader.Dependencies:
    """Return dependencies with Opencast's answers and the staged files of a message's body."""
    settings = UploaderSettings(
        stack_name=STACK,
        secrets_path=SECRETS,
        status_table=aws.status.name,
        recordings_table=aws.recordings.name,
        events_table=aws.events.name,
        staging_bucket=aws.bucket.name,
        upload_queue_url=aws.upload_queue,
        upload_dlq_url=aws.upload_dlq,
        upload_receive_limit=UPLOAD_RECEIVES,
        opencast_base_url="https://opencast.example.edu",
        opencast_api_user="zip",
        default_oc_workflow="dce-wf",
        default_publisher="pub@example.edu",
    )
    secrets = secrets_of(UploaderSecrets)
    return uploader.Dependencies(
        settings=settings,
        opencast=opencast_of(settings, secrets, session(opencast)),
        staging=Staging(cast(Any, StagedFiles(sizes_of(body))), aws.bucket.name),
        ledger=ledger(aws),
        status=status_table(aws),
        events=EventsTable(cast(Any, aws.events), now),
        uploads=queue(aws, aws.upload_queue),
        dead_letters=queue(aws, aws.upload_dlq),
        clock=now,
        new_id=aws.new_id,
    )


def sizes_of(body: str) -> dict[str, int]:
    """Return the sizes of staged files in bytes, by key, or {} if the body can't be read."""
    try:
        message = decode(body, UploadMessage)
    except MessageError:
        return {}
    return {
        file.filename: file.ffprobe_bytes
        for view in message.s3_files.values()
        for file in view.segments
    }


@dataclass(frozen=True)
class StagedFiles:
    """A fake S3 client in which every file exists. A file without a known size has one byte."""

    sizes: Mapping[str, int]

    def head_object(self, *, Key: str, **_: Any) -> dict[str, Any]:
        return {"ContentLength": self.sizes.get(Key, 1)}

    def put_object_tagging(self, **_: Any) -> dict[str, Any]:
        return {}

    def generate_presigned_url(self, _method: str, *, Params: Any, **_: Any) -> str:
        return f"https://s3.example.edu/{Params['Key']}"


def process(aws: Aws, url: str, body: str, receives: int, deps: Any) -> list[str]:
    """Pass a message to the queue's function, and return the `batchItemFailures`' ids.

    `receives` is the message's ApproximateReceiveCount.
    """
    in_order: dict[str, Any] = {
        "MessageGroupId": aws.new_id(),
        "MessageDeduplicationId": aws.new_id(),
    }
    is_fifo = url.endswith(".fifo")
    aws.queues.send_message(QueueUrl=url, MessageBody=body, **(in_order if is_fifo else {}))
    record = aws.queues.take(url, 1)[0]
    record["attributes"]["ApproximateReceiveCount"] = str(receives)
    if isinstance(deps, downloader.Dependencies):
        worker: Any = downloader.worker_of(deps)
        run: Any = downloader.run
    else:
        worker, run = uploader.worker_of(deps, 60.0), uploader.run
    dead = aws.upload_dlq if is_fifo else aws.download_dlq
    source = SourceQueue(queue(aws, url), queue(aws, dead), receives)
    answered = run({"Records": [record]}, lambda: worker, lambda: source)
    return [failure["itemIdentifier"] for failure in answered["batchItemFailures"]]


def status_of(aws: Aws) -> status_query.Dependencies:
    return status_query.Dependencies(
        stack_name=STACK,
        zoom_web="https://zoom.us",
        status=status_table(aws),
        pages=StatusPages(cast(Any, aws.status)),
        queues={
            "downloads": queue(aws, aws.download_queue),
            "downloads_dead": queue(aws, aws.download_dlq),
            "uploads": queue(aws, aws.upload_queue),
            "uploads_dead": queue(aws, aws.upload_dlq),
        },
        ledger=Ledger(cast(Any, aws.recordings), now),
        schedule=ScheduleTable(cast(Any, aws.schedule)),
        zone=zone_of("US/Eastern"),
        buffer_minutes=30,
        fallback_series_id="",
        opencast="https://opencast.example.edu",
        reconcile=ReconcileState(cast(Any, aws.recordings)),
        reconcile_days=3,
        page=page_answer("<!doctype html>"),
        clock=now,
        patience=timedelta(hours=6),
    )


@dataclass
class SlackFakes:
    """The `slack` function over fakes.

    `invoked` are the payloads with which the function invokes itself. `posted` are the function's
    messages to Slack.
    """

    aws: Aws
    members: Any

    def __post_init__(self) -> None:
        self.invoked: list[bytes] = []
        self.posted: list[Any] = []
        settings = SlackSettings(
            stack_name=STACK,
            secrets_path=SECRETS,
            status_table=self.aws.status.name,
            schedule_table=self.aws.schedule.name,
            own_alias="fuzz-slack:live",
            slack_zip_channel="zip",
            slack_allowed_groups="@Producers, staff",
        )
        self.deps = slack.Dependencies(
            settings=settings,
            secrets=secrets_of(SlackSecrets),
            members=cast(Members, self.members),
            status=status_table(self.aws),
            schedule=ScheduleTable(cast(Any, self.aws.schedule)),
            invoke=self.invoked.append,
            post=lambda _url, message, _seconds: self.posted.append(message),
            clock=now,
        )


def schedule_update_of(
    aws: Aws, key: str, answers: Mapping[str, Any]
) -> schedule_update.Dependencies:
    watch = Watch()
    return schedule_update.Dependencies(
        settings=ScheduleUpdateSettings(
            stack_name=STACK,
            secrets_path=SECRETS,
            schedule_table=aws.schedule.name,
            google_credentials="/zoom-ingester/common/gapi-credentials",
            gsheets_doc_id="doc",
            gsheets_sheet_names="Fall",
        ),
        secrets=secrets_of(ScheduleUpdateSecrets),
        sheets=Sheets(
            key,
            base_url="https://sheets.googleapis.com",
            session=session(answers),
            sleep=watch.sleep,
            clock=now,
            monotonic=watch,
        ),
        schedule=ScheduleTable(cast(Any, aws.schedule)),
        lock=ScheduleLock(cast(Any, aws.schedule), now),
        monotonic=watch,
    )


class Sns:
    """A fake SNS client that asserts SNS's limits of subject and message.

    Source: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
    """

    def __init__(self) -> None:
        self.mails: list[str] = []

    def publish(self, *, TopicArn: str, Subject: str, Message: str) -> None:
        assert TopicArn
        assert 0 < len(Subject) < 100, Subject
        assert Subject.isascii(), Subject
        assert Subject.isprintable(), Subject
        assert 0 < len(Message.encode()) <= 256 * 1024
        self.mails.append(f"{Subject}\n{Message}")


def notifications_of(aws: Aws, sns: Sns) -> log_notifications.Dependencies:
    settings = LogNotificationsSettings(
        stack_name=STACK,
        status_table=aws.status.name,
        faults_table=aws.faults.name,
        topic_arn="arn:aws:sns:us-east-1:123456789012:fuzz",
    )
    faults, clock = cast(Any, aws.faults), Clock(NOW)
    return log_notifications.Dependencies(
        settings=settings,
        status=status_table(aws),
        faults=FaultsTable(faults, timedelta(minutes=10), clock),
        pace=MailRateLimiter(
            faults, clock=clock, sleep=Sleeper(clock), random_fraction=lambda: 0.5
        ),
        topic=Topic(cast(Any, sns), settings.topic_arn),
        zone=zone_of(settings.local_time_zone),
        clock=clock,
    )


def text_of(answered: Answer) -> str:
    """Return the status, headers and body of an answer as one text."""
    return f"{answered.status} {dict(answered.headers)} {answered.body}"


TIMESTAMP = int(NOW.timestamp())
