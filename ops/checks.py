"""`invoke test`: run the checks and tests of tox.ini."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from invoke import Context, Exit

from ops.command import OpsError, command

ROOT = Path(__file__).resolve().parent.parent


@command(
    name="test", help={"environments": "only these environments of tox.ini, such as lint,unit"}
)
def run_tests(_context: Context, environments: str | None = None) -> None:
    """Run every check and test (tox)."""
    if environments is not None:
        check_environments(environments.split(","))
    chosen = ["-e", environments] if environments else []
    code = subprocess.call([sys.executable, "-m", "tox", *chosen], cwd=ROOT)
    if code:
        raise Exit(code=code)


def check_environments(names: Iterable[str]) -> None:
    """Raise OpsError if tox.ini lacks any of the environments `names`."""
    sections = re.findall(r"^\[testenv:(.+)\]$", (ROOT / "tox.ini").read_text(), re.MULTILINE)
    for name in names:
        if name.strip() not in sections:
            known = ", ".join(sections)
            raise OpsError(f"tox.ini has no environment {name.strip()!r}. There are: {known}.")
