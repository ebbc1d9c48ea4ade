"""Each function's tools over the in-process AWS, as its handler would build them."""

from __future__ import annotations

import json
from typing import Any

import webhook
from ingester import signature
from ingester.gateway import Answer
from ingester.neighbours.queues import Queue
from ingester.neighbours.tables import EventsTable, StatusTable
from ingester.settings import WebhookSecrets, WebhookSettings
from tests.cloud import Clock, Cloud

ZOOM_SECRET = "zoom-secret"
OWN_KEY = "own-key"


def webhook_tools(
    aws: Cloud, clock: Clock, *, secrets: str = ZOOM_SECRET, unsigned: bool = False
) -> webhook.Tools:
    return webhook.Tools(
        settings=WebhookSettings(
            stack_name="test",
            secrets_path="/zoom-ingester/test",
            status_table=aws.status.name,
            events_table=aws.events.name,
            download_queue_url=aws.download_queue,
            webhook_delay_seconds=300,
            allow_unsigned_webhooks=unsigned,
        ),
        secrets=WebhookSecrets(
            webhook_validation_secret_token=secrets, pipeline_signing_key=OWN_KEY
        ),
        status=StatusTable(aws.status, clock),
        events=EventsTable(aws.events, clock),
        downloads=Queue(aws.sqs, aws.download_queue),
        clock=clock,
    )


def post_webhook(tools: webhook.Tools, content: Any, *, key: str | None = None) -> Answer:
    """Posts to the webhook, signed as its sender signs: Zoom, or the pipeline for its own event."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    own = isinstance(content, dict) and content.get("event") == "on.demand.ingest"
    key = key or (OWN_KEY if own else ZOOM_SECRET)
    headers = signature.signed_headers(key, tools.clock().timestamp(), body)
    event = {"headers": headers, "body": body.decode(), "isBase64Encoded": False}
    return webhook.respond(event, tools)
