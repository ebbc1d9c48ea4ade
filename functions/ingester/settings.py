"""The settings and secrets of each function.

Each function has one frozen type of settings. A field is the environment variable of the same name
in capitals, and the stack's template sets exactly these variables (a test compares them). Secrets
are SSM SecureStrings under `secrets_path`, except Google's key (`google_credentials`). A container
keeps the secrets that it has read (`runtime/container.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec

from ingester import log
from ingester.errors import SettingsError
from ingester.log_level import Level

OFF = frozenset({"", "0", "false", "no", "off"})


class Settings(
    msgspec.Struct, frozen=True, kw_only=True, rename=str.upper, forbid_unknown_fields=False
):
    """The settings of every function. `debug` turns debug log records on, unless it is in OFF."""

    stack_name: str
    debug: str = ""

    @property
    def is_debug(self) -> bool:
        return self.debug.strip().lower() not in OFF


class Secrets(msgspec.Struct, frozen=True, kw_only=True, rename=str.upper):
    """Secrets of a function. The `repr` of the secrets doesn't show the values."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class LambdaVariables(msgspec.Struct, frozen=True, kw_only=True, rename=str.upper):
    """Variables that Lambda sets, and that a function passes on to its child process."""

    ld_library_path: str = ""


class ZoomSite(Settings, frozen=True, kw_only=True):
    """The account's Zoom site, whose pages have the host of `zoom_oauth_url`."""

    zoom_oauth_url: str = "https://zoom.us/oauth/token"

    @property
    def zoom_web(self) -> str:
        """Base URL of Zoom's web pages, without a slash at the end."""
        parts = urlsplit(self.zoom_oauth_url)
        return f"{parts.scheme}://{parts.netloc}"


class ZoomSettings(ZoomSite, frozen=True, kw_only=True):
    """Access to Zoom's API, by the first of an Apigee key, OAuth and JWT that is configured."""

    secrets_path: str
    zoom_api_base_url: str
    zoom_account_id: str = ""
    zoom_client_id: str = ""
    zoom_api_key: str = ""


class ZoomSecrets(Secrets, frozen=True, kw_only=True):
    apigee_key: str = ""
    zoom_client_secret: str = ""
    zoom_api_secret: str = ""


class WebhookSettings(Settings, frozen=True, kw_only=True):
    secrets_path: str
    status_table: str
    recordings_table: str
    events_table: str
    download_queue_url: str
    webhook_delay_seconds: int = 0
    allow_unsigned_webhooks: bool = False
    ingest_captions: bool = False
    ingest_chapters: bool = False


class WebhookSecrets(Secrets, frozen=True, kw_only=True):
    """Secrets of `webhook.py`.

    `webhook_validation_secret_token` may hold several secrets, separated by commas.
    """

    webhook_validation_secret_token: str = ""
    pipeline_signing_key: str

    @property
    def zoom_secrets(self) -> tuple[str, ...]:
        return split(self.webhook_validation_secret_token)


class OnDemandSettings(ZoomSettings, frozen=True, kw_only=True):
    """Settings of `on_demand.py`.

    `ingest_allowed_origins` is empty if every page may send requests.
    """

    status_table: str
    recordings_table: str
    webhook_url: str
    ingest_allowed_origins: str = ""

    @property
    def origins(self) -> frozenset[str]:
        """Origins of the pages that may send requests, in lower case."""
        return frozenset(origin.lower() for origin in split(self.ingest_allowed_origins))


class OnDemandSecrets(ZoomSecrets, frozen=True, kw_only=True):
    pipeline_signing_key: str


class ReconcileSettings(ZoomSettings, frozen=True, kw_only=True):
    """Settings of `reconcile.py`.

    `reconcile_days` is the number of past days whose recordings reconcile checks; 0 turns reconcile
    off.
    """

    recordings_table: str
    webhook_url: str
    reconcile_days: int = 3


