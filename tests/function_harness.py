"""Harness of the functions: their dependencies, with clients of the fake AWS."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import requests

import downloader
import log_notifications
import schedule_update
import status_query
import uploader
import webhook
from ingester.alerts.faults_table import FaultsTable
from ingester.alerts.rate_limit import MailRateLimiter
from ingester.alerts.topic import Topic
from ingester.ledger.table import Ledger
from ingester.opencast.client import opencast_of
from ingester.pipeline.queue import Queue, Received
from ingester.reconcile.state_table import ReconcileState
from ingester.recording.events_table import EventsTable
from ingester.recording.staging_bucket import Staging
from ingester.runtime.api_gateway import Answer
from ingester.runtime.static_page import page_answer
from ingester.schedule.google_sheets import Sheets
from ingester.schedule.lock import ScheduleLock
from ingester.schedule.table import ScheduleTable
from ingester.settings import (
    DownloaderSettings,
    LogNotificationsSettings,
    ScheduleUpdateSecrets,
    ScheduleUpdateSettings,
    UploaderSecrets,
    UploaderSettings,
    WebhookSecrets,
    WebhookSettings,
    ZoomSecrets,
    read,
)
from ingester.status.table import StatusTable
from ingester.status.time_index import StatusPages
from ingester.time_zones import zone_of
from ingester.transfer import mp4
from ingester.transfer.engine import Engine
from ingester.zoom import signature
from ingester.zoom.api import ZoomApi
from ingester.zoom.pause_table import ZoomPause
from ingester.zoom.stage_recording import Inspect, OpenFile
from tests.cloud import Clock, Cloud
from tests.waits import Sleeper

ZOOM_SECRET = "zoom-secret"
OWN_KEY = "own-key"


def webhook_dependencies(
    aws: Cloud,
    clock: Clock,
    *,
    secrets: str = ZOOM_SECRET,
    own: str = OWN_KEY,
    unsigned: bool = False,
) -> webhook.Dependencies:
    return webhook.Dependencies(
        settings=WebhookSettings(
            stack_name="test",
            secrets_path="/zoom-ingester/test",
            status_table=aws.status.name,
            recordings_table=aws.recordings.name,
            events_table=aws.events.name,
            download_queue_url=aws.download_queue,
            webhook_delay_seconds=300,
            allow_unsigned_webhooks=unsigned,
        ),
        secrets=WebhookSecrets(webhook_validation_secret_token=secrets, pipeline_signing_key=own),
        ledger=Ledger(aws.recordings, clock),
        status=StatusTable(aws.status, clock),
        events=EventsTable(aws.events, clock),
        downloads=Queue(aws.sqs, aws.download_queue),
        clock=clock,
    )


def post_webhook(deps: webhook.Dependencies, content: Any, *, key: str | None = None) -> Answer:
    """Let the webhook answer a POST, signed with the key of its sender, Zoom or the pipeline.

    `key` replaces the sender's key.
    """
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    own = isinstance(content, dict) and content.get("event") == "on.demand.ingest"
    key = key or (OWN_KEY if own else ZOOM_SECRET)
    headers = signature.signed_headers(key, deps.clock().timestamp(), body)
    event = {"headers": headers, "body": body.decode(), "isBase64Encoded": False}
    return webhook.respond(event, deps)


def downloader_dependencies(
    aws: Cloud,
    clock: Clock,
    session: requests.Session,
    *,
    engine: Engine,
    open_file: OpenFile,
    inspect: Inspect = mp4.inspect,
    zoom_secrets: ZoomSecrets | None = None,
    **settings: Any,
) -> downloader.Dependencies:
    chosen = DownloaderSettings(
        **{
            "stack_name": "test",
            "secrets_path": "/zoom-ingester/test",
            "zoom_api_base_url": "https://api.zoom.us/v2/",
            "status_table": aws.status.name,
            "recordings_table": aws.recordings.name,
            "schedule_table": aws.schedule.name,
            "staging_bucket": aws.bucket,
            "download_queue_url": aws.download_queue,
            "download_dlq_url": aws.download_dlq,
            "download_receive_limit": 12,
            "upload_queue_url": aws.upload_queue,
            **settings,
        }
    )
    return downloader.Dependencies(
        settings=chosen,
        zoom=ZoomApi(
            chosen,
            zoom_secrets or ZoomSecrets(apigee_key="key"),
            session=session,
            sleep=Sleeper(),
            clock=clock,
        ),
        engine=engine,
        open_file=open_file,
        staging=Staging(aws.s3, aws.bucket),
        ledger=Ledger(aws.recordings, clock),
        status=StatusTable(aws.status, clock),
        schedule=ScheduleTable(aws.schedule),
        downloads=Queue(aws.sqs, aws.download_queue),
        dead_letters=Queue(aws.sqs, aws.download_dlq),
        uploads=Queue(aws.sqs, aws.upload_queue),
        inspect=inspect,
        pause=ZoomPause(aws.recordings, clock),
        clock=clock,
    )


def uploader_dependencies(
    aws: Cloud,
    clock: Clock,
    session: requests.Session,
    *,
    password: str = "password",  # noqa: S107  # of a fake
    **settings: Any,
) -> uploader.Dependencies:
    chosen = UploaderSettings(
        **{
            "stack_name": "test",
            "secrets_path": "/zoom-ingester/test",
            "status_table": aws.status.name,
            "recordings_table": aws.recordings.name,
            "events_table": aws.events.name,
            "staging_bucket": aws.bucket,
            "upload_queue_url": aws.upload_queue,
            "upload_dlq_url": aws.upload_dlq,
            "upload_receive_limit": 50,
            "opencast_base_url": "https://opencast.example.edu",
            "opencast_api_user": "zip",
            "default_oc_workflow": "dce-wf",
            "default_publisher": "pub@example.edu",
            **settings,
        }
    )
    return uploader.Dependencies(
        settings=chosen,
        opencast=opencast_of(chosen, UploaderSecrets(opencast_api_password=password), session),
        staging=Staging(aws.s3, aws.bucket),
        ledger=Ledger(aws.recordings, clock),
        status=StatusTable(aws.status, clock),
        events=EventsTable(aws.events, clock),
        uploads=Queue(aws.sqs, aws.upload_queue),
        dead_letters=Queue(aws.sqs, aws.upload_dlq),
        clock=clock,
    )


def schedule_update_dependencies(
    aws: Cloud, clock: Clock, sheets: Sheets, *, token: str = "", **settings: str
) -> schedule_update.Dependencies:
    chosen = {
        "stack_name": "test",
        "secrets_path": "/zoom-ingester/test",
        "schedule_table": aws.schedule.name,
        "google_credentials": "/zoom-ingester/common/gapi-credentials",
        "gsheets_doc_id": "doc",
        "gsheets_sheet_names": "Fall",
        "allow_open_schedule_update": "true",
        **settings,
    }
    return schedule_update.Dependencies(
        settings=read(
            ScheduleUpdateSettings, {name.upper(): value for name, value in chosen.items()}
        ),
        secrets=ScheduleUpdateSecrets(schedule_update_token=token),
        sheets=sheets,
        schedule=ScheduleTable(aws.schedule),
        lock=ScheduleLock(aws.schedule, clock),
    )


def status_query_dependencies(
    aws: Cloud, clock: Clock, reconcile_days: int = 0
) -> status_query.Dependencies:
    return status_query.Dependencies(
        stack_name="test",
        zoom_web="https://zoomgov.com",
        status=StatusTable(aws.status, clock),
        pages=StatusPages(aws.status),
        queues={
            "downloads": Queue(aws.sqs, aws.download_queue),
            "downloads_dead": Queue(aws.sqs, aws.download_dlq),
            "uploads": Queue(aws.sqs, aws.upload_queue),
            "uploads_dead": Queue(aws.sqs, aws.upload_dlq),
        },
        ledger=Ledger(aws.recordings, clock),
        schedule=ScheduleTable(aws.schedule),
        zone=zone_of("US/Eastern"),
        buffer_minutes=30,
        fallback_series_id="",
        opencast="https://opencast.example.edu",
        reconcile=ReconcileState(aws.recordings),
        reconcile_days=reconcile_days,
        page=page_answer(status_query.page_text()),
        clock=clock,
        patience=timedelta(hours=6),
    )


def log_notifications_dependencies(
    aws: Cloud,
    clock: Clock,
    level: str = "ERROR",
    sleep: Callable[[float], None] | None = None,
) -> log_notifications.Dependencies:
    settings = LogNotificationsSettings(
        stack_name="zip",
        status_table=aws.status.name,
        faults_table=aws.faults.name,
        topic_arn=aws.topic,
        log_notifications_filter_log_level=level,
    )
    quiet = timedelta(seconds=settings.notification_quiet_seconds)
    return log_notifications.Dependencies(
        settings=settings,
        status=StatusTable(aws.status, clock),
        faults=FaultsTable(aws.faults, quiet, clock),
        pace=MailRateLimiter(
            aws.faults, clock=clock, sleep=sleep or Sleeper(clock), random_fraction=lambda: 0.5
        ),
        topic=Topic(aws.sns, aws.topic),
        zone=zone_of(settings.local_time_zone),
        clock=clock,
    )


def received(aws: Cloud, url: str, message: Any, *, receive_count: int = 1) -> Received:
    """Send a message to a queue, and return the message as an event source delivers it."""
    body = message if isinstance(message, str) else json.dumps(message)
    group = {"MessageGroupId": "test"} if url.endswith(".fifo") else {}
    aws.sqs.send_message(QueueUrl=url, MessageBody=body, **group)
    (taken,) = aws.sqs.receive_message(QueueUrl=url)["Messages"]
    return Received(
        message_id=taken["MessageId"],
        receipt_handle=taken["ReceiptHandle"],
        body=taken["Body"],
        receive_count=receive_count,
    )
