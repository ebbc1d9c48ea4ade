"""The Zoom stand-in driven from another process."""

import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from local.authority import Authority
from local.neighbours.zoom import ZoomStandIn
from local.neighbours.zoom_recordings import Recording
from tests.local.zoom_client import Client, Endpoint, signed, twice


class TestControl:
    def post(self, client: Client, what: str, value: object) -> requests.Response:
        return client.session.post(f"{client.zoom.url}/_control/{what}", json=value, timeout=10)

    def test_a_lecture_made_from_outside(self, client: Client, endpoint: Endpoint) -> None:
        lecture = {
            "meeting_id": 123,
            "start_time": "2026-11-23T15:00:00Z",
            "seconds": 5,
            "segments": 1,
            "broken": {"shared_screen": "html"},
        }
        made = self.post(client, "recordings", lecture).json()
        listed = client.get(f"{client.zoom.url}/_control/recordings").json()
        assert made in listed
        by_view = {file["recording_type"]: file for file in made["files"]}
        assert by_view["active_speaker"]["size"] > 1000 > by_view["shared_screen"]["size"]
        event = {"url": endpoint.url, "event": "recording.completed", "uuid": made["uuid"]}
        assert self.post(client, "events", event).json()["status"] == 200
        assert signed(endpoint.seen[0])

    def test_faults_and_switches(self, client: Client) -> None:
        assert self.post(client, "faults", {"kind": "slow", "where": "cdn"}).status_code == 200
        assert [fault.kind for fault in client.zoom.faults] == ["slow"]
        client.session.delete(f"{client.zoom.url}/_control/faults", timeout=5)
        assert client.zoom.faults == ()
        assert self.post(client, "switches", {"ranges": False}).status_code == 200
        assert not client.zoom.switches.ranges

    @pytest.mark.parametrize(
        ("what", "value", "status"),
        [
            ("faults", {"kind": "sloww"}, 400),
            ("faults", {"kind": "slow", "wheer": "cdn"}, 400),
            ("switches", {"rangs": True}, 400),
            ("switches", {"ranges": "maybe"}, 400),
            ("recordings", {"meeting_id": 1, "start_time": "2026-11-23T15:00:00"}, 400),
            ("trash", {"uuid": "nobody"}, 404),
            ("events", {"url": "https://127.0.0.1:1/", "event": "endpoint.url_validation"}, 502),
            ("nonsense", {}, 404),
        ],
    )
    def test_a_mistake_gets_a_sentence(
        self, client: Client, what: str, value: object, status: int
    ) -> None:
        answer = self.post(client, what, value)
        assert answer.status_code == status
        assert answer.json()["message"]

    def test_the_record_shows_no_secret(self, client: Client, recording: Recording) -> None:
        link, token = client.completed(recording)
        address = client.get(link, token).headers["Location"]
        client.get(address)
        client.recordings(twice(recording.uuid))
        shown = client.get(f"{client.zoom.url}/_control/requests").text
        statuses = [(each["path"], each["status"]) for each in json.loads(shown)]
        assert (urlsplit(link).path, 302) in statuses
        signature = parse_qs(urlsplit(address).query)["Signature"][0]
        basic = base64.b64encode(b"cid:csecret").decode()
        held = repr(client.zoom.requests)
        for secret in (token, signature, basic):
            assert secret not in shown
            assert secret not in held
        assert client.zoom.requests[0].header("authorization") == f"Bearer {token}"

    def test_how_much_of_each_file_was_sent(self, client: Client, recording: Recording) -> None:
        client.get(client.address(recording))
        first = recording.files[0]
        told = client.get(f"{client.zoom.url}/_control/sent").json()
        assert told == {first.file_id: first.size}

    def test_expiry(self, client: Client, recording: Recording) -> None:
        link, token = client.completed(recording)
        self.post(client, "expire", {"download_tokens": True})
        assert client.get(link, token).status_code == 401


def test_without_control_there_is_none(tls: Authority, tmp_path: Path) -> None:
    with ZoomStandIn(tls=tls, folder=tmp_path, control=False) as zoom:
        url = f"{zoom.url}/_control/requests"
        assert requests.get(url, verify=str(tls.ca_bundle), timeout=5).status_code == 404


def test_it_starts_once(tls: Authority, tmp_path: Path) -> None:
    with ZoomStandIn(tls=tls, folder=tmp_path) as zoom, pytest.raises(RuntimeError, match="stop"):
        zoom.start()


def test_as_a_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "local.neighbours.zoom", "--control"]
    environ = os.environ | {"ZOOM_CLIENT_ID": "cid", "ZOOM_CLIENT_SECRET": "from-environment"}
    flags = ["--tls-dir", str(tmp_path / "tls"), "--account-id", "acc"]
    with subprocess.Popen(command + flags, env=environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            where = json.loads(process.stdout.readline())
            bundle = str(tmp_path / "tls" / "ca.crt")
            query = "grant_type=account_credentials&account_id=acc"
            url = f"{where['url']}/oauth/token?{query}"
            auth = ("cid", "from-environment")
            answer = requests.post(url, auth=auth, verify=bundle, timeout=5)
            assert answer.status_code == 200
            health = requests.get(f"{where['url']}/_control/health", verify=bundle, timeout=5)
            assert health.json()["cdn_url"] == where["cdn_url"]
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