class DownloaderSettings(ZoomSettings, frozen=True, kw_only=True):
    """Settings of `downloader.py`.

    `download_receive_limit` is the downloader's limit of receives. The attempt at that limit is the
    last one.

    `download_connections` is the largest number of concurrent connections to Zoom's download hosts,
    and also to S3, for all files together. `minimum_duration` is in minutes.
    """

    status_table: str
    recordings_table: str
    schedule_table: str
    staging_bucket: str
    download_queue_url: str
    download_dlq_url: str
    download_receive_limit: int
    upload_queue_url: str
    zoom_download_hosts: str = "zoom.us,*.zoom.us,zoomgov.com,*.zoomgov.com"
    download_connections: int = 16
    default_series_id: str = ""
    minimum_duration: float = 2
    buffer_minutes: int = 30
    local_time_zone: str = "US/Eastern"
    ingest_captions: bool = False
    ingest_chapters: bool = False

    @property
    def download_hosts(self) -> tuple[str, ...]:
        return split(self.zoom_download_hosts)

    @property
    def fallback_series_id(self) -> str:
        """Value of `DEFAULT_SERIES_ID`; "" for the text `None`, which old templates wrote."""
        return "" if self.default_series_id == "None" else self.default_series_id


class OpencastSettings(Settings, frozen=True, kw_only=True):
    """Access to Opencast as one user, who logs in by `digest` or `basic`."""

    secrets_path: str
    opencast_base_url: str
    opencast_api_user: str
    opencast_auth: str = "digest"


class UploaderSettings(OpencastSettings, frozen=True, kw_only=True):
    """Settings of `uploader.py`.

    `upload_receive_limit` is the uploader's limit of receives. The attempt at that limit is the
    last one.

    `oc_outage_hours` is the longest wait of an upload while Opencast or AWS can't be reached.
    `minimum_duration` is in minutes. `follow_ingests` says whether the function `follow` asks
    Opencast for each ingest's final state.
    """

    status_table: str
    recordings_table: str
    events_table: str
    staging_bucket: str
    upload_queue_url: str
    upload_dlq_url: str
    upload_receive_limit: int
    oc_chat_as: str = "attachment"
    oc_ingest_patience_hours: float = 6
    oc_outage_hours: float = 24
    default_oc_workflow: str
    default_publisher: str = ""
    override_publisher: str = ""
    override_contributor: str = ""
    minimum_duration: float = 2
    captions_language: str = "en-US"
    captions_workflow: str = ""
    follow_ingests: bool = False


class UploaderSecrets(Secrets, frozen=True, kw_only=True):
    opencast_api_password: str


class FollowSettings(OpencastSettings, frozen=True, kw_only=True):
    """Settings of `follow.py`.

    `follow_ingests` says whether ingests are followed.
    """

    status_table: str
    recordings_table: str
    follow_ingests: bool = False


class StatusQuerySettings(ZoomSite, frozen=True, kw_only=True):
    """Settings of `status_query.py`.

    `reconcile_days` is 0 where reconcile is off.
    """

    status_table: str
    recordings_table: str
    schedule_table: str
    reconcile_days: int = 3
    download_queue_url: str
    download_dlq_url: str
    upload_queue_url: str
    upload_dlq_url: str
    oc_ingest_patience_hours: float = 6
    opencast_base_url: str = ""
    default_series_id: str = ""
    buffer_minutes: int = 30
    local_time_zone: str = "US/Eastern"

    @property
    def fallback_series_id(self) -> str:
        """Value of `DEFAULT_SERIES_ID`; "" for the text `None`, which old templates wrote."""
        return "" if self.default_series_id == "None" else self.default_series_id


class SlackSettings(ZoomSite, frozen=True, kw_only=True):
    """Settings of `slack.py`.

    `own_alias` is `<function>:<alias>`, which the function invokes to continue after its answer.
    """

    secrets_path: str
    status_table: str
    schedule_table: str
    own_alias: str
    slack_api_base_url: str = "https://slack.com/api"
    slack_zip_channel: str = ""
    slack_allowed_groups: str = ""
    oc_cluster_name: str = ""
    oc_ingest_patience_hours: float = 6
    buffer_minutes: int = 30
    local_time_zone: str = "US/Eastern"

    @property
    def channel(self) -> str:
        """Name or id of the channel, without `#`."""
        return self.slack_zip_channel.strip().removeprefix("#")

    @property
    def groups(self) -> tuple[str, ...]:
        """Handles of the groups, without `@`, or their ids."""
        return tuple(group.removeprefix("@") for group in split(self.slack_allowed_groups))


