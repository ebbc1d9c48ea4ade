"""Tests of `invoke secrets.…`: the status of secrets, their rotation, and storage in SSM."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk.names import Names
from cdk.settings import READ_BY, SECRETS, SIGNING_KEY
from ingester.settings import split
from ops.command import OpsError
from ops.secrets import store as secrets
from ops.secrets.commands import check_name, new_value, read_statuses, read_value, rotation_advice
from ops.secrets.store import WEBHOOK_TOKEN
from tests.cloud import Cloud

NAMES = Names("zip-a")
VALUE = "s3cr3t-of-26-letters-in-all"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def refuse(_: str) -> str:
    raise AssertionError("nobody is there to ask")


def test_the_status_of_a_secret_shows_nothing_of_its_value(aws: Cloud) -> None:
    settings = {"APIGEE_KEY": VALUE, "OPENCAST_API_PASSWORD": "p", "ZOOM_API_SECRET": ""}
    secrets.write(aws.ssm, NAMES, settings)
    secrets.put(aws.ssm, NAMES, "OPENCAST_API_PASSWORD", "q", secrets.ROTATED)
    found = {
        secret.name: secret
        for secret in read_statuses(
            aws.ssm, NAMES, {"APIGEE_KEY": VALUE, "OPENCAST_API_PASSWORD": "p", WEBHOOK_TOKEN: "é"}
        )
    }
    assert {name: (secret.set, secret.settings) for name, secret in found.items()} == {
        **dict.fromkeys(SECRETS, (False, "not set")),
        "APIGEE_KEY": (True, "same"),
        "OPENCAST_API_PASSWORD": (True, "differs"),
        WEBHOOK_TOKEN: (False, "differs"),
        SIGNING_KEY: (True, ""),
    }
    assert found["APIGEE_KEY"].origin == secrets.FROM_SETTINGS
    assert found["OPENCAST_API_PASSWORD"].origin == secrets.ROTATED
    assert found[SIGNING_KEY].read_by == ("zoom-webhook", "zoom-on-demand", "zoom-reconcile")
    assert found["APIGEE_KEY"].since
    assert not found[WEBHOOK_TOKEN].since
    # A timestamp may contain the digits of a value's length by chance.
    shown = json.dumps([asdict(replace(secret, since="")) for secret in found.values()])
    for value in (VALUE, secrets.stored(aws.ssm, NAMES)[SIGNING_KEY]):
        assert value not in shown
        assert value[:6] not in shown
        assert str(len(value)) not in shown


def test_every_secret_is_read_by_a_function() -> None:
    assert {name for read in READ_BY.values() for name in read} == {*SECRETS, SIGNING_KEY}


def test_unknown_name_of_a_secret_is_refused_and_not_repeated() -> None:
    for name in ("", " ", "APIGEE", "apigee_key", VALUE):
        with pytest.raises(OpsError, match="There is no secret of this name") as said:
            check_name(name, keep_old=False)
        assert all(known in str(said.value) for known in SECRETS)
        # An operator may have typed a secret value in place of the name.
        assert VALUE not in str(said.value)


@pytest.mark.parametrize("name", [*SECRETS, SIGNING_KEY])
def test_the_option_keep_old_is_allowed_only_for_the_webhook_token(name: str) -> None:
    check_name(name, keep_old=False)
    if name == WEBHOOK_TOKEN:
        check_name(name, keep_old=True)
    else:
        with pytest.raises(OpsError, match="--keep-old is for"):
            check_name(name, keep_old=True)


def test_new_secret_is_read_from_a_terminal_or_a_pipe() -> None:
    prompts: list[str] = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return f" {VALUE} "

    assert read_value("APIGEE_KEY", Terminal(), ask) == VALUE
    assert prompts == ["The new APIGEE_KEY: "]
    for text in (VALUE, f"{VALUE}\n", f"  {VALUE}\r\n\n"):
        assert read_value("APIGEE_KEY", io.StringIO(text), refuse) == VALUE


@pytest.mark.parametrize("text", ["", "\n", "  \n", "a\nb\n", "a\x00b", "x" * 5000, "a\x1bb"])
def test_value_from_a_pipe_is_refused_when_it_cannot_be_a_secret(text: str) -> None:
    with pytest.raises(OpsError, match="nothing was changed") as said:
        read_value("APIGEE_KEY", io.StringIO(text), refuse)
    assert "xxx" not in str(said.value)


def test_typed_value_of_a_secret_is_refused_when_it_is_empty() -> None:
    with pytest.raises(OpsError, match="empty"):
        read_value("APIGEE_KEY", Terminal(), lambda _: " ")


def test_new_signing_key_replaces_the_old_key_completely() -> None:
    assert new_value(SIGNING_KEY, "k1", "k2", keep_old=False) == "k2"
    assert new_value(SIGNING_KEY, "", "k1", keep_old=False) == "k1"


def test_old_webhook_tokens_are_kept_only_with_the_option_keep_old() -> None:
    assert new_value(WEBHOOK_TOKEN, "a", "b", keep_old=False) == "b"
    assert new_value(WEBHOOK_TOKEN, "a", "b", keep_old=True) == "b,a"
    assert new_value(WEBHOOK_TOKEN, "a, c", "b", keep_old=True) == "b,a,c"
    assert new_value(WEBHOOK_TOKEN, "b,a", "b", keep_old=False) == "b"
    assert new_value(WEBHOOK_TOKEN, "a,b", "b", keep_old=True) == "b,a"


@given(
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=3),
    st.sampled_from("abcdef"),
    st.booleans(),
)
def test_new_webhook_token_comes_first_and_only_once_among_the_tokens(
    old: list[str], new: str, keep: bool
) -> None:
    before = ",".join(dict.fromkeys(old))
    try:
        found = split(new_value(WEBHOOK_TOKEN, before, new, keep_old=keep))
    except OpsError:
        assert split(before)[0] == new
        return
    assert found[0] == new
    assert sorted(found) == sorted({new, *(split(before) if keep else ())})


def test_new_secret_is_refused_when_it_replaces_nothing_is_unchanged_or_is_too_long() -> None:
    with pytest.raises(OpsError, match=r"isn't set.*`invoke stack.update`"):
        new_value("APIGEE_KEY", "", VALUE, keep_old=False)
    with pytest.raises(OpsError, match="this value already") as said:
        new_value("APIGEE_KEY", VALUE, VALUE, keep_old=False)
    assert VALUE not in str(said.value)
    with pytest.raises(OpsError, match="too long together"):
        new_value(WEBHOOK_TOKEN, "x" * 3000, "y" * 3000, keep_old=True)


def test_advice_after_a_rotation_names_next_steps_and_the_functions_that_read_the_secret() -> None:
    first, *rest = rotation_advice("APIGEE_KEY", keep_old=False)
    assert "zoom-on-demand, zoom-downloader" in first
    assert "within 5 minutes" in first
    assert [".env" in line for line in rest] == [True]
    assert not any(".env" in line for line in rotation_advice(SIGNING_KEY, keep_old=False))
    assert "with the new one alone" in rotation_advice(WEBHOOK_TOKEN, keep_old=True)[-1]


def versions(aws: Cloud) -> dict[str, int]:
    """Return the versions of the parameters below the stack's path.

    SSM counts the writes of a parameter in the parameter's version.
    """
    answer = aws.ssm.get_parameters_by_path(Path=NAMES.secrets_path)
    return {parameter["Name"]: parameter["Version"] for parameter in answer["Parameters"]}


def test_a_secret_is_a_secure_string_below_the_path_of_the_stack(aws: Cloud) -> None:
    written = secrets.write(aws.ssm, NAMES, {"APIGEE_KEY": "k", "ZOOM_API_SECRET": ""})
    assert written.changed == ("APIGEE_KEY", "PIPELINE_SIGNING_KEY")
    answer = aws.ssm.get_parameter(Name="/zoom-ingester/zip-a/APIGEE_KEY", WithDecryption=True)
    assert answer["Parameter"]["Value"] == "k"
    assert answer["Parameter"]["Type"] == "SecureString"


def test_only_changed_secrets_are_written(aws: Cloud) -> None:
    secrets.write(aws.ssm, NAMES, {"APIGEE_KEY": "k", "ZOOM_API_SECRET": "s"})
    written = secrets.write(aws.ssm, NAMES, {"APIGEE_KEY": "k2", "ZOOM_API_SECRET": "s"})
    assert written.lines() == ["Secrets written to SSM: APIGEE_KEY"]
    path = NAMES.secrets_path
    assert versions(aws) == {
        f"{path}/APIGEE_KEY": 2,
        f"{path}/ZOOM_API_SECRET": 1,
        f"{path}/PIPELINE_SIGNING_KEY": 1,
    }


def test_the_signing_key_is_created_once(aws: Cloud) -> None:
    secrets.write(aws.ssm, NAMES, {})
    first = secrets.stored(aws.ssm, NAMES)
    assert len(bytes.fromhex(first["PIPELINE_SIGNING_KEY"])) == 32
    assert secrets.write(aws.ssm, NAMES, {}).lines() == []
    assert secrets.stored(aws.ssm, NAMES) == first
    secrets.write(aws.ssm, Names("zip-b"), {})
    assert secrets.stored(aws.ssm, Names("zip-b")) != first


def test_a_secret_is_deleted_when_its_setting_is_empty(aws: Cloud) -> None:
    secrets.write(aws.ssm, NAMES, {"APIGEE_KEY": "k"})
    written = secrets.write(aws.ssm, NAMES, {"APIGEE_KEY": ""})
    assert written.lines() == ["Secrets deleted from SSM, for they aren't set: APIGEE_KEY"]
    assert set(secrets.stored(aws.ssm, NAMES)) == {"PIPELINE_SIGNING_KEY"}


def test_a_rotated_secret_is_not_overwritten_by_an_old_setting(aws: Cloud) -> None:
    secrets.write(aws.ssm, NAMES, {"APIGEE_KEY": "old", "ZOOM_API_SECRET": "s"})
    secrets.put(aws.ssm, NAMES, "APIGEE_KEY", "new", secrets.ROTATED)
    written = secrets.write(aws.ssm, NAMES, {"APIGEE_KEY": "old", "ZOOM_API_SECRET": "s2"})
    assert written.changed == ("ZOOM_API_SECRET",)
    assert secrets.stored(aws.ssm, NAMES)["APIGEE_KEY"] == "new"
    (line,) = [line for line in written.lines() if "APIGEE_KEY" in line]
    assert "rotated" in line
    assert "`invoke secrets.rotate APIGEE_KEY`" in line
    wanted = {"APIGEE_KEY": "new", "ZOOM_API_SECRET": "s2"}
    assert secrets.write(aws.ssm, NAMES, wanted).lines() == []


def test_a_kept_old_webhook_token_is_not_a_difference_from_the_settings(aws: Cloud) -> None:
    name = WEBHOOK_TOKEN
    secrets.write(aws.ssm, NAMES, {name: "old"})
    secrets.put(aws.ssm, NAMES, name, "new,old", secrets.ROTATED)
    assert secrets.write(aws.ssm, NAMES, {name: "new"}).lines() == []
    assert secrets.stored(aws.ssm, NAMES)[name] == "new,old"
    assert not secrets.is_same("OPENCAST_API_PASSWORD", "a", "a,b")
    assert not secrets.is_same(name, "", "new")


def test_deleting_all_secrets_of_a_stack_keeps_the_secrets_of_another_stack(aws: Cloud) -> None:
    for stack in ("zip-a", "zip-ab"):
        secrets.write(aws.ssm, Names(stack), {f"KEY_{number}": "v" for number in range(12)})
    secrets.delete_all(aws.ssm, NAMES)
    assert secrets.stored(aws.ssm, NAMES) == {}
    assert len(secrets.stored(aws.ssm, Names("zip-ab"))) == 13
