"""A stack's secrets in SSM: SecureStrings below `/zoom-ingester/<stack>/`.

They are written before the stack is deployed, since CloudFormation can't make SecureStrings and a
template is no place for a secret. Functions read them when a container starts, and again every
five minutes. Each parameter's description says where its value came from, so that a value that was
rotated is not overwritten by the old one in somebody's `.env`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cdk.names import Names
from cdk.settings import SIGNING_KEY

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

SIGNING_KEY_BYTES = 32
WEBHOOK_TOKEN = "WEBHOOK_VALIDATION_SECRET_TOKEN"  # noqa: S105  # its name

FROM_SETTINGS = "From the settings"
ROTATED = "By secrets.rotate"
MADE = "Made at the first deployment"


@dataclass(frozen=True)
class Stored:
    """What SSM says of a secret, without its value. `origin` is its description."""

    name: str
    changed: datetime
    origin: str

    @property
    def rotated(self) -> bool:
        return self.origin == ROTATED


@dataclass(frozen=True)
class Written:
    """What `write` did: names of secrets, never their values."""

    changed: tuple[str, ...]
    deleted: tuple[str, ...]
    kept: tuple[Stored, ...]

    def lines(self) -> list[str]:
        """The same in sentences."""
        said = []
        if self.changed:
            said.append(f"Secrets written to SSM: {', '.join(self.changed)}")
        if self.deleted:
            said.append(f"Secrets deleted from SSM, for they aren't set: {', '.join(self.deleted)}")
        said += [
            f"{one.name} stays as it was rotated on {one.changed:%Y-%m-%d}: the settings have "
            f"another value. Mend .env, or bring that value by `invoke secrets.rotate {one.name}`."
            for one in self.kept
        ]
        return said


def stored(ssm: SSMClient, names: Names) -> dict[str, str]:
    """The stack's secrets as they are in SSM."""
    pages = ssm.get_paginator("get_parameters_by_path").paginate(
        Path=names.secrets_path, WithDecryption=True
    )
    return {
        parameter["Name"].removeprefix(f"{names.secrets_path}/"): parameter["Value"]
        for page in pages
        for parameter in page["Parameters"]
    }


def value_of(ssm: SSMClient, names: Names, name: str) -> str:
    """One secret as it is in SSM, "" if it isn't there; the right to read that one is enough."""
    try:
        found = ssm.get_parameter(Name=names.secret(name), WithDecryption=True)
    except ssm.exceptions.ParameterNotFound:
        return ""
    return found["Parameter"]["Value"]


def described(ssm: SSMClient, names: Names) -> dict[str, Stored]:
    """What SSM says of the stack's secrets, by their names."""
    pages = ssm.get_paginator("describe_parameters").paginate(
        ParameterFilters=[{"Key": "Path", "Option": "Recursive", "Values": [names.secrets_path]}]
    )
    found = [
        Stored(
            parameter["Name"].removeprefix(f"{names.secrets_path}/"),
            parameter["LastModifiedDate"],
            parameter.get("Description", ""),
        )
        for page in pages
        for parameter in page["Parameters"]
    ]
    return {one.name: one for one in found}


def is_same(name: str, given: str, present: str) -> bool:
    """Whether a setting's value is the one in SSM.

    Of the webhook's tokens the first counts: behind it an old one may be kept for a while
    (`secrets.rotate --keep-old`).
    """
    if secrets.compare_digest(given.encode(), present.encode()):
        return True
    if name != WEBHOOK_TOKEN:
        return False
    first = present.partition(",")[0].strip()
    return bool(given) and secrets.compare_digest(given.encode(), first.encode())


def write(ssm: SSMClient, names: Names, wanted: Mapping[str, str]) -> Written:
    """Bring SSM to what is wanted, and make the pipeline's signing key if there is none.

    `wanted` has every secret setting; one that is "" is deleted, since SSM has no empty values
    and an old key would go on being used. Only what differs is written, and what was rotated stays.
    """
    present = stored(ssm, names)
    about = described(ssm, names) if present else {}
    differing = {
        name: value
        for name, value in wanted.items()
        if not is_same(name, value, present.get(name, ""))
    }
    kept = [about[name] for name in sorted(differing) if name in about and about[name].rotated]
    for one in kept:
        del differing[one.name]
    if SIGNING_KEY not in present:
        put(ssm, names, SIGNING_KEY, secrets.token_hex(SIGNING_KEY_BYTES), MADE)
    for name, value in differing.items():
        if value:
            put(ssm, names, name, value, FROM_SETTINGS)
    gone = [name for name, value in differing.items() if not value]
    _delete(ssm, names, gone)
    changed = [name for name, value in differing.items() if value]
    changed += [SIGNING_KEY] if SIGNING_KEY not in present else []
    return Written(tuple(sorted(changed)), tuple(sorted(gone)), tuple(kept))


def put(ssm: SSMClient, names: Names, name: str, value: str, origin: str) -> None:
    """Write one secret."""
    ssm.put_parameter(
        Name=names.secret(name),
        Value=value,
        Type="SecureString",
        Description=origin,
        Overwrite=True,
    )


def delete_all(ssm: SSMClient, names: Names) -> None:
    """Delete all of the stack's secrets."""
    _delete(ssm, names, list(stored(ssm, names)))


def _delete(ssm: SSMClient, names: Names, settings: list[str]) -> None:
    for setting in settings:
        ssm.delete_parameter(Name=names.secret(setting))
