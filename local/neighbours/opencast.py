"""A stand-in for Opencast, with ingests, events, series and authentication.

The stand-in refuses wrong requests as Opencast does. The system account comes from the environment.

    python -m local.neighbours.opencast --port 9446 --tls-dir .local/tls

Control requests have the header `Authorization: Bearer <LOCAL_CONTROL_TOKEN>`.

GET    /_control/ingests   returns every ingest in order, failed ones included
GET    /_control/tracks    returns every track that was added to an event after the event's ingest
POST   /_control/series    {"identifier", "title", …}: adds a series, given Dublin Core terms
POST   /_control/switches  the Switches to change, such as the state in which workflows end
POST   /_control/workflows a WorkflowChange: changes the workflows of an event
POST   /_control/delete    {"identifier"}: deletes an event
POST   /_control/faults    a Fault: makes requests fail
DELETE /_control/faults    removes every fault
"""

import argparse
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from local import authority
from local.authority import Authority, ensure_authority
from local.neighbours.https_server import Answer, Request
from local.neighbours.opencast_api import Api
from local.neighbours.opencast_store import (
    ADMIN,
    API,
    CAPTURE_AGENT,
    EVENTS_VIEW,
    AddedTrack,
    Clock,
    Fault,
    Ingest,
    SeenRequest,
    Store,
    Switches,
    User,
    WorkflowChange,
)
from local.neighbours.stand_in import CONTROL_TOKEN, Route, StandIn, changed, read_body, run

DEFAULT_WORKFLOW = "schedule-and-upload"


def default_users(name: str, password: str) -> tuple[User, ...]:
    """Return the system account, and three users who can do less.

    `database` is an administrator who can't use Digest. `agent` is a capture agent. `blind` may
    ingest and ask for events, but sees no event. The password of `database`, `agent` and `blind` is
    the user's name.
    """
    admin = frozenset({ADMIN, API, EVENTS_VIEW})
    lesser = {
        "database": admin,
        "agent": frozenset({CAPTURE_AGENT}),
        "blind": frozenset({CAPTURE_AGENT, API, EVENTS_VIEW}),
    }
    return (
        User(name=name, password=password, roles=admin, clear_text=True),
        *(
            User(name=other, password=other, roles=roles, clear_text=other != "database")
            for other, roles in lesser.items()
        ),
    )


class OpencastStandIn(StandIn):
    """A stand-in for Opencast. Nonces and workflows depend on `clock`, in seconds since 1970.

    `trust` is a PEM file of the authorities to trust when files are fetched, by default the local
    authority's.
    """

    def __init__(
        self,
        *,
        tls: Authority,
        users: Iterable[User],
        workflows: Iterable[str] = (),
        port: int = 0,
        control_token: str = "",
        trust: Path | None = None,
        clock: Clock = time.time,
        seed: int | None = None,
    ) -> None:
        super().__init__(tls, port, control_token)
        self.store = Store(
            users=users,
            workflows=workflows,
            default_workflow=DEFAULT_WORKFLOW,
            switches=Switches(),
            clock=clock,
            # The generator chooses only prefixes and ids, on which no secret depends.
            random=Random(seed),  # noqa: S311
        )
        self._api = Api(self.store, str(trust or tls.ca_bundle), self.stopping)

    @property
    def ingests(self) -> list[Ingest]:
        """The ingests so far, in the order in which they began."""
        with self.store.lock:
            return list(self.store.ingests)

    @property
    def added(self) -> list[AddedTrack]:
        """The tracks that were added to events after the events' ingests."""
        with self.store.lock:
            return list(self.store.added)

    @property
    def requests(self) -> list[SeenRequest]:
        """The requests so far, in the order of the answers."""
        with self.store.lock:
            return list(self.store.requests)

    def set(self, **switches: Any) -> None:
        """Change switches.

        Raises:
            msgspec.ValidationError: A name or a value is wrong.
        """
        self.store.switches = changed(self.store.switches, switches)

    def fail(self, fault: Fault) -> None:
        """Add a fault, which affects the next matching requests."""
        self.store.faults.add(fault)

    def add_series(self, identifier: str, **terms: str) -> None:
        """Add a series with the Dublin Core `terms`, unless the series exists."""
        catalog = {"identifier": identifier, **terms}
        self.store.add_series({term: [{"value": value}] for term, value in catalog.items()})

    def answer(self, request: Request) -> Answer:
        """Carry out a request, and return Opencast's answer."""
        return self._api.answer(request)

    def control(self) -> Mapping[tuple[str, str], Route]:
        """Return the routes that the module's docstring lists."""
        return {
            ("GET", "ingests"): lambda _: self.ingests,
            ("GET", "tracks"): lambda _: self.added,
            ("POST", "switches"): lambda request: self.set(**read_body(request, dict[str, Any])),
            ("POST", "series"): self._add_series,
            ("POST", "workflows"): lambda request: self.store.change_workflows(
                read_body(request, WorkflowChange)
            ),
            ("POST", "delete"): self._delete,
            ("POST", "faults"): lambda request: self.fail(read_body(request, Fault)),
            ("DELETE", "faults"): lambda _: self.store.faults.clear(),
        }

    def _delete(self, request: Request) -> None:
        identifier = read_body(request, dict[str, str]).get("identifier", "")
        if not self.store.delete_event(identifier):
            raise msgspec.ValidationError(f"there is no event {identifier!r}")

    def _add_series(self, request: Request) -> None:
        terms = read_body(request, dict[str, str])
        if not terms.get("identifier"):
            raise msgspec.ValidationError("a series needs an identifier")
        self.add_series(**terms)


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run the stand-in until SIGTERM or SIGINT, and return the exit code.

    The secrets `OPENCAST_API_PASSWORD` and `LOCAL_CONTROL_TOKEN` come from the environment, where
    other users can't read them. The exit code is 1 without `OPENCAST_API_USER` or the password.
    """
    options = _arguments(argv)
    name, password = environ.get("OPENCAST_API_USER"), environ.get("OPENCAST_API_PASSWORD")
    if not name or not password:
        print("Set OPENCAST_API_USER and OPENCAST_API_PASSWORD.", file=sys.stderr)
        return 1
    opencast = OpencastStandIn(
        tls=ensure_authority(options.tls_dir),
        users=default_users(name, password),
        workflows=options.workflow,
        port=options.port,
        control_token=environ.get(CONTROL_TOKEN, ""),
        trust=options.trust,
    )
    return run(opencast, "The Opencast stand-in")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.neighbours.opencast", description=__doc__
    )
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--tls-dir", type=Path, default=authority.DEFAULT_FOLDER)
    parser.add_argument("--trust", type=Path, help="PEM file to trust when files are fetched")
    parser.add_argument("--workflow", action="append", default=[], help="a known workflow's id")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
