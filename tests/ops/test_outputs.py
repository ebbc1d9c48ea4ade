"""Tests of commands' output at 80 and 120 columns, with and without colour, and in a pipe.

The tests compare the outputs with tests/ops/outputs/, so that a review shows each changed text.
`.venv/bin/pytest -n 0 tests/ops/test_outputs.py --rewrite-outputs` rewrites the files.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from invoke import Exit

from ingester.pipeline.states import State as IngestState
from local.commands import show_addresses
from ops import audit, waiting
from ops.code import package
from ops.logs.commands import Printer
from ops.migration import commands as migration
from ops.migration.copy_tables import Tally
from ops.recordings import printing as recordings
from ops.recordings import reconciling
from ops.stack import overview
from tests.cloud import REGION, Cloud
from tests.command_line import ROW, SHEET, invoke
from tests.infra.template import SETTINGS
from tests.ops.queue_harness import Queues, body
from tests.ops.sample_results import (
    CALM,
    CHANGES,
    LOCAL,
    LOG,
    OVERVIEW,
    PACKAGES,
    RECONCILED,
    RECORDINGS,
    REPORTS,
)
from tests.ops.terminals import TerminalText, plain

OUTPUTS = Path(__file__).parent / "outputs"

SLOW = re.compile(r"^.* … [0-9]+ s\n", re.MULTILINE)
"""A line of progress (`terminal.working`), which a command prints only on a slow machine."""

MOVING = re.compile(r"\x1b\[\?25l.*?\x1b\[\?25h\r\x1b\[1A\x1b\[2K", re.DOTALL)
"""All output of a moving line on a terminal, until the line is removed."""

COMMANDS = {
    "overview": [],
    "wrong-command": ["recording"],
    "wrong-option": ["queue.downloads", "--limit", "x"],
    "wrong-dry-run": ["debug.on", "--dry"],
    "wrong-uuid": ["exec.pipeline", "95846636714"],
    "wrong-function": ["deploy.all", "-f", "nothing"],
    "wrong-stack": ["stack.create"],
    "stack.list": ["stack.list"],
    "stack.delete-dry-run": ["stack.delete", "--dry-run"],
    "queue.downloads": ["queue.downloads"],
    "queue.retry-downloads-dry-run": ["queue.retry-downloads", "--all", "--dry-run"],
    "schedule.list": ["schedule.list"],
    "schedule.csv-import-dry-run": ["schedule.csv-import", "wrong.csv", "--dry-run"],
    "schedule.export": ["schedule.export", "saved.csv"],
    "recordings-unknown": ["recordings", "--meeting", "12345"],
    "wrong-forget": ["recordings.forget", "AAAAAAAAAAAAAAAAAAAAAA=="],
    "queue.uploads": ["queue.uploads"],
    "queue.retry-uploads": ["queue.retry-uploads"],
    "logs.all": ["logs.all"],
    "logs.recording": ["logs.recording", "AAAAAAAAAAAAAAAAAAAAAA=="],
    "schedule.remove-dry-run": ["schedule.remove", "csv:fall.csv", "--dry-run"],
    "schedule.import-json-dry-run": ["schedule.import-json", "fall.json", "--dry-run"],
    "schedule.list-unknown": ["schedule.list", "--meeting", "99912345678"],
    "wrong-remove": ["schedule.remove", "csv:nothing.csv"],
    "wrong-json": ["schedule.import-json", "wrong.csv"],
    "wrong-key": ["schedule.save-creds"],
    "wrong-since": ["exec.reconcile", "--since", "60d"],
    "wrong-length": ["logs.all", "--since", "yesterday"],
    "wrong-secret": ["secrets.rotate", "NOTHING"],
    "wrong-release": ["release", "--to", "v99"],
    "wrong-function-name": ["exec.downloader", "--qualifier", "v9"],
    "wrong-old-stack": ["migrate", "test"],
    "wrong-stand-in": ["local.fail", "aws", "503"],
    "wrong-failure": ["local.record", "--fail", "nothing"],
    "wrong-build": ["codebuild"],
    "wrong-environment": ["test", "-e", "lint,nothing"],
    "wrong-package": ["update-requirements", "--package", "nosuchpackagehere"],
    "wrong-ingest": ["exec.on-demand", "AAAAAAAAAAAAAAAAAAAAAA=="],
    "wrong-debug": ["debug.on"],
    "wrong-repository": ["codebuild", "main"],
    "wrong-tables": ["migrate", "zip-old"],
    "wrong-opencast": ["schedule.oc-import", "https://127.0.0.1:1"],
    "secrets.status": ["secrets.status"],
    "secrets.schedule-token": ["secrets.schedule-token"],
    "secrets.rotate": ["secrets.rotate", "PIPELINE_SIGNING_KEY"],
}
"""Commands that run on the in-process AWS, by the names of the files with their outputs."""


def _show_audit() -> None:
    with contextlib.suppress(Exit):
        audit.conclude(REPORTS)


SHOWN: dict[str, Callable[[], None]] = {
    "stack.status": lambda: overview.show(OVERVIEW),
    "stack.status-calm": lambda: overview.show(CALM),
    "stack.changeset": lambda: overview.show_changes("by-hand-20261014-183000", CHANGES),
    "package": lambda: package.show(PACKAGES),
    "migrate": lambda: migration.show(
        [Tally("schedule", copied=12, kept=3), _skipping()], "zip-old", dry_run=True
    ),
    "recordings": lambda: recordings.show(RECORDINGS),
    "logs": lambda: Printer(as_json=False, hidden=("uuid",))(LOG),
    "exec.reconcile": lambda: reconciling.show(RECONCILED),
    "local.up": lambda: show_addresses(LOCAL),
    "audit": _show_audit,
}
"""Functions that print the answers of commands for which the in-process AWS doesn't suffice."""


