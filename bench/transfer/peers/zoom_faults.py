"""Schedule the faults of the Zoom stand-in by number of requests or of bytes sent."""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
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
        if not self._at_total:
            return None
        with self._lock:
            return self._at_total[0][0] - total if self._at_total else None

    def at_total(self, total: int, apply: Callable[[ZoomFault], object]) -> None:
        """Let the faults happen that are due at `total`, the number of bytes sent or being sent.

        A fault is due once `total` reaches the fault's `total`. A fault that breaks off breaks all
        open bodies off. For each other fault `apply` is called, with this schedule's lock held.
        """
        if not self._at_total:
            return
        with self._lock:
            while self._at_total and self._at_total[0][0] <= total:
                _, fault = self._at_total.pop(0)
                if not fault.breaks_off:
                    apply(fault)
                    continue
                for body in self._bodies:
                    body.cut = fault

    def retire(self) -> None:
        """Drop all faults, so that no fault happens any more, even to an open body."""
        with self._lock:
            self._faults = ()
            self._at_total.clear()
