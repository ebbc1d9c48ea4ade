"""Tests of `ops/target.py`: confirmations, interactive use, and the look-up of a stack."""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from ops import target
from ops.command import OpsError


def test_a_change_needs_confirmation_only_when_the_stack_is_production() -> None:
    prompts: list[str] = []

    def answer(text: str) -> str:
        prompts.append(text)
        return "n"

    target.confirm_production("zip-test", answer)
    assert prompts == []
    with pytest.raises(OpsError, match="was left as it is"):
        target.confirm_production("zip-prod", answer)
    assert prompts == ["Change zip-prod? [y/N] "]
    target.confirm_production("zip-prod", lambda _: " Y ")


def test_command_is_not_interactive_when_noninteractive_has_a_value() -> None:
    assert target.is_interactive({})
    assert target.is_interactive({"NONINTERACTIVE": ""})
    assert not target.is_interactive({"NONINTERACTIVE": "1"})


def test_refused_call_about_a_stack_does_not_mean_that_the_stack_is_missing() -> None:
    client = boto3.client(
        "cloudformation",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    with Stubber(client) as answers:
        answers.add_client_error(
            "describe_stacks", "ValidationError", "Stack with id zip does not exist", 400
        )
        assert not target.stack_exists(client, "zip")
        answers.add_response("describe_stacks", {"Stacks": []}, {"StackName": "zip"})
        assert target.stack_exists(client, "zip")
        answers.add_client_error("describe_stacks", "AccessDenied", "not authorized", 403)
        with pytest.raises(ClientError, match="not authorized"):
            target.stack_exists(client, "zip")
