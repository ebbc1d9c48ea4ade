"""Tests that weak settings are named, and that some are refused unless accepted by name."""

from __future__ import annotations

import pytest

from cdk.settings import TABLE, weaknesses
from cdk.weaknesses import REFUSED, RULES, weak_secret
from tests.infra.template import SETTINGS, problems

ZOOM_TOKEN = "wQ3rTy7uIoP9aSdFgHjK2l"
SLACK_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


def found(**changes: str) -> dict[str, bool]:
    """Return, by name, whether each weak setting of SETTINGS after `changes` is accepted."""
    return {
        weakness.setting: weakness.is_accepted
        for weakness in weaknesses({**SETTINGS, **changes}, None)
    }


WEAK = [
    {"INGEST_ALLOWED_IPS": "0.0.0.0/0"},
    {"INGEST_ALLOWED_IPS": "192.0.2.7, 0.0.0.0/0"},
    {"INGEST_ALLOWED_IPS": "192.0.2.7/0"},
    {"INGEST_ALLOWED_IPS": "0.0.0.0/1,128.0.0.0/1"},
    {"INGEST_ALLOWED_IPS": "::/0"},
    {"INGEST_ALLOWED_IPS": "2000::/3"},
    {"INGEST_ALLOWED_IPS": ",".join(f"{first}.0.0.0/8" for first in range(256))},
    {"WEBHOOK_VALIDATION_SECRET_TOKEN": "x"},
    {"WEBHOOK_VALIDATION_SECRET_TOKEN": f"{ZOOM_TOKEN},x"},
    {"WEBHOOK_VALIDATION_SECRET_TOKEN": "a" * 22},
    {"WEBHOOK_VALIDATION_SECRET_TOKEN": "123456789012345"},
    {"WEBHOOK_VALIDATION_SECRET_TOKEN": " , ,"},
    {"SLACK_SIGNING_SECRET": "secret"},
    {"SCHEDULE_UPDATE_TOKEN": ","},
    {"SCHEDULE_UPDATE_TOKEN": "swordfish"},
    {"OPENCAST_API_PASSWORD": "p"},
    {"OPENCAST_AUTH": "basic", "OPENCAST_BASE_URL": "http://opencast.example.edu"},
    {"OPENCAST_AUTH": "Basic", "OPENCAST_BASE_URL": "http://10.0.0.7:8080"},
    {"ZOOM_DOWNLOAD_HOSTS": "*.co.uk"},
    {"ZOOM_DOWNLOAD_HOSTS": "zoom.us,*.COM.AU"},
    {"ZOOM_DOWNLOAD_HOSTS": "*.ac.uk"},
    {"ZOOM_DOWNLOAD_HOSTS": "*.edu.au"},
    {"ZOOM_DOWNLOAD_HOSTS": "*.or.jp"},
    {"ZOOM_DOWNLOAD_HOSTS": "*.amazonaws.com"},
    {"ZOOM_DOWNLOAD_HOSTS": "*.zoom.us,*.example.edu"},
    {"ZOOM_DOWNLOAD_HOSTS": "*.notzoom.us"},
    {"ZOOM_DOWNLOAD_HOSTS": "*.s3.us-east-1.amazonaws.com"},
    {
        "ALLOW_UNSIGNED_WEBHOOKS": "true",
        "WEBHOOK_VALIDATION_SECRET_TOKEN": "",
        "STACK_NAME": "zip-prod",
    },
]