def _skipping() -> Tally:
    tally = Tally("status rows", copied=220)
    tally.leave_out("auto-ingest-abc==", "is unreadable: its time is missing")
    tally.named.append("auto-ingest-abc== is unreadable: its time is missing, look at the old row")
    return tally


@pytest.fixture
def shell(
    downloads: Queues,
    aws: Cloud,
    shell_of_stack: pytest.MonkeyPatch,
    tmp_path: Path,
) -> pytest.MonkeyPatch:
    """Make a stack with messages, secrets and a schedule.

    Return a patch of the shell, whose settings name the stack.
    """
    settings = {**SETTINGS, "STACK_NAME": "test", "AWS_REGION": REGION}
    for name, value in {**settings, "LAMBDA_CODE_BUCKET": aws.bucket}.items():
        shell_of_stack.setenv(name, value)
    shell_of_stack.chdir(tmp_path)
    shell_of_stack.setenv("LINES", "25")
    # Prevent the waiting line, which only a slow machine would show.
    shell_of_stack.setattr(waiting, "QUIET_SECONDS", 600.0)
    for number, reason in enumerate(("Invalid Opencast series id.", "Zoom answered 404. " * 5)):
        topic = "HIST E-1010 Mapping the Ocean, with a long title of its own"
        downloads.add_to_dlq(body(number, topic=topic), reason=reason, group=f"g{number}")
        downloads.row(number, IngestState.DOWNLOADER_FAILED, reason=reason)
    downloads.add_to_dlq("no json")
    for secret in ("ZOOM_CLIENT_SECRET", "SCHEDULE_UPDATE_TOKEN"):
        name = f"/zoom-ingester/test/{secret}"
        aws.ssm.put_parameter(Name=name, Value="y" * 32, Type="SecureString")
    (tmp_path / "fall.csv").write_text(SHEET + ROW)
    row = dict(zip(SHEET.strip().split(","), ROW.strip().split(","), strict=True))
    (tmp_path / "fall.json").write_text(json.dumps([row]))
    (tmp_path / "wrong.csv").write_text(SHEET + ROW + ROW.replace("9:30", "25:30"))
    assert invoke("schedule.csv-import", "fall.csv").code == 0
    return shell_of_stack


