"""Tests of the settings of a local stack."""

from dataclasses import replace
from pathlib import Path

import pytest

from cdk.settings import load
from local.settings import Addresses, LocalSettingsError, read_local, stack_settings

CLOUD = "https://127.0.0.1:4000"
ZOOM = "https://127.0.0.1:4001"
OPENCAST = "https://127.0.0.1:4002"
SLACK = "https://127.0.0.1:4003"
SHEETS = "https://127.0.0.1:4004"
ADDRESSES = Addresses(CLOUD, ZOOM, OPENCAST, SLACK, SHEETS)


def settings(**given: str) -> dict[str, str]:
    return stack_settings(given, ADDRESSES)


def test_default_local_settings_are_complete() -> None:
    site = load(settings(), None)
    assert site.stack_name == "local-zip"
    assert site.ingest_allowed_ips == ("127.0.0.1",)
    assert site.webhook_delay_seconds == 0
    assert site.zoom_api_base_url == f"{ZOOM}/v2"
    assert site.zoom_oauth_url == f"{ZOOM}/oauth/token"
    assert site.zoom_download_hosts == ("127.0.0.1", "localhost")
    assert site.opencast_base_url == OPENCAST
    assert (
        site.api_base_url
        == f"{CLOUD}/_aws/execute-api/{dict(site.stack_tags)['ms-custom-id']}/live"
    )


def test_default_local_settings_name_the_stand_ins_of_slack_and_google() -> None:
    site = load(settings(), None)
    assert site.slack_api_base_url == f"{SLACK}/api"
    assert (site.slack_zip_channel, site.slack_allowed_groups) == ("zip", ("zip-users",))
    assert settings()["GSHEETS_API_BASE_URL"] == SHEETS
    assert all(settings()[name] for name in ("GSHEETS_DOC_ID", "GSHEETS_SHEET_NAMES"))


def test_secrets_are_new_for_each_local_stack() -> None:
    first, second = load(settings(), None).secrets(), load(settings(), None).secrets()
    made = {name for name, value in first.items() if value}
    assert made == {
        "WEBHOOK_VALIDATION_SECRET_TOKEN",
        "ZOOM_CLIENT_SECRET",
        "OPENCAST_API_PASSWORD",
        "SLACK_API_TOKEN",
        "SLACK_SIGNING_SECRET",
    }
    assert all(first[name] != second[name] for name in made)


@pytest.mark.parametrize(
    ("given", "token"), [("", ""), ("their-own-token-42", "their-own-token-42")]
)
def test_local_stack_has_only_a_given_webhook_token_when_unsigned_webhooks_are_allowed(
    given: str, token: str
) -> None:
    chosen = settings(ALLOW_UNSIGNED_WEBHOOKS="True", WEBHOOK_VALIDATION_SECRET_TOKEN=given)
    assert chosen["WEBHOOK_VALIDATION_SECRET_TOKEN"] == token
    assert load(chosen, None).allow_unsigned_webhooks


def test_given_setting_overrides_the_local_default() -> None:
    given = settings(
        STACK_NAME="mine",
        ZOOM_ACCOUNT_ID="theirs",
        LOCAL_TIME_ZONE="Europe/Vienna",
        WEBHOOK_DELAY_SECONDS="7",
        OPENCAST_API_PASSWORD="known-before",
        STACK_TAGS="Key=owner,Value=me",
    )
    site = load(given, None)
    assert site.stack_name == "mine"
    assert site.place.code_bucket == "mine-code"
    assert site.zoom_account_id == "theirs"
    assert site.local_time_zone == "Europe/Vienna"
    assert site.webhook_delay_seconds == 7
    assert site.secrets()["OPENCAST_API_PASSWORD"] == "known-before"
    assert dict(site.stack_tags)["owner"] == "me"
    assert "ms-custom-id" in dict(site.stack_tags)


def test_local_setting_has_its_default_when_the_given_value_is_empty() -> None:
    assert settings(STACK_NAME=" ")["STACK_NAME"] == "local-zip"


def test_settings_of_a_local_stack_lack_aws_profile_region_and_foreign_variables() -> None:
    given = settings(AWS_PROFILE="production", AWS_REGION="eu-west-1", PATH="/bin")
    assert not {"AWS_PROFILE", "AWS_REGION", "PATH"} & set(given)


def test_download_hosts_include_the_host_of_a_given_zoom_url() -> None:
    given = stack_settings({}, replace(ADDRESSES, zoom="https://zoom.test:99"))
    assert given["ZOOM_DOWNLOAD_HOSTS"] == "127.0.0.1,localhost,zoom.test"


def test_local_settings_are_read_from_the_environment(tmp_path: Path) -> None:
    own = read_local(
        {
            "LOCAL_CLOUD_PORT": "4566",
            "LOCAL_ZOOM_URL": "https://127.0.0.1:9/",
            "LOCAL_OPENCAST_URL": "http://opencast.test",
            "LOCAL_SLACK_URL": "https://slack.test/",
            "LOCAL_SHEETS_URL": "https://sheets.test",
            "LOCAL_EXTRA_CA": str(tmp_path / "ca.pem"),
            "AWS_REGION": "eu-central-1",
        }
    )
    assert own.cloud_port == 4566
    assert own.zoom_url == "https://127.0.0.1:9"
    assert own.opencast_url == "http://opencast.test"
    assert (own.slack_url, own.sheets_url) == ("https://slack.test", "https://sheets.test")
    assert own.extra_ca == tmp_path / "ca.pem"
    assert own.region == "eu-central-1"
    assert read_local({}).cloud_port == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOCAL_CLOUD_PORT", "many"),
        ("LOCAL_CLOUD_PORT", "65536"),
        ("LOCAL_ZOOM_URL", "zoom.us"),
        ("LOCAL_OPENCAST_URL", "https://opencast.test/?a=b"),
    ],
)
def test_wrong_local_setting_is_refused_with_its_name_in_one_line(name: str, value: str) -> None:
    with pytest.raises(LocalSettingsError, match=rf"^{name} is '[^\n]*$"):
        read_local({name: value})


def test_settings_of_another_local_stack_are_refused() -> None:
    with pytest.raises(LocalSettingsError, match=r"settings of the local stack local-zip"):
        read_local({"LOCAL_STACK": "local-zip"})
