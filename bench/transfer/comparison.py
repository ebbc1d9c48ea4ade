"""The main command: programs side by side in each case.

Programs take turns within a repetition, so that a drift of the machine hits all alike.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from bench.transfer import measure, results, summary, yardstick
from bench.transfer.cases import CASES, LOADS, Case, Load
from bench.transfer.options import Options, add_repetitions, chosen
from bench.transfer.peers.s3_settings import Mode
from bench.transfer.programs.catalog import CURL, Program, programs
from bench.transfer.results import Curl, Missing, Run
from bench.transfer.table import show
from bench.transfer.workplace import Workplace, workplace

NAME = "run"
SAYS = "programs side by side in each case (the default; 5 minutes as it is)"
CASE_NAMES = "i,ii,iv,vi,vii"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be said beside the options of all commands."""
    add_repetitions(parser)
    parser.add_argument("--sut", default="engine,s3transfer,curl", help="programs, by name")
    parser.add_argument("--case", default=CASE_NAMES, help=f"of {', '.join(CASES)}, or all")
    parser.add_argument("--load", default="1x512", help=f"of {', '.join(LOADS)}, or all")
    parser.add_argument("--plain", action="store_true", help="HTTP in place of HTTPS")
    parser.add_argument("--tls", action="store_true", help="HTTPS, which is the default")
    parser.add_argument(
        "--check", action="store_true", help="compare every part's CRC32, with S3 computing it"
    )


def run(options: Options) -> bool:
    """Measures, keeps the lines and shows the table.

    True if every run of the first program counted: the others are there to compare with.
    """
    plan = Plan(
        programs=programs(options.sut, options.suts),
        cases=chosen(options.case, CASES),
        loads=chosen(options.load, LOADS),
        wires=[True] * (options.tls or not options.plain) + [False] * options.plain,
        mode="hash" if options.check else "discard",
        repetitions=options.reps,
    )
    lines: list[Run | Curl | Missing] = []
    with workplace() as place:
        for line in measured(place, plan):
            results.write(options.out, line)
            if isinstance(line, Run):
                measure.say_run(line, options.say)
            lines.append(line)
    show(summary.comparison(lines), markdown=options.markdown)
    first = plan.programs[0].name
    return all(line.ok for line in lines if isinstance(line, Run) and line.program == first)


@dataclass(frozen=True)
class Plan:
    """What is measured. A wire is True for TLS."""

    programs: Sequence[Program]
    cases: Sequence[Case]
    loads: Sequence[Load]
    wires: Sequence[bool]
    mode: Mode
    repetitions: int

    @property
    def there(self) -> list[Program]:
        """The programs that this machine can run."""
        return [program for program in self.programs if not program.missing]


def measured(place: Workplace, plan: Plan) -> Iterator[Run | Curl | Missing]:
    """Every line, as soon as it is there."""
    for program in plan.programs:
        if program.missing:
            yield Missing(program=program.name, needs=program.missing)
    for repetition, is_tls in product(range(plan.repetitions), plan.wires):
        if CURL in plan.there:
            yield from yardstick.measure(place, is_tls=is_tls, at_once=1, repetition=repetition)
        for case, load, program in product(plan.cases, plan.loads, plan.there):
            if not program.cases or case.name in program.cases:
                setting = measure.Setting(NAME, case, load, is_tls, plan.mode)
                yield measure.measure(place, program, setting, repetition)
