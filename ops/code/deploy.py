"""`invoke deploy.…` and `invoke release`: put code into `$LATEST`, and move the release alias."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from invoke import Collection, Context, Task

from cdk.names import FUNCTIONS, Function
from ops import terminal
from ops.code import package, release_index
from ops.code.archive import archive_of, restore_latest
from ops.code.package import select_functions
from ops.code.releases import AliasMove, Releases, find_versions, release_all, roll_back
from ops.command import OpsError, command
from ops.revision import revision
from ops.target import ROOT, Target, existing_target, target_to_change


def releases_of(target: Target) -> Releases:
    """Return the `Releases` of a stack: the functions' versions and the release alias."""
    return Releases(target.client("lambda"), target.names, target.place.release_alias)


def deploy(target: Target, functions: Sequence[Function]) -> list[Function]:
    """Build and deploy this checkout's code, and print a line for each function.

    Return the functions whose `$LATEST` had other code. Before the build, this function calls
    `restore_all_latest`.

    Raises:
        OpsError: `PACKAGE_PLATFORM` is wrong, a package can't be built or uploaded, a function
            doesn't exist, or Lambda got another package than the expected one.
        ClientError: AWS refuses a request other than an upload.
        BotoCoreError: See `Releases.wait_until_updated`.
    """
    releases = releases_of(target)
    restore_all_latest(target, functions)
    platform = package.platform_of(os.environ)
    packages = package.build_showing(functions, platform, ROOT / package.DIST)
    latest = {function: releases.latest(function) for function in functions}
    changed = []
    for function, made in zip(functions, packages, strict=True):
        if latest[function].sha256 == made.sha256:
            terminal.say(f"{function.name}: deployed already ({made.size / 1e6:.2f} MB)")
            continue
        with terminal.working(f"Deploying {function.name}"):
            package.upload([made], target.own_s3(), target.place.code_bucket, target.names)
            key = target.names.archive_key(function, made.sha256)
            releases.put_code(function, target.place.code_bucket, key)
        terminal.say(f"{function.name}: deployed ({made.size / 1e6:.2f} MB, {made.sha256})")
        changed.append(function)
    return changed


def restore_all_latest(target: Target, functions: Sequence[Function]) -> None:
    """Restore each `$LATEST` for which a `debug` command left a backup, and print these functions.

    For errors, see `archive_of` and `restore_latest`.
    """
    releases, archive = releases_of(target), archive_of(target)
    for function in functions:
        with terminal.working(f"Looking at {function.name}"):
            restored = restore_latest(releases, function, archive)
        if restored:
            terminal.say(f"{function.name}: $LATEST has what was deployed again.")


def show(moves: Sequence[AliasMove], alias: str) -> None:
    """Print each move of the alias named `alias`, also moves that keep the version."""
    for move in moves:
        how = f"{move.before} → {move.after}" if move.has_moved else f"stays at {move.after}"
        terminal.say(f"{move.function.name}: {alias} {how}")


def deploy_functions(functions: Sequence[Function], *, do_release: bool) -> None:
    """Deploy functions. If `do_release`, release the functions, else print whether new code waits.

    Raises:
        SettingsError, ProfileNotFound, EOFError: See `target_to_change`.
        OpsError: The stack doesn't exist, the operator doesn't confirm the change, or deploying or
            releasing a function failed.
        ClientError, BotoCoreError: See `target_to_change`, `deploy` and `release_functions`.
    """
    target = target_to_change(needs_code=True)
    deploy(target, functions)
    releases = releases_of(target)
    if do_release:
        release_functions(target, functions, revision())
        return
    waiting = [
        function
        for function in functions
        if not releases.latest(function).is_same(releases.released(function))
    ]
    if waiting:
        terminal.say(
            f"What runs ({releases.alias}) hasn't changed: `invoke release` makes the new code "
            "live."
        )
    else:
        terminal.say(f"All of it runs already ({releases.alias}).")


def release_functions(target: Target, functions: Sequence[Function], description: str) -> None:
    """Release functions, and print the moves. With a description, write the release's index.

    Before the releases, this function calls `restore_all_latest`.

    Raises:
        ReleaseStopped: A function can't be released. The functions before that function are
            released.
        OpsError: Lambda got another package than that of a backup; or a function that the index
            has to name, or the function's alias, doesn't exist.
        ClientError: AWS refuses a request before or after the releases.
        BotoCoreError: See `restore_latest`.
    """
    releases = releases_of(target)
    restore_all_latest(target, functions)
    with terminal.working("Releasing"):
        moves = release_all(releases, functions, description)
    show(moves, releases.alias)
    if description:
        versions = {function.name: releases.released(function).version for function in FUNCTIONS}
        bucket = target.place.code_bucket
        release_index.write(target.own_s3(), bucket, target.names, description, versions)


