"""Processes of the engine, between the peers of this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.transfer.task import File, Task
from tests.transfer.rig import BUCKET, KNOWN, TOKEN, Rig, key_of

ROOT = Path(__file__).resolve().parents[2]
LOOK_SECONDS = 0.002
LONGEST_LIFE = 120.0


@contextmanager
def life(rig: Rig, name: str, size: int) -> Iterator[subprocess.Popen[str]]:
    """A process that copies a file; it is dead at the end."""
    task = Task(
        files=(File(name, rig.zoom.download_url(name), key_of(name), size),),
        s3_endpoint=rig.s3.url,
        ca="",
        token=TOKEN,
        bucket=BUCKET,
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.transfer.program"],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT}:{ROOT / 'functions'}",
            "AWS_ACCESS_KEY_ID": KNOWN.access_key,
            "AWS_SECRET_ACCESS_KEY": KNOWN.secret_key,
            "AWS_SESSION_TOKEN": KNOWN.token,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_ENDPOINT_URL_S3": task.s3_endpoint,
            **task.environment(),
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def whole_life(rig: Rig, name: str, size: int) -> int:
    """Copies a file to its end; the most memory that it took, in KiB."""
    with life(rig, name, size) as process:
        printed, _ = process.communicate(timeout=LONGEST_LIFE)
        assert process.returncode == 0
    return int(printed)


def short_life(rig: Rig, name: str, size: int, moment: int) -> bool:
    """Kills a copy as soon as Zoom has sent so many bytes more. False if it ended before."""
    begun = rig.zoom.counts.body_bytes
    with life(rig, name, size) as process:
        while rig.zoom.counts.body_bytes - begun < moment:
            with suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_SECONDS)
                return False
    return True
