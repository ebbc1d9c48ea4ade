"""Which of the fake Zoom's faults happens now."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.transfer.peers.zoom_settings import Where, ZoomFault

OF_BODIES = frozenset({"rst", "fin", "stall"})
OF_ANSWERS = frozenset({"status", "empty", "whole", "shifted", "headers"})


@dataclass(eq=False)
class OpenBody:
    """A body that is being sent. `cut` is set, by any thread, when it has to break off."""

    cut: ZoomFault | None = None


class Trouble:
    """Counts GETs and bytes, and says which faults that brings. Threads share it."""

    def __init__(self, faults: Sequence[ZoomFault]) -> None:
        self._at_request = [fault for fault in faults if fault.request is not None]
        self._at_total = sorted(
            (fault.total, number, fault)
            for number, fault in enumerate(faults)
            if fault.total is not None
        )
        self._waiting: list[ZoomFault] = []
        self._requests: Counter[str] = Counter()
        self._bodies: set[OpenBody] = set()
        self._lock = threading.Lock()

    def at_request(self, where: Where) -> list[ZoomFault]:
        """Counts a GET of `where`; the faults that hit it."""
        with self._lock:
            self._requests[where] += 1
            number = self._requests[where]
            waiting = [fault for fault in self._waiting if fault.where == where]
            self._waiting = [fault for fault in self._waiting if fault.where != where]
        return [*waiting, *(fault for fault in self._at_request if fault.hits(where, number))]

    @contextlib.contextmanager
    def body(self) -> Iterator[OpenBody]:
        """While a body is being sent."""
        body = OpenBody()
        with self._lock:
            self._bodies.add(body)
        try:
            yield body
        finally:
            with self._lock:
                self._bodies.discard(body)

    def before_next(self, total: int) -> int | None:
        """How many bytes are left before the next fault at a total; None if there is none."""
        due = self._at_total
        return due[0][0] - total if due else None

    def at_total(self, total: int) -> list[ZoomFault]:
        """Marks open bodies that have to break off; the other faults that are due at `total`."""
        if not self._at_total:
            return []
        others = []
        with self._lock:
            while self._at_total and self._at_total[0][0] <= total:
                _, _, fault = self._at_total.pop(0)
                if fault.what in OF_BODIES:
                    for body in self._bodies:
                        body.cut = fault
                elif fault.what in OF_ANSWERS:
                    self._waiting.append(fault)
                else:
                    others.append(fault)
        return others
