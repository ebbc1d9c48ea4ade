"""Tests that SSM gets only a valid Google key, and that no message shows any text of the key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cdk.names import GOOGLE_CREDENTIALS
from ops.command import OpsError
from ops.schedule.google_key import read_key, save
from tests.cloud import Cloud

PEM = "-----BEGIN PRIVATE KEY-----\nMIIEsecretsecret\n-----END PRIVATE KEY-----\n"
KEY = {
    "type": "service_account",
    "project_id": "zip",
    "private_key_id": "0123456789abcdef",
    "private_key": PEM,
    "client_email": "zip@zip.iam.gserviceaccount.com",
    "client_id": "1",
    "token_uri": "https://oauth2.googleapis.com/token",
}


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2))
    return path


def test_google_key_is_saved_only_when_it_differs_from_the_stored_key(
    aws: Cloud, tmp_path: Path
) -> None:
    key = read_key(write(tmp_path / "key.json", KEY))
    assert key.email == KEY["client_email"]
    assert save(aws.ssm, key)
    assert not save(aws.ssm, key)
    kept = aws.ssm.get_parameter(Name=GOOGLE_CREDENTIALS, WithDecryption=True)["Parameter"]
    assert (kept["Type"], kept["Version"]) == ("SecureString", 1)
    assert json.loads(kept["Value"]) == KEY
    other = read_key(write(tmp_path / "key.json", {**KEY, "client_id": "2"}))
    assert save(aws.ssm, other)


@pytest.mark.parametrize("stored", [json.dumps(KEY, indent=2), "no JSON"])
def test_stored_google_key_is_kept_only_when_its_json_is_equal(
    aws: Cloud, tmp_path: Path, stored: str
) -> None:
    aws.ssm.put_parameter(Name=GOOGLE_CREDENTIALS, Value=stored, Type="SecureString")
    written = save(aws.ssm, read_key(write(tmp_path / "key.json", KEY)))
    assert written is (stored == "no JSON")


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in KEY.items() if key != name}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("secretsecret", "this is no JSON"),
        ([KEY], "no type service_account"),
        ({**KEY, "type": "authorized_user"}, "no type service_account"),
        ({"installed": KEY}, "no type service_account"),
        (without("client_email"), "no client_email"),
        (without("private_key"), "no private_key"),
        ({**KEY, "private_key": "secretsecret"}, "its private_key is none in PEM"),
        (without("token_uri"), "no token_uri"),
        ({**KEY, "token_uri": "http://secretsecret"}, "its token_uri is no https address"),
        ({**KEY, "more": "secretsecret" * 400}, "larger than the 4096 bytes"),
    ],
)
def test_file_without_a_usable_google_key_is_refused_and_not_quoted(
    tmp_path: Path, content: object, why: str
) -> None:
    with pytest.raises(OpsError, match=why) as error:
        read_key(write(tmp_path / "key.json", content))
    assert "is not a service account's key: make one" in str(error.value)
    assert "secretsecret" not in str(error.value)


def test_google_key_file_is_refused_when_a_number_has_too_many_digits(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text('{"type": ' + "9" * 5000 + "}")
    with pytest.raises(OpsError, match="this is no JSON") as error:
        read_key(path)
    assert "999" not in str(error.value)


def test_repr_of_a_google_key_hides_the_key_and_a_missing_key_file_is_reported(
    tmp_path: Path,
) -> None:
    assert "secretsecret" not in repr(read_key(write(tmp_path / "key.json", KEY)))
    with pytest.raises(OpsError, match="There is no file"):
        read_key(tmp_path / "nowhere.json")
