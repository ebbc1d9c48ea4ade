"""The settings of a stack: read from the environment and `.env`, checked as a whole.

Secrets are kept apart: they go to SSM (see ops/secrets/), never into the template or a function's
environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cdk import checks, opencast
from cdk.names import (
    DOWNLOADER,
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
from cdk.settings_reader import Reader, given_settings
from cdk.stack_location import Place, read_place
from cdk.zoom_settings import Zoom, read_zoom

SECRETS = (
    "APIGEE_KEY",
    "OPENCAST_API_PASSWORD",
    "SCHEDULE_UPDATE_TOKEN",
    "SLACK_API_TOKEN",
    "SLACK_SIGNING_SECRET",
    "WEBHOOK_VALIDATION_SECRET_TOKEN",
    "ZOOM_API_SECRET",
    "ZOOM_CLIENT_SECRET",
)
"""The settings that are secrets."""

SIGNING_KEY = "PIPELINE_SIGNING_KEY"
"""A secret that is no setting: it is made at the first deployment, and stays."""

ZOOM_SECRETS = ("APIGEE_KEY", "ZOOM_CLIENT_SECRET", "ZOOM_API_SECRET")

READ_BY: Mapping[Function, tuple[str, ...]] = {
    WEBHOOK: ("WEBHOOK_VALIDATION_SECRET_TOKEN", SIGNING_KEY),
    ON_DEMAND: (*ZOOM_SECRETS, SIGNING_KEY),
    DOWNLOADER: ZOOM_SECRETS,
    UPLOADER: ("OPENCAST_API_PASSWORD",),
    RECONCILE: (*ZOOM_SECRETS, SIGNING_KEY),
    SCHEDULE_UPDATE: ("SCHEDULE_UPDATE_TOKEN",),
    STATUS_QUERY: (),
    SLACK: ("SLACK_SIGNING_SECRET", "SLACK_API_TOKEN"),
    LOG_NOTIFICATIONS: (),
}
"""The secrets that each function reads."""

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
"""The levels of a log, the least important first."""

OBSOLETE = {
    "DOWNLOAD_MESSAGES_PER_INVOCATION": "the queue drives the downloader now, one recording each",
}

_AT_ONCE = 2, 1000
"""The fewest and the most invocations at once that AWS takes as an event source's limit."""

_AT_ONCE_REASON = (
    " (it is the MaximumConcurrency of the {} queue's event source, and AWS takes no 1 there)"
)


@dataclass(frozen=True)
class Network:
    """Where in Opencast's VPC the uploader runs."""

    subnets: tuple[str, ...]
    security_group: str


@dataclass(frozen=True)
class Opencast:
    """How the uploader reaches Opencast, without the secret. `network` is None outside a VPC.

    `patience_hours` is how long it asks about an ingest whose outcome is unknown, and
    `outage_hours` how long an upload waits for an Opencast that can't be reached.
    """

    base_url: str
    network: Network | None
    api_user: str
    auth: str
    chat_as: str
    patience_hours: float
    outage_hours: float
    uploads_at_once: int
    workflow: str
    publisher: str
    override_publisher: str
    override_contributor: str
    cluster: str


@dataclass(frozen=True)
class Slack:
    """Who may use `/zip`, and where, without the secrets. Without `groups` nobody may."""

    api_base_url: str
    channel: str
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Sheets:
    """The Google Sheet with the schedule; without one both `document` and `tabs` are empty."""

    api_base_url: str
    document: str
    tabs: tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    """A stack's settings, all of them checked. `notes` are to be said once."""

    place: Place
    architecture: str
    runtime: str
    tags: tuple[tuple[str, str], ...]
    api_base_url: str
    ingest_allowed_ips: tuple[str, ...]
    codebuild_source_url: str
    zoom: Zoom
    opencast: Opencast
    sheets: Sheets
    slack: Slack
    webhook_delay_seconds: int
    reconcile_days: int
    allow_unsigned_webhooks: bool
    default_series_id: str
    minimum_duration: float
    buffer_minutes: int
    download_connections: int
    downloads_at_once: int
    local_time_zone: str
    notification_email: str
    notifications_level: str
    notes: tuple[str, ...] = ()
    _secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def stack_name(self) -> str:
        return self.place.stack_name

    def secrets(self) -> dict[str, str]:
        """Every secret setting with its value, "" where it isn't given."""
        return {name: self._secrets.get(name, "") for name in SECRETS}


