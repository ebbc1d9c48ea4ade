"""The types of each function's settings and secrets."""

from __future__ import annotations

from cdk.names import (
    DOWNLOADER,
    FOLLOW,
    LOG_NOTIFICATIONS,
    ON_DEMAND,
    RECONCILE,
    SCHEDULE_UPDATE,
    SLACK,
    STATUS_QUERY,
    UPLOADER,
    WEBHOOK,
    Function,
)
from ingester import settings as read

READS: dict[Function, tuple[type[read.Settings], type[read.Secrets] | None]] = {
    WEBHOOK: (read.WebhookSettings, read.WebhookSecrets),
    ON_DEMAND: (read.OnDemandSettings, read.OnDemandSecrets),
    DOWNLOADER: (read.DownloaderSettings, read.ZoomSecrets),
    UPLOADER: (read.UploaderSettings, read.UploaderSecrets),
    RECONCILE: (read.ReconcileSettings, read.OnDemandSecrets),
    FOLLOW: (read.FollowSettings, read.UploaderSecrets),
    SCHEDULE_UPDATE: (read.ScheduleUpdateSettings, read.ScheduleUpdateSecrets),
    STATUS_QUERY: (read.StatusQuerySettings, None),
    SLACK: (read.SlackSettings, read.SlackSecrets),
    LOG_NOTIFICATIONS: (read.LogNotificationsSettings, None),
}