def steady(printed: str) -> str:
    """Return output with fixed times, ids and version, and without spaces at the ends of lines."""
    for pattern, text in (
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-10-14 18:30:00"),
        (r"== since \d{4}-\d\d-\d\d \d\d:\d\d", "== since 2026-10-14 18:30"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "00000000-0000-0000-0000-000000000000"),
        (r"(Zoom Ingester Pipeline) \S+", r"\1 0123abc"),
    ):
        printed = re.sub(pattern, text, printed)
    return "".join(f"{line.rstrip()}\n" for line in printed.splitlines())


def pages(run: Callable[[type[io.StringIO]], str], shell: pytest.MonkeyPatch) -> str:
    """Return the output of `run` at 80 and 120 columns, in colour and in a pipe, with titles.

    Also check that lines without a very long word fit into the terminal, that NO_COLOR prevents
    colours, and that a pipe gets no escape sequences.
    """
    shell.setenv("TERM", "xterm-256color")
    shell.setenv("NO_COLOR", "1")
    shell.setenv("COLUMNS", "80")
    narrow = run(TerminalText)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", narrow), "a colour in spite of NO_COLOR"
    shell.delenv("NO_COLOR")
    shell.setenv("COLUMNS", "120")
    wide = run(TerminalText)
    piped = run(io.StringIO)
    assert "\x1b" not in piped
    for printed, columns in ((narrow, 80), (wide, 120)):
        assert_no_word_breaks(plain(printed), columns)
    found = {
        "80 columns": plain(narrow),
        "120 columns": plain(wide),
        "120 columns, in colour": wide.replace("\x1b", "\N{SYMBOL FOR ESCAPE}"),
        "in a pipe": piped,
    }
    return "".join(f"===== {title} =====\n{steady(text)}" for title, text in found.items())


def assert_no_word_breaks(printed: str, columns: int) -> None:
    """Fail if a line without a very long word is wider than the terminal."""
    wide = [
        line
        for line in printed.splitlines()
        if len(line.rstrip()) > columns and max(map(len, line.split())) < columns - 20
    ]
    assert not wide


def store_or_compare(outputs: dict[str, str], *, store: bool) -> None:
    """Compare outputs with the stored outputs, or store the outputs. Fail if any output differs."""
    differing = {}
    for name, found in outputs.items():
        path = OUTPUTS / f"{name}.txt"
        if store:
            path.write_text(found, "utf-8")
        stored = path.read_text("utf-8") if path.exists() else ""
        lines = difflib.unified_diff(stored.splitlines(), found.splitlines(), str(path), "now")
        if difference := "\n".join(lines):
            differing[name] = difference
    assert not differing, "\n".join(differing.values())


def test_commands_print_the_stored_outputs(
    shell: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    # All commands share one stack, because its set-up takes longer than the commands.
    def outputs(name: str) -> str:
        def run(output: type[io.StringIO]) -> str:
            done = invoke(*COMMANDS[name], output=output, errors=output)
            errors = SLOW.sub("", MOVING.sub("", done.err))
            return f"{done.out}{errors}exit code {done.code}\n"

        return pages(run, shell)

    found = {name: outputs(name) for name in COMMANDS}
    store_or_compare(found, store=request.config.getoption("--rewrite-outputs"))


def test_functions_that_print_answers_print_the_stored_outputs(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    def outputs(show: Callable[[], None]) -> str:
        def run(streams: type[io.StringIO]) -> str:
            out = streams()
            with contextlib.redirect_stdout(out):
                show()
            return out.getvalue()

        return pages(run, monkeypatch)

    found = {name: outputs(show) for name, show in SHOWN.items()}
    store_or_compare(found, store=request.config.getoption("--rewrite-outputs"))


def test_every_stored_output_belongs_to_a_tested_command_or_function() -> None:
    assert {path.stem for path in OUTPUTS.iterdir()} == {*COMMANDS, *SHOWN}
