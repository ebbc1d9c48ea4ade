"""Run stand-ins as programs, which print their URL and end on SIGTERM."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from local.processes import ROOT


@contextmanager
def program(module: str, options: Sequence[str], environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the URL of a stand-in whose program runs until the end of the `with` block.

    Assert that the program then ends on SIGTERM with exit code 0.
    """
    command = [sys.executable, "-m", module, *options]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environ, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
