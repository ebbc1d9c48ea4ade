"""Wrong input to every command: one line that says what is wrong, and an exit code.

A stack that isn't there is in tests/e2e: it takes a cloud to say so.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line import NAMES, good_files, invoke, said_in_a_line, words
from tests.infra.template import SETTINGS


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A shell with whole settings and without credentials; a folder with good files."""
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
def test_no_credentials(name: str, site: Path) -> None:
    assert "There are no AWS credentials" in said_in_a_line(invoke(*words(name, site)))


@pytest.mark.parametrize("name", NAMES)
def test_no_such_profile(name: str, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    line = said_in_a_line(invoke(*words(name, site)))
    assert "set AWS_PROFILE to one that" in line
    assert "nobody" in line


@pytest.mark.parametrize("name", [*NAMES, "stack.list", "stack.synth"])
def test_no_settings(name: str, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is missing is told at once, before anything is done."""
    monkeypatch.setenv("STACK_NAME", "")
    monkeypatch.setenv("LAMBDA_CODE_BUCKET", "No bucket")
    done = invoke(*words(name, site))
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
@pytest.mark.usefixtures("site")
def test_no_such_function(arguments: tuple[str, ...]) -> None:
    line = said_in_a_line(invoke(*arguments))
    assert line.startswith("There is no function nothing. There are: zoom-webhook, ")


@pytest.mark.usefixtures("site")
def test_no_revision() -> None:
    """What a script's unset variable names is not the default branch."""
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
@pytest.mark.usefixtures("site")
def test_no_uuid(command: tuple[str, ...], uuid: str) -> None:
    assert "uuid" in said_in_a_line(invoke(*command, uuid))


@pytest.mark.parametrize(
    ("command", "content", "reason"),
    [
        ("schedule.csv-import", None, "There is no file"),
        ("schedule.csv-import", b"\xff\xfe\x00", "is not UTF-8"),
        ("schedule.csv-import", b'"a', "is not CSV"),
        ("schedule.import-json", None, "There is no file"),
        ("schedule.import-json", b"\xff\xfe\x00", "is not UTF-8"),
        ("schedule.import-json", b"{'", "is not JSON"),
        ("schedule.import-json", b"7", "wrong"),
    ],
)
def test_a_wrong_schedule(command: str, content: bytes | None, reason: str, site: Path) -> None:
    path = site / "wrong"
    if content is not None:
        path.write_bytes(content)
    assert reason in said_in_a_line(invoke(command, str(path)))


@pytest.mark.parametrize("source", ["", " "])
@pytest.mark.usefixtures("site")
def test_no_source_of_classes(source: str) -> None:
    assert "SOURCE is empty" in said_in_a_line(invoke("schedule.remove", source))


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"type": "authorized_user"}', b"\xff"])
def test_a_wrong_key_of_the_service_account(content: bytes | None, site: Path) -> None:
    path = site / "wrong"
    if content is not None:
        path.write_bytes(content)
    assert str(path) in said_in_a_line(invoke("schedule.save-creds", "-f", str(path)))


@pytest.mark.parametrize("name", ["recordings", "logs.all", "logs.webhook"])
@pytest.mark.usefixtures("site")
def test_no_length_of_time(name: str) -> None:
    assert "yesterday" in said_in_a_line(invoke(name, "--since", "yesterday"))


@pytest.mark.usefixtures("site")
def test_no_such_secret() -> None:
    line = said_in_a_line(invoke("secrets.rotate", "STACK_NAME"))
    assert "PIPELINE_SIGNING_KEY" in line


@pytest.mark.parametrize("limit", ["0", "-1"])
@pytest.mark.parametrize("name", ["downloads", "uploads", "retry-downloads", "retry-uploads"])
@pytest.mark.usefixtures("site")
def test_no_number(name: str, limit: str) -> None:
    assert "--limit" in said_in_a_line(invoke(f"queue.{name}", f"--limit={limit}"))


@pytest.mark.usefixtures("site")
def test_a_release_named_like_a_version() -> None:
    assert "can't be named 2" in said_in_a_line(invoke("release", "--description", "2"))
