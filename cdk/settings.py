"""The table of settings, and a stack's settings read from the environment and `.env`.

One field of `Settings` holds the facts about one setting, such as its default, its check, whether
it is secret, which functions read it, and a line for people. The functions' environment
(cdk/environment.py), their grants on secrets (cdk/grants.py), `example.env` and docs/settings.md
are made from these facts. `python -m ops.settings_documents` writes the two documents. A test
compares the table with the settings that the functions read (functions/ingester/settings.py).

Secrets go to SSM (see ops/secrets/), never into the template or a function's environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cdk import checks, opencast, settings_rules
from cdk.names import (
    DOWNLOADER,
    FOLLOW,
    FUNCTIONS,
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
from cdk.settings_row import Section, Setting, rows_of, setting, text_setting
from cdk.stack_location import Place
from cdk.weaknesses import REFUSED, Weakness, weak_settings

SIGNING_KEY = "PIPELINE_SIGNING_KEY"
"""The name of a secret that isn't a setting. The first deployment makes the secret."""

SCHEDULE_TOKEN = "SCHEDULE_UPDATE_TOKEN"  # noqa: S105  # a name, not a secret
"""The name of a secret setting.

A deployment makes a missing secret, unless the site sets it or allows open updates.
"""

SIGNING_KEY_READ_BY = (WEBHOOK, ON_DEMAND, RECONCILE)

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
"""The levels of log records, the least important first."""

LOG_RETENTIONS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""The numbers of days for which CloudWatch can keep logs.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
"""

OBSOLETE = {
    "DOWNLOAD_MESSAGES_PER_INVOCATION": "the queue calls the downloader once for each recording",
}
"""Settings that are accepted and do nothing, each with the reason."""

_ZOOM_API = (ON_DEMAND, DOWNLOADER, RECONCILE)
"""The functions that call Zoom's API."""

_AT_ONCE = 2, 1000
"""The lowest and the highest concurrency that AWS accepts as an event source's limit.

https://docs.aws.amazon.com/lambda/latest/api/API_ScalingConfig.html
"""

_AT_ONCE_REASON = " (AWS accepts no MaximumConcurrency of 1 for the {} queue's event source)"

_STACK = Section("The stack: required")
_ZOOM = Section(
    "Zoom: required",
    "The functions reach Zoom's API in one of three ways. The first of these that is given counts: "
    "an Apigee gateway (`APIGEE_KEY`), a Server-to-Server OAuth app (`ZOOM_ACCOUNT_ID`, "
    "`ZOOM_CLIENT_ID`, `ZOOM_CLIENT_SECRET`), a JWT app (`ZOOM_API_KEY`, `ZOOM_API_SECRET`).",
    see="zoom.md",
)
_OPENCAST = Section("Opencast: required", see="opencast.md")
_ZOOM_OPTIONS = Section("Zoom: optional")
_OPENCAST_OPTIONS = Section("Opencast: optional")
_RECORDINGS = Section("Which recordings, and where to: optional")
_CAPTIONS = Section("Captions: optional", see="captions.md")
_ZIP_COMMAND = Section("Slack's /zip: optional", see="slack.md")
_MAILS = Section("Mails: optional")
_SHEET = Section("The schedule's Google Sheet: optional", see="google-sheets.md")
_AWS = Section("AWS and commands: optional")


