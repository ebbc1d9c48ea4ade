"""The neighbours' stand-ins as processes of the local stack; which of them are wanted."""

import sys
from collections.abc import Mapping, Sequence
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
    """Where the neighbours are, and which of them are ours to start."""

    zoom_url: str
    opencast_url: str
    slack_url: str
    sheets_url: str
    own: tuple[str, ...]

    def url(self, name: str) -> str:
        """The address of a neighbour."""
        return str(getattr(self, f"{name}_url"))


@dataclass(frozen=True)
class Files:
    """`trusted`: a PEM file. `google_key`: where Google's stand-in puts its account's file."""

    trusted: Path
    google_key: Path


def choose(local: LocalSettings) -> Neighbours:
    """The addresses given, and a free port for each stand-in where none is given."""
    urls = {
        "zoom": local.zoom_url,
        "opencast": local.opencast_url,
        "slack": local.slack_url,
        "sheets": local.sheets_url,
    }
    own = tuple(name for name, url in urls.items() if not url)
    urls |= {name: f"https://{HOST}:{choose_port(0)}" for name in own}
    return Neighbours(urls["zoom"], urls["opencast"], urls["slack"], urls["sheets"], own)


def start(
    neighbours: Neighbours,
    processes: Processes,
    env: Mapping[str, str],
    authority: Authority,
    files: Files,
) -> None:
    """Start our stand-ins, and return when they answer. Raises ProcessFailed if one doesn't.

    `env` has the stack's settings: names and secrets are theirs too.
    """
    options = _options(env, files)
    started = {}
    for name in neighbours.own:
        where = ["--port", neighbours.url(name).rpartition(":")[2]]
        where += ["--tls-dir", str(authority.certificate.parent)]
        command = [sys.executable, "-m", f"local.neighbours.{name}", *where, *options[name]]
        started[name] = processes.start(name, command, env)
    for name, process in started.items():
        process.wait_for(partial(_says, process.log, neighbours.url(name)), START_SECONDS)


def _options(env: Mapping[str, str], files: Files) -> Mapping[str, Sequence[str]]:
    """What each stand-in is told of the stack, secrets apart."""
    slack = ["--request-url", f"{env['API_BASE_URL']}/slack", "--trust", str(files.trusted)]
    slack += ["--channel", env["SLACK_ZIP_CHANNEL"]]
    sheets = ["--document", env["GSHEETS_DOC_ID"], "--credentials", str(files.google_key)]
    return {
        "zoom": ["--control", "--trust", str(files.trusted)],
        "opencast": ["--ca-bundle", str(files.trusted), "--workflow", env["DEFAULT_OC_WORKFLOW"]],
        "slack": [*slack, *_each("--group", env["SLACK_ALLOWED_GROUPS"])],
        "sheets": [*sheets, *_each("--tab", env["GSHEETS_SHEET_NAMES"])],
    }


def _each(option: str, listed: str) -> list[str]:
    """An option for each name of a list with commas."""
    names = filter(None, (name.strip() for name in listed.split(",")))
    return [f"{option}={name}" for name in names]


def _says(log: Path, url: str) -> bool:
    """Whether the stand-in has said where it listens, which it does once it does."""
    return url in log.read_text("utf-8", errors="replace")
