"""Tests that commands answer wrong input with a short error and an exit code.

Tests with stacks that don't exist need a cloud, and are in tests/e2e.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line import NAMES, good_files, invoke, said_in_a_line, words
from tests.infra.template import SETTINGS


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a folder with valid files. Set complete settings without credentials in the shell."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NONINTERACTIVE", "1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    good_files(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_a_command_says_that_aws_credentials_are_missing(name: str, folder: Path) -> None:
    assert "There are no AWS credentials" in said_in_a_line(invoke(*words(name, folder)))


@pytest.mark.parametrize("name", NAMES)
def test_a_command_names_a_missing_aws_profile(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    line = said_in_a_line(invoke(*words(name, folder)))
    assert "set AWS_PROFILE to one that" in line
    assert "nobody" in line


@pytest.mark.parametrize("name", [*NAMES, "stack.list", "stack.synth", "package"])
def test_a_command_names_every_wrong_setting_in_one_error(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A command checks its settings before it does anything else.
    monkeypatch.setenv("STACK_NAME", "")
    monkeypatch.setenv("LAMBDA_CODE_BUCKET", "No bucket")
    upload = ["--upload-to-s3"] if name == "package" else []
    done = invoke(*words(name, folder), *upload)
    assert done.code == 1
    assert done.out == ""
    assert "  - STACK_NAME is missing" in done.err
    assert "  - LAMBDA_CODE_BUCKET is 'No bucket', but has to be" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("package", "-f", "nothing"),
        ("package", "-u", "-f", "nothing"),
        ("release", "-f", "nothing"),
        ("deploy.all", "-f", "nothing"),
        ("logs.recording", "abc==", "--function", "nothing"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("folder")
def test_a_command_lists_the_functions_when_the_given_function_is_unknown(
    arguments: tuple[str, ...],
) -> None:
    line = said_in_a_line(invoke(*arguments))
    assert line.startswith("There is no function nothing. There are: zoom-webhook, ")


@pytest.mark.usefixtures("folder")
def test_invoke_codebuild_refuses_an_empty_revision() -> None:
    # An empty revision may be a script's unset variable, and must not mean the default branch.
    assert "--revision is empty" in said_in_a_line(invoke("codebuild", "-r", " "))


@pytest.mark.parametrize("uuid", ["", "   ", "a b"])
@pytest.mark.parametrize(
    "command",
    [
        ("exec.on-demand",),
        ("exec.pipeline",),
        ("exec.webhook",),
        ("logs.recording",),
        ("recordings", "--uuid"),
        ("queue.retry-downloads", "--uuid"),
        ("queue.retry-uploads", "--uuid"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("folder")
def test_a_command_refuses_an_empty_or_malformed_uuid(command: tuple[str, ...], uuid: str) -> None:
    assert "uuid" in said_in_a_line(invoke(*command, uuid))


@pytest.mark.parametrize(
    ("command", "content", "reason"),
    [
        ("schedule.csv-import", None, "There is no file"),
        ("schedule.csv-import", b'"a', "is not CSV"),
        ("schedule.import-json", b"\xff\xfe\x00", "is in UTF-16"),
        ("schedule.import-json", b"\xe9", "is not UTF-8"),
        ("schedule.import-json", b"{'", "is not JSON"),
    ],
)
def test_a_schedule_import_explains_a_missing_or_malformed_file(
    command: str, content: bytes | None, reason: str, folder: Path
) -> None:
    path = folder / "wrong"
    if content is not None:
        path.write_bytes(content)
    assert reason in said_in_a_line(invoke(command, str(path)))


@pytest.mark.parametrize("source", ["", " "])
@pytest.mark.usefixtures("folder")
def test_invoke_schedule_remove_refuses_an_empty_source(source: str) -> None:
    assert "SOURCE is empty" in said_in_a_line(invoke("schedule.remove", source))


def test_invoke_schedule_save_creds_names_the_file_when_the_file_holds_no_google_key(
    folder: Path,
) -> None:
    (folder / "wrong").write_text('{"type": "authorized_user"}')
    line = said_in_a_line(invoke("schedule.save-creds", "-f", str(folder / "wrong")))
    assert str(folder / "wrong") in line


@pytest.mark.parametrize("name", ["recordings", "logs.all", "logs.webhook"])
@pytest.mark.usefixtures("folder")
def test_a_command_refuses_a_since_option_that_is_not_a_period(name: str) -> None:
    assert "yesterday" in said_in_a_line(invoke(name, "--since", "yesterday"))


@pytest.mark.usefixtures("folder")
def test_invoke_secrets_rotate_lists_the_secrets_when_the_given_name_is_unknown() -> None:
    line = said_in_a_line(invoke("secrets.rotate", "STACK_NAME"))
    assert "PIPELINE_SIGNING_KEY" in line


@pytest.mark.parametrize("limit", ["0", "-1"])
@pytest.mark.parametrize("name", ["downloads", "uploads", "retry-downloads", "retry-uploads"])
@pytest.mark.usefixtures("folder")
def test_a_queue_command_refuses_a_limit_below_1(name: str, limit: str) -> None:
    assert "--limit" in said_in_a_line(invoke(f"queue.{name}", f"--limit={limit}"))


@pytest.mark.usefixtures("folder")
def test_invoke_release_refuses_a_number_as_the_name_of_a_release() -> None:
    assert "can't be named 2" in said_in_a_line(invoke("release", "--description", "2"))