def check_name(release: str) -> None:
    """Raise OpsError if a release's name would be taken for a version's number."""
    if release.isdigit():
        raise OpsError(
            f"A release can't be named {release}, which is a version's number for "
            f"`invoke release --to`: v{release}, say."
        )


def unknown_release(name: str, known: Mapping[str, str]) -> OpsError:
    """Return the error about an unknown release, which lists the known releases, newest first."""
    listed = ", ".join(f"{release} ({when} UTC)" for release, when in known.items())
    return OpsError(
        f"There is no release {name}, so nothing was moved. There are: {listed or 'none'}; or name "
        "a version's number."
    )


def show_release(releases: Releases, functions: Sequence[Function]) -> None:
    """Print where each function's alias points, and whether a release would move the alias.

    Raises:
        OpsError: A function or its alias doesn't exist.
        ClientError: Lambda refuses a request.
    """
    for function in functions:
        latest, released = releases.latest(function), releases.released(function)
        is_new = not latest.is_same(released)
        after = "what is deployed" if is_new else "and would stay there"
        terminal.say(
            f"{function.name}: {releases.alias} is at {released.version}"
            f"{', and would get ' if is_new else ', '}{after}"
        )


def show_roll_back(releases: Releases, versions: Mapping[Function, str]) -> None:
    """Print the version of each function that would run after going back to `versions`.

    Raises:
        OpsError: A function or its alias doesn't exist.
        ClientError: Lambda refuses a request.
    """
    for function, version in versions.items():
        before = releases.released(function).version
        terminal.say(f"{function.name}: {releases.alias} would go {before} → {version}")


def report_changed_settings(releases: Releases, move: AliasMove) -> None:
    """Print the names of the settings that a move to another version changes.

    Each version keeps the settings with which it was published.

    Raises:
        OpsError: The function doesn't exist, or has no version with one of the move's numbers.
        ClientError: Lambda refuses a request.
    """
    function = move.function
    before = releases.version(function, move.before).variables
    after = releases.version(function, move.after).variables
    others = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    if others:
        terminal.say(f"{function.name} has the settings of that time again: {', '.join(others)}")


DO_RELEASE = "release the code at once"


def task_of(function: Function) -> Task[Any]:
    """Return the command `deploy.<function>`."""

    def task(_context: Context, do_release: bool = False) -> None:
        deploy_functions([function], do_release=do_release)

    task.__doc__ = f"Deploy {function.name} from this checkout."
    return command(name=function.task, help={"do_release": DO_RELEASE}, auto_shortflags=False)(task)


@command(name="all", help={"function": "only this function", "do_release": DO_RELEASE})
def deploy_all(_context: Context, function: str | None = None, do_release: bool = False) -> None:
    """Deploy every function whose code changed here."""
    deploy_functions(select_functions(function), do_release=do_release)


@command(
    help={
        "function": "only this function, such as zoom-webhook or webhook",
        "description": "what the release is called, such as the revision",
        "to": "go back to the versions of the release with this name, or to this version number",
        "dry-run": "only show what would run",
    }
)
def release(
    _context: Context,
    function: str | None = None,
    description: str = "",
    to: str | None = None,
    dry_run: bool = False,
) -> None:
    """Make deployed code live, or go back (--to)."""
    functions = select_functions(function)
    check_name(description)
    target = (existing_target if dry_run else target_to_change)(needs_code=True)
    releases = releases_of(target)
    if dry_run and to is None:
        show_release(releases, functions)
        return
    if to is None:
        release_functions(target, functions, description)
        return
    s3, bucket = target.own_s3(), target.place.code_bucket
    known = release_index.read(s3, bucket, target.names, to)
    if to and not known and not to.isdigit():
        raise unknown_release(to, release_index.releases(s3, bucket, target.names))
    if dry_run:
        show_roll_back(releases, find_versions(releases, functions, to, known))
        return
    with terminal.working("Going back"):
        moves = roll_back(releases, functions, to, known)
    show(moves, releases.alias)
    for move in moves:
        report_changed_settings(releases, move)


collection = Collection("deploy", deploy_all, *(task_of(function) for function in FUNCTIONS))
