"""Fuzz the handlers and parsers, and print a table, and a short input for each kind of finding."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from pathlib import Path

FUNCTIONS = Path(__file__).parents[2] / "functions"
SHOWN = 2000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000, help="number of inputs")
    parser.add_argument("--seed", type=int, default=0, help="seed of all inputs")
    parser.add_argument("--fresh", action="store_true", help="take a random seed")
    parser.add_argument("--target", action="append", help="only this target (repeatable)")
    parser.add_argument("--input", type=int, help="only the input of this number; print it")
    parser.add_argument("--seconds", type=float, default=3600, help="stop after so long")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    if given.fresh:
        given.seed = secrets.randbelow(10**9)
    sys.path.insert(0, str(FUNCTIONS))
    from tests.fuzz.registry import TARGETS  # noqa: PLC0415  # the path is set only now

    names = given.target or list(TARGETS)
    unknown = [name for name in names if name not in TARGETS]
    if unknown:
        parser.error(f"There is no target {', '.join(unknown)}. There are: {', '.join(TARGETS)}.")
    if given.input is not None:
        return _one(names[0], given.seed, given.input)
    return _many(names, given)


def _one(name: str, seed: int, index: int) -> int:
    from tests.fuzz import runner  # noqa: PLC0415  # the path is set only now
    from tests.fuzz.registry import TARGETS  # noqa: PLC0415

    made = runner.input_of(name, seed, index)
    print(made)
    list(TARGETS[name].check(made))
    return 0


def _many(names: list[str], given: argparse.Namespace) -> int:
    from tests.fuzz import runner  # noqa: PLC0415  # the path is set only now
    from tests.fuzz.registry import share_of  # noqa: PLC0415

    began = time.monotonic()
    outcomes = runner.run(share_of(given.inputs, names), given.seed, given.processes, given.seconds)
    total = sum(outcome.inputs for outcome in outcomes.values())
    print(f"{'target':<20}{'inputs':>8}{'seconds':>9}{'findings':>9}")
    for outcome in outcomes.values():
        findings = sum(found.times for found in outcome.found.values())
        print(f"{outcome.target:<20}{outcome.inputs:>8}{outcome.seconds:>9.1f}{findings:>9}")
    for outcome in outcomes.values():
        for kind, found in outcome.found.items():
            made = runner.input_of(outcome.target, given.seed, found.index)
            small = repr(runner.shrunk(outcome.target, made, kind))
            print(f"\n{outcome.target}, {found.times} times: {found.text}")
            print(f"  --target {outcome.target} --seed {given.seed} --input {found.index}")
            print(f"  {small[:SHOWN]}")
    kinds = sum(len(outcome.found) for outcome in outcomes.values())
    print(
        f"\n{total} inputs, seed {given.seed}, {time.monotonic() - began:.0f} s, "
        f"{kinds or 'no'} kind(s) of findings"
    )
    return int(kinds > 0)


if __name__ == "__main__":
    sys.exit(main())
