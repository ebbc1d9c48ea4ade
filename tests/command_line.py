"""Run `invoke …` in this process, for tests of the command's output and exit code."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import tasks
from ops.command_line import CommandLine

SHEET = "Course Code,Type,Day,Start,Meeting ID with Password,OC Series\n"
ROW = "HIST E-1,Lecture,M,9:30,https://zoom.us/j/123,https://oc/#/20260112345\n"

WITHOUT_AWS = {
    *("test", "package", "update-requirements", "stack.list", "stack.synth"),
    *("local.up", "local.down", "local.status", "local.env", "local.demo"),
    *("local.record", "local.fail", "audit"),
}
"""Commands that don't require AWS credentials."""

REQUIRED = {
    "codebuild": ["main"],
    "exec.on-demand": ["abc=="],
    "exec.pipeline": ["abc=="],
    "exec.webhook": ["abc=="],
    "logs.recording": ["abc=="],
    "migrate": ["zip-old"],
    "recordings.forget": ["abc=="],
    "schedule.csv-import": ["{csv}"],
    "schedule.import-json": ["{json}"],
    "schedule.export": ["{csv}.saved"],
    "schedule.remove": ["csv:fall.csv"],
    "schedule.oc-import": ["https://opencast.example.edu"],
    "schedule.save-creds": ["-f", "{key}"],
    "secrets.rotate": ["PIPELINE_SIGNING_KEY"],
}
"""Required arguments by command. `words` inserts the paths of files."""

NAMES = sorted(set(tasks.namespace.task_names) - WITHOUT_AWS)


@dataclass(frozen=True)
class Ended:
    """Exit code and output of a command that has ended."""

    code: int
    out: str
    err: str


def invoke(
    *arguments: str,
    output: type[io.StringIO] = io.StringIO,
    errors: type[io.StringIO] = io.StringIO,
) -> Ended:
    """Run a command of `invoke` in this process, with the settings of this environment.

    `output` and `errors` are the types of the streams in place of stdout and stderr.
    """
    out, err, code = output(), errors(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            CommandLine(namespace=tasks.namespace).run(["invoke", *arguments])
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
    return Ended(code, out.getvalue(), err.getvalue())


def good_files(folder: Path) -> None:
    """Write valid files whose paths `words` inserts into arguments."""
    (folder / "schedule.csv").write_text(SHEET + ROW)
    row = dict(zip(SHEET.strip().split(","), ROW.strip().split(","), strict=True))
    (folder / "schedule.json").write_text(json.dumps([row]))
    key = {"type": "service_account", "client_email": "a@b.example", "private_key": "-----BEGIN"}
    (folder / "key.json").write_text(json.dumps({**key, "token_uri": "https://c.example"}))


def words(name: str, folder: Path) -> list[str]:
    """Return a command's name and required arguments, with the paths of files in `folder`."""
    files = {"csv": "schedule.csv", "json": "schedule.json", "key": "key.json"}
    paths = {word: str(folder / file) for word, file in files.items()}
    return [name, *(word.format(**paths) for word in REQUIRED.get(name, ()))]


def said_in_a_line(done: Ended) -> str:
    """Check that a command failed with one line on stderr, and return the line."""
    assert done.code == 1, done
    assert done.err.endswith("\n")
    assert done.err.count("\n") == 1, done.err
    assert "Traceback" not in done.err
    return done.err.strip()