class SlackSecrets(Secrets, frozen=True, kw_only=True):
    """Secrets of `slack.py`, which are "" where Slack isn't set up."""

    slack_signing_secret: str = ""
    slack_api_token: str = ""


class LogNotificationsSettings(Settings, frozen=True, kw_only=True):
    """Settings of `log_notifications.py`.

    `notification_quiet_seconds` is the time after a fault's mail in which repeats of the fault are
    only counted. `page_url` is the status page's URL.
    """

    status_table: str
    faults_table: str
    topic_arn: str
    log_notifications_filter_log_level: str = "ERROR"
    notification_quiet_seconds: int = 600
    page_url: str = ""
    local_time_zone: str = "US/Eastern"

    @property
    def min_level(self) -> Level:
        """Lowest level of mailed log records.

        Raises:
            SettingsError: The setting names no level.
        """
        name = self.log_notifications_filter_log_level.upper()
        if name not in Level.__members__:
            raise SettingsError(f"LOG_NOTIFICATIONS_FILTER_LOG_LEVEL {name!r} is no level.")
        return Level[name]


class ScheduleUpdateSettings(Settings, frozen=True, kw_only=True):
    """Settings of `schedule_update.py`.

    `google_credentials` is the name of the SSM parameter with the service account's key.
    """

    secrets_path: str
    schedule_table: str
    google_credentials: str
    gsheets_api_base_url: str = "https://sheets.googleapis.com"
    gsheets_doc_id: str = ""
    gsheets_sheet_names: str = ""
    allow_open_schedule_update: bool = False

    @property
    def tabs(self) -> tuple[str, ...]:
        """Names of the sheet's tabs, each once."""
        return tuple(dict.fromkeys(split(self.gsheets_sheet_names)))


class ScheduleUpdateSecrets(Secrets, frozen=True, kw_only=True):
    schedule_update_token: str = ""


SettingsType = TypeVar("SettingsType", bound=Settings | LambdaVariables)
SecretsType = TypeVar("SecretsType", bound=Secrets)


def split(text: str) -> tuple[str, ...]:
    """Return the stripped items of a comma-separated setting, without empty items."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def read(settings_type: type[SettingsType], environment: Mapping[str, str]) -> SettingsType:
    """Return a function's settings from its environment. An empty variable counts as not set.

    Raises:
        SettingsError: A variable is missing or malformed. The error's text names the variable.
    """
    given = {name: value for name, value in environment.items() if value != ""}
    try:
        return msgspec.convert(given, settings_type, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"The function's environment is wrong: {error}.") from error


class SsmClient(Protocol):
    """The method of boto3's SSM client that reads a parameter, and the client's errors."""

    @property
    def exceptions(self) -> Any: ...

    # boto3 requires the argument names `Name` and `WithDecryption`.
    def get_parameter(self, *, Name: str, WithDecryption: bool) -> Any: ...


def read_parameter(ssm: SsmClient, name: str) -> str:
    """Return an SSM parameter ("" if it doesn't exist), and hide it in log records (`log.hide`).

    Raises:
        BotoCoreError, ClientError: SSM fails.
    """
    try:
        answer = ssm.get_parameter(Name=name, WithDecryption=True)
    except ssm.exceptions.ParameterNotFound:
        return ""
    value = str(answer["Parameter"]["Value"])
    log.hide(value)
    return value


def variables_of(struct_type: type[msgspec.Struct]) -> tuple[str, ...]:
    """Return the names of a type's environment variables or SSM parameters."""
    return struct_type.__struct_encode_fields__


def read_secrets(secrets_type: type[SecretsType], ssm: SsmClient, path: str) -> SecretsType:
    """Return a function's secrets from SSM. A missing parameter counts as not configured.

    Each secret is read by its own call, so that IAM can grant each secret separately.

    Raises:
        SettingsError: A secret without a default is missing.
        BotoCoreError, ClientError: SSM fails.
    """
    found = {name: read_parameter(ssm, f"{path}/{name}") for name in variables_of(secrets_type)}
    given = {name: value for name, value in found.items() if value}
    try:
        return msgspec.convert(given, secrets_type)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"A secret is missing under {path} in SSM: {error}. "
            "`invoke stack.update` puts it there."
        ) from error
