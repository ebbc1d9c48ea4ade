"""The files about a running local stack, `stack.json` for programs and `stack.env` for shells.

`stack.env` has the settings, secrets included. Only the owner can read the files.
"""

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from local.processes import stop_pids

STATE = "stack.json"
ENVIRONMENT = "stack.env"
CLOUD = "cloud"
GOOGLE_KEY = "google-key.json"
"""Name of the file with the service account's key of Google's stand-in."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `stack.json`.

    Attributes:
        api_url: URL of the API's stage.
        ca_bundle: PEM file of the authorities to trust.
        slack_url, sheets_url: URLs of Slack and Google, or of their stand-ins; None in older files.
        mail_folder: Folder in which mails to the operators are written; "" in older files.
        webhook_secret: Secret that signs Zoom's webhook events.
        slack_signing_secret: Secret that signs Slack's requests; None in older files.
        aws_access_key_id, aws_secret_access_key: Key of the cloud's root; "" in older files.
        control_token: Bearer token of stand-ins' control paths; "" in older files.
        pids: Pids of the processes' supervisors, by name. SIGTERM to a supervisor ends the process.
    """

    api_url: str
    aws_endpoint_url: str
    ca_bundle: str
    region: str
    stack_name: str
    zoom_url: str
    opencast_url: str
    slack_url: str | None = None
    sheets_url: str | None = None
    mail_folder: str = ""
    webhook_secret: str
    slack_signing_secret: str | None = None
    aws_access_key_id: str = ""
    aws_secret_access_key: str = ""
    control_token: str = ""
    pids: dict[str, int]


def read_state(home: Path) -> State | None:
    """Return the `State` of the stack in a folder, or None if `stack.json` can't be read."""
    try:
        return msgspec.json.decode((home / STATE).read_bytes(), type=State)
    except (OSError, msgspec.DecodeError):
        return None


def write_state_files(home: Path, state: State, environment: Mapping[str, str]) -> None:
    """Write `stack.json` and `stack.env`."""
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()]
    _write(home / ENVIRONMENT, "".join(lines).encode())
    _write(home / STATE, msgspec.json.format(msgspec.json.encode(state)) + b"\n")


def delete_state_files(home: Path) -> None:
    """Delete `stack.json` and `stack.env`."""
    for name in (STATE, ENVIRONMENT):
        (home / name).unlink(missing_ok=True)


def stop_stack(home: Path) -> bool:
    """End the stack in a folder, and delete the files that only a running stack needs.

    Return whether there was a readable `stack.json`, without which nothing is done.
    """
    state = read_state(home)
    if state is None:
        return False
    stop_pids(list(state.pids.values()))
    delete_state_files(home)
    delete_runtime_files(home)
    return True


def delete_runtime_files(home: Path) -> None:
    """Delete the files that only a running stack needs, such as the functions' code."""
    shutil.rmtree(home / CLOUD, ignore_errors=True)
    (home / GOOGLE_KEY).unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    """Write bytes atomically to a file that only the owner can read."""
    unfinished = path.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    unfinished.replace(path)
