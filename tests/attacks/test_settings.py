"""Attacks by weak settings, which are refused when the stack's settings are loaded."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cdk.settings import load
from cdk.settings_reader import SettingsError
from tests.attacks.target import Target
from tests.e2e.operator import Operator

WEAK: Mapping[str, Mapping[str, str]] = {
    "every address": {"INGEST_ALLOWED_IPS": "0.0.0.0/0"},
    "two halves of every address": {"INGEST_ALLOWED_IPS": "0.0.0.0/1,128.0.0.0/1"},
    "every IPv6 address": {"INGEST_ALLOWED_IPS": "::/0"},
    "a token of one letter": {"WEBHOOK_VALIDATION_SECRET_TOKEN": "x"},
    "a second token of one letter": {"WEBHOOK_VALIDATION_SECRET_TOKEN": "qgg8vlvZRS6UYooatFL8Aw,x"},
    "a token of one letter many times": {"WEBHOOK_VALIDATION_SECRET_TOKEN": "x" * 64},
    "a Slack secret of 15 letters": {"SLACK_SIGNING_SECRET": "qgg8vlvZRS6UYoo"},
    "a schedule token of one letter": {"SCHEDULE_UPDATE_TOKEN": "x"},
    "a password of seven letters": {"OPENCAST_API_PASSWORD": "secret7"},
    "a password over http": {
        "OPENCAST_AUTH": "basic",
        "OPENCAST_BASE_URL": "http://oc.example.edu",
    },
    "every host of a country": {"ZOOM_DOWNLOAD_HOSTS": "*.co.uk"},
    "every host of a cloud": {"ZOOM_DOWNLOAD_HOSTS": "*.amazonaws.com"},
    "unsigned webhooks in production": {
        "STACK_NAME": "zip-prod",
        "ALLOW_UNSIGNED_WEBHOOKS": "true",
        "WEBHOOK_VALIDATION_SECRET_TOKEN": "",
    },
}


@pytest.fixture(scope="module")
def settings(operator: Operator, target: Target) -> dict[str, str]:
    """Assert that the running stack's settings are accepted, and return the settings."""
    settings = dict(operator.environment)
    assert load(settings, None).stack_name == target.stack.name
    return settings


@pytest.mark.parametrize("name", WEAK)
def test_settings_of_the_stack_are_refused_when_a_setting_is_weak(
    name: str, settings: dict[str, str]
) -> None:
    with pytest.raises(SettingsError, match="is weak: ") as refused:
        load({**settings, **WEAK[name]}, None)
    secrets = [value for setting, value in WEAK[name].items() if "TOKEN" in setting and value]
    assert [value for value in secrets if len(value) > 1 and value in str(refused.value)] == []


@pytest.mark.parametrize("name", WEAK)
def test_settings_of_the_stack_are_accepted_when_the_operator_names_the_weak_setting(
    name: str, settings: dict[str, str]
) -> None:
    changes = WEAK[name]
    weak = list(changes) if "STACK_NAME" not in changes else ["ALLOW_UNSIGNED_WEBHOOKS"]
    accepted = ",".join(setting for setting in weak if setting != "OPENCAST_BASE_URL")
    stack_name = changes.get("STACK_NAME", settings["STACK_NAME"])
    loaded = load({**settings, **changes, "ALLOW_WEAK_SETTINGS": accepted}, None)
    assert loaded.stack_name == stack_name
