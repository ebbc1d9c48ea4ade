"""The environment variables of each function: settings, and facts about the stack itself.

Lambda's console lists all settings that a function reads, except secrets, because each setting has
a variable even if the setting isn't given. No variable holds a secret, because the functions read
secrets from SSM. A test compares the environments with the settings that the functions read
(`functions/ingester/settings.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from cdk.at_rest import AtRest
from cdk.bucket import StagingBucket
from cdk.names import (
    DOWNLOADER,
    FOLLOW,
    FUNCTIONS,
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
from cdk.queues import Queues
from cdk.receive_limits import DOWNLOAD_RECEIVE_LIMIT
from cdk.settings import READ_BY, TABLE, Settings
from cdk.settings_row import text_of
from cdk.tables import Tables


@dataclass(frozen=True)
class Resources:
    """The resources and URLs that the functions use, with encryption at rest and log retention."""

    tables: Tables
    queues: Queues
    staging: StagingBucket
    notifications: Notifications
    at_rest: AtRest
    webhook_url: str
    page_url: str


@dataclass(frozen=True)
class Variable:
    """An environment variable and the functions that have it."""

    name: str
    value: str
    read_by: Collection[Function]


def environments(
    settings: Settings, names: Names, resources: Resources
) -> dict[Function, dict[str, str]]:
    """Return each function's environment variables."""
    slack_alias_name = f"{names.function(SLACK)}:{settings.place.release_alias}"
    variables = [
        *_setting_variables(settings),
        *_table_variables(resources.tables),
        *_queue_variables(resources.queues),
        Variable("DEBUG", "", FUNCTIONS),
        Variable("SECRETS_PATH", names.secrets_path, [f for f in FUNCTIONS if READ_BY[f]]),
        Variable("GOOGLE_CREDENTIALS", GOOGLE_CREDENTIALS, (SCHEDULE_UPDATE,)),
        Variable("WEBHOOK_URL", resources.webhook_url, (ON_DEMAND, RECONCILE)),
        Variable("PAGE_URL", resources.page_url, (LOG_NOTIFICATIONS,)),
        Variable("STAGING_BUCKET", resources.staging.bucket.bucket_name, (DOWNLOADER, UPLOADER)),
        Variable("OWN_ALIAS", slack_alias_name, (SLACK,)),
        Variable("TOPIC_ARN", resources.notifications.topic.topic_arn, (LOG_NOTIFICATIONS,)),
        Variable("NOTIFICATION_QUIET_SECONDS", str(QUIET_SECONDS), (LOG_NOTIFICATIONS,)),
    ]
    return {
        function: {each.name: each.value for each in variables if function in each.read_by}
        for function in FUNCTIONS
    }


def _setting_variables(settings: Settings) -> list[Variable]:
    return [
        Variable(row.name, text_of(getattr(settings, row.name.lower())), row.read_by)
        for row in TABLE.values()
        if row.read_by and not row.secret
    ]


def _table_variables(tables: Tables) -> list[Variable]:
    both = (WEBHOOK, ON_DEMAND, DOWNLOADER, UPLOADER, FOLLOW, STATUS_QUERY)
    ledger = (*both, RECONCILE)
    status = (*both, SLACK, LOG_NOTIFICATIONS)
    schedule = (DOWNLOADER, SCHEDULE_UPDATE, STATUS_QUERY, SLACK)
    return [
        Variable("STATUS_TABLE", tables.status.table_name, status),
        Variable("EVENTS_TABLE", tables.events.table_name, (WEBHOOK, UPLOADER)),
        Variable("RECORDINGS_TABLE", tables.recordings.table_name, ledger),
        Variable("SCHEDULE_TABLE", tables.schedule.table_name, schedule),
        Variable("FAULTS_TABLE", tables.faults.table_name, (LOG_NOTIFICATIONS,)),
    ]


def _queue_variables(queues: Queues) -> list[Variable]:
    download, upload = queues.download.queue_url, queues.upload.queue_url
    return [
        Variable("DOWNLOAD_QUEUE_URL", download, (WEBHOOK, DOWNLOADER, STATUS_QUERY)),
        Variable("DOWNLOAD_DLQ_URL", queues.download_dlq.queue_url, (DOWNLOADER, STATUS_QUERY)),
        Variable("DOWNLOAD_RECEIVE_LIMIT", str(DOWNLOAD_RECEIVE_LIMIT), (DOWNLOADER,)),
        Variable("UPLOAD_QUEUE_URL", upload, (DOWNLOADER, UPLOADER, STATUS_QUERY)),
        Variable("UPLOAD_DLQ_URL", queues.upload_dlq.queue_url, (UPLOADER, STATUS_QUERY)),
        Variable("UPLOAD_RECEIVE_LIMIT", str(queues.upload_receive_limit), (UPLOADER,)),
    ]
