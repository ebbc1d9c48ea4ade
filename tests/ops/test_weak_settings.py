"""Tests of weak settings in `invoke stack.status` and weak values in `invoke secrets.rotate`."""

from __future__ import annotations

import pytest

from cdk.settings import SIGNING_KEY, weaknesses
from ops.command import OpsError
from ops.secrets.commands import check_strength
from ops.secrets.store import WEBHOOK_TOKEN
from ops.stack import overview
from tests.infra.template import SETTINGS
from tests.ops.aws_answers import target_answering
from tests.ops.test_overview import WHOLE


@pytest.mark.usefixtures("aws")
def test_stack_status_names_weak_settings(capsys: pytest.CaptureFixture[str]) -> None:
    weak = {
        "INGEST_ALLOWED_IPS": "0.0.0.0/0",
        "SLACK_SIGNING_SECRET": "Qz7",
        "ALLOW_WEAK_SETTINGS": "INGEST_ALLOWED_IPS",
    }
    found = overview.read_overview(target_answering(WHOLE), weaknesses({**SETTINGS, **weak}, None))
    accepted, refused = found.as_json()["weak_settings"]
    assert (accepted["setting"], accepted["is_accepted"]) == ("INGEST_ALLOWED_IPS", True)
    assert (refused["setting"], refused["is_accepted"]) == ("SLACK_SIGNING_SECRET", False)
    overview.show(found)
    shown = capsys.readouterr().out
    assert "INGEST_ALLOWED_IPS is weak: it allows 0.0.0.0/0, so nearly anyone (accepted)" in shown
    assert "SLACK_SIGNING_SECRET is weak: " in shown
    assert "(the next stack.update refuses it)" in shown
    assert "Qz7" not in shown


def test_weak_value_of_a_secret_is_refused_unless_allow_weak_settings_names_the_secret() -> None:
    with pytest.raises(OpsError, match=r"is weak: .* so nothing was changed") as said:
        check_strength(WEBHOOK_TOKEN, "Qz7", {})
    assert "Qz7" not in str(said.value)
    with pytest.raises(OpsError, match="is weak"):
        check_strength(WEBHOOK_TOKEN, "Qz7", {"ALLOW_WEAK_SETTINGS": "SLACK_SIGNING_SECRET"})
    check_strength(WEBHOOK_TOKEN, "Qz7", {"ALLOW_WEAK_SETTINGS": f"X, {WEBHOOK_TOKEN}"})
    check_strength(WEBHOOK_TOKEN, "wQ3rTy7uIoP9aSdFgHjK2l", {})
    check_strength(SIGNING_KEY, "ab" * 32, {})
