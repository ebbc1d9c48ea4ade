"""Run worlds in parallel processes, tabulate the outcomes and shrink failing worlds."""

from __future__ import annotations

import gc
import multiprocessing
import re
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from tests.simulation.faults import Fault, Kind
from tests.simulation.judge import Category, Verdict, judge, worst
from tests.simulation.play import play
from tests.simulation.scenarios import Profile, scenario_of
from tests.simulation.truth import Scenario
from tests.simulation.world import story_text

FAILURES = tuple(
    category for category in Category if category not in (Category.REPORTED, Category.OK)
)
CHUNK = 25
REASON_LENGTH = 70
"""Number of compared characters of a reason. The names of files come later in the reason."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a world. `error` is the traceback of the simulator's own error, or ""."""

    seed: int
    categories: tuple[Category, ...]
    texts: tuple[str, ...]
    faults: tuple[str, ...]
    error: str = ""

    @property
    def worst(self) -> Category:
        return self.categories[0] if self.categories else Category.OK


def run_seed(seed: int, profile: Profile, most_faults: int) -> Outcome:
    """Play and judge the world of a seed, and return the outcome."""
    scenario = scenario_of(seed, profile, most_faults)
    try:
        played = play(scenario)
        verdicts = judge(played)
    except Exception:  # noqa: BLE001  # one broken world mustn't hide the others
        return Outcome(seed, (), (), (), traceback.format_exc())
    order = list(Category)
    found = sorted({verdict.category for verdict in verdicts}, key=order.index)
    struck = tuple(sorted({fault_name(fault) for fault in played.world.struck}))
    return Outcome(seed, tuple(found), tuple(map(str, verdicts)), struck)


def fault_name(fault: Fault) -> str:
    """Return a fault's name in the table, such as "slow s3" or "crash before"."""
    service, dot, _ = fault.target.partition(".")
    has_service = fault.kind is Kind.OUTAGE or (dot and fault.kind is not Kind.WEBHOOK_LOST)
    return f"{fault.kind} {service}" if has_service else str(fault.kind)


def run_worlds(
    seeds: Sequence[int], profile: Profile, most_faults: int, processes: int
) -> list[Outcome]:
    """Run the worlds of seeds, in parallel if `processes` is above 1, and return the outcomes."""
    run = partial(run_seed, profile=profile, most_faults=most_faults)
    if processes < 2:
        return [run(seed) for seed in seeds]
    with multiprocessing.get_context("fork").Pool(processes, _collect_rarely) as pool:
        return pool.map(run, seeds, chunksize=CHUNK)


def _collect_rarely() -> None:
    """Make a worker process collect garbage rarely, since worlds have few reference cycles."""
    gc.freeze()
    gc.set_threshold(50_000)


def table(outcomes: Iterable[Outcome]) -> str:
    """Tabulate the worlds by fault and worst verdict.

    A world counts in the row of all worlds, and in the row of each fault that struck, or in the row
    of worlds without such a fault.
    """
    cells: Counter[tuple[str, Category]] = Counter()
    rows: Counter[str] = Counter()
    for outcome in outcomes:
        for name in ("all worlds", *(outcome.faults or ("no fault struck",))):
            rows[name] += 1
            cells[name, outcome.worst] += 1
    columns = [category for category in Category if any(key[1] is category for key in cells)]
    width = max((len(name) for name in rows), default=0)
    lines = [f"{'':<{width}} {'worlds':>7} " + " ".join(f"{category:>12}" for category in columns)]
    names = sorted(rows, key=lambda name: (name not in ("all worlds", "no fault struck"), name))
    for name in names:
        counts = " ".join(f"{cells[name, category]:>12}" for category in columns)
        lines.append(f"{name:<{width}} {rows[name]:>7} {counts}")
    return "\n".join(lines)


def reported_reasons(outcomes: Iterable[Outcome]) -> list[tuple[str, int]]:
    """Count the reports of missing files by reason, the most frequent first.

    Numbers and names of files are left out of the reasons, so that similar reasons count together.
    """
    counts: Counter[str] = Counter()
    for outcome in outcomes:
        for text in outcome.texts:
            if text.startswith(f"{Category.REPORTED}: "):
                reason = text.partition(" is not in Opencast. ")[2]
                counts[re.sub(r"\d+", "N", reason)[:REASON_LENGTH]] += 1
    return counts.most_common()


def shrunk(scenario: Scenario, category: Category) -> Scenario:
    """Leave out recordings, faults and happenings while the world still ends in the category.

    Return the scenario with the rest.
    """
    smaller: Scenario | None = scenario
    while smaller is not None:
        scenario = smaller
        smaller = next(
            (candidate for candidate in _smaller(scenario) if _ends_in(candidate, category)), None
        )
    return scenario


def _smaller(scenario: Scenario) -> Iterable[Scenario]:
    """Yield copies of the scenario, each without one recording, fault or happening."""
    if len(scenario.recordings) > 1:
        yield from map(scenario.without_recording, range(len(scenario.recordings)))
    yield from map(scenario.without_fault, range(len(scenario.faults)))
    yield from map(scenario.without_happening, reversed(range(len(scenario.happenings))))


def _ends_in(scenario: Scenario, category: Category) -> bool:
    try:
        return worst(judge(play(scenario))) is category
    except Exception:  # noqa: BLE001  # an error of the simulator isn't the failure
        return False


def story_of(scenario: Scenario) -> tuple[str, list[Verdict]]:
    """Play a scenario, and return its story and its verdicts."""
    played = play(scenario, story=True)
    return story_text(played.world), judge(played)


def describe(scenario: Scenario) -> str:
    """Return a text about the site, recordings, files, happenings and faults of a scenario."""
    lines = [f"Recordings: {len(scenario.recordings)}; site: {scenario.site}"]
    for recording in scenario.recordings:
        lines.append(f"  {recording.uuid} begins at {recording.begins:.0f} s")
        lines += [
            f"    {file.id} segment {file.begins:.0f}-{file.ends:.0f}, "
            f"finished {file.finished:.0f}, fetchable {file.fetchable:.0f}, "
            f"listed {file.listed:.0f}, {file.size} bytes"
            for file in recording.files
        ]
    lines += [f"Happening: {happening}" for happening in scenario.happenings]
    lines += [f"Fault: {fault}" for fault in scenario.faults]
    return "\n".join(lines)
