"""A stand-in for Opencast on loopback: as strict as the real one, and it can be told to fail.

In a test:

    users = default_users("zip", "secret")
    with OpencastStandIn(certificate=..., key=..., ca_bundle=..., users=users) as opencast:
        opencast.add_series("20260112345", title="Biology")
        requests.get(opencast.url + "/_ingests", verify=ca_bundle)

As a process: `python -m local.neighbours.opencast --tls-dir ... --ca-bundle ...`; it says where
it listens in one line, `opencast https://127.0.0.1:<port>`, and ends on SIGTERM or SIGINT.
"""

import argparse
import os
import signal
import ssl
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

import msgspec

from local.neighbours.opencast_api import Api
from local.neighbours.opencast_control import Control
from local.neighbours.opencast_http import Server
from local.neighbours.opencast_store import (
    ADMIN,
    API,
    CAPTURE_AGENT,
    EVENTS_VIEW,
    Clock,
    Fault,
    Ingest,
    SeenRequest,
    Store,
    Switches,
    User,
)

HOST = "127.0.0.1"
DEFAULT_WORKFLOW = "schedule-and-upload"


def default_users(name: str, password: str) -> tuple[User, ...]:
    """The system account under the given name, and one user of each kind that gets less.

    `database` is an administrator from the database (Basic only), `agent` a capture agent,
    `blind` may ingest and ask for events but sees none. Their passwords are their names.
    """
    admin = frozenset({ADMIN, API, EVENTS_VIEW})
    lesser = {"database": admin, "agent": frozenset({CAPTURE_AGENT})}
    lesser["blind"] = frozenset({CAPTURE_AGENT, API, EVENTS_VIEW})
    return (
        User(name=name, password=password, roles=admin, clear_text=True),
        *(
            User(name=each, password=each, roles=roles, clear_text=each != "database")
            for each, roles in lesser.items()
        ),
    )


class OpencastStandIn:
    """The stand-in in this process; listens from `with` (or `start`) on, on `port`, 0 = any free.

    Everything can be set through HTTP too (`opencast_control`). `clock` gives seconds since the
    epoch: nonces and workflows age by it.
    """

    def __init__(
        self,
        *,
        certificate: Path,
        key: Path,
        ca_bundle: Path,
        port: int = 0,
        users: Iterable[User],
        workflows: Iterable[str] = (),
        default_workflow: str = DEFAULT_WORKFLOW,
        switches: Switches | None = None,
        clock: Clock = time.time,
        seed: int | None = None,
    ) -> None:
        # Prefixes and ids vary, they guard nothing.
        random = Random(seed)  # noqa: S311
        self.store = Store(
            users=users,
            workflows=workflows,
            default_workflow=default_workflow,
            switches=switches or Switches(),
            clock=clock,
            random=random,
        )
        self._stopping = threading.Event()
        self._api = Api(self.store, str(ca_bundle), self._stopping, random)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, key)
        self._port = port
        self._server: Server | None = None

    def start(self) -> Self:
        """Begin to listen; raises OSError if the port is taken."""
        self._server = Server((HOST, self._port), self._tls, self._api, self.store)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop listening; what is under way is broken off."""
        self._stopping.set()
        if self._server:
            self._server.shutdown()
            self._server.end_connections()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The base address, without a slash at its end."""
        if self._server is None:
            raise RuntimeError("the Opencast stand-in isn't running: call start() first")
        return f"https://{HOST}:{self._server.server_port}"

    @property
    def ingests(self) -> list[Ingest]:
        """The ingests so far, in the order in which they began."""
        with self.store.lock:
            return list(self.store.ingests)

    @property
    def requests(self) -> list[SeenRequest]:
        """The requests so far, in the order in which they were answered."""
        with self.store.lock:
            return list(self.store.requests)

    def set(self, **switches: Any) -> None:
        """Change switches by name; raises msgspec.ValidationError for a wrong name or type."""
        Control(self.store).set_switches(msgspec.json.encode(switches))

    def fail(self, fault: Fault) -> None:
        """Let the next requests fail like this."""
        with self.store.lock:
            self.store.faults.append(fault)

    def add_series(self, identifier: str, **terms: str) -> None:
        """Create a series with these Dublin Core terms."""
        catalog = {"identifier": identifier, **terms}
        self.store.add_series({term: [{"value": value}] for term, value in catalog.items()})


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.neighbours.opencast",
        description="A stand-in for Opencast. The system account comes from OPENCAST_API_USER "
        "and OPENCAST_API_PASSWORD.",
    )
    parser.add_argument("--port", type=int, default=0, help="0 (default): any free one")
    parser.add_argument("--tls-dir", type=Path, required=True, help="server.crt, server.key")
    parser.add_argument("--ca-bundle", type=Path, required=True, help="trusted for downloads")
    parser.add_argument("--workflow", action="append", default=[], help="a known workflow's id")
    parser.add_argument("--default-workflow", default=DEFAULT_WORKFLOW)
    parser.add_argument("--version", type=int, default=19, choices=(19, 20))
    parser.add_argument("--upstream", action="store_true", help="not DCE's: no attachmentUri")
    parser.add_argument("--active-seconds", type=float, default=1.0, help="how long workflows run")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run the stand-in until SIGTERM or SIGINT; 0, or 1 with a line that says what to do."""
    given = _arguments(argv)
    name, password = environ.get("OPENCAST_API_USER"), environ.get("OPENCAST_API_PASSWORD")
    if not name or not password:
        print("opencast: set OPENCAST_API_USER and OPENCAST_API_PASSWORD", flush=True)
        return 1
    switches = Switches(
        dce=not given.upstream, version=given.version, active_seconds=given.active_seconds
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        with OpencastStandIn(
            certificate=given.tls_dir / "server.crt",
            key=given.tls_dir / "server.key",
            ca_bundle=given.ca_bundle,
            port=given.port,
            users=default_users(name, password),
            workflows=given.workflow,
            default_workflow=given.default_workflow,
            switches=switches,
        ) as opencast:
            print(f"opencast {opencast.url}", flush=True)
            stop.wait()
    except OSError as error:
        print(f"opencast: free port {given.port}, check {given.tls_dir}: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
