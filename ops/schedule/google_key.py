"""The key of the Google service account that reads the sheet, and the key's place in SSM.

One parameter serves all stacks of an AWS account and region. The parameter's name is kept for
compatibility.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdk.names import GOOGLE_CREDENTIALS
from ops.command import OpsError
from ops.text_file import read_text

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

FIELDS = ("client_email", "private_key", "token_uri")
ORIGIN = "Written by schedule.save-creds, for all stacks of this account"
LARGEST = 4096
"""Maximum bytes of a standard parameter of SSM. A key has some 2300 bytes.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
"""


@dataclass(frozen=True)
class GoogleKey:
    """A checked key: the key's JSON on one line, and the address of the account."""

    content: str
    email: str

    def __repr__(self) -> str:
        return f"GoogleKey({self.email})"


def read_key(path: Path) -> GoogleKey:
    """Return a service account's key from the file that Google's console saved.

    Raises:
        OpsError: The file can't be read, isn't a service account's key, or is too large for SSM.
            The error's text repeats nothing of the file's content.
    """
    text = read_text(path, "take it as Google's console saved it")
    advice = (
        f"{path} is not a service account's key: make one in Google's console, under IAM, "
        "Service Accounts, Keys, as JSON"
    )
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        # Python refuses a number of more than 4,300 digits with a plain ValueError:
        # https://docs.python.org/3/library/stdtypes.html#int-max-str-digits
        raise OpsError(f"{advice} (this is no JSON).") from None
    if problem := _problem(content):
        raise OpsError(f"{advice} ({problem}).")
    compact = json.dumps(content, separators=(",", ":"))
    if len(compact.encode()) > LARGEST:
        raise OpsError(f"{advice} (this is larger than the {LARGEST} bytes that SSM takes).")
    return GoogleKey(compact, content["client_email"])


def _problem(content: Any) -> str:
    """Return the reason why a file's content isn't a service account's key; "" for a key."""
    if not isinstance(content, dict) or content.get("type") != "service_account":
        return "this has no type service_account"
    for name in FIELDS:
        if not isinstance(content.get(name), str) or not content[name].strip():
            return f"this has no {name}"
    if "-----BEGIN" not in content["private_key"]:
        return "its private_key is none in PEM"
    if not content["token_uri"].startswith("https://"):
        return "its token_uri is no https address"
    return ""


def save(ssm: SSMClient, key: GoogleKey) -> bool:
    """Write the key to SSM unless SSM has the key already. Return whether the key was written.

    Raises:
        ClientError: SSM refuses a request.
    """
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
    """Return whether two texts contain the same JSON, whatever their spaces and order of names."""
    try:
        return bool(json.loads(stored) == json.loads(content))
    except ValueError:
        return False
