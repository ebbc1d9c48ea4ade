"""`invoke debug.…`: switch every function's debug logging, in the alias and in `$LATEST`.

A version's environment can't change, so the alias gets a new version: the released code and
settings with the new `DEBUG`. If `$LATEST` holds unreleased code or settings, a command puts the
released code and settings there, publishes the version, and then restores `$LATEST`.
"""

from __future__ import annotations

from collections.abc import Sequence

from invoke import Collection, Context, Exit

from cdk.names import FUNCTIONS, Function
from ops import terminal
from ops.code.archive import Archive, LatestBackup, archive_of, restore_latest
from ops.code.deploy import releases_of
from ops.code.releases import AliasMove, Code, Releases
from ops.command import command
from ops.interrupts import deferred_signals
from ops.target import target_to_change


def set_debug(
    releases: Releases, function: Function, value: str, archive: Archive
) -> AliasMove | None:
    """Release a version with the new `DEBUG`, set `DEBUG` in `$LATEST`, and return the move.

    The result is None if `$LATEST` and the released version had the value already.

    `$LATEST` is backed up before the command replaces the code of `$LATEST`, so the next command
    can restore `$LATEST` if this command is killed. A backup that an earlier command left is
    restored first.

    Raises:
        OpsError, ClientError, BotoCoreError: AWS refuses a step; or the function, its alias or a
            package is missing; or Lambda got another package; or somebody else moved the alias; or
            an update of `$LATEST` fails; or the version doesn't become active. After an error, this
            function has moved the alias only if the restore of `$LATEST` failed.
    """
    restore_latest(releases, function, archive)
    latest, released = releases.latest(function), releases.released(function)
    if latest.variables.get("DEBUG", "") == released.variables.get("DEBUG", "") == value:
        return None
    wanted = released.with_debug(value)
    if latest.same_code(released) and latest.with_debug(value) == wanted:
        releases.reconfigure(function, wanted)
        return publish_released(releases, function, released)
    released_key, latest_key = (
        archive.package_key(function, released),
        archive.package_key(function, latest),
    )
    archive.write_backup(function, LatestBackup(latest_key, latest.with_debug(value)))
    try:
        releases.put_code(function, archive.bucket, released_key)
        releases.reconfigure(function, wanted)
        return publish_released(releases, function, released)
    finally:
        restore_latest(releases, function, archive)


def publish_released(releases: Releases, function: Function, released: Code) -> AliasMove:
    """Publish `$LATEST`, which holds the released code, and move the alias to the new version.

    Return the move.

    Raises:
        OpsError: Somebody else moved the alias meanwhile.
        ClientError: `$LATEST` has other code, or somebody else changes the alias at the same time.
        BotoCoreError: See `Releases.publish`.
    """
    version = releases.publish(function, released, released.description)
    return releases.move(function, version, expected=released.version)


def set_debug_each(
    releases: Releases, functions: Sequence[Function], value: str, archive: Archive
) -> None:
    """Set `DEBUG` in one function after the other, and print a line for each.

    A first signal takes effect only when the work on the current function has ended, so that
    `$LATEST` is restored.

    Raises:
        Exit: A signal arrived (exit code 130).
        OpsError, ClientError, BotoCoreError: See `set_debug`.
    """
    word = "on" if value else "off"
    with deferred_signals() as interrupted:
        for function in functions:
            if interrupted():
                raise Exit("Interrupted. The same command again goes on from here.", code=130)
            with terminal.working(f"Changing {function.name}"):
                move = set_debug(releases, function, value, archive)
            if move is None:
                terminal.say(f"{function.name}: debug logging was {word} already")
            else:
                terminal.say(
                    f"{function.name}: debug logging is {word} ({releases.alias} {move.before} → "
                    f"{move.after}, the same code)"
                )
        if interrupted():
            raise Exit(f"Interrupted, but debug logging is {word} in all of them.", code=130)


def set_debug_all(value: str) -> None:
    """Set `DEBUG` in every function: "1" switches debug logging on, "" off.

    For errors, see `target_to_change` and `set_debug_each`.
    """
    target = target_to_change(needs_code=True)
    set_debug_each(releases_of(target), FUNCTIONS, value, archive_of(target))


@command()
def on(_context: Context) -> None:
    """Switch debug logging on in every function."""
    set_debug_all("1")


@command()
def off(_context: Context) -> None:
    """Switch debug logging off in every function."""
    set_debug_all("")


collection = Collection("debug", on, off)
