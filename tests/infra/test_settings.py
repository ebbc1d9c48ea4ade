"""Tests of reading a stack's settings, and of the messages about wrong settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from cdk.settings import TABLE, Network, load
from cdk.settings_reader import SettingsError
from ops.stack.cdk_cli import ROOT
from tests.infra.template import SECRET_SETTINGS, SETTINGS, problems

KNOWN_NAMES = """
STACK_NAME LAMBDA_CODE_BUCKET NOTIFICATION_EMAIL ZOOM_API_BASE_URL APIGEE_KEY ZOOM_API_KEY
ZOOM_API_SECRET BUFFER_MINUTES LOCAL_TIME_ZONE OPENCAST_API_USER OPENCAST_API_PASSWORD
OC_CLUSTER_NAME DEFAULT_OC_WORKFLOW OC_TRACK_UPLOAD_MAX INGEST_ALLOWED_IPS GSHEETS_DOC_ID
GSHEETS_SHEET_NAMES AWS_PROFILE AWS_REGION STACK_TAGS WEBHOOK_VALIDATION_SECRET_TOKEN
DEFAULT_SERIES_ID DEFAULT_PUBLISHER OVERRIDE_PUBLISHER OVERRIDE_CONTRIBUTOR MINIMUM_DURATION
LOG_NOTIFICATIONS_FILTER_LOG_LEVEL SLACK_SIGNING_SECRET SLACK_ZIP_CHANNEL SLACK_ALLOWED_GROUPS
SLACK_API_TOKEN SLACK_API_BASE_URL STACK_TYPE LAMBDA_RELEASE_ALIAS NONINTERACTIVE
OPENCAST_BASE_URL OC_VPC_ID
OC_SUBNET_IDS OC_SECURITY_GROUP_ID OPENCAST_AUTH OC_CHAT_AS OC_INGEST_PATIENCE_HOURS
ZOOM_ACCOUNT_ID ZOOM_CLIENT_ID ZOOM_CLIENT_SECRET ZOOM_OAUTH_URL ZOOM_DOWNLOAD_HOSTS
ALLOW_UNSIGNED_WEBHOOKS WEBHOOK_DELAY_SECONDS SCHEDULE_UPDATE_TOKEN API_BASE_URL
CODEBUILD_SOURCE_URL RECONCILE_DAYS LAMBDA_ARCHITECTURE LAMBDA_RUNTIME DOWNLOAD_CONNECTIONS
GSHEETS_API_BASE_URL DOWNLOADS_AT_ONCE OC_OUTAGE_HOURS
""".split()
"""Settings in the `.env` of sites. No future version may remove or rename such a setting."""


def test_the_settings_table_keeps_every_setting_that_sites_use() -> None:
    assert set(KNOWN_NAMES) <= set(TABLE)


def test_all_missing_settings_are_named_in_one_error() -> None:
    with pytest.raises(SettingsError) as raised:
        load({}, None)
    message = str(raised.value)
    named = {line.split()[1] for line in message.splitlines() if line.startswith("  - ")}
    assert named >= {
        "STACK_NAME",
        "LAMBDA_CODE_BUCKET",
        "NOTIFICATION_EMAIL",
        "ZOOM_API_BASE_URL",
        "INGEST_ALLOWED_IPS",
        "OPENCAST_BASE_URL",
        "OPENCAST_API_USER",
        "OPENCAST_API_PASSWORD",
        "DEFAULT_OC_WORKFLOW",
        "WEBHOOK_VALIDATION_SECRET_TOKEN",
    }
    assert "No access to Zoom's API is configured" in message


def test_settings_that_are_not_given_have_their_defaults() -> None:
    settings = load(SETTINGS, None)
    assert settings.place.release_alias == "live"
    assert settings.place.region == "us-east-1"
    assert settings.buffer_minutes == 30
    assert settings.minimum_duration == 2
    assert settings.local_time_zone == "US/Eastern"
    assert settings.webhook_delay_seconds == 0
    assert settings.oc_track_upload_max == 5
    assert settings.opencast_auth == "digest"
    assert settings.oc_chat_as == "attachment"
    assert settings.oc_ingest_patience_hours == 6
    assert settings.oc_outage_hours == 24
    assert settings.downloads_at_once == 20
    assert settings.reconcile_days == 3
    assert settings.default_publisher == "ops@example.edu"
    assert settings.network is None
    assert settings.stack_tags == (("project", "MH"), ("cost center", "12 a"))


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("STACK_NAME", "Zip_Prod", "at most 41 lower-case letters"),
        ("STACK_NAME", "z" * 42, "at most 41 lower-case letters"),
        ("LAMBDA_CODE_BUCKET", "My Bucket", "the name of an S3 bucket"),
        ("LAMBDA_RELEASE_ALIAS", "12", "not a number"),
        ("LAMBDA_ARCHITECTURE", "mips", "arm64 or x86_64"),
        ("NOTIFICATION_EMAIL", "ops", "an e-mail address"),
        ("ZOOM_API_BASE_URL", "http://api.zoom.us/v2", "begins with https://"),
        ("ZOOM_API_BASE_URL", "https://me:pw@api.zoom.us", "without user"),
        ("ZOOM_OAUTH_URL", "zoom.us", "begins with https://"),
        ("API_BASE_URL", "https://", "begins with https://"),
        ("OPENCAST_BASE_URL", "opencast.example.edu", "begins with https:// or http://"),
        ("OPENCAST_BASE_URL", "https://oc.example.edu:port", "begins with https:// or http://"),
        ("ZOOM_DOWNLOAD_HOSTS", "zoom.us:443", "without ports"),
        ("ZOOM_DOWNLOAD_HOSTS", "*", "host names"),
        ("INGEST_ALLOWED_IPS", "192.0.2.7, 300.1.1.1", "IP addresses or networks"),
        ("INGEST_ALLOWED_IPS", "192.0.2.0/33", "IP addresses or networks"),
        ("INGEST_ALLOWED_IPS", " , ", "a list"),
        ("LOCAL_TIME_ZONE", "Eastern", "an IANA time zone"),
        ("LOCAL_TIME_ZONE", "../../etc/passwd", "an IANA time zone"),
        ("OC_TRACK_UPLOAD_MAX", "1", "from 2 to 1000 (AWS accepts no MaximumConcurrency of 1"),
        ("OC_TRACK_UPLOAD_MAX", "1001", "from 2 to 1000"),
        ("OC_TRACK_UPLOAD_MAX", "five", "a whole number"),
        ("OC_TRACK_UPLOAD_MAX", "\u0665", "a whole number"),
        (
            "DOWNLOADS_AT_ONCE",
            "1",
            "from 2 to 1000 (AWS accepts no MaximumConcurrency of 1 for the download queue",
        ),
        ("DOWNLOADS_AT_ONCE", "1001", "from 2 to 1000"),
        ("OC_OUTAGE_HOURS", "0.5", "a number from 1 to 72"),
        ("OC_OUTAGE_HOURS", "73", "a number from 1 to 72"),
        ("RECONCILE_DAYS", "31", "a whole number from 0 to 30"),
        ("RECONCILE_DAYS", "-1", "a whole number from 0 to 30"),
        ("WEBHOOK_DELAY_SECONDS", "901", "from 0 to 900"),
        ("BUFFER_MINUTES", "0", "from 1 to 720"),
        ("MINIMUM_DURATION", "nan", "a number"),
        ("MINIMUM_DURATION", "-1", "a number"),
        ("OC_INGEST_PATIENCE_HOURS", "0", "a number from 0.25"),
        ("SLACK_API_BASE_URL", "http://slack.com/api", "begins with https://"),
        ("SLACK_ALLOWED_GROUPS", " , ", "a list"),
        ("OPENCAST_AUTH", "oauth", "digest or basic"),
        ("OC_CHAT_AS", "catalog", "attachment or track or none"),
        ("ALLOW_UNSIGNED_WEBHOOKS", "perhaps", "true or false"),
        ("STACK_TAGS", "project=MH", "written Key=a,Value=1 Key=b,Value=2"),
        ("STACK_TAGS", "Key=aws:x,Value=1", "which AWS keeps for itself"),
        ("GSHEETS_DOC_ID", "https://docs.google.com/x", "between /d/ and /edit"),
        ("GSHEETS_SHEET_NAMES", ", ,", "a list"),
        ("GSHEETS_API_BASE_URL", "sheets.googleapis.com", "begins with https://"),
        ("STACK_TYPE", "opsworks", "has to be ecs"),
        ("CODEBUILD_SOURCE_URL", "https://gitlab.com/a/b", "a GitHub repository"),
        ("OC_SUBNET_IDS", "subnet1", "subnet ids"),
        ("AWS_REGION", "virginia", "a region of AWS, like us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1a", "a region of AWS, like us-east-1"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_the_required_form(
    name: str, value: str, wanted: str
) -> None:
    [problem] = [line for line in problems(**{name: value}) if line.startswith(f"{name} ")]
    assert wanted in problem
    assert repr(value.strip()) in problem


def test_a_schedule_sheet_is_refused_without_its_document_or_its_tabs() -> None:
    assert load(SETTINGS, None).gsheets_sheet_names == ()
    [problem] = problems(GSHEETS_DOC_ID="abc")
    assert problem.startswith("GSHEETS_SHEET_NAMES is missing")
    [problem] = problems(GSHEETS_SHEET_NAMES="Fall, Spring 2027")
    assert problem.startswith("GSHEETS_DOC_ID is missing")
    given = {**SETTINGS, "GSHEETS_DOC_ID": "abc", "GSHEETS_SHEET_NAMES": "Fall, Spring 2027,"}
    assert load(given, None).gsheets_sheet_names == ("Fall", "Spring 2027")


def test_each_wrong_setting_is_named_once() -> None:
    assert len(problems(OPENCAST_BASE_URL="nonsense", OC_TRACK_UPLOAD_MAX="1")) == 2


def test_settings_error_names_all_numbers_that_are_wrong() -> None:
    wrong = {
        "DOWNLOADS_AT_ONCE": "1",
        "OC_OUTAGE_HOURS": "100",
        "RECONCILE_DAYS": "31",
        "OC_TRACK_UPLOAD_MAX": "1",
    }
    assert {problem.split()[0] for problem in problems(**wrong)} == set(wrong)


def test_staging_days_are_refused_when_an_upload_may_wait_longer_in_an_outage_of_opencast() -> None:
    [problem] = problems(OC_OUTAGE_HOURS="69", OC_INGEST_PATIENCE_HOURS="1", STAGING_DAYS="3")
    assert problem.startswith("STAGING_DAYS is 3, but an upload may wait 73 hours: ")
    assert "Set STAGING_DAYS to at least 4, " in problem
    assert problems(OC_OUTAGE_HOURS="68", OC_INGEST_PATIENCE_HOURS="1", STAGING_DAYS="3") == ()


def test_staging_days_are_refused_when_an_upload_may_wait_longer_for_a_busy_opencast() -> None:
    [problem] = problems(OC_OUTAGE_HOURS="24", OC_INGEST_PATIENCE_HOURS="48", STAGING_DAYS="8")
    assert "Set STAGING_DAYS to at least 9, " in problem
    assert problems(OC_INGEST_PATIENCE_HOURS="48", STAGING_DAYS="9") == ()


def test_fourteen_staging_days_suffice_for_the_longest_oc_ingest_patience_hours() -> None:
    [problem] = problems(OC_INGEST_PATIENCE_HOURS="168", STAGING_DAYS="13")
    assert "Set STAGING_DAYS to at least 14, " in problem
    assert problems(OC_INGEST_PATIENCE_HOURS="168", STAGING_DAYS="14") == ()


def test_default_staging_days_cover_the_default_waits() -> None:
    assert problems() == ()


def test_staging_days_are_named_together_with_other_wrong_settings() -> None:
    wrong = {"OC_INGEST_PATIENCE_HOURS": "168", "DOWNLOADS_AT_ONCE": "1"}
    assert {problem.split()[0] for problem in problems(**wrong)} == {
        "STAGING_DAYS",
        "DOWNLOADS_AT_ONCE",
    }


def test_zero_reconcile_days_are_accepted() -> None:
    assert load({**SETTINGS, "RECONCILE_DAYS": "0"}, None).reconcile_days == 0


def test_slack_allowed_group_is_read_when_slack_allowed_groups_is_not_given() -> None:
    assert load(SETTINGS, None).slack_allowed_groups == ()
    for groups in (
        {"SLACK_ALLOWED_GROUPS": "staff, chairs", "SLACK_ALLOWED_GROUP": "old"},
        {"SLACK_ALLOWED_GROUP": "staff,chairs"},
    ):
        assert load({**SETTINGS, **groups}, None).slack_allowed_groups == ("staff", "chairs")


def test_one_complete_kind_of_access_to_the_zoom_api_is_required() -> None:
    none = dict.fromkeys(
        (
            "APIGEE_KEY",
            *("ZOOM_ACCOUNT_ID", "ZOOM_CLIENT_ID", "ZOOM_CLIENT_SECRET"),
            *("ZOOM_API_KEY", "ZOOM_API_SECRET"),
        ),
        "",
    )
    [problem] = problems(**none)
    assert problem.startswith("No access to Zoom's API is configured")
    for way in (
        {"APIGEE_KEY": "k"},
        {"ZOOM_ACCOUNT_ID": "a", "ZOOM_CLIENT_ID": "c", "ZOOM_CLIENT_SECRET": "s"},
        {"ZOOM_API_KEY": "k", "ZOOM_API_SECRET": "s"},
    ):
        assert problems(**{**none, **way}) == ()
    [problem] = problems(**{**none, "ZOOM_ACCOUNT_ID": "a", "ZOOM_CLIENT_ID": "c"})
    assert problem.startswith("ZOOM_CLIENT_SECRET is missing")


def test_a_webhook_token_is_required_unless_unsigned_webhook_events_are_allowed() -> None:
    [problem] = problems(WEBHOOK_VALIDATION_SECRET_TOKEN="")
    assert "ALLOW_UNSIGNED_WEBHOOKS=true" in problem
    assert problems(WEBHOOK_VALIDATION_SECRET_TOKEN="", ALLOW_UNSIGNED_WEBHOOKS="true") == ()
    still = problems(WEBHOOK_VALIDATION_SECRET_TOKEN="", ALLOW_UNSIGNED_WEBHOOKS="false")
    assert len(still) == 1


@pytest.mark.parametrize("kind", ["", "ecs"])
def test_opencast_base_url_is_reported_as_missing_when_the_cluster_is_not_looked_up_yet(
    kind: str,
) -> None:
    [problem] = problems(OPENCAST_BASE_URL="", OC_CLUSTER_NAME="oc-prod", STACK_TYPE=kind)
    assert problem.startswith("OPENCAST_BASE_URL is missing, and the address of the Opencast")
    assert "`invoke stack.diff`" in problem


def test_a_vpc_is_refused_without_subnets_or_security_group() -> None:
    [problem] = problems(OC_SUBNET_IDS="subnet-1")
    assert problem.startswith("OC_SECURITY_GROUP_ID is missing")
    [problem] = problems(OC_VPC_ID="vpc-1")
    assert problem.startswith("OC_SUBNET_IDS is missing")
    whole = {"OC_VPC_ID": "vpc-1", "OC_SUBNET_IDS": "subnet-1,", "OC_SECURITY_GROUP_ID": "sg-1"}
    settings = load({**SETTINGS, **whole}, None)
    assert settings.network == Network(("subnet-1",), "sg-1")


def test_the_environment_overrides_the_settings_file(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    lines = {**SETTINGS, "BUFFER_MINUTES": "10", "MINIMUM_DURATION": "7"}
    env_file.write_text("".join(f"{name}='{value}'\n" for name, value in lines.items()))
    settings = load({"BUFFER_MINUTES": "20"}, env_file)
    assert (settings.buffer_minutes, settings.minimum_duration) == (20, 7)


def test_a_dollar_sign_in_a_secret_of_the_settings_file_is_kept(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("OPENCAST_API_PASSWORD=a${HOME}b\n")
    settings = load({k: v for k, v in SETTINGS.items() if k != "OPENCAST_API_PASSWORD"}, env_file)
    assert settings.secrets()["OPENCAST_API_PASSWORD"] == "a${HOME}b"


def test_a_settings_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_bytes("DEFAULT_PUBLISHER=Universität\n".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"\.env isn't in UTF-8"):
        load(SETTINGS, env_file)


def test_the_repr_of_settings_contains_no_secret() -> None:
    settings = load({**SETTINGS, "APIGEE_KEY": ""}, None)
    assert settings.secrets() == {**SECRET_SETTINGS, "APIGEE_KEY": ""}
    assert not [value for value in SECRET_SETTINGS.values() if value in repr(settings)]


def test_an_obsolete_setting_is_accepted_with_a_note() -> None:
    settings = load({**SETTINGS, "DOWNLOAD_MESSAGES_PER_INVOCATION": "10"}, None)
    [note] = settings.notes
    assert note.startswith("DOWNLOAD_MESSAGES_PER_INVOCATION does nothing any more")
    assert load(SETTINGS, None).notes == ()


def test_the_values_of_the_example_file_change_no_setting() -> None:
    example = {k: v for k, v in dotenv_values(ROOT / "example.env").items() if v}
    assert load({**example, **SETTINGS}, None) == load(SETTINGS, None)


@given(st.dictionaries(st.sampled_from(list(TABLE)), st.text(max_size=30)))
def test_each_problem_of_the_settings_begins_with_a_setting_or_says_that_zoom_access_is_missing(
    given_texts: dict[str, str],
) -> None:
    for found in (
        problems(**given_texts),
        problems(**{**dict.fromkeys(SETTINGS, ""), **given_texts}),
    ):
        starts = {problem.split()[0] for problem in found}
        assert starts <= {*TABLE, "No"}


@given(st.sampled_from(sorted(SECRET_SETTINGS)), st.text("abcdefgh", min_size=9))
def test_no_problem_of_the_settings_shows_the_value_of_a_secret(name: str, value: str) -> None:
    assert not [problem for problem in problems(**{name: value}, STACK_NAME="") if value in problem]
