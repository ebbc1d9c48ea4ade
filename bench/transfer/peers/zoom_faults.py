"""Schedule the faults of the Zoom stand-in by number of requests or of bytes sent."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.transfer.peers.zoom_settings import Where, ZoomFault


@dataclass(eq=False)
class OpenBody:
    """A body that is being sent. Any thread can set `cut` to break the body off."""

    cut: ZoomFault | None = None


class FaultSchedule:
    """The faults that are due after a number of GETs or bytes. Any thread may call the methods."""

    def __init__(self, faults: Sequence[ZoomFault]) -> None:
        self._faults = faults
        at_total = [(fault.total, fault) for fault in faults if fault.total is not None]
        self._at_total = sorted(at_total, key=lambda due: due[0])
        self._requests: Counter[str] = Counter()
        self._bodies: set[OpenBody] = set()
        self._lock = threading.Lock()

    def at_request(self, where: Where) -> list[ZoomFault]:
        """Count a GET of `where`, and return the faults that affect this GET."""
        with self._lock:
            self._requests[where] += 1
            number = self._requests[where]
        return [fault for fault in self._faults if fault.hits(where, number)]

    @contextlib.contextmanager
    def body(self) -> Iterator[OpenBody]:
        """Yield a body that `at_total` can cut until the end of the `with` block."""
        body = OpenBody()
        with self._lock:
            self._bodies.add(body)
        try:
            yield body
        finally:
            with self._lock:
                self._bodies.discard(body)

    def before_next(self, total: int) -> int | None:
        """Return the number of bytes from `total` to the next fault, or None without a fault.

        Only faults that are due after a number of bytes count.
        """
        due = self._at_total
        return due[0][0] - total if due else None

    def at_total(self, total: int) -> list[ZoomFault]:
        """Break off all open bodies if a fault that breaks off is due; return the other due faults.

        A fault is due once `total`, the number of bytes sent, reaches the fault's `total`.
        """
        if not self._at_total:
            return []
        others = []
        with self._lock:
            while self._at_total and self._at_total[0][0] <= total:
                _, fault = self._at_total.pop(0)
                if not fault.breaks_off:
                    others.append(fault)
                    continue
                for body in self._bodies:
                    body.cut = fault
        return others
