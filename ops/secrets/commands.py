"""`invoke secrets.…`: show which secrets are set, rotate a secret, print the schedule's token."""

from __future__ import annotations

import getpass
import os
import secrets as randomness
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC
from typing import TYPE_CHECKING, TextIO

from invoke import Collection, Context

from cdk.names import Names
from cdk.settings import READ_BY, SCHEDULE_TOKEN, SECRETS, SIGNING_KEY
from cdk.settings_reader import given_settings
from cdk.weaknesses import weak_secret
from ingester.runtime.container import SECONDS
from ingester.settings import split
from ops import terminal
from ops.command import OpsError, command
from ops.secrets import store as secrets
from ops.secrets.store import WEBHOOK_TOKEN
from ops.target import ENV_FILE, existing_target, may_ask, target_to_change

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

NAMES = (*SECRETS, SIGNING_KEY)


LONGEST_BYTES = 4096
"""Maximum bytes of a standard parameter of SSM.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
"""


@dataclass(frozen=True)
class SecretStatus:
    """The facts about a secret, without its value.

    `set` says whether SSM has the secret. `since` is the time of the last change, in UTC; `since`
    and `origin` are "" if SSM lacks the secret. `settings` says how `.env` and the shell compare
    with SSM: "same", "differs", "not set", or "" for a secret that isn't a setting. `read_by` has
    names of functions.
    """

    name: str
    set: bool
    since: str
    origin: str
    settings: str
    read_by: tuple[str, ...]


def readers(name: str) -> tuple[str, ...]:
    """Return the names of the functions that read a secret."""
    return tuple(function.name for function, read in READ_BY.items() if name in read)


def read_statuses(ssm: SSMClient, names: Names, given: Mapping[str, str]) -> list[SecretStatus]:
    """Return the status of every secret, compared with `given` (`.env` and shell)."""
    values, about = secrets.stored(ssm, names), secrets.described(ssm, names)
    return [_status(name, values, about.get(name), given) for name in NAMES]


def _status(
    name: str,
    values: Mapping[str, str],
    stored: secrets.StoredSecret | None,
    given: Mapping[str, str],
) -> SecretStatus:
    setting = "not set"
    if name in given:
        same = secrets.is_same(name, given[name], values.get(name, ""))
        setting = "same" if same else "differs"
    return SecretStatus(
        name=name,
        set=name in values,
        since=f"{stored.changed.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if stored else "",
        origin=stored.origin if stored else "",
        settings="" if name == SIGNING_KEY else setting,
        read_by=readers(name),
    )


def check_name(name: str, *, keep_old: bool) -> None:
    """Raise OpsError if no secret is called `name`, or if it can't keep the old value as asked."""
    if name not in NAMES:
        raise OpsError(f"There is no secret of this name. There are: {', '.join(NAMES)}.")
    if keep_old and name != WEBHOOK_TOKEN:
        raise OpsError(
            f"--keep-old is for {WEBHOOK_TOKEN}, not for {name}: whoever reads that can have one "
            "value only."
        )


def read_value(name: str, stdin: TextIO, ask: Callable[[str], str]) -> str:
    """Return a new value, from a hidden prompt on a terminal or from the one line of a pipe.

    Raises:
        OpsError: The value can't be used. The error's text doesn't show the value.
    """
    if stdin.isatty():
        try:
            value = ask(f"The new {name}: ").strip()
        except EOFError:
            value = ""
    else:
        lines = [line.strip() for line in stdin.read().splitlines() if line.strip()]
        if len(lines) > 1:
            raise OpsError("More than one line came, so nothing was changed: a value is one line.")
        value = "".join(lines)
    if not value:
        raise OpsError("The new value is empty, so nothing was changed.")
    if not value.isprintable() or len(value.encode()) > LONGEST_BYTES:
        raise OpsError("That is no secret (too long, or not text), so nothing was changed.")
    return value


def check_strength(name: str, value: str, given: Mapping[str, str]) -> None:
    """Raise OpsError for a weak value, unless ALLOW_WEAK_SETTINGS in `given` names the secret.

    `given` has the settings of `.env` and the shell.
    """
    reason = weak_secret(name, value)
    if reason and name not in split(given.get("ALLOW_WEAK_SETTINGS", "")):
        raise OpsError(
            f"The new {name} is weak: {reason}, so nothing was changed. "
            f"ALLOW_WEAK_SETTINGS={name} accepts it."
        )


