"""Run inputs, find problems, and shrink the inputs that found a problem."""

from __future__ import annotations

import resource
import signal
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from traceback import extract_tb
from types import FrameType
from typing import Any

from tests.fuzz.fakes import LogInMemory
from tests.fuzz.mutations import Mutator
from tests.fuzz.planted import CANARIES
from tests.fuzz.registry import TARGETS
from tests.fuzz.target import Finding

MOST_SECONDS = 1.0
"""Most CPU seconds for the check of an input.

A slower check is measured a second time before the input is a finding.
"""

CHILD_SECONDS = 10.0
"""Most CPU seconds of this process for a file that libav opens in a child process."""

MOST_BYTES = 64 * 1024 * 1024
"""Most bytes that Python allocates for an input. The largest inputs have some hundred KB."""

RSS_STEP = 8 * 1024
"""Most growth of the process, in KiB, during a check whose memory isn't measured."""

ENDLESS_SECONDS = 60.0
CHUNK = 250
SHRINKING_TRIES, SHRINKING_SECONDS = 400, 20.0


@dataclass(frozen=True)
class Problem:
    """A problem that an input has found. Problems with the same cause have the same `kind`."""

    kind: str
    text: str


@dataclass
class Found:
    """A kind of problem, which `times` inputs found. `index` is the number of the first input."""

    index: int
    text: str
    times: int = 1


@dataclass
class Outcome:
    """The result of several inputs of a target. `found` is by kind of problem."""

    target: str
    inputs: int
    seconds: float = 0.0
    found: dict[str, Found] = field(default_factory=dict)

    def add(self, other: Outcome) -> None:
        self.inputs += other.inputs
        self.seconds += other.seconds
        for kind, found in other.found.items():
            if kind in self.found:
                self.found[kind].times += found.times
            else:
                self.found[kind] = found


def input_of(name: str, seed: int, index: int) -> Any:
    """Make a target's input with the number `index`."""
    return TARGETS[name].make(Mutator(Random(f"{seed}/{name}/{index}")))


def problem_in(name: str, given: Any, log: LogInMemory) -> Problem | None:
    """Run a target's check on one input, with no limit of time or memory.

    Return the problem, or None.
    """
    log.lines.clear()
    try:
        shown = list(TARGETS[name].check(given))
    except Finding as error:
        text = str(error)
        return Problem(text.partition(":")[0], text)
    except Exception as error:  # noqa: BLE001  # any error is a finding
        return _problem_of(error)
    secrets = CANARIES.found_in("\n".join((*shown, *log.lines)))
    if secrets:
        where = next(text for text in (*shown, *log.lines) if CANARIES.found_in(text))
        return Problem("A secret is shown", f"{', '.join(secrets)} in {where[:500]}")
    return None


def _problem_of(error: Exception) -> Problem:
    frames = extract_tb(error.__traceback__)
    roots = ("/functions/", "/ops/")
    ours = [frame for frame in frames if any(root in frame.filename for root in roots)]
    place = (ours or frames)[-1]
    where = "/".join(place.filename.split("/")[-2:])
    kind = f"{type(error).__name__} in {where}, {place.name}"
    return Problem(kind, f"{kind}:{place.lineno}: {str(error)[:300]}")


def measured_problem(name: str, given: Any, log: LogInMemory) -> Problem | None:
    """Check an input within limits of time and memory. Return the problem, or None."""
    limit = CHILD_SECONDS if name == "mp4-child" else MOST_SECONDS
    before, began = _peak(), time.process_time()
    problem = problem_in(name, given, log)
    seconds = time.process_time() - began
    if problem is None and seconds > limit:
        began = time.process_time()
        problem_in(name, given, log)
        seconds = min(seconds, time.process_time() - began)
        if seconds > limit:
            return Problem("It takes too long", f"It takes {seconds:.1f} s")
    if problem is None and _peak() - before > RSS_STEP:
        tracemalloc.start()
        problem_in(name, given, log)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        if most > MOST_BYTES:
            return Problem("It takes too much memory", f"It takes {most / 1e6:.0f} MB")
    return problem


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextmanager
def ended_after(seconds: float) -> Iterator[None]:
    """Raise a Finding inside the `with` block if the block takes longer than `seconds`."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise Finding(f"It is endless: {seconds} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run_chunk(name: str, seed: int, begin: int, end: int, ends: float) -> Outcome:
    """Run the inputs with the numbers from `begin` to `end - 1`, and return the outcome.

    No input starts after `ends`, in seconds of `time.monotonic`.
    """
    outcome, began = Outcome(name, 0), time.monotonic()
    with LogInMemory() as log:
        for index in range(begin, end):
            if time.monotonic() > ends:
                break
            outcome.inputs += 1
            given = input_of(name, seed, index)
            with ended_after(ENDLESS_SECONDS):
                problem = measured_problem(name, given, log)
            if problem:
                one = Outcome(name, 0, found={problem.kind: Found(index, problem.text)})
                outcome.add(one)
    outcome.seconds = time.monotonic() - began
    return outcome


def run(shares: dict[str, int], seed: int, processes: int, seconds: float) -> dict[str, Outcome]:
    """Run inputs in parallel processes, and return the outcomes by target.

    `shares` are the numbers of inputs by target. After `seconds` no further input starts.
    """
    ends = time.monotonic() + seconds
    chunks = [
        (name, begin, min(begin + CHUNK, count))
        for name, count in shares.items()
        for begin in range(0, count, CHUNK)
    ]
    # The chunks of the targets alternate, so that each target gets its share of the time.
    chunks.sort(key=lambda chunk: chunk[1] / shares[chunk[0]])
    outcomes = {name: Outcome(name, 0) for name in shares}
    with ProcessPoolExecutor(processes) as pool:
        running = [pool.submit(run_chunk, *chunk[:1], seed, *chunk[1:], ends) for chunk in chunks]
        for task in running:
            outcomes[task.result().target].add(task.result())
    return outcomes


def shrunk(name: str, given: Any, kind: str) -> Any:
    """Return a smaller input with the same kind of problem, or `given` if the search finds nothing.

    The search ends at the latest after `SHRINKING_TRIES` attempts or `SHRINKING_SECONDS`.
    """
    tries, ends = SHRINKING_TRIES, time.monotonic() + SHRINKING_SECONDS
    with LogInMemory() as log:
        candidates = smaller(given)
        while tries and time.monotonic() < ends:
            candidate = next(candidates, None)
            if candidate is None:
                break
            tries -= 1
            problem = measured_problem(name, candidate[0], log)
            if problem and problem.kind == kind:
                given = candidate[0]
                candidates = smaller(given)
    return given


def smaller(value: Any) -> Iterator[tuple[Any]]:
    """Yield smaller values, each in a tuple, because a value may be None."""
    if isinstance(value, dict):
        for key in value:
            yield ({name: inner for name, inner in value.items() if name != key},)
        for key, inner in value.items():
            yield from (({**value, key: found},) for (found,) in smaller(inner))
    elif isinstance(value, list):
        if len(value) > 3:
            yield (value[: len(value) // 2],)
            yield (value[len(value) // 2 :],)
        for index, inner in enumerate(value):
            yield (value[:index] + value[index + 1 :],)
            for (found,) in smaller(inner):
                yield ([*value[:index], found, *value[index + 1 :]],)
    elif isinstance(value, str | bytes) and value:
        half = len(value) // 2
        yield (value[:0],)
        if half:
            yield (value[:half],)
            yield (value[half:],)
