"""Measure the CPU seconds that curl needs for a download alone, and for an upload alone.

The sum of the CPU seconds is the yardstick for a program that downloads and uploads the same bytes.
The command `peers` measures the speed of the stand-ins alone, which limits the programs' speed.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from bench.transfer import results, summary
from bench.transfer.cases import CASES, LOADS, Load
from bench.transfer.options import Command, Options, add_repetitions
from bench.transfer.peers.content import Generated
from bench.transfer.peers.remote import RemoteS3, RemoteZoom
from bench.transfer.results import Curl
from bench.transfer.stand_ins import StandIns, stand_ins
from bench.transfer.table import show
from bench.transfer.task import BUCKET


def measure(
    peers: StandIns,
    *,
    is_tls: bool,
    at_once: int,
    repetition: int,
    load: Load = LOADS["1x512"],
) -> list[Curl]:
    """Measure GET and PUT of one file, each `at_once` times in parallel. Return GET's result first.

    Raises:
        CalledProcessError: curl fails.
    """
    [name] = load.files
    case = CASES["i"]
    peers.zoom.configure(case.zoom_settings(load))
    peers.s3.configure(case.s3_settings("discard"))
    curl = ["curl", "--silent", "--fail", "--cacert", str(peers.tls.ca_bundle)]
    zoom_root = peers.zoom.tls_url if is_tls else peers.zoom.url
    get = [*curl, "--output", os.devnull, peers.zoom.sign(name, zoom_root)]
    root = peers.s3.tls_url if is_tls else peers.s3.url
    put = [
        *curl,
        *("--upload-file", str(_file(peers.folder, name, load.size))),
        *("--header", "Authorization: none", "--header", "Expect:"),
        f"{root}/{BUCKET}/yardstick",
    ]
    directions: list[tuple[str, list[str], RemoteZoom | RemoteS3]] = [
        ("GET", get, peers.zoom),
        ("PUT", put, peers.s3),
    ]
    measured = []
    for direction, command, peer in directions:
        peer_before = peer.stats().cpu_s
        seconds, cpu_s = _run(command, at_once)
        measured.append(
            Curl(
                program=direction,
                tls=is_tls,
                at_once=at_once,
                repetition=repetition,
                size=load.size * at_once,
                seconds=seconds,
                cpu_s=cpu_s,
                peer_cpu_s=peer.stats().cpu_s - peer_before,
            )
        )
    return measured


def _run(command: Sequence[str], at_once: int) -> tuple[float, float]:
    """Run a command `at_once` times in parallel, and return elapsed and CPU seconds.

    Raises:
        CalledProcessError: A process failed.
    """
    began = time.monotonic()
    running = [
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for _ in range(at_once)
    ]
    cpu_s = 0.0
    for process in running:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        cpu_s += used.ru_utime + used.ru_stime
    seconds = time.monotonic() - began
    for process in running:
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
    return seconds, cpu_s


def _file(folder: Path, name: str, size: int) -> Path:
    """Write the file to upload unless the file exists, and return the file's path."""
    path = folder / f"{name}.mp4"
    if not path.exists():
        with path.open("wb") as file:
            for view in Generated(name, size).views(0, size):
                file.write(view)
    return path


def _peers(options: Options) -> bool:
    """Measure both stand-ins with curl, append the results to `options.out`, and print a table.

    Return False if curl isn't installed, else True.
    """
    if not shutil.which("curl"):
        options.say("curl isn't installed.")
        return False
    lines: list[Curl] = []
    with stand_ins() as peers:
        for repetition, is_tls, at_once in product(range(options.reps), (True, False), (1, 4)):
            lines += measure(peers, is_tls=is_tls, at_once=at_once, repetition=repetition)
    for line in lines:
        results.write(options.out, line)
    show(summary.peers_alone(lines))
    return True


PEERS = Command("peers", "speed of the stand-ins, by curl (half a minute)", add_repetitions, _peers)
