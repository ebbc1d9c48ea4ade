"""What each function is told: its environment in the template.

A test holds it against what the functions read (`functions/ingester/settings.py`). Every variable
is always there, empty if its setting isn't given, so that it shows what can be set. No secrets.
"""

from __future__ import annotations

from dataclasses import dataclass

from cdk.bucket import StagingBucket
from cdk.names import (
    DOWNLOADER,
    GOOGLE_CREDENTIALS,
    LOG_NOTIFICATIONS,
    ON_DEMAND,
    RECONCILE,
    SCHEDULE_UPDATE,
    SLACK,
    STATUS_QUERY,
    UPLOADER,
    WEBHOOK,
    Function,
    Names,
)
from cdk.notifications import QUIET_SECONDS, Notifications
from cdk.queues import DOWNLOAD_RECEIVE_LIMIT, Queues
from cdk.settings import Settings
from cdk.tables import Tables


@dataclass(frozen=True)
class Resources:
    """What the functions work with."""

    tables: Tables
    queues: Queues
    staging: StagingBucket
    notifications: Notifications
    webhook_url: str


def environments(
    settings: Settings, names: Names, resources: Resources
) -> dict[Function, dict[str, str]]:
    """Each function's environment variables."""
    tables, queues = resources.tables, resources.queues
    every = {"STACK_NAME": settings.stack_name, "DEBUG": ""}
    secrets = {"SECRETS_PATH": names.secrets_path}
    status = {"STATUS_TABLE": tables.status.table_name}
    events = {"EVENTS_TABLE": tables.events.table_name}
    recordings = {"RECORDINGS_TABLE": tables.recordings.table_name}
    reconcile = {"RECONCILE_DAYS": str(settings.reconcile_days)}
    webhook = {"WEBHOOK_URL": resources.webhook_url}
    classes = {"SCHEDULE_TABLE": tables.schedule.table_name}
    staging = {"STAGING_BUCKET": resources.staging.bucket.bucket_name}
    minimum = {"MINIMUM_DURATION": f"{settings.minimum_duration:g}"}
    schedule = classes | _matching(settings)
    download_queue, upload_queue, download_dlq, upload_dlq = _queues(queues)
    counted = download_queue | download_dlq | upload_queue | upload_dlq
    zoom_site = {"ZOOM_OAUTH_URL": settings.zoom.oauth_url}
    zoom = secrets | zoom_site | _zoom(settings)
    return {
        WEBHOOK: every
        | secrets
        | status
        | recordings
        | events
        | download_queue
        | _webhook(settings),
        ON_DEMAND: every | zoom | status | recordings | webhook,
        DOWNLOADER: every
        | zoom
        | status
        | recordings
        | staging
        | minimum
        | schedule
        | download_queue
        | download_dlq
        | upload_queue
        | _downloads(settings),
        UPLOADER: every
        | secrets
        | status
        | recordings
        | events
        | staging
        | minimum
        | upload_queue
        | upload_dlq
        | {"UPLOAD_RECEIVE_LIMIT": str(queues.upload_receive_limit)}
        | _opencast(settings),
        RECONCILE: every | zoom | recordings | reconcile | webhook,
        SCHEDULE_UPDATE: every | secrets | classes | _sheets(settings),
        STATUS_QUERY: every
        | zoom_site
        | status
        | recordings
        | reconcile
        | counted
        | _patience(settings),
        SLACK: every | secrets | zoom_site | status | schedule | _slack(settings, names),
        LOG_NOTIFICATIONS: every | status | _notifications(settings, resources),
    }


def _webhook(settings: Settings) -> dict[str, str]:
    return {
        "WEBHOOK_DELAY_SECONDS": str(settings.webhook_delay_seconds),
        "ALLOW_UNSIGNED_WEBHOOKS": str(settings.allow_unsigned_webhooks).lower(),
    }


def _patience(settings: Settings) -> dict[str, str]:
    return {"OC_INGEST_PATIENCE_HOURS": f"{settings.opencast.patience_hours:g}"}


def _slack(settings: Settings, names: Names) -> dict[str, str]:
    return {
        "OWN_ALIAS": f"{names.function(SLACK)}:{settings.place.release_alias}",
        "SLACK_API_BASE_URL": settings.slack.api_base_url,
        "SLACK_ZIP_CHANNEL": settings.slack.channel,
        "SLACK_ALLOWED_GROUPS": ",".join(settings.slack.groups),
        "OC_CLUSTER_NAME": settings.opencast.cluster,
        **_patience(settings),
    }


def _downloads(settings: Settings) -> dict[str, str]:
    return {
        "DOWNLOAD_RECEIVE_LIMIT": str(DOWNLOAD_RECEIVE_LIMIT),
        "DOWNLOAD_CONNECTIONS": str(settings.download_connections),
        "ZOOM_DOWNLOAD_HOSTS": ",".join(settings.zoom.download_hosts),
        "DEFAULT_SERIES_ID": settings.default_series_id,
    }


def _matching(settings: Settings) -> dict[str, str]:
    """How a recording's start is matched with the schedule's classes."""
    return {
        "BUFFER_MINUTES": str(settings.buffer_minutes),
        "LOCAL_TIME_ZONE": settings.local_time_zone,
    }


def _queues(queues: Queues) -> tuple[dict[str, str], ...]:
    return (
        {"DOWNLOAD_QUEUE_URL": queues.download.queue_url},
        {"UPLOAD_QUEUE_URL": queues.upload.queue_url},
        {"DOWNLOAD_DLQ_URL": queues.download_dlq.queue_url},
        {"UPLOAD_DLQ_URL": queues.upload_dlq.queue_url},
    )


def _zoom(settings: Settings) -> dict[str, str]:
    return {
        "ZOOM_API_BASE_URL": settings.zoom.api_base_url,
        "ZOOM_ACCOUNT_ID": settings.zoom.account_id,
        "ZOOM_CLIENT_ID": settings.zoom.client_id,
        "ZOOM_API_KEY": settings.zoom.api_key,
    }


def _notifications(settings: Settings, resources: Resources) -> dict[str, str]:
    return {
        "FAULTS_TABLE": resources.tables.faults.table_name,
        "TOPIC_ARN": resources.notifications.topic.topic_arn,
        "LOG_NOTIFICATIONS_FILTER_LOG_LEVEL": settings.notifications_level,
        "NOTIFICATION_QUIET_SECONDS": str(QUIET_SECONDS),
        "LOCAL_TIME_ZONE": settings.local_time_zone,
    }


def _sheets(settings: Settings) -> dict[str, str]:
    return {
        "GOOGLE_CREDENTIALS": GOOGLE_CREDENTIALS,
        "GSHEETS_API_BASE_URL": settings.sheets.api_base_url,
        "GSHEETS_DOC_ID": settings.sheets.document,
        "GSHEETS_SHEET_NAMES": ",".join(settings.sheets.tabs),
    }


def _opencast(settings: Settings) -> dict[str, str]:
    given = settings.opencast
    return {
        "OPENCAST_BASE_URL": given.base_url,
        "OPENCAST_API_USER": given.api_user,
        "OPENCAST_AUTH": given.auth,
        "OC_CHAT_AS": given.chat_as,
        **_patience(settings),
        "OC_OUTAGE_HOURS": f"{given.outage_hours:g}",
        "DEFAULT_OC_WORKFLOW": given.workflow,
        "DEFAULT_PUBLISHER": given.publisher,
        "OVERRIDE_PUBLISHER": given.override_publisher,
        "OVERRIDE_CONTRIBUTOR": given.override_contributor,
    }