@dataclass(frozen=True)
class Network:
    """The subnets and security group of the uploader and the follow function in Opencast's VPC."""

    subnets: tuple[str, ...]
    security_group: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A stack's settings, whose texts have passed their checks.

    Each field but `notes` is a row of the table of settings. A field's name in capitals is the
    setting's name. `notes` are sentences about obsolete settings that are given. The CDK prints
    these notes as warnings.
    """

    stack_name: str = setting(
        _STACK,
        "",
        # A function's name has at most 64 characters in AWS, of which `-zoom-log-notifications`
        # takes 23. https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
        checks.matching(
            r"[a-z][a-z0-9-]{0,40}",
            "at most 41 lower-case letters, digits and dashes, beginning with a letter",
        ),
        "The stack's name, in front of every name in AWS. With `prod` in it, changes ask first.",
        missing="the name of the stack, in front of every name in AWS",
        read_by=FUNCTIONS,
    )
    lambda_code_bucket: str = setting(
        _STACK,
        "",
        checks.matching(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of an S3 bucket"),
        "The bucket for packages and templates, below the stack's name. `invoke stack.create` "
        "makes it if it isn't there.",
        missing="the S3 bucket for the functions' packages",
    )
    notification_email: str = setting(
        _STACK,
        "",
        checks.matching(r"[^@\s]+@[^@\s]+", "an e-mail address"),
        "The address that gets the mails about errors and alarms. The address is also the "
        "publisher if no other is set.",
        missing="the address for notifications, also the publisher where none is set",
    )
    ingest_allowed_ips: tuple[str, ...] = setting(
        _STACK,
        (),
        checks.list_of(checks.network),
        "Who may open the page and call `/ingest` and `/status`: Opencast, operators, producers.",
        missing="the addresses that may POST /ingest and GET /status (Opencast's), comma-separated",
    )

    zoom_api_base_url: str = setting(
        _ZOOM,
        "",
        checks.url("https"),
        "Zoom's API, or the gateway in front of it.",
        missing="the address of Zoom's API, as a rule https://api.zoom.us/v2",
        example="https://api.zoom.us/v2",
        read_by=_ZOOM_API,
    )
    apigee_key: str = text_setting(
        _ZOOM, "The Apigee gateway's key.", read_by=_ZOOM_API, secret=True
    )
    zoom_account_id: str = text_setting(_ZOOM, "The OAuth app's account ID.", read_by=_ZOOM_API)
    zoom_client_id: str = text_setting(_ZOOM, "The OAuth app's client ID.", read_by=_ZOOM_API)
    zoom_client_secret: str = text_setting(
        _ZOOM, "The OAuth app's client secret.", read_by=_ZOOM_API, secret=True
    )
    zoom_api_key: str = text_setting(
        _ZOOM,
        "The JWT app's key, for gateways that still take it.",
        read_by=_ZOOM_API,
    )
    zoom_api_secret: str = text_setting(
        _ZOOM, "The JWT app's secret.", read_by=_ZOOM_API, secret=True
    )
    webhook_validation_secret_token: str = text_setting(
        _ZOOM,
        "The secret token of the Zoom app that sends the webhook events. During a change, give the "
        "old and the new token, separated by a comma. Required unless `ALLOW_UNSIGNED_WEBHOOKS` "
        "is true.",
        read_by=(WEBHOOK,),
        secret=True,
    )

    opencast_base_url: str = setting(
        _OPENCAST,
        "",
        checks.url("https", "http"),
        "The admin node's address. Required unless `OC_CLUSTER_NAME` names a cluster.",
        read_by=(UPLOADER, FOLLOW, STATUS_QUERY),
    )
    opencast_api_user: str = text_setting(
        _OPENCAST,
        "The user that ingests, with `ROLE_ADMIN`.",
        see="opencast.md#1-a-user",
        missing="the Opencast user that ingests",
        read_by=(UPLOADER, FOLLOW),
    )
    opencast_api_password: str = text_setting(
        _OPENCAST,
        "The password of `OPENCAST_API_USER`.",
        missing="the password of OPENCAST_API_USER",
        read_by=(UPLOADER, FOLLOW),
        secret=True,
    )
    default_oc_workflow: str = text_setting(
        _OPENCAST,
        "The workflow for ingests whose request names none.",
        missing="the Opencast workflow for ingests",
        read_by=(UPLOADER,),
    )

    zoom_oauth_url: str = setting(
        _ZOOM_OPTIONS,
        "https://zoom.us/oauth/token",
        checks.url("https"),
        "The address of Zoom's server for OAuth tokens.",
        read_by=(*_ZOOM_API, STATUS_QUERY, SLACK),
    )
    zoom_download_hosts: tuple[str, ...] = setting(
        _ZOOM_OPTIONS,
        ("zoom.us", "*.zoom.us", "zoomgov.com", "*.zoomgov.com"),
        checks.list_of(checks.host),
        "Hosts that may get the download token; `*.` stands for any subdomain.",
        read_by=(DOWNLOADER,),
    )
    allow_unsigned_webhooks: bool = setting(
        _ZOOM_OPTIONS,
        False,
        checks.yes_or_no,
        "Whether the webhook accepts unsigned requests when there is no secret token. With `true`, "
        "anyone can send recordings.",
        read_by=(WEBHOOK,),
    )
    webhook_delay_seconds: int = setting(
        _ZOOM_OPTIONS,
        0,
        checks.integer(0, 900),
        "Seconds from Zoom's webhook event to the download. The pipeline waits anyway for files "
        "that aren't there yet.",
        read_by=(WEBHOOK,),
    )

    opencast_auth: str = setting(
        _OPENCAST_OPTIONS,
        "digest",
        checks.one_of("digest", "basic"),
        "The method of the login. For new sites `basic` over https is better.",
        see="opencast.md#1-a-user",
        read_by=(UPLOADER, FOLLOW),
    )
    oc_chat_as: str = setting(
        _OPENCAST_OPTIONS,
        "attachment",
        checks.one_of("attachment", "track", "none"),
        "How chat files go to Opencast: `attachment` is for DCE's Opencast, `track` for others.",
        read_by=(UPLOADER,),
    )
    oc_ingest_patience_hours: float = setting(
        _OPENCAST_OPTIONS,
        6.0,
        checks.decimal(0.25, 168),
        "Hours in which an ingest whose outcome is unknown is looked for, and not repeated.",
        read_by=(UPLOADER, STATUS_QUERY, SLACK),
    )
    oc_outage_hours: float = setting(
        _OPENCAST_OPTIONS,
        24.0,
        checks.decimal(1, 72),
        "Hours from an upload's first attempt in which it waits for an Opencast that can't be "
        "reached.",
        read_by=(UPLOADER,),
    )
    follow_ingests: bool = setting(
        _OPENCAST_OPTIONS,
        False,
        checks.yes_or_no,
        "Whether the pipeline asks Opencast what became of each ingest: published, failed or "
        "deleted.",
        see="operations.md#what-became-of-an-ingest",
        read_by=(UPLOADER, FOLLOW),
    )
    staging_days: int = setting(
        _OPENCAST_OPTIONS,
        7,
        checks.integer(3, 90),
        "Days that the staging bucket keeps files that Opencast hasn't taken. The value must cover "
        "the longest wait of an upload. Files that Opencast has taken are deleted after a day.",
    )
    oc_track_upload_max: int = setting(
        _OPENCAST_OPTIONS,
        5,
        checks.integer(*_AT_ONCE, _AT_ONCE_REASON.format("upload")),
        "Maximum number of ingests that run at once.",
    )
    oc_cluster_name: str = text_setting(
        _OPENCAST_OPTIONS,
        "The name of a DCE cluster. Without `OPENCAST_BASE_URL` the cluster's address is looked up "
        "in AWS once and cached in `.env.opencast`.",
        see="decisions/0014-opencast-is-looked-up-once.md",
        read_by=(SLACK,),
    )
    stack_type: str = setting(
        _OPENCAST_OPTIONS,
        "",
        checks.one_of(opencast.ECS),
        "With `ecs`, address and network are looked up in the exports of "
        "`opencast-ecs-<OC_CLUSTER_NAME>-database`; without it, the address in EC2's tags.",
    )
    ingest_allowed_origins: tuple[str, ...] = setting(
        _OPENCAST_OPTIONS,
        (),
        checks.list_of(checks.origin),
        "The origins of the pages that may call `/ingest` beside the API's own page: wherever "
        "people open Opencast. Without this setting every page may call `/ingest`, in a browser in "
        "`INGEST_ALLOWED_IPS`.",
        see="security.md#requests-from-other-pages",
        read_by=(ON_DEMAND,),
    )
    oc_subnet_ids: tuple[str, ...] = setting(
        _OPENCAST_OPTIONS,
        (),
        checks.list_of(checks.matching("subnet-[0-9a-f]+", "subnet ids, separated by commas")),
        "Subnets of Opencast's VPC for uploader and follow, with a way to AWS's services. Looked "
        "up for an ECS cluster.",
    )
    oc_security_group_id: str = setting(
        _OPENCAST_OPTIONS,
        "",
        checks.matching("sg-[0-9a-f]+", "a security group's id"),
        "The security group of uploader and follow in Opencast's VPC, looked up for ECS.",
    )
    oc_vpc_id: str = setting(
        _OPENCAST_OPTIONS,
        "",
        checks.matching("vpc-[0-9a-f]+", "a VPC's id"),
        "Opencast's VPC, only as a note: the subnets determine the VPC.",
    )
    default_publisher: str = text_setting(
        _OPENCAST_OPTIONS,
        "The publisher where the series has none.",
        read_by=(UPLOADER,),
        fallback="NOTIFICATION_EMAIL",
    )
    override_publisher: str = text_setting(
        _OPENCAST_OPTIONS,
        "The publisher, whatever the series says.",
        read_by=(UPLOADER,),
    )
    override_contributor: str = text_setting(
        _OPENCAST_OPTIONS,
        "The contributor, whatever the series says.",
        read_by=(UPLOADER,),
    )

    default_series_id: str = text_setting(
        _RECORDINGS,
        "The Opencast series of recordings that the schedule doesn't know. Without this setting "
        "these recordings are ignored.",
        read_by=(DOWNLOADER, STATUS_QUERY),
    )
    minimum_duration: float = setting(
        _RECORDINGS,
        2.0,
        checks.decimal(0, 1440),
        "In minutes: shorter recordings are ignored, and a shorter first segment is left out.",
        read_by=(DOWNLOADER, UPLOADER),
    )
    buffer_minutes: int = setting(
        _RECORDINGS,
        30,
        checks.integer(1, 720),
        "A recording belongs to a scheduled class if it starts fewer minutes than this before or "
        "after the class's time.",
        read_by=(DOWNLOADER, STATUS_QUERY, SLACK),
    )
    local_time_zone: str = setting(
        _RECORDINGS,
        "US/Eastern",
        checks.time_zone,
        "The schedule's time zone.",
        read_by=(DOWNLOADER, STATUS_QUERY, SLACK, LOG_NOTIFICATIONS),
    )
    download_connections: int = setting(
        _RECORDINGS,
        16,
        checks.integer(1, 64),
        "The most connections at once for one recording's download. The download uses as many of "
        "them as make it faster.",
        read_by=(DOWNLOADER,),
    )
    downloads_at_once: int = setting(
        _RECORDINGS,
        20,
        checks.integer(*_AT_ONCE, _AT_ONCE_REASON.format("download")),
        "Maximum number of recordings that are downloaded at once.",
    )
    reconcile_days: int = setting(
        _RECORDINGS,
        3,
        checks.integer(0, 30),
        "How many days back reconcile looks in Zoom for recordings whose webhook event never came. "
        "With 0, reconcile is off.",
        read_by=(RECONCILE, STATUS_QUERY),
    )

    ingest_captions: bool = setting(
        _CAPTIONS,
        False,
        checks.yes_or_no,
        "Whether Zoom's transcripts and closed captions go to Opencast. Captions need Opencast "
        "15, and 16 for a transcript that comes after its video.",
        read_by=(WEBHOOK, DOWNLOADER),
    )
    ingest_chapters: bool = setting(
        _CAPTIONS,
        False,
        checks.yes_or_no,
        "Whether Zoom's smart chapters and summaries go to Opencast, with or without captions. "
        "Chapters need Opencast 19, and summaries `OC_CHAT_AS=attachment`.",
        see="captions.md#chapters",
        read_by=(WEBHOOK, DOWNLOADER),
    )
    captions_language: str = setting(
        _CAPTIONS,
        "en-US",
        checks.language,
        "The language of the captions: Zoom's files don't tell it.",
        read_by=(UPLOADER,),
    )
    captions_workflow: str = text_setting(
        _CAPTIONS,
        "The workflow that publishes captions and chapters that were added to an event. Without "
        "this setting, somebody has to publish these captions and chapters.",
        read_by=(UPLOADER,),
    )

    slack_signing_secret: str = text_setting(
        _ZIP_COMMAND,
        "The Slack app's signing secret.",
        read_by=(SLACK,),
        secret=True,
    )
    slack_api_token: str = text_setting(
        _ZIP_COMMAND,
        "The Slack app's bot token.",
        read_by=(SLACK,),
        secret=True,
    )
    slack_allowed_groups: tuple[str, ...] = setting(
        _ZIP_COMMAND,
        (),
        checks.list_of(checks.any_text),
        "The Slack groups that may use `/zip`, by id (`S…`) or handle, separated by commas; "
        "nobody else may.",
        read_by=(SLACK,),
        fallback="SLACK_ALLOWED_GROUP",
    )
    slack_zip_channel: str = text_setting(
        _ZIP_COMMAND,
        "The channel where `/zip` works, by name, or by ID if it is private. Elsewhere `/zip` "
        "works in direct messages only.",
        read_by=(SLACK,),
    )
    slack_api_base_url: str = setting(
        _ZIP_COMMAND, "https://slack.com/api", checks.url("https"), "Slack's API.", read_by=(SLACK,)
    )

    log_notifications_filter_log_level: str = setting(
        _MAILS,
        "ERROR",
        checks.upper_case(checks.one_of(*map(str.lower, LEVELS))),
        "The level from which log records are mailed to `NOTIFICATION_EMAIL`.",
        read_by=(LOG_NOTIFICATIONS,),
    )

    gsheets_doc_id: str = setting(
        _SHEET,
        "",
        checks.matching(r"[A-Za-z0-9_-]+", "the part of the sheet's address between /d/ and /edit"),
        "The document with the schedule.",
        read_by=(SCHEDULE_UPDATE,),
    )
    gsheets_sheet_names: tuple[str, ...] = setting(
        _SHEET,
        (),
        checks.list_of(checks.any_text),
        "The document's tabs with the schedule, separated by commas.",
        read_by=(SCHEDULE_UPDATE,),
    )
    schedule_update_token: str = text_setting(
        _SHEET,
        "The token that a request to update the schedule needs. Without a token, the first "
        "deployment makes one, which `invoke secrets.schedule-token` prints.",
        read_by=(SCHEDULE_UPDATE,),
        secret=True,
    )
    allow_open_schedule_update: bool = setting(
        _SHEET,
        False,
        checks.yes_or_no,
        "Whether anyone may ask for an update when `SCHEDULE_UPDATE_TOKEN` isn't given. If so, no "
        "token is made.",
        read_by=(SCHEDULE_UPDATE,),
    )
    gsheets_api_base_url: str = setting(
        _SHEET,
        "https://sheets.googleapis.com",
        checks.url("https"),
        "Google's Sheets API.",
        read_by=(SCHEDULE_UPDATE,),
    )

    aws_profile: str = text_setting(
        _AWS, "A profile of `~/.aws`. Without a profile, the shell's credentials are used."
    )
    aws_region: str = setting(
        _AWS,
        "us-east-1",
        checks.matching(r"[a-z]{2,4}(-[a-z]+)+-\d", "a region of AWS, like us-east-1"),
        "The region of the stack.",
        fallback="AWS_DEFAULT_REGION",
    )
    stack_tags: tuple[tuple[str, str], ...] = setting(
        _AWS, (), checks.tags, "Tags for every resource."
    )
    lambda_release_alias: str = setting(
        _AWS,
        "live",
        checks.matching(
            r"(?!\d+$)[A-Za-z0-9_-]{1,128}",
            "letters, digits, dashes and underscores, and not a number",
        ),
        "The alias that the API and the queues call, and that a release moves. Keep the alias "
        "once the stack is created.",
        see="decisions/0003-arm64-versions-alias.md",
    )
    lambda_architecture: str = setting(
        _AWS,
        "arm64",
        checks.one_of("arm64", "x86_64"),
        "The functions' processor. Packages for AWS exist for arm64 only.",
    )
    lambda_runtime: str = setting(
        _AWS,
        "python3.13",
        checks.matching(r"python3\.\d\d", "a Python runtime of Lambda, like python3.13"),
        "The functions' Python version. Packages for AWS exist for 3.13 only.",
    )
    log_retention_days: int = setting(
        _AWS,
        180,
        checks.integer_of(*LOG_RETENTIONS),
        "Days for which CloudWatch keeps the logs. A change also applies to what is there.",
    )
    kms_key_arn: str = setting(
        _AWS,
        "",
        checks.matching(
            r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+",
            "the ARN of a key (not of an alias), like "
            "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        ),
        "A KMS key of your own for queues, tables, bucket, topic and logs, instead of AWS's keys. "
        "The key's policy has to admit CloudWatch.",
        see="security.md#a-key-of-your-own",
    )
    web_acl_arn: str = setting(
        _AWS,
        "",
        checks.matching(
            r"arn:aws[a-z-]*:wafv2:[a-z0-9-]+:\d{12}:regional/webacl/[\w-]+/[a-f0-9-]+",
            "the ARN of a regional web ACL of WAFv2",
        ),
        "A web ACL in front of the API, which mustn't refuse what Zoom, Opencast and Slack send.",
    )
    webhook_reserved_concurrency: int = setting(
        _AWS,
        0,
        checks.integer(0, 1000),
        "Invocations at once that Lambda reserves for the webhook, so that other functions of the "
        "account can't take them. The webhook runs no more at once. 0 reserves none.",
    )
    api_base_url: str = setting(
        _AWS,
        "",
        checks.url("https"),
        "The address of a domain of your own in front of the API, without the route.",
    )
    codebuild_source_url: str = setting(
        _AWS,
        "",
        checks.matching(
            r"https://github\.com/[\w.-]+/[\w.-]+",
            "a GitHub repository, like https://github.com/owner/repository",
        ),
        "Where `invoke codebuild` takes revisions from.",
    )
    allow_weak_settings: tuple[str, ...] = setting(
        _AWS,
        (),
        checks.list_of(
            checks.matching("|".join(REFUSED), f"settings that can be weak: {', '.join(REFUSED)}")
        ),
        "Weak settings that you accept, by name, separated by commas. A stack is refused with any "
        "other weak setting, and `invoke stack.status` names all.",
        see="security.md#weak-settings",
    )
    noninteractive: str = text_setting(_AWS, "With any text here, commands ask nothing.")

    notes: tuple[str, ...] = ()

    @property
    def place(self) -> Place:
        """The stack's location."""
        return Place(
            stack_name=self.stack_name,
            code_bucket=self.lambda_code_bucket,
            release_alias=self.lambda_release_alias,
            region=self.aws_region,
            profile=self.aws_profile,
        )

    @property
    def network(self) -> Network | None:
        """The subnets and security group of the uploader and the follow function in Opencast's VPC.

        The network is None if the two functions run outside a VPC.
        """
        if not self.oc_subnet_ids:
            return None
        return Network(self.oc_subnet_ids, self.oc_security_group_id)

    @property
    def generated_secrets(self) -> tuple[str, ...]:
        """The names of the secrets that a deployment makes if they don't exist."""
        needs_token = not self.schedule_update_token and not self.allow_open_schedule_update
        return (SIGNING_KEY, SCHEDULE_TOKEN) if needs_token else (SIGNING_KEY,)

    def secrets(self) -> dict[str, str]:
        """Return the value of every secret setting by name, "" for a setting that isn't given."""
        return {name: getattr(self, name.lower()) for name in SECRETS}


