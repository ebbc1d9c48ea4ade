"""Test of the Slack stand-in's program."""

from pathlib import Path

import requests

from tests.local.programs import program


def test_slack_stand_in_takes_its_token_from_the_environment(tmp_path: Path) -> None:
    options = ["--tls-dir", str(tmp_path), "--group", "zip-users"]
    token = "xoxb-from-environment"
    with program("local.neighbours.slack", options, {"SLACK_API_TOKEN": token}) as url:
        answer = requests.post(
            f"{url}/api/usergroups.list",
            headers={"Authorization": f"Bearer {token}"},
            verify=str(tmp_path / "ca.crt"),
            timeout=5,
        )
        assert answer.json()["usergroups"][0]["handle"] == "zip-users"
