"""The stand-in's own paths, open to anyone on this machine: what it saw, and how it shall behave.

GET    /_ingests               every ingest in order, failed ones too
GET    /_requests              every request in order
GET    /_control/switches      POST: change those that are given
GET    /_control/faults        POST: add one; DELETE: none any more
POST   /_control/series        {"identifier", "title", any other term, ...}
POST   /_control/users         a user
POST   /_control/events        {"identifier", "title", "series", "active"}
POST   /_control/reset         forget ingests, events, requests and faults
"""

from collections.abc import Callable

import msgspec

from local.neighbours.opencast_store import (
    Event,
    Fault,
    Store,
    Switches,
    User,
    timestamp,
)

MAX_BODY = 1024 * 1024


class SeededEvent(msgspec.Struct, kw_only=True):
    """An event that is there without an ingest; `active`: its workflow isn't done yet."""

    identifier: str
    title: str = "Seeded"
    series: str = ""
    active: bool = False


class Control:
    """Answers the stand-in's own paths."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._paths: dict[tuple[str, str], Callable[[bytes], object]] = {
            ("GET", "/_ingests"): lambda _: store.ingests,
            ("GET", "/_requests"): lambda _: store.requests,
            ("GET", "/_control/switches"): lambda _: store.switches,
            ("POST", "/_control/switches"): self.set_switches,
            ("GET", "/_control/faults"): lambda _: store.faults,
            ("POST", "/_control/faults"): self._add_fault,
            ("DELETE", "/_control/faults"): lambda _: store.faults.clear(),
            ("POST", "/_control/series"): self._add_series,
            ("POST", "/_control/users"): self._add_user,
            ("POST", "/_control/events"): self._add_event,
            ("POST", "/_control/reset"): lambda _: store.reset(),
        }

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and JSON; 404 for an unknown path, 400 with a sentence for a wrong body."""
        handle = self._paths.get((method, path))
        if handle is None:
            return 404, msgspec.json.encode({"message": f"no {method} {path} in the stand-in"})
        try:
            with self._store.lock:
                return 200, msgspec.json.encode(handle(body or b"{}"))
        except msgspec.MsgspecError as error:
            return 400, msgspec.json.encode({"message": f"{path}: {error}"})

    def set_switches(self, body: bytes) -> Switches:
        """Change the switches that the JSON object names; the others stay."""
        now = msgspec.to_builtins(self._store.switches)
        given = msgspec.json.decode(body, type=dict[str, object])
        unknown = given.keys() - now.keys()
        if unknown:
            raise msgspec.ValidationError(f"no such switch: {', '.join(sorted(unknown))}")
        self._store.switches = msgspec.convert(now | given, type=Switches)
        return self._store.switches

    def _add_fault(self, body: bytes) -> None:
        self._store.faults.append(msgspec.json.decode(body, type=Fault))

    def _add_series(self, body: bytes) -> None:
        terms = msgspec.json.decode(body, type=dict[str, str])
        if not terms.get("identifier"):
            raise msgspec.ValidationError("a series needs an identifier")
        self._store.add_series({term: [{"value": value}] for term, value in terms.items()})

    def _add_user(self, body: bytes) -> None:
        user = msgspec.json.decode(body, type=User)
        self._store.users[user.name] = user

    def _add_event(self, body: bytes) -> None:
        seeded = msgspec.json.decode(body, type=SeededEvent)
        terms = {"title": [seeded.title]}
        if seeded.series:
            terms["isPartOf"] = [seeded.series]
        event = Event(
            identifier=seeded.identifier,
            terms=terms,
            created=timestamp(self._store.clock()),
        )
        self._store.add_event(event, active=seeded.active)