TABLE: Mapping[str, Setting[Any]] = MappingProxyType({row.name: row for row in rows_of(Settings)})
"""All settings by name, in the order of `example.env`."""

SECRETS = tuple(sorted(row.name for row in TABLE.values() if row.secret))
"""The names of the settings that are secrets."""

READ_BY: Mapping[Function, tuple[str, ...]] = MappingProxyType(
    {
        function: (
            *(row.name for row in TABLE.values() if row.secret and function in row.read_by),
            *((SIGNING_KEY,) if function in SIGNING_KEY_READ_BY else ()),
        )
        for function in FUNCTIONS
    }
)
"""The names of the stack's own secrets that each function reads."""


def weaknesses(environment: Mapping[str, str], env_file: Path | None) -> tuple[Weakness, ...]:
    """Return the weak settings of the environment and `env_file`, even if settings are missing.

    Raises:
        SettingsError: `env_file` or the cache of the Opencast cluster isn't UTF-8.
    """
    given = given_settings(environment, env_file)
    return tuple(
        weak_settings(_values(Reader({**opencast.cached_settings(given, env_file), **given})))
    )


def load(environment: Mapping[str, str], env_file: Path | None) -> Settings:
    """Return the stack's settings from the environment and `env_file`.

    The cached look-up of the Opencast cluster (cdk/opencast.py) supplies Opencast's address and
    network if neither the environment nor `env_file` has the address.

    Raises:
        SettingsError: Settings are missing, wrong, or weak without consent (the text names all
            these settings), or a file isn't UTF-8.
    """
    given = given_settings(environment, env_file)
    reader = Reader({**opencast.cached_settings(given, env_file), **given})
    values = _values(reader)
    reader.problems.extend(settings_rules.problems(reader.given, values))
    reader.problems.extend(
        weakness.problem for weakness in weak_settings(values) if not weakness.is_accepted
    )
    reader.check()
    notes = tuple(
        f"{name} does nothing any more: {why}." for name, why in OBSOLETE.items() if name in given
    )
    return Settings(**{name.lower(): value for name, value in values.items()}, notes=notes)


def _values(reader: Reader) -> dict[str, Any]:
    return {name: reader.read(row) for name, row in TABLE.items()}


def read_place(reader: Reader, *, needs_code: bool = True) -> Place:
    """Return the stack's location. Add missing and wrong settings to the reader's problems.

    `needs_code` says whether LAMBDA_CODE_BUCKET is required. The code bucket is "" if the setting
    is neither required nor given.
    """
    has_bucket = needs_code or "LAMBDA_CODE_BUCKET" in reader.given
    return Place(
        stack_name=reader.read(TABLE["STACK_NAME"]),
        code_bucket=reader.read(TABLE["LAMBDA_CODE_BUCKET"]) if has_bucket else "",
        release_alias=reader.read(TABLE["LAMBDA_RELEASE_ALIAS"]),
        region=reader.read(TABLE["AWS_REGION"]),
        profile=reader.read(TABLE["AWS_PROFILE"]),
    )
