"""The CDK's command line (`node_modules/.bin/cdk`), run on this project's app."""

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
    # The kernel below aws-cdk-lib wants the major versions about which it is to be silent.
    "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
    "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION": "1",
    "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
    # Else it unpacks 200 MB into the home folder, and fails where that can't be written.
    "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(ROOT / ".local" / "jsii"),
}
# Without telemetry, and without paths and assets noted at every resource: no one here reads them.
OPTIONS = ("--no-notices", "--no-version-reporting", "--no-path-metadata", "--no-asset-metadata")


@dataclass(frozen=True)
class CdkCli:
    """How to run it. The stack's settings come from `environment` and, if given, `env_file`.

    `environment` is the whole environment of the program: PATH and credentials too. `output` is
    where the synthesized stack goes. `home` is the CLI's own folder (it remembers accounts there),
    by default `~/.cdk`.
    """

    environment: Mapping[str, str]
    env_file: Path | None = None
    output: Path = ROOT / "cdk.out"
    home: Path | None = None

    def run(self, *arguments: str, log: IO[bytes] | None = None) -> None:
        """Run `cdk <arguments>`; what it says goes to `log` or the terminal.

        OpsError if it isn't installed or ends with an error.
        """
        if not PROGRAM.exists():
            raise OpsError(f"{PROGRAM} is missing: run `make setup`.")
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
        """The command line with the app, as a list."""
        app = [sys.executable, "-m", "cdk.app", *([str(self.env_file)] if self.env_file else [])]
        where = ["--app", shlex.join(app), "--output", str(self.output)]
        return [str(PROGRAM), *arguments, *OPTIONS, *where]

    def deploy(self, stack_name: str, *, approval: str, log: IO[bytes] | None = None) -> None:
        """Make or change the stack.

        `approval` is what the person at the keyboard is asked about first: `broadening` (of
        rights), `any-change` or `never`. OpsError if it fails or is refused.
        """
        # Without a change set in between: that saves a good part of the time.
        self.run(
            *("deploy", stack_name, "--method=direct", f"--require-approval={approval}"), log=log
        )

    def prepare_change_set(self, stack_name: str, change_set: str) -> None:
        """Make a change set that can be looked at and executed. OpsError if it fails.

        The command line says much as if it had deployed; it goes to `.local/cdk.log`.
        """
        method = ("--method=prepare-change-set", f"--change-set-name={change_set}")
        path = self.output.parent / ".local" / "cdk.log"
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as log:
            self.run("deploy", stack_name, *method, "--require-approval=never", log=log)

    def destroy(self, stack_name: str, *, log: IO[bytes] | None = None) -> None:
        """Delete the stack, without asking. OpsError if it fails."""
        self.run("destroy", stack_name, "--force", log=log)

    def _environment(self) -> dict[str, str]:
        home = {"CDK_HOME": str(self.home)} if self.home else {}
        return {**self.environment, **QUIET, **home}
