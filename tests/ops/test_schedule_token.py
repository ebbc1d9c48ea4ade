"""Tests of the origin and lifetime of the token for `POST /schedule_update`."""

from __future__ import annotations

import pytest

from cdk.names import Names
from cdk.settings import SCHEDULE_TOKEN, SIGNING_KEY, Settings, load
from ops.command import OpsError
from ops.secrets import store as secrets
from ops.secrets.commands import schedule_token
from tests.cloud import Cloud
from tests.infra.template import SETTINGS

NAMES = Names("zip-a")
OWN_TOKEN = "a-token-of-the-site-itself"


def site(**changes: str) -> Settings:
    """Return settings with `changes`, and without a schedule token unless `changes` has one."""
    return load({**SETTINGS, SCHEDULE_TOKEN: "", **changes}, None)


def write(aws: Cloud, settings: Settings) -> secrets.WriteResult:
    return secrets.write(aws.ssm, NAMES, settings.secrets(), settings.generated_secrets)


def test_the_first_deployment_generates_a_schedule_token_that_later_deployments_keep(
    aws: Cloud,
) -> None:
    written = write(aws, site())
    assert SCHEDULE_TOKEN in written.changed
    assert any("invoke secrets.schedule-token" in line for line in written.lines())
    token = schedule_token(aws.ssm, NAMES)
    assert len(bytes.fromhex(token)) == 32
    assert write(aws, site()).lines() == []
    assert schedule_token(aws.ssm, NAMES) == token
    assert secrets.described(aws.ssm, NAMES)[SCHEDULE_TOKEN].origin == secrets.MADE


def test_two_stacks_have_different_schedule_tokens(aws: Cloud) -> None:
    write(aws, site())
    other, settings = Names("zip-b"), site()
    secrets.write(aws.ssm, other, settings.secrets(), settings.generated_secrets)
    assert schedule_token(aws.ssm, NAMES) != schedule_token(aws.ssm, other)


def test_no_line_of_a_deployment_shows_the_schedule_token(aws: Cloud) -> None:
    lines = write(aws, site()).lines()
    assert not [line for line in lines if schedule_token(aws.ssm, NAMES) in line]


def test_the_schedule_token_of_the_settings_replaces_the_generated_token(aws: Cloud) -> None:
    write(aws, site())
    settings = site(SCHEDULE_UPDATE_TOKEN=OWN_TOKEN)
    assert settings.generated_secrets == (SIGNING_KEY,)
    write(aws, settings)
    assert schedule_token(aws.ssm, NAMES) == OWN_TOKEN


def test_the_schedule_token_is_generated_when_the_settings_no_longer_have_one(aws: Cloud) -> None:
    write(aws, site(SCHEDULE_UPDATE_TOKEN=OWN_TOKEN))
    assert SCHEDULE_TOKEN in write(aws, site()).made
    assert schedule_token(aws.ssm, NAMES) != OWN_TOKEN


def test_a_rotated_schedule_token_stays_when_the_settings_have_none(aws: Cloud) -> None:
    write(aws, site())
    secrets.put(aws.ssm, NAMES, SCHEDULE_TOKEN, OWN_TOKEN, secrets.ROTATED)
    assert write(aws, site()).lines() == []
    assert schedule_token(aws.ssm, NAMES) == OWN_TOKEN


def test_a_generated_schedule_token_is_deleted_when_open_schedule_updates_are_allowed(
    aws: Cloud,
) -> None:
    write(aws, site())
    written = write(aws, site(ALLOW_OPEN_SCHEDULE_UPDATE="true"))
    assert written.deleted == (SCHEDULE_TOKEN,)
    with pytest.raises(OpsError, match=r"`invoke stack.update` makes it"):
        schedule_token(aws.ssm, NAMES)


def test_the_schedule_token_of_the_settings_is_kept_when_open_updates_are_allowed(
    aws: Cloud,
) -> None:
    settings = site(SCHEDULE_UPDATE_TOKEN=OWN_TOKEN, ALLOW_OPEN_SCHEDULE_UPDATE="true")
    write(aws, settings)
    assert schedule_token(aws.ssm, NAMES) == OWN_TOKEN
