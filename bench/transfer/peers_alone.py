"""How fast both peers are, by curl: a program that is measured must not be waiting for them."""

import argparse

from bench.transfer import results, summary, yardstick
from bench.transfer.options import Options, add_repetitions
from bench.transfer.results import Curl
from bench.transfer.table import show
from bench.transfer.workplace import workplace

NAME = "peers"
SAYS = "how fast the peers alone are, by curl (half a minute)"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be said beside the options of all commands."""
    add_repetitions(parser)


def run(options: Options) -> bool:
    """Measures, keeps the lines and shows the table."""
    if not yardstick.has_curl():
        options.say("curl isn't there.")
        return False
    lines: list[Curl] = []
    with workplace() as place:
        for repetition in range(options.reps):
            for is_tls in (True, False):
                for at_once in (1, 4):
                    lines += yardstick.measure(
                        place, is_tls=is_tls, at_once=at_once, repetition=repetition
                    )
    for line in lines:
        results.write(options.out, line)
    show(summary.peers_alone(lines), markdown=options.markdown)
    return True
