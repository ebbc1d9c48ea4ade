"""The Google service account that reads the schedule's sheet: its key, and where it is kept.

One parameter in SSM serves all stacks of an AWS account and region, as in the first system.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cdk.names import GOOGLE_CREDENTIALS
from ops.command import OpsError
from ops.given_file import read_text

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

FIELDS = ("client_email", "private_key", "token_uri")
ORIGIN = "Written by schedule.save-creds, for all stacks of this account"
LARGEST = 4096
"""Bytes that a standard parameter of SSM holds; a key has some 2300."""


@dataclass(frozen=True)
class GoogleKey:
    """A key that was checked: as JSON on one line, and whose it is."""

    content: str
    email: str

    def __repr__(self) -> str:
        return f"GoogleKey({self.email})"


def read_key(path: Path) -> GoogleKey:
    """A service account's key from the file that Google's console gave.

    OpsError, without anything of the file's content, if it is something else.
    """
    text = read_text(path, "take it as Google's console saved it")
    advice = (
        f"{path} is not a service account's key: make one in Google's console, under IAM, "
        "Service Accounts, Keys, as JSON"
    )
    try:
        content = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        raise OpsError(f"{advice} (this is no JSON).") from None
    if not isinstance(content, dict) or content.get("type") != "service_account":
        raise OpsError(f"{advice} (this has no type service_account).")
    for name in FIELDS:
        if not isinstance(content.get(name), str) or not content[name].strip():
            raise OpsError(f"{advice} (this has no {name}).")
    if "-----BEGIN" not in content["private_key"]:
        raise OpsError(f"{advice} (its private_key is none in PEM).")
    if not content["token_uri"].startswith("https://"):
        raise OpsError(f"{advice} (its token_uri is no https address).")
    compact = json.dumps(content, separators=(",", ":"))
    if len(compact.encode()) > LARGEST:
        raise OpsError(f"{advice} (this is larger than the {LARGEST} bytes that SSM takes).")
    return GoogleKey(compact, content["client_email"])


def save(ssm: SSMClient, key: GoogleKey) -> bool:
    """Write the key to SSM, if it isn't there already; whether it was written."""
    try:
        present = ssm.get_parameter(Name=GOOGLE_CREDENTIALS, WithDecryption=True)
    except ssm.exceptions.ParameterNotFound:
        pass
    else:
        if _same(present["Parameter"]["Value"], key.content):
            return False
    ssm.put_parameter(
        Name=GOOGLE_CREDENTIALS,
        Value=key.content,
        Type="SecureString",
        Description=ORIGIN,
        Overwrite=True,
    )
    return True


def _same(stored: str, content: str) -> bool:
    """Whether two texts hold the same JSON: the first system kept the file as it was."""
    try:
        return bool(json.loads(stored) == json.loads(content))
    except ValueError:
        return False