def load(environment: Mapping[str, str], env_file: Path | None) -> Settings:
    """The stack's settings. SettingsError names every one that is missing or wrong.

    Below both comes what was looked up of the Opencast cluster that they name (cdk/opencast.py).
    """
    given = given_settings(environment, env_file)
    reader = Reader({**opencast.noted(given, env_file), **given}, hidden=SECRETS)
    settings = _settings(reader)
    reader.check()
    return settings


_runtime = checks.matching(r"python3\.\d\d", "a Python runtime of Lambda, like python3.13")
_repository = checks.matching(
    r"https://github\.com/[\w.-]+/[\w.-]+",
    "a GitHub repository, like https://github.com/owner/repository",
)

_document = checks.matching(
    r"[A-Za-z0-9_-]+", "the part of the sheet's address between /d/ and /edit"
)


def _settings(reader: Reader) -> Settings:
    given = reader.given
    return Settings(
        place=read_place(reader),
        architecture=reader.optional(
            "LAMBDA_ARCHITECTURE", checks.one_of("arm64", "x86_64"), "arm64"
        ),
        runtime=reader.optional("LAMBDA_RUNTIME", _runtime, "python3.13"),
        tags=reader.optional("STACK_TAGS", checks.tags, ()),
        api_base_url=reader.optional("API_BASE_URL", checks.url("https"), ""),
        ingest_allowed_ips=reader.required(
            "INGEST_ALLOWED_IPS",
            "the addresses that may POST /ingest and GET /status (Opencast's), comma-separated",
            checks.list_of(checks.network),
            (),
        ),
        codebuild_source_url=reader.optional("CODEBUILD_SOURCE_URL", _repository, ""),
        zoom=read_zoom(reader),
        opencast=_opencast(reader),
        sheets=_sheets(reader),
        slack=_slack(reader),
        webhook_delay_seconds=reader.optional("WEBHOOK_DELAY_SECONDS", checks.whole(0, 900), 300),
        reconcile_days=reader.optional("RECONCILE_DAYS", checks.whole(0, 30), 3),
        allow_unsigned_webhooks=_unsigned_webhooks(reader),
        default_series_id=reader.text("DEFAULT_SERIES_ID"),
        minimum_duration=reader.optional("MINIMUM_DURATION", checks.decimal(0, 1440), 2.0),
        buffer_minutes=reader.optional("BUFFER_MINUTES", checks.whole(1, 720), 30),
        download_connections=reader.optional("DOWNLOAD_CONNECTIONS", checks.whole(1, 64), 16),
        downloads_at_once=reader.optional(
            "DOWNLOADS_AT_ONCE",
            checks.whole(*_AT_ONCE, _AT_ONCE_REASON.format("download")),
            10,
        ),
        local_time_zone=reader.optional("LOCAL_TIME_ZONE", checks.time_zone, "US/Eastern"),
        notification_email=reader.text("NOTIFICATION_EMAIL"),
        notifications_level=reader.optional(
            "LOG_NOTIFICATIONS_FILTER_LOG_LEVEL",
            checks.one_of(*map(str.lower, LEVELS)),
            "error",
        ).upper(),
        notes=tuple(
            f"{name} does nothing any more: {why}."
            for name, why in OBSOLETE.items()
            if given.get(name)
        ),
        _secrets={name: given[name] for name in SECRETS if name in given},
    )


def _sheets(reader: Reader) -> Sheets:
    """The sheet's document and tabs: both are given, or none of them."""
    pair = ("GSHEETS_DOC_ID", "GSHEETS_SHEET_NAMES")
    missing = [name for name in pair if not reader.given.get(name)]
    if len(missing) == 1:
        reader.problems.append(
            f"{missing[0]} is missing: the sheet needs its document's id and its tabs' names. "
            "Leave both empty if there is no Google Sheet."
        )
    return Sheets(
        api_base_url=reader.optional(
            "GSHEETS_API_BASE_URL", checks.url("https"), "https://sheets.googleapis.com"
        ),
        document=reader.optional("GSHEETS_DOC_ID", _document, ""),
        tabs=reader.optional("GSHEETS_SHEET_NAMES", checks.list_of(checks.any_text), ()),
    )


def _unsigned_webhooks(reader: Reader) -> bool:
    allowed = reader.optional("ALLOW_UNSIGNED_WEBHOOKS", checks.yes_or_no, False)
    if not allowed and not reader.given.get("WEBHOOK_VALIDATION_SECRET_TOKEN"):
        reader.problems.append(
            "WEBHOOK_VALIDATION_SECRET_TOKEN is missing: the secret token of the Zoom app that "
            "sends the webhooks. Without it anyone can send recordings; if that is meant, "
            "set ALLOW_UNSIGNED_WEBHOOKS=true."
        )
    return allowed


