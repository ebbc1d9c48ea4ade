"""`invoke debug.…`: debug logging of every function, in what runs and in what was deployed.

A version's environment is fixed for good, so what runs gets a new version: the released code and
settings with the other `DEBUG`. Where `$LATEST` holds something that isn't released, it lends its
place for that moment and gets its own back.
"""

from __future__ import annotations

from collections.abc import Sequence

from invoke import Collection, Context, Exit

from cdk.names import FUNCTIONS, Function
from ops import terminal
from ops.code.archive import Archive, Loan, archive_of, give_back
from ops.code.deploy import releases_of
from ops.code.releases import Code, Move, Releases
from ops.command import command
from ops.interrupts import noted
from ops.target import changing


def switch(releases: Releases, function: Function, value: str, archive: Archive) -> Move | None:
    """Set `DEBUG` in what runs and in `$LATEST`; None if it was so already.

    OpsError or a ClientError leaves what runs as it was. What `$LATEST` lends its place for is
    noted first, so that whatever command comes after a killed one gives it back.
    """
    give_back(releases, function, archive)
    latest, released = releases.latest(function), releases.released(function)
    if latest.variables.get("DEBUG", "") == released.variables.get("DEBUG", "") == value:
        return None
    wanted = released.with_debug(value)
    if latest.same_code(released) and latest.with_debug(value) == wanted:
        releases.reconfigure(function, wanted)
        return publish(releases, function, released)
    borrowed, own = archive.find(function, released), archive.find(function, latest)
    archive.note(function, Loan(own, latest.with_debug(value)))
    try:
        releases.put_code(function, archive.bucket, borrowed)
        releases.reconfigure(function, wanted)
        return publish(releases, function, released)
    finally:
        give_back(releases, function, archive)


def publish(releases: Releases, function: Function, released: Code) -> Move:
    """Let `$LATEST` run, which holds the released code: the new version keeps its description."""
    version = releases.publish(function, released, released.description)
    return releases.move(function, version, expected=released.version)


def switch_each(
    releases: Releases, functions: Sequence[Function], value: str, archive: Archive
) -> None:
    """Set `DEBUG` in one function after the other, and say so of each.

    Exit with 130 if it was interrupted: only between two, so that no `$LATEST` loses what it lent
    its place for.
    """
    word = "on" if value else "off"
    with noted() as stopped:
        for function in functions:
            if stopped():
                raise Exit("Interrupted. The same command again goes on from here.", code=130)
            move = switch(releases, function, value, archive)
            if move is None:
                terminal.say(f"{function.name}: debug logging was {word} already")
            else:
                terminal.say(
                    f"{function.name}: debug logging is {word} ({releases.alias} {move.before} → "
                    f"{move.after}, the same code)"
                )


def switch_all(value: str) -> None:
    """What both tasks do."""
    target = changing()
    switch_each(releases_of(target), FUNCTIONS, value, archive_of(target))


@command()
def on(_context: Context) -> None:
    """Log debug records, in what runs too."""
    switch_all("1")


@command()
def off(_context: Context) -> None:
    """Stop logging debug records, in what runs too."""
    switch_all("")


collection = Collection("debug", on, off)
