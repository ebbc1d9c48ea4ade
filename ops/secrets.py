"""A stack's secrets in SSM: SecureStrings below `/zoom-ingester/<stack>/`.

They are written before the stack is deployed, since CloudFormation can't make SecureStrings and a
template is no place for a secret. Functions read them when a container starts.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cdk.names import Names
from cdk.settings import SIGNING_KEY

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

SIGNING_KEY_BYTES = 32


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


def write(ssm: SSMClient, names: Names, wanted: Mapping[str, str]) -> list[str]:
    """Bring SSM to what is wanted, and make the pipeline's signing key if there is none.

    `wanted` has every secret setting; one that is "" is deleted, since SSM has no empty values
    and an old key would go on being used. Only what differs is written. Returns the names of
    what was changed, never the values.
    """
    present = stored(ssm, names)
    new = {name: value for name, value in wanted.items() if value and value != present.get(name)}
    if SIGNING_KEY not in present:
        new[SIGNING_KEY] = secrets.token_hex(SIGNING_KEY_BYTES)
    for name, value in new.items():
        ssm.put_parameter(
            Name=names.secret(name), Value=value, Type="SecureString", Overwrite=name in present
        )
    gone = [name for name, value in wanted.items() if not value and name in present]
    _delete(ssm, names, gone)
    return sorted([*new, *gone])


def delete_all(ssm: SSMClient, names: Names) -> None:
    """Delete all of the stack's secrets."""
    _delete(ssm, names, list(stored(ssm, names)))


def _delete(ssm: SSMClient, names: Names, settings: list[str]) -> None:
    for setting in settings:
        ssm.delete_parameter(Name=names.secret(setting))
