"""Run simulated worlds, and print a table of their outcomes and the stories of failing worlds."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from pathlib import Path

FUNCTIONS = Path(__file__).parents[2] / "functions"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--worlds", type=int, default=1000, help="number of worlds")
    parser.add_argument("--profile", default="faults", choices=["faults", "disorder", "captions"])
    parser.add_argument("--faults", type=int, default=4, help="most faults of a world")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first world")
    parser.add_argument("--fresh", action="store_true", help="start at a random seed")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--world", type=int, help="run only the world of this seed")
    parser.add_argument("--story", action="store_true", help="print --world's story, unshrunk")
    parser.add_argument("--first", action="store_true", help="stop at the first failing world")
    parser.add_argument("--stories", type=int, default=1, help="stories to print for each category")
    given = parser.parse_args()
    if given.fresh:
        given.seed = secrets.randbelow(10**9)
    sys.path.insert(0, str(FUNCTIONS))
    if given.first:
        return _first(given)
    if given.world is not None:
        return _one_world(given)
    return _many_worlds(given)


def _one_world(given: argparse.Namespace) -> int:
    from tests.simulation import runner  # noqa: PLC0415  # the path is set only now
    from tests.simulation.judge import Category, worst  # noqa: PLC0415
    from tests.simulation.scenarios import Profile, scenario_of  # noqa: PLC0415

    scenario = scenario_of(given.world, Profile(given.profile), given.faults)
    if not given.story:
        category = worst(runner.story_of(scenario)[1])
        if category is not Category.OK:
            scenario = runner.shrunk(scenario, category)
    story, verdicts = runner.story_of(scenario)
    print(runner.describe(scenario), story, *map(str, verdicts), sep="\n")
    return int(worst(verdicts) in runner.FAILURES)


def _first(given: argparse.Namespace) -> int:
    from tests.simulation import runner  # noqa: PLC0415  # the path is set only now
    from tests.simulation.scenarios import Profile  # noqa: PLC0415

    for seed in range(given.seed, given.seed + given.worlds):
        outcome = runner.run_seed(seed, Profile(given.profile), given.faults)
        if outcome.error or outcome.worst in runner.FAILURES:
            text = outcome.error or outcome.texts[0]
            print(f"World {seed} failed after {seed - given.seed} that passed: {text}")
            return 1
    print(f"{given.worlds} worlds passed")
    return 0


def _many_worlds(given: argparse.Namespace) -> int:
    from tests.simulation import runner  # noqa: PLC0415  # the path is set only now
    from tests.simulation.judge import Category  # noqa: PLC0415
    from tests.simulation.scenarios import Profile, scenario_of  # noqa: PLC0415

    profile = Profile(given.profile)
    seeds = range(given.seed, given.seed + given.worlds)
    began = time.monotonic()
    outcomes = runner.run_worlds(seeds, profile, given.faults, given.processes)
    seconds = time.monotonic() - began
    faults = "no faults" if profile is Profile.DISORDER else f"up to {given.faults} faults"
    print(f"{given.worlds} worlds ({profile}, {faults}) from seed {given.seed} in {seconds:.0f} s")
    print(runner.table(outcomes))
    print("\nReported missing files:")
    for reason, count in runner.reported_reasons(outcomes):
        print(f"{count:>6}  {reason}")
    broken = [outcome for outcome in outcomes if outcome.error]
    for outcome in broken[:3]:
        print(f"\nWorld {outcome.seed} broke the simulator:\n{outcome.error}")
    for category in (*runner.FAILURES, Category.REPORTED):
        failed = [outcome.seed for outcome in outcomes if outcome.worst is category]
        if failed:
            print(f"\n{category} ({len(failed)}): {' '.join(map(str, failed[:60]))}")
        for seed in failed[: given.stories if category in runner.FAILURES else 0]:
            scenario = runner.shrunk(scenario_of(seed, profile, given.faults), category)
            story, verdicts = runner.story_of(scenario)
            print(f"\nThe shrunk world of seed {seed}:", runner.describe(scenario), sep="\n")
            print(story, *map(str, verdicts), sep="\n")
    return int(bool(broken) or any(outcome.worst in runner.FAILURES for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
