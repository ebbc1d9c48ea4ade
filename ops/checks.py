"""`invoke test`: run the checks and tests that CI runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from invoke import Context, Exit

from ops.command import command

ROOT = Path(__file__).resolve().parent.parent


@command(
    name="test", help={"environments": "only these environments of tox.ini, such as lint,unit"}
)
def run_tests(_context: Context, environments: str | None = None) -> None:
    """Run every check and test (tox)."""
    chosen = ["-e", environments] if environments else []
    code = subprocess.call([sys.executable, "-m", "tox", *chosen], cwd=ROOT)
    if code:
        raise Exit(code=code)
