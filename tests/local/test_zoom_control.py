"""Tests of the Zoom stand-in's control paths and program."""

import base64
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from local.neighbours.zoom_recordings import Recording
from tests.local.programs import program
from tests.local.zoom_client import Client, Endpoint, signed, twice
from tests.neighbours import CONTROL, CONTROL_TOKEN


def post(client: Client, what: str, value: object) -> requests.Response:
    url = f"{client.zoom.url}/_control/{what}"
    return client.session.post(url, json=value, headers=CONTROL, timeout=10)


def test_control_paths_of_zoom_stand_in_record_a_lecture_and_send_its_webhook_event(
    client: Client, endpoint: Endpoint
) -> None:
    lecture = {
        "meeting_id": 123,
        "start_time": "2026-11-23T15:00:00Z",
        "seconds": 5,
        "segments": 1,
        "broken": {"shared_screen": "html"},
    }
    made = post(client, "recordings", lecture).json()
    assert made in client.get(f"{client.zoom.url}/_control/recordings", headers=CONTROL).json()
    by_view = {file["recording_type"]: file for file in made["files"]}
    assert by_view["active_speaker"]["size"] > 1000 > by_view["shared_screen"]["size"]
    event = {"url": endpoint.url, "event": "recording.completed", "uuid": made["uuid"]}
    assert post(client, "events", event).json()["status"] == 200
    assert signed(endpoint.seen[0])


def test_control_paths_of_zoom_stand_in_change_faults_switches_and_scopes(client: Client) -> None:
    assert post(client, "faults", {"kind": "slow", "where": "cdn"}).status_code == 200
    assert [fault.kind for fault in client.zoom.faults] == ["slow"]
    assert post(client, "switches", {"ranges": False}).status_code == 200
    assert not client.zoom.switches.ranges
    assert post(client, "app", {"scopes": ["a", "b"]}).status_code == 200
    assert client.token_answer().json()["scope"] == "a b"


@pytest.mark.parametrize(
    ("what", "value", "status"),
    [
        ("faults", {"kind": "sloww"}, 400),
        ("faults", {"kind": "slow", "wheer": "cdn"}, 400),
        ("switches", {"rangs": True}, 400),
        ("switches", {"ranges": "maybe"}, 400),
        ("recordings", {"meeting_id": 1, "start_time": "2026-11-23T15:00:00"}, 400),
        ("events", {"url": "", "event": "recording.completed", "uuid": "nobody"}, 404),
        ("events", {"url": "https://127.0.0.1:1/", "event": "endpoint.url_validation"}, 502),
    ],
)
def test_zoom_stand_in_says_in_a_sentence_why_a_control_request_fails(
    client: Client, what: str, value: object, status: int
) -> None:
    answer = post(client, what, value)
    assert answer.status_code == status
    assert answer.json()["message"]


def test_repr_of_zoom_requests_shows_no_secret(client: Client, recording: Recording) -> None:
    link, token = client.completed(recording)
    address = client.get(link, token).headers["Location"]
    client.get(address)
    client.recordings(twice(recording.uuid))
    signature = parse_qs(urlsplit(address).query)["Signature"][0]
    basic = base64.b64encode(b"cid:csecret").decode()
    shown = repr(client.zoom.requests)
    assert not [secret for secret in (token, signature, basic) if secret in shown]
    assert client.zoom.requests[0].header("authorization") == f"Bearer {token}"


def test_zoom_stand_in_counts_the_sent_bytes_of_a_file(
    client: Client, recording: Recording
) -> None:
    client.get(client.address(recording))
    first = recording.files[0]
    sent = client.get(f"{client.zoom.url}/_control/sent", headers=CONTROL).json()
    assert sent == {first.file_id: first.size}


def test_zoom_stand_in_takes_its_secrets_from_the_environment(tmp_path: Path) -> None:
    env = {"ZOOM_ACCOUNT_ID": "acc", "ZOOM_CLIENT_ID": "cid", "ZOOM_CLIENT_SECRET": "from-env"}
    env["LOCAL_CONTROL_TOKEN"] = CONTROL_TOKEN
    with program("local.neighbours.zoom", ["--tls-dir", str(tmp_path)], env) as url:
        bundle = str(tmp_path / "ca.crt")
        query = "grant_type=account_credentials&account_id=acc"
        token = f"{url}/oauth/token?{query}"
        answer = requests.post(token, auth=("cid", "from-env"), verify=bundle, timeout=5)
        assert answer.status_code == 200
        control = f"{url}/_control/origins"
        origins = requests.get(control, headers=CONTROL, verify=bundle, timeout=5).json()
        assert origins["cdn_url"].startswith("https://localhost:")
