"""`invoke debug.…`: switch the debug logging of every function, in the alias and in `$LATEST`.

A version's environment can't change, so the alias gets a new version: the released code and
settings with the other `DEBUG`. If `$LATEST` holds something that isn't released, the released code
replaces it for that moment, and it is restored afterwards.
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
    """Set `DEBUG` in the alias and in `$LATEST`. Return None if both had the value already.

    An OpsError or ClientError leaves the alias as it was. `$LATEST` is backed up before it is
    replaced,
    so that the next command restores it even if this one is killed.
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
    """Publish `$LATEST`, which holds the released code, and move the alias to it."""
    version = releases.publish(function, released, released.description)
    return releases.move(function, version, expected=released.version)


def switch_each(
    releases: Releases, functions: Sequence[Function], value: str, archive: Archive
) -> None:
    """Set `DEBUG` in one function after the other, and print each.

    A signal takes effect only between two functions, with exit code 130, so that `$LATEST` is
    always
    restored.
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
    """Switch debug logging in every function."""
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