def read_patience_hours(reader: Reader) -> float:
    """`OC_INGEST_PATIENCE_HOURS`: how long an ingest's outcome is waited for."""
    return reader.optional("OC_INGEST_PATIENCE_HOURS", checks.decimal(0.25, 168), 6.0)


def _opencast(reader: Reader) -> Opencast:
    email = reader.required(
        "NOTIFICATION_EMAIL",
        "the address for notifications, also the publisher where none is set",
        checks.matching(r"[^@\s]+@[^@\s]+", "an e-mail address"),
        "",
    )
    reader.required(
        "OPENCAST_API_PASSWORD", "the password of OPENCAST_API_USER", checks.any_text, ""
    )
    return Opencast(
        base_url=_opencast_address(reader),
        network=_network(reader),
        api_user=reader.required(
            "OPENCAST_API_USER", "the Opencast user that ingests", checks.any_text, ""
        ),
        auth=reader.optional("OPENCAST_AUTH", checks.one_of("digest", "basic"), "digest"),
        chat_as=reader.optional(
            "OC_CHAT_AS", checks.one_of("attachment", "track", "none"), "attachment"
        ),
        patience_hours=read_patience_hours(reader),
        outage_hours=reader.optional("OC_OUTAGE_HOURS", checks.decimal(1, 72), 24.0),
        uploads_at_once=reader.optional(
            "OC_TRACK_UPLOAD_MAX", checks.whole(*_AT_ONCE, _AT_ONCE_REASON.format("upload")), 5
        ),
        workflow=reader.required(
            "DEFAULT_OC_WORKFLOW", "the Opencast workflow for ingests", checks.any_text, ""
        ),
        publisher=reader.text("DEFAULT_PUBLISHER", email),
        override_publisher=reader.text("OVERRIDE_PUBLISHER"),
        override_contributor=reader.text("OVERRIDE_CONTRIBUTOR"),
        cluster=reader.text("OC_CLUSTER_NAME"),
    )


def _slack(reader: Reader) -> Slack:
    """`SLACK_ALLOWED_GROUP` is the groups' older name, which example files of old still have."""
    groups = checks.list_of(checks.any_text)
    return Slack(
        api_base_url=reader.optional(
            "SLACK_API_BASE_URL", checks.url("https"), "https://slack.com/api"
        ),
        channel=reader.text("SLACK_ZIP_CHANNEL"),
        groups=reader.optional(
            "SLACK_ALLOWED_GROUPS", groups, reader.optional("SLACK_ALLOWED_GROUP", groups, ())
        ),
    )


def _opencast_address(reader: Reader) -> str:
    """Opencast's base URL: given, or looked up."""
    cluster = reader.text("OC_CLUSTER_NAME")
    reader.optional("STACK_TYPE", checks.one_of(opencast.ECS), "")
    if cluster and not reader.given.get("OPENCAST_BASE_URL"):
        reader.problems.append(
            "OPENCAST_BASE_URL is missing, and the address of the Opencast cluster "
            f"{cluster} wasn't looked up yet: `invoke stack.diff` does so in AWS (as do create "
            "and update), or set OPENCAST_BASE_URL to the admin node's, like "
            "http://admin.example.edu."
        )
        return ""
    return reader.required(
        "OPENCAST_BASE_URL",
        "the address of Opencast's admin node, like https://opencast.example.edu",
        checks.url("https", "http"),
        "",
    )


def _network(reader: Reader) -> Network | None:
    """The uploader's place in Opencast's VPC, or None. The subnets say which VPC it is."""
    subnets = reader.optional(
        "OC_SUBNET_IDS",
        checks.list_of(checks.matching("subnet-[0-9a-f]+", "subnet ids, separated by commas")),
        tuple[str, ...](),
    )
    group = reader.optional(
        "OC_SECURITY_GROUP_ID", checks.matching("sg-[0-9a-f]+", "a security group's id"), ""
    )
    vpc = reader.optional("OC_VPC_ID", checks.matching("vpc-[0-9a-f]+", "a VPC's id"), "")
    if (vpc or group) and not reader.given.get("OC_SUBNET_IDS"):
        reader.problems.append(
            "OC_SUBNET_IDS is missing: OC_VPC_ID and OC_SECURITY_GROUP_ID say that the uploader "
            "runs in Opencast's VPC, and it needs subnets there, with a way to AWS's services."
        )
    if subnets and not reader.given.get("OC_SECURITY_GROUP_ID"):
        reader.problems.append(
            "OC_SECURITY_GROUP_ID is missing: the uploader's security group in OC_SUBNET_IDS."
        )
    return Network(subnets, group) if subnets else None
