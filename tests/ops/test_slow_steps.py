"""Tests that slow commands show progress on a terminal.

Each slow program here waits until the terminal has printed something. A command that shows no
progress fails after a timeout.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from local.recorder import run_on_terminal
from ops.code.package import ROOT
from ops.stack.cdk_cli import changed_resource
from tests.ops.terminals import plain

SLOW_PROGRAM = """#!/bin/sh
touch begun
n=0
while [ ! -e seen ]; do sleep 0.05; n=$((n + 1)); [ $n -lt 600 ] || exit 9; done
cat <<'END'
{then}
END
"""

CHANGES = """\
zip-test | 1/3 | 6:25:03 PM | CREATE_IN_PROGRESS | AWS::SQS::Queue | Download (Download12AB)
zip-test | 2/3 | 6:25:04 PM | CREATE_COMPLETE    | AWS::SQS::Queue | Download (Download12AB)
Outputs:
zip-test.ExportsApi = abc"""

SETUP = """
from pathlib import Path
from ops import setup

def install(folder, fresh, log):
    Path(folder).mkdir()
    setup.call(["{folder}/slow"], log)

Path(".local").mkdir()
setup.run_all([setup.Step("tools", (), "", install)])
"""

DEPLOY = """
import os
from pathlib import Path
from ops import terminal
from ops.stack.cdk_cli import CdkCli
from ops.stack.commands import changes_to

cli = CdkCli(os.environ, output=Path("{folder}/cdk.out"), program=Path("{folder}/slow"))
with terminal.working("Deploying zip-test") as activity:
    cli.deploy("zip-test", changes_to(activity))
"""

DIFF = """
import os
from pathlib import Path
from ops.stack.cdk_cli import CdkCli
from ops.stack.commands import show_differences

cli = CdkCli(os.environ, output=Path("{folder}/cdk.out"), program=Path("{folder}/slow"))
show_differences(cli, "zip-test")
"""

AUDIT = """
import os
from pathlib import Path
from ops import audit
from ops.requirements import ROOT

print(audit.ask("npm audit", audit.audit_node, ROOT, os.environ).line)
"""

AWS = """
import http.server, os, threading, time
from pathlib import Path
from cdk.stack_location import Place
from ops.target import stack_exists, target_of

NONE = b"<ErrorResponse><Error><Code>ValidationError</Code>"
NONE += b"<Message>zip-test does not exist</Message></Error></ErrorResponse>"

class SlowCloud(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        Path("{folder}/begun").touch()
        ends = time.monotonic() + 30
        while not Path("{folder}/seen").exists() and time.monotonic() < ends:
            time.sleep(0.05)
        self.send_response(400 if Path("{folder}/seen").exists() else 403)
        self.send_header("Content-Length", str(len(NONE)))
        self.end_headers()
        self.wfile.write(NONE)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), SlowCloud)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{server.server_port}"
os.environ.update(AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret", NO_PROXY="127.0.0.1")
target = target_of(Place("zip-test", "zip-code", "live", "us-east-1", ""))
print(stack_exists(target.client("cloudformation"), "zip-test"))
"""


def run_slowly(folder: Path, code: str) -> str:
    """Run Python code, which must succeed, on a terminal. Return output without escape sequences.

    The slow program may end as soon as the terminal has got output twice since the program's start.
    """
    for name in ("slow", "npm"):
        path = folder / name
        path.write_text(SLOW_PROGRAM.format(then=CHANGES).replace("begun", f"{folder}/begun"))
        path.write_text(path.read_text().replace("seen", f"{folder}/seen"))
        path.chmod(0o755)
    pieces = 0

    def on_output(_printed: str) -> None:
        nonlocal pieces
        pieces += (folder / "begun").exists()
        if pieces >= 2:
            (folder / "seen").touch()

    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'functions'}",
        "TERM": "xterm-256color",
        "COLUMNS": "100",
        "HOME": str(folder),
    }
    program = [sys.executable, "-c", code.replace("{folder}", str(folder))]
    ended, printed = run_on_terminal(program, environment, on_output, folder)
    assert ended == 0, printed
    return plain(printed)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (SETUP, "  tools: "),
        (DEPLOY, "Deploying zip-test"),
        (DIFF, "Comparing"),
        (AUDIT, "Asking"),
        (AWS, "Waiting for AWS"),
    ],
    ids=["setup", "deploy", "diff", "audit", "aws"],
)
def test_a_command_shows_progress_while_its_slow_program_runs(
    code: str, says: str, tmp_path: Path
) -> None:
    assert says in run_slowly(tmp_path, code)


def test_a_deployment_prints_changed_resources_and_logs_the_whole_output(tmp_path: Path) -> None:
    printed = run_slowly(tmp_path, DEPLOY)
    assert "  created: Download (SQS::Queue)\r\n" in printed
    assert "Outputs" not in printed
    assert (tmp_path / ".local" / "cdk.log").read_text() == f"{CHANGES}\n"


def test_differences_of_a_stack_are_printed_as_the_cdk_cli_prints_them(tmp_path: Path) -> None:
    assert "zip-test.ExportsApi = abc\r\n" in run_slowly(tmp_path, DIFF)


@pytest.mark.parametrize(
    ("line", "change"),
    [
        (
            "zip | 3/9 | 1:02:03 AM | UPDATE_COMPLETE | AWS::Lambda::Alias | slack/Fn (slackFn1A)",
            "updated: slack/Fn (Lambda::Alias)",
        ),
        (
            "zip | 3/9 | 1:02:03 AM | CREATE_FAILED | AWS::S3::Bucket | Files (FilesAB) Taken",
            "create failed: Files Taken (S3::Bucket)",
        ),
        ("zip | 3/9 | 1:02:03 AM | UPDATE_IN_PROGRESS | AWS::S3::Bucket | Files (FilesAB)", None),
        ("zip | UPDATE_COMPLETE_CLEANUP_IN_PROGRESS | AWS::CloudFormation::Stack | zip", None),
        ("Outputs:", None),
    ],
)
def test_only_the_end_of_a_change_of_a_resource_is_described_in_words(
    line: str, change: str | None
) -> None:
    assert changed_resource(line) == change
