"""The neighbours' stand-ins as processes of the local stack; which of them are wanted."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from local.authority import Authority
from local.cloud import HOST, choose_port
from local.processes import Processes
from local.settings import LocalSettings

START_SECONDS = 20.0


@dataclass(frozen=True)
class Neighbours:
    """Where Zoom and Opencast are, and which of them are ours to start."""

    zoom_url: str
    opencast_url: str
    own: tuple[str, ...]


def choose(local: LocalSettings) -> Neighbours:
    """The addresses given, and a free port for each stand-in where none is given."""
    urls = {"zoom": local.zoom_url, "opencast": local.opencast_url}
    own = tuple(name for name, url in urls.items() if not url)
    urls |= {name: f"https://{HOST}:{choose_port(0)}" for name in own}
    return Neighbours(urls["zoom"], urls["opencast"], own)


def start(
    neighbours: Neighbours,
    processes: Processes,
    env: Mapping[str, str],
    authority: Authority,
    trusted: Path,
) -> None:
    """Start our stand-ins, and return when they answer. Raises ProcessFailed if one doesn't.

    `env` has the stack's settings: names and secrets are theirs too.
    """
    options = {
        "zoom": ["--control", "--trust", str(trusted)],
        "opencast": ["--ca-bundle", str(trusted), "--workflow", env["DEFAULT_OC_WORKFLOW"]],
    }
    urls = {"zoom": neighbours.zoom_url, "opencast": neighbours.opencast_url}
    started = {}
    for name in neighbours.own:
        where = ["--port", urls[name].rpartition(":")[2]]
        where += ["--tls-dir", str(authority.certificate.parent)]
        command = [sys.executable, "-m", f"local.neighbours.{name}", *where, *options[name]]
        started[name] = processes.start(name, command, env)
    for name, process in started.items():
        process.wait_for(partial(_says, process.log, urls[name]), START_SECONDS)


def _says(log: Path, url: str) -> bool:
    """Whether the stand-in has said where it listens, which it does once it does."""
    return url in log.read_text("utf-8", errors="replace")
