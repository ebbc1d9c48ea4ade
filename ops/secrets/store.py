"""A stack's secrets in SSM: SecureStrings below `/zoom-ingester/<stack>/`.

Secrets are written before the stack is deployed, because a template must not contain secrets and
CloudFormation can't make SecureStrings. Functions read secrets at a container's first invocation,
and again at the first invocation after five minutes. Each parameter's description names the origin
of its value, so that an old value in somebody's `.env` doesn't overwrite a rotated value.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-ssm-parameter.html
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cdk.names import Names
from cdk.settings import SCHEDULE_TOKEN, SIGNING_KEY

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

GENERATED_BYTES = 32
WEBHOOK_TOKEN = "WEBHOOK_VALIDATION_SECRET_TOKEN"  # noqa: S105 - a name

FROM_SETTINGS = "From the settings"
ROTATED = "By secrets.rotate"
MADE = "Made at the first deployment"

SHOW_TOKEN = (
    f"{SCHEDULE_TOKEN} was made: `invoke secrets.schedule-token` prints it for the sheet's script."
)


@dataclass(frozen=True)
class StoredSecret:
    """A secret in SSM, without its value. `origin` is the parameter's description."""

    name: str
    changed: datetime
    origin: str

    @property
    def rotated(self) -> bool:
        return self.origin == ROTATED


@dataclass(frozen=True)
class WriteResult:
    """The result of `write`, without the secrets' values. `changed` includes `made`.

    `kept` are the rotated secrets that differ from the settings.
    """

    changed: tuple[str, ...]
    made: tuple[str, ...]
    deleted: tuple[str, ...]
    kept: tuple[StoredSecret, ...]

    def lines(self) -> list[str]:
        """Return the result in sentences."""
        said = []
        if self.changed:
            said.append(f"Secrets written to SSM: {', '.join(self.changed)}")
        if SCHEDULE_TOKEN in self.made:
            said.append(SHOW_TOKEN)
        if self.deleted:
            said.append(f"Secrets deleted from SSM, for they aren't set: {', '.join(self.deleted)}")
        said += [
            f"{secret.name} stays as it was rotated on {secret.changed:%Y-%m-%d}: the settings "
            "have another value. Mend .env, or bring that value by `invoke secrets.rotate "
            f"{secret.name}`."
            for secret in self.kept
        ]
        return said


def stored(ssm: SSMClient, names: Names) -> dict[str, str]:
    """Return the values of the stack's secrets in SSM, by name."""
    pages = ssm.get_paginator("get_parameters_by_path").paginate(
        Path=names.secrets_path, WithDecryption=True
    )
    return {
        parameter["Name"].removeprefix(f"{names.secrets_path}/"): parameter["Value"]
        for page in pages
        for parameter in page["Parameters"]
    }


def value_of(ssm: SSMClient, names: Names, name: str) -> str:
    """Return one secret's value in SSM; "" if SSM has no such secret.

    This call needs only the right to read that one secret.
    """
    try:
        found = ssm.get_parameter(Name=names.secret(name), WithDecryption=True)
    except ssm.exceptions.ParameterNotFound:
        return ""
    return found["Parameter"]["Value"]


def described(ssm: SSMClient, names: Names) -> dict[str, StoredSecret]:
    """Return the stack's secrets in SSM by name, without their values."""
    pages = ssm.get_paginator("describe_parameters").paginate(
        ParameterFilters=[{"Key": "Path", "Option": "Recursive", "Values": [names.secrets_path]}]
    )
    found = [
        StoredSecret(
            parameter["Name"].removeprefix(f"{names.secrets_path}/"),
            parameter["LastModifiedDate"],
            parameter.get("Description", ""),
        )
        for page in pages
        for parameter in page["Parameters"]
    ]
    return {secret.name: secret for secret in found}


def is_same(name: str, given: str, present: str) -> bool:
    """Return whether a setting's value is the value in SSM.

    The first of several webhook tokens counts as the value, too, because `secrets.rotate
    --keep-old` keeps old tokens after the new token.
    """
    if secrets.compare_digest(given.encode(), present.encode()):
        return True
    if name != WEBHOOK_TOKEN:
        return False
    first = present.partition(",")[0].strip()
    return bool(given) and secrets.compare_digest(given.encode(), first.encode())


def write(
    ssm: SSMClient,
    names: Names,
    wanted: Mapping[str, str],
    generated: Collection[str] = (SIGNING_KEY,),
) -> WriteResult:
    """Write the settings' secrets to SSM, and make the `generated` secrets that SSM lacks.

    `wanted` has every secret setting. An empty setting's secret is deleted, because SSM has no
    empty values and the functions would continue to use the old value. Only differences are
    written, and rotated values stay. A generated secret replaces a secret that came from a setting
    which is no longer given.
    """
    present = stored(ssm, names)
    about = described(ssm, names) if present else {}
    made = tuple(
        name
        for name in generated
        if name not in present or (name in about and about[name].origin == FROM_SETTINGS)
    )
    differing = {
        name: value
        for name, value in wanted.items()
        if name not in generated and not is_same(name, value, present.get(name, ""))
    }
    kept = [about[name] for name in sorted(differing) if name in about and about[name].rotated]
    for secret in kept:
        del differing[secret.name]
    for name in made:
        put(ssm, names, name, secrets.token_hex(GENERATED_BYTES), MADE)
    for name, value in differing.items():
        if value:
            put(ssm, names, name, value, FROM_SETTINGS)
    gone = [name for name, value in differing.items() if not value]
    _delete(ssm, names, gone)
    changed = [name for name, value in differing.items() if value] + list(made)
    return WriteResult(tuple(sorted(changed)), made, tuple(sorted(gone)), tuple(kept))


def put(ssm: SSMClient, names: Names, name: str, value: str, origin: str) -> None:
    """Write one secret, with its origin as the parameter's description."""
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
