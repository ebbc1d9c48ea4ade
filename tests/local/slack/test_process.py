"""The Slack stand-in as a process."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import requests


def test_as_a_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "local.neighbours.slack", "--tls-dir", str(tmp_path)]
    command += ["--group", "zip-users", "--channel", "#zip-help"]
    environ = os.environ | {"SLACK_API_TOKEN": "xoxb-from-environment"}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            url = json.loads(process.stdout.readline())["url"]
            with requests.Session() as session:
                session.verify = str(tmp_path / "ca.crt")
                session.trust_env = False
                headers = {"Authorization": "Bearer xoxb-from-environment"}
                told = session.post(f"{url}/api/usergroups.list", headers=headers, timeout=5)
                assert told.json()["usergroups"][0]["handle"] == "zip-users"
                channels = session.get(f"{url}/_control/channels", timeout=5).json()
                assert channels[-3] == {"id": "C0ZIPCHAN", "name": "zip-help", "kind": "public"}
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