@pytest.mark.parametrize("changes", WEAK, ids=str)
def test_a_weak_setting_is_refused_unless_it_is_accepted_by_name(changes: dict[str, str]) -> None:
    name = next(iter(changes))
    assert found(**changes) == {name: False}
    [problem] = problems(**changes)
    assert problem.startswith(f"{name} is weak: ")
    assert f"ALLOW_WEAK_SETTINGS={name}" in problem
    accepted = {**changes, "ALLOW_WEAK_SETTINGS": f"OPENCAST_API_PASSWORD, {name}"}
    assert problems(**accepted) == ()
    assert found(**accepted) == {name: True}
    another = next(other for other in REFUSED if other != name)
    assert len(problems(**changes, ALLOW_WEAK_SETTINGS=another)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"INGEST_ALLOWED_IPS": "10.0.0.0/8,172.16.0.0/12,2001:db8::/32,203.0.113.9"},
        {"WEBHOOK_VALIDATION_SECRET_TOKEN": ZOOM_TOKEN},
        {"WEBHOOK_VALIDATION_SECRET_TOKEN": f"{ZOOM_TOKEN}, {ZOOM_TOKEN[::-1]},"},
        {"SLACK_SIGNING_SECRET": SLACK_SECRET},
        {"SLACK_SIGNING_SECRET": "", "SCHEDULE_UPDATE_TOKEN": ""},
        {"SCHEDULE_UPDATE_TOKEN": "0123456789abcdef"},
        {"OPENCAST_API_PASSWORD": "opencast"},
        {"OPENCAST_AUTH": "basic"},
        {"OPENCAST_BASE_URL": "http://opencast.example.edu"},
        {"OPENCAST_AUTH": "basic", "OPENCAST_BASE_URL": "http://127.0.0.1:8080"},
        {"ZOOM_DOWNLOAD_HOSTS": "zoom.us,*.zoom.us,*.zoomgov.com,*.zoom.com.cn,*.cdn.zoom.us"},
        {"ZOOM_DOWNLOAD_HOSTS": "files.co.uk,bucket.s3.amazonaws.com,*.localhost"},
        {"ALLOW_UNSIGNED_WEBHOOKS": "true", "STACK_NAME": "zip-prod"},
    ],
    ids=str,
)
def test_usual_settings_are_not_weak(changes: dict[str, str]) -> None:
    assert found(**changes) == {}
    assert problems(**changes) == ()


def test_an_allowed_open_endpoint_is_weak_but_not_refused_outside_production() -> None:
    doors = {
        "ALLOW_UNSIGNED_WEBHOOKS": "true",
        "WEBHOOK_VALIDATION_SECRET_TOKEN": "",
        "ALLOW_OPEN_SCHEDULE_UPDATE": "true",
        "SCHEDULE_UPDATE_TOKEN": "",
    }
    assert found(**doors) == {"ALLOW_UNSIGNED_WEBHOOKS": True, "ALLOW_OPEN_SCHEDULE_UPDATE": True}
    assert problems(**doors) == ()
    [problem] = problems(**doors, STACK_NAME="my-prod-zip")
    assert problem.startswith("ALLOW_UNSIGNED_WEBHOOKS is weak: ")


def test_all_weak_settings_are_named_in_one_error() -> None:
    told = problems(INGEST_ALLOWED_IPS="0.0.0.0/0", SLACK_SIGNING_SECRET="x")
    assert [problem.split()[0] for problem in told] == [
        "INGEST_ALLOWED_IPS",
        "SLACK_SIGNING_SECRET",
    ]


def test_setting_allow_weak_settings_takes_only_settings_that_can_be_weak() -> None:
    assert set(RULES) <= set(TABLE)
    for name in ("*", "ALL", "STACK_NAME", "ingest_allowed_ips"):
        [problem] = problems(ALLOW_WEAK_SETTINGS=name)
        assert problem.startswith("ALLOW_WEAK_SETTINGS is ")
        assert "settings that can be weak: INGEST_ALLOWED_IPS" in problem


def test_weak_settings_are_named_when_other_settings_are_missing_or_wrong() -> None:
    given = {"STACK_NAME": "zip", "INGEST_ALLOWED_IPS": "0.0.0.0/0", "RECONCILE_DAYS": "x"}
    named = [weakness.setting for weakness in weaknesses(given, None)]
    assert named == ["INGEST_ALLOWED_IPS", "INGEST_ALLOWED_ORIGINS"]
    assert [weakness.setting for weakness in weaknesses({}, None)] == ["INGEST_ALLOWED_ORIGINS"]


def test_missing_ingest_allowed_origins_are_named_as_weak_but_not_refused() -> None:
    assert found(INGEST_ALLOWED_ORIGINS="") == {"INGEST_ALLOWED_ORIGINS": True}
    assert problems(INGEST_ALLOWED_ORIGINS="") == ()


def test_no_reason_for_a_weakness_shows_a_secret() -> None:
    for name in ("WEBHOOK_VALIDATION_SECRET_TOKEN", "OPENCAST_API_PASSWORD"):
        assert weak_secret(name, "Qz7")
        assert "Qz7" not in weak_secret(name, "Qz7")
    assert weak_secret("APIGEE_KEY", "k") == ""
