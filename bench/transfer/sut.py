"""Run the transfer engine from any folder and with any Python: `python <this file>`.

bench/README.md describes how the engine gets its task. A Python that lacks packages of the engine
starts the project's Python, if there is one.
"""

import importlib.util
import os
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OWN_PYTHON = ROOT / ".venv" / "bin" / "python"
NEEDS = ("boto3", "msgspec", "tenacity", "urllib3", "zlib_ng")


def main() -> None:
    """Run `programs/engine.py`, by the project's Python if this Python lacks packages.

    Without a Python of the project, this Python runs the program in any case.
    """
    if OWN_PYTHON.exists() and not all(map(importlib.util.find_spec, NEEDS)):
        os.execv(OWN_PYTHON, [str(OWN_PYTHON), *sys.argv])  # noqa: S606  # this program again, no shell
    sys.path[:0] = [str(ROOT), str(ROOT / "functions")]
    runpy.run_module("bench.transfer.programs.engine", run_name="__main__")


if __name__ == "__main__":
    main()
