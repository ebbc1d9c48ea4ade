"""What is known of a local stack that runs: `.local/stack.json`, for other programs too.

Beside it lies `stack.env`, the settings with their secrets, for operators' tasks. Both are for
their owner's eyes only.
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
"""The service account's file of Google's stand-in."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `stack.json`.

    `api_url` is the API's stage, `ca_bundle` a PEM file of what to trust; `webhook_secret` is what
    Zoom's webhooks are signed with, `slack_signing_secret` what Slack's requests are. `mail_folder`
    is where mails are files. `pids` has the processes to send SIGTERM to, by name. What
    there is none of is null.
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
    pids: dict[str, int]


def read_state(home: Path) -> State | None:
    """The state of the stack in this folder, or None if there is none (that can be read)."""
    try:
        return msgspec.json.decode((home / STATE).read_bytes(), type=State)
    except (OSError, msgspec.DecodeError):
        return None


def remember(home: Path, state: State, environment: Mapping[str, str]) -> None:
    """Write `stack.json` and `stack.env`."""
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()]
    _write(home / ENVIRONMENT, "".join(lines).encode())
    _write(home / STATE, msgspec.json.format(msgspec.json.encode(state)) + b"\n")


def forget(home: Path) -> None:
    """Take both files away."""
    for name in (STATE, ENVIRONMENT):
        (home / name).unlink(missing_ok=True)


def end(home: Path) -> bool:
    """End the stack that was let go in this folder. Returns whether there was one."""
    state = read_state(home)
    if state is None:
        return False
    stop_pids(list(state.pids.values()))
    forget(home)
    clear(home)
    return True


def clear(home: Path) -> None:
    """Remove what only a running stack needs: each function's processes left 150 MB or so."""
    shutil.rmtree(home / CLOUD, ignore_errors=True)
    (home / GOOGLE_KEY).unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    """Replace a file in one step; nobody else can ever read it."""
    unfinished = path.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    unfinished.replace(path)
