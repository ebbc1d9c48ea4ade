"""The version of this checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def revision() -> str:
    """Return this checkout's version by `git describe`; "" if git fails.

    If tracked files have changes, the text ends with `-dirty`.
    """
    git = ["git", "-C", str(ROOT), "describe", "--tags", "--always", "--dirty"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
