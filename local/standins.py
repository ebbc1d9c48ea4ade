"""Choose the addresses of a local stack's neighbours, and start their stand-ins."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.authority import Authority
from local.cloud import HOST, choose_port
from local.processes import Processes
from local.settings import LocalSettings

START_SECONDS = 20.0


@dataclass(frozen=True)
class Neighbours:
    """The neighbours' URLs. `own` has the names of the neighbours with a stand-in."""

    zoom_url: str
    opencast_url: str
    slack_url: str
    sheets_url: str
    own: tuple[str, ...]

    def url(self, name: str) -> str:
        """Return the URL of a neighbour by the neighbour's name."""
        return str(getattr(self, f"{name}_url"))


def choose(local: LocalSettings, cloud_port: int) -> Neighbours:
    """Return the neighbours' URLs. A neighbour without a setting gets a URL with a free port.

    No stand-in gets `cloud_port`, although nothing listens on that port yet.

    Raises:
        PortTaken: No free port was found.
    """
    urls = {
        "zoom": local.zoom_url,
        "opencast": local.opencast_url,
        "slack": local.slack_url,
        "sheets": local.sheets_url,
    }
    own = tuple(name for name, url in urls.items() if not url)
    taken = {cloud_port}
    for name in own:
        taken.add(port := choose_port(0, taken))
        urls[name] = f"https://{HOST}:{port}"
    return Neighbours(urls["zoom"], urls["opencast"], urls["slack"], urls["sheets"], own)


def start(
    neighbours: Neighbours,
    processes: Processes,
    env: Mapping[str, str],
    authority: Authority,
    *,
    trusted: Path,
    google_key: Path,
) -> None:
    """Start the stand-ins, and wait until they listen.

    `env` is the stand-ins' environment, which has the stack's settings and secrets. `trusted` is a
    PEM file of the authorities to trust. Google's stand-in writes the service account's key to
    `google_key`.

    Raises:
        ProcessFailed: A stand-in doesn't start.
    """
    options = _options(env, str(trusted), str(google_key))
    started = {}
    for name in neighbours.own:
        where = ["--port", neighbours.url(name).rpartition(":")[2]]
        where += ["--tls-dir", str(authority.certificate.parent)]
        command = [sys.executable, "-m", f"local.neighbours.{name}", *where, *options[name]]
        started[name] = processes.start(name, command, env)
    for name, process in started.items():
        process.wait_for_output(neighbours.url(name), START_SECONDS)


def _options(env: Mapping[str, str], trusted: str, google_key: str) -> Mapping[str, Sequence[str]]:
    trust = ["--trust", trusted]
    slack = ["--request-url", f"{env['API_BASE_URL']}/slack", "--channel", env["SLACK_ZIP_CHANNEL"]]
    sheets = ["--document", env["GSHEETS_DOC_ID"], "--credentials", google_key]
    return {
        "zoom": trust,
        "opencast": [*trust, "--workflow", env["DEFAULT_OC_WORKFLOW"]],
        "slack": [*trust, *slack, *_each("--group", env["SLACK_ALLOWED_GROUPS"])],
        "sheets": [*sheets, *_each("--tab", env["GSHEETS_SHEET_NAMES"])],
    }


def _each(option: str, listed: str) -> list[str]:
    """Return `<option>=<name>` for each of the comma-separated names in `listed`."""
    names = filter(None, (name.strip() for name in listed.split(",")))
    return [f"{option}={name}" for name in names]
