"""Access to a local stack: attacks by other users of the machine and by web pages."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import requests

from local.driver import Driver
from local.state import ENVIRONMENT, STATE, State
from tests.local.processes_of import processes_of

CONTROLS = [
    ("zoom", "POST", "events"),
    ("zoom", "GET", "recordings"),
    ("opencast", "POST", "series"),
    ("opencast", "GET", "ingests"),
    ("slack", "POST", "command"),
    ("slack", "GET", "messages?user=producer"),
    ("sheets", "POST", "tabs"),
]


def test_only_the_owner_can_reach_and_read_the_files_of_a_stack(home: Path) -> None:
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    # The folders left out here contain unpacked packages, whose makers chose the modes.
    own = [path for path in home.iterdir() if path.name not in {"cloud", "jsii", "wheels"}]
    own += [path for folder in own if folder.is_dir() for path in folder.rglob("*")]
    open_to_others = [
        path for path in own if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    assert not open_to_others
    assert stat.S_IMODE((home / STATE).stat().st_mode) == 0o600
    assert stat.S_IMODE((home / ENVIRONMENT).stat().st_mode) == 0o600
    assert stat.S_IMODE((home / "cloud").stat().st_mode) == 0o700


def test_no_secret_of_a_stack_is_on_a_command_line(home: Path, state: State) -> None:
    lines = b"\n".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes_of(home))
    assert b"local.neighbours.zoom" in lines
    secrets = [
        state.aws_secret_access_key,
        state.control_token,
        state.webhook_secret,
        state.slack_signing_secret or "",
    ]
    assert all(len(secret) >= 16 for secret in secrets)
    assert not [secret for secret in secrets if secret.encode() in lines]


@pytest.mark.parametrize(("neighbour", "method", "path"), CONTROLS)
def test_a_stand_in_refuses_control_requests_without_the_token_or_from_a_web_page(
    state: State, session: requests.Session, neighbour: str, method: str, path: str
) -> None:
    url = f"{getattr(state, f'{neighbour}_url')}/_control/{path}"
    for headers in ({}, {"Authorization": f"Bearer {state.webhook_secret}"}):
        answer = session.request(method, url, json={}, headers=headers, timeout=10)
        assert answer.status_code == 401
    page = {"Authorization": f"Bearer {state.control_token}", "Origin": "https://evil.example"}
    assert session.request(method, url, json={}, headers=page, timeout=10).status_code == 403


def test_the_driver_of_a_local_stack_controls_each_stand_in(driver: Driver) -> None:
    # A method raises DriverError if the stand-in refuses the request. `ingests` also checks its
    # result.
    assert driver.cdn_url()
    driver.ingests()
    assert isinstance(driver.shown_messages(), list)
    driver.rename_tab("Spring", "Spring")


def test_the_local_cloud_refuses_unsigned_aws_requests_and_answers_routes_of_the_api(
    state: State, session: requests.Session
) -> None:
    queues = {"Action": "ListQueues", "Version": "2012-11-05"}
    answer = session.post(state.aws_endpoint_url, data=queues, timeout=10)
    assert (answer.status_code, state.stack_name in answer.text) == (403, False)
    assert session.get(f"{state.api_url}/status?seconds=1", timeout=30).status_code == 200
    unsigned = session.post(f"{state.api_url}/new_recording", json={}, timeout=30)
    assert unsigned.status_code == 401
