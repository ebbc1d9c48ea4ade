"""What curl needs for the same bytes in each direction alone: how cheap it can be, and how fast.

The sum of both CPU seconds per GB is the yardstick for a program that does both.
"""

import http.client
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from bench.transfer.cases import CASES, Load, one_file
from bench.transfer.peers.content import Generated
from bench.transfer.peers.remote import RemotePeer, RemoteS3, RemoteZoom
from bench.transfer.results import Curl
from bench.transfer.task import BUCKET, TOKEN
from bench.transfer.workplace import Workplace

LOAD = one_file(512)


class NoRedirect(Exception):
    """The fake Zoom didn't lead to a file."""


def has_curl() -> bool:
    """Whether this machine can be measured with."""
    return shutil.which("curl") is not None


def measure(
    place: Workplace, *, is_tls: bool, at_once: int, repetition: int, load: Load = LOAD
) -> list[Curl]:
    """GET and PUT of one file, each `at_once` times side by side, without caps."""
    [name] = load.files
    case = CASES["i"]
    place.zoom.configure(case.zoom_settings(load))
    place.s3.configure(case.s3_settings("discard"))
    curl = ["curl", "--silent", "--fail", "--cacert", str(place.tls.ca_bundle)]
    get = [*curl, "--output", os.devnull, _file_address(place.zoom, name, is_tls=is_tls)]
    root = place.s3.tls_url if is_tls else place.s3.url
    put = [
        *curl,
        *("--upload-file", str(_file(place.folder, name, load.size))),
        *("--header", "Authorization: none", "--header", "Expect:"),
        f"{root}/{BUCKET}/yardstick",
    ]
    sides: list[tuple[str, list[str], RemoteZoom | RemoteS3]] = [
        ("GET", get, place.zoom),
        ("PUT", put, place.s3),
    ]
    results = []
    for name, command, peer in sides:
        peer_before = peer.stats().cpu_s
        seconds, cpu_s = _run(command, at_once)
        results.append(
            Curl(
                program=name,
                tls=is_tls,
                at_once=at_once,
                repetition=repetition,
                size=load.size * at_once,
                seconds=seconds,
                cpu_s=cpu_s,
                peer_cpu_s=peer.stats().cpu_s - peer_before,
            )
        )
    return results


def _run(command: Sequence[str], at_once: int) -> tuple[float, float]:
    """Seconds from the first start to the last end, and CPU seconds of all."""
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
    """The bytes to upload, on a disk that is memory."""
    path = folder / f"{name}.mp4"
    if not path.exists():
        with path.open("wb") as file:
            for view in Generated(name, size).views(0, size):
                file.write(view)
    return path


def _file_address(zoom: RemotePeer, name: str, *, is_tls: bool) -> str:
    """Where Zoom's redirect leads. The plain port signs for both."""
    connection = http.client.HTTPConnection(urlsplit(zoom.url).netloc, timeout=10)
    try:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        connection.request("GET", f"/rec/download/{name}", headers=headers)
        location = connection.getresponse().headers["Location"]
    finally:
        connection.close()
    if not location:
        raise NoRedirect(f"No redirect came of /rec/download/{name}.")
    return str(location).replace(zoom.url, zoom.tls_url if is_tls else zoom.url)
