"""Run the CDK's command line (`node_modules/.bin/cdk`) on this project's app."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ops.command import OpsError

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "node_modules" / ".bin" / "cdk"

QUIET = {
    "CDK_DISABLE_CLI_TELEMETRY": "true",
    "NODE_NO_WARNINGS": "1",
    "AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED": "1",
    # jsii, below aws-cdk-lib, is silent about these versions of Node only.
    "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
    "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION": "1",
    "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
    # Otherwise jsii unpacks 200 MB into the home folder, and fails if that is read-only.
    "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(ROOT / ".local" / "jsii"),
}
# No telemetry, and no paths and assets noted at each resource.
OPTIONS = ("--no-notices", "--no-version-reporting", "--no-path-metadata", "--no-asset-metadata")


@dataclass(frozen=True)
class CdkCli:
    """The CDK's command line. The settings come from `environment` and, if given, `env_file`.

    `environment` is the program's whole environment, with PATH and credentials. `output` is the
    folder for the synthesized stack. `home` is the CLI's own folder (it remembers accounts there),
    by default `~/.cdk`. `program` is its executable file.
    """

    environment: Mapping[str, str]
    env_file: Path | None = None
    output: Path = ROOT / "cdk.out"
    home: Path | None = None
    program: Path = PROGRAM

    def run(self, *arguments: str, log: IO[bytes] | None = None) -> None:
        """Run `cdk <arguments>`, its output to `log` or the terminal.

        Raises OpsError on failure.
        """
        self._require_program()
        code = subprocess.call(
            self.command(*arguments),
            cwd=ROOT,
            env=self._environment(),
            stdout=log,
            stderr=subprocess.STDOUT if log else None,
        )
        if code:
            where = f" What it said: {log.name}" if log else ""
            raise OpsError(f"`cdk {arguments[0]}` failed (exit code {code}).{where}")

    def command(self, *arguments: str) -> list[str]:
        """Return the command line with the app, as a list."""
        app = [sys.executable, "-m", "cdk.app", *([str(self.env_file)] if self.env_file else [])]
        where = ["--app", shlex.join(app), "--output", str(self.output)]
        return [str(self.program), *arguments, *OPTIONS, *where]

    def output_of(self, *arguments: str) -> str:
        """Return what `cdk <arguments>` prints. Raises OpsError on failure.

        The program would print a trace if the reader of its output went away.
        """
        self._require_program()
        ended = subprocess.run(
            self.command(*arguments),
            cwd=ROOT,
            env=self._environment(),
            stdout=subprocess.PIPE,
            check=False,
        )
        if ended.returncode:
            raise OpsError(f"`cdk {arguments[0]}` failed (exit code {ended.returncode}).")
        return ended.stdout.decode()

    def deploy(self, stack_name: str) -> None:
        """Create or change the stack, without confirmation. Raises OpsError if that fails."""
        # Without a change set, which saves much of the time.
        self.run("deploy", stack_name, "--method=direct", "--require-approval=never")

    def prepare_change_set(self, stack_name: str, change_set: str) -> None:
        """Make a change set that can be inspected and executed. Raises OpsError if that fails.

        The CLI's output goes to `.local/cdk.log`: it reads as if it had deployed.
        """
        method = ("--method=prepare-change-set", f"--change-set-name={change_set}")
        path = self.output.parent / ".local" / "cdk.log"
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as log:
            self.run("deploy", stack_name, *method, "--require-approval=never", log=log)

    def destroy(self, stack_name: str, *, log: IO[bytes] | None = None) -> None:
        """Delete the stack without confirmation. Raises OpsError if that fails."""
        self.run("destroy", stack_name, "--force", log=log)

    def _require_program(self) -> None:
        if not self.program.exists():
            raise OpsError(f"{self.program} is missing: run `make setup`.")

    def _environment(self) -> dict[str, str]:
        home = {"CDK_HOME": str(self.home)} if self.home else {}
        return {**self.environment, **QUIET, **home}