def new_value(name: str, old: str, new: str, *, keep_old: bool) -> str:
    """Return the value to store in SSM, given the stored value `old` ("" if there is none).

    With `keep_old`, the other tokens of `old` follow `new`.

    Raises:
        OpsError: There is no value to replace, nothing would change, or the value is too long.
    """
    if not old and name != SIGNING_KEY:
        raise OpsError(
            f"{name} isn't set, so there is nothing to replace: put it into .env, then "
            "`invoke stack.update`."
        )
    kept = [token for token in split(old) if token not in split(new)] if keep_old else []
    value = ",".join([new, *kept])
    if value == old:
        raise OpsError(f"{name} has this value already, so nothing was changed.")
    if len(value.encode()) > LONGEST_BYTES:
        raise OpsError("Old and new values are too long together: rotate without --keep-old.")
    return value


def schedule_token(ssm: SSMClient, names: Names) -> str:
    """Return the token that the sheet's script sends with an update of the schedule.

    Raises:
        OpsError: The stack has no token.
    """
    token = secrets.value_of(ssm, names, SCHEDULE_TOKEN)
    if not token:
        raise OpsError(
            f"{SCHEDULE_TOKEN} isn't in SSM: `invoke stack.update` makes it, unless "
            "ALLOW_OPEN_SCHEDULE_UPDATE is true."
        )
    return token


def rotation_advice(name: str, *, keep_old: bool) -> list[str]:
    """Return sentences on the effects of a rotation and on the operator's next steps."""
    lines = [f"{name} is replaced. {', '.join(readers(name))}: in use within {_minutes()} minutes."]
    if name == SIGNING_KEY:
        return lines
    lines.append("Put the new value into .env too: its old one is not written any more.")
    if keep_old:
        lines.append(
            "Old tokens are still taken. When Zoom signs with the new one: `invoke secrets.rotate "
            f"{name}` with the new one alone."
        )
    return lines


def _minutes() -> int:
    return round(SECONDS / 60)


@command(help={"json": "print JSON"})
def status(_context: Context, json: bool = False) -> None:
    """Show which secrets are set, without their values."""
    target = existing_target()
    found = read_statuses(target.client("ssm"), target.names, given_settings(os.environ, ENV_FILE))
    if json:
        terminal.show_json([asdict(secret) for secret in found])
        return
    terminal.show(
        f"Secrets below {target.names.secrets_path} in SSM",
        ("secret", "set", "since (UTC)", "where from", ".env, shell", "read by"),
        [
            (
                secret.name,
                "yes" if secret.set else "no",
                secret.since or "-",
                secret.origin or "-",
                secret.settings or "-",
                ", ".join(secret.read_by),
            )
            for secret in found
        ],
    )


@command(
    help={
        "name": "the secret's name, as `invoke secrets.status` shows it",
        "keep_old": f"also accept what is signed with the old secret ({WEBHOOK_TOKEN} only)",
    }
)
def rotate(_context: Context, name: str, keep_old: bool = False) -> None:
    """Replace a secret without a deployment."""
    check_name(name, keep_old=keep_old)
    target = target_to_change()
    ssm, names = target.client("ssm"), target.names
    if name == SIGNING_KEY:
        new = randomness.token_hex(secrets.GENERATED_BYTES)
    else:
        if sys.stdin.isatty() and not may_ask():
            raise OpsError(f"NONINTERACTIVE is set, so the new {name} has to come by a pipe.")
        new = read_value(name, sys.stdin, getpass.getpass)
        check_strength(name, new, given_settings(os.environ, ENV_FILE))
    value = new_value(name, secrets.stored(ssm, names).get(name, ""), new, keep_old=keep_old)
    secrets.put(ssm, names, name, value, secrets.ROTATED)
    for line in rotation_advice(name, keep_old=keep_old):
        terminal.say(line)


@command(name="schedule-token")
def print_schedule_token(_context: Context) -> None:
    """Print the token for the sheet's script."""
    target = existing_target()
    terminal.say(schedule_token(target.client("ssm"), target.names))


collection = Collection("secrets", status, rotate, print_schedule_token)
