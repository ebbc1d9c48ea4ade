"""A stack's secrets in SSM."""

from __future__ import annotations

from cdk.names import Names
from ops.secrets import store as secrets
from tests.cloud import Cloud

NAMES = Names("zip-a")


def versions(aws: Cloud) -> dict[str, int]:
    """How often each parameter below the stack's path was written."""
    answer = aws.ssm.get_parameters_by_path(Path=NAMES.secrets_path)
    return {parameter["Name"]: parameter["Version"] for parameter in answer["Parameters"]}


def test_a_secret_is_a_secure_string_below_the_stacks_path(aws: Cloud) -> None:
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
    # The settings were mended: nothing to say any more.
    wanted = {"APIGEE_KEY": "new", "ZOOM_API_SECRET": "s2"}
    assert secrets.write(aws.ssm, NAMES, wanted).lines() == []


def test_a_kept_old_token_doesnt_count_as_a_difference(aws: Cloud) -> None:
    name = "WEBHOOK_VALIDATION_SECRET_TOKEN"
    secrets.write(aws.ssm, NAMES, {name: "old"})
    secrets.put(aws.ssm, NAMES, name, "new,old", secrets.ROTATED)
    assert secrets.write(aws.ssm, NAMES, {name: "new"}).lines() == []
    assert secrets.stored(aws.ssm, NAMES)[name] == "new,old"
    assert not secrets.is_same("OPENCAST_API_PASSWORD", "a", "a,b")
    assert not secrets.is_same(name, "", "new")


def test_delete_all_leaves_another_stacks_secrets_alone(aws: Cloud) -> None:
    for stack in ("zip-a", "zip-ab"):
        secrets.write(aws.ssm, Names(stack), {f"KEY_{number}": "v" for number in range(12)})
    secrets.delete_all(aws.ssm, NAMES)
    assert secrets.stored(aws.ssm, NAMES) == {}
    assert len(secrets.stored(aws.ssm, Names("zip-ab"))) == 13
