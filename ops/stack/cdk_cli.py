"""Run the CDK's command line (`node_modules/.bin/cdk`) on this project's app."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from ops.command import OpsError

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "node_modules" / ".bin" / "cdk"

QUIET = {
    "CDK_DISABLE_CLI_TELEMETRY": "true",
    "NODE_NO_WARNINGS": "1",
    "AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED": "1",
    # jsii, which aws-cdk-lib uses, would warn about old and untested versions of Node.
    "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
    "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION": "1",
    "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
    # By default jsii unpacks 200 MB into the home folder, and fails if that folder is read-only.
    "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(ROOT / ".local" / "jsii"),
}
# The OPTIONS turn off telemetry, notices, and metadata at each resource of the template.
OPTIONS = ("--no-notices", "--no-version-reporting", "--no-path-metadata", "--no-asset-metadata")


LAST_LINES = 5
"""Number of lines at the end of the output that an error quotes."""

OnLine = Callable[[str], None]
CHANGE = re.compile(
    r"\|\s*(?P<state>[A-Z]+(?:_[A-Z]+)*_(?:COMPLETE|FAILED|SKIPPED))\s*\|\s*"
    r"(?P<type>AWS::[\w:]+|Custom::\w+)\s*\|\s*(?P<resource>.+?)\s*$"
)


def changed_resource(line: str) -> str | None:
    """Return the change of a resource that a line of the CLI reports; None for any other line."""
    found = CHANGE.search(line)
    if not found:
        return None
    # The logical id in brackets is dropped, but not a failure's reason, which follows.
    name = re.sub(r" \(\w+\)", "", found["resource"], count=1)
    state = found["state"].removesuffix("_COMPLETE").replace("_", " ").lower()
    return f"{STATES.get(state, state)}: {name} ({found['type'].removeprefix('AWS::')})"


STATES = {"create": "created", "update": "updated", "delete": "deleted"}


COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""The escape sequences of the CLI's colours. An error has a colour of its own."""

STEPS = re.compile(r"(\x1b\[[0-9;]*m)*(start: |success: |Hold on while we create |✨ )")
"""The beginnings of the CLI's lines about the CLI's own steps in `cdk diff`."""


def _ignore(_line: str) -> None:
    """Do nothing with a line of output."""


@dataclass(frozen=True)
class CdkCli:
    """The CDK's command line, with settings from `environment` and `env_file`.

    `environment` is the program's whole environment, with PATH and credentials. `output` is the
    folder for the synthesized stack. `home` is the CLI's own folder, in which the CLI caches
    accounts, by default `~/.cdk`. `program` is the executable file.
    """

    environment: Mapping[str, str]
    env_file: Path | None = None
    output: Path = ROOT / "cdk.out"
    home: Path | None = None
    program: Path = PROGRAM

    def run(self, *arguments: str, log: IO[bytes], on_line: OnLine = _ignore) -> None:
        """Run `cdk <arguments>`. Write the output to `log`, and pass each line to `on_line`.

        Raises:
            OpsError: The CLI is missing, or failed. After a failure, the text has the last lines of
                the output.
        """
        self._require_program()
        last: deque[str] = deque(maxlen=LAST_LINES)
        with subprocess.Popen(
            self.command(*arguments),
            cwd=ROOT,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as running:
            try:
                for content in running.stdout or ():
                    log.write(content)
                    log.flush()
                    line = content.decode("utf-8", "replace").rstrip()
                    if line:
                        last.append(COLOURS.sub("", line))
                    on_line(line)
            except BaseException:
                running.kill()
                raise
        if running.returncode:
            summary = f"`cdk {arguments[0]}` failed (exit code {running.returncode})."
            raise OpsError("\n".join([*last, f"{summary} What it said: {log.name}"]))

    def command(self, *arguments: str) -> list[str]:
        """Return the words of the command line `cdk <arguments>` with the app and the options."""
        app = [sys.executable, "-m", "cdk.app", *([str(self.env_file)] if self.env_file else [])]
        where = ["--app", shlex.join(app), "--output", str(self.output)]
        return [str(self.program), *arguments, *OPTIONS, *where]

    def output_of(self, *arguments: str) -> str:
        """Return the standard output of `cdk <arguments>`.

        The output is read completely, because the CLI would print a trace if the reader went away.

        Raises:
            OpsError: The CLI is missing, or failed.
        """
        self._require_program()
        ended = subprocess.run(
            self.command(*arguments),
            cwd=ROOT,
            env=self._environment(),
            capture_output=True,
            check=False,
        )
        if ended.returncode:
            said = ended.stderr.decode("utf-8", "replace")
            raise OpsError(
                f"{said}`cdk {arguments[0]}` failed (exit code {ended.returncode}).".lstrip()
            )
        return ended.stdout.decode()

    def differences(self, stack_name: str, *, colour: bool) -> str:
        """Return the CLI's text about the changes of an update, without the CLI's own steps.

        Raises:
            OpsError: The CLI is missing, or failed.
        """
        coloured = replace(
            self, environment={**self.environment, **({"FORCE_COLOR": "1"} if colour else {})}
        )
        lines: list[str] = []
        with self.open_log() as log:
            coloured.run("diff", stack_name, log=log, on_line=lines.append)
        return "\n".join(line for line in lines if not STEPS.match(line)).strip("\n")

    def deploy(self, stack_name: str, on_line: OnLine = _ignore) -> None:
        """Create or change the stack, without confirmation.

        Raises:
            OpsError: The CLI is missing, or failed.
        """
        # A deployment without a change set takes much less time.
        how = ("--method=direct", "--require-approval=never", "--progress=events")
        with self.open_log() as log:
            self.run("deploy", stack_name, *how, log=log, on_line=on_line)

    def prepare_change_set(self, stack_name: str, change_set: str) -> None:
        """Make a change set without executing it.

        The CLI's output isn't shown, because the output reads as if the stack were deployed.

        Raises:
            OpsError: The CLI is missing, or failed.
        """
        method = ("--method=prepare-change-set", f"--change-set-name={change_set}")
        with self.open_log() as log:
            self.run("deploy", stack_name, *method, "--require-approval=never", log=log)

    def destroy(self, stack_name: str, on_line: OnLine = _ignore) -> None:
        """Delete the stack without confirmation.

        Raises:
            OpsError: The CLI is missing, or failed.
        """
        with self.open_log() as log:
            self.run("destroy", stack_name, "--force", log=log, on_line=on_line)

    def open_log(self) -> IO[bytes]:
        """Open the file for the CLI's own output, and empty the file."""
        path = self.output.parent / ".local" / "cdk.log"
        path.parent.mkdir(exist_ok=True)
        return path.open("wb")

    def _require_program(self) -> None:
        if not self.program.exists():
            raise OpsError(f"{self.program} is missing: run `make setup`.")

    def _environment(self) -> dict[str, str]:
        home = {"CDK_HOME": str(self.home)} if self.home else {}
        return {**self.environment, **QUIET, **home}
