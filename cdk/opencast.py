"""Read the cached settings of the Opencast cluster that `OC_CLUSTER_NAME` names.

`ops/stack/opencast.py` looks the cluster's address and network up in AWS and writes both to
`.env.opencast`, so that `cdk synth` needs no AWS. Settings of the shell and of `.env` override the
cached settings. The cache isn't used if OPENCAST_BASE_URL is set, because that address may be
another Opencast's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cdk.settings_reader import given_settings

ECS = "ecs"
"""The `STACK_TYPE` of a cluster on ECS, whose address is in exports and not in EC2's tags."""

CACHED = ("OPENCAST_BASE_URL", "OC_VPC_ID", "OC_SUBNET_IDS", "OC_SECURITY_GROUP_ID")


def cache_file(env_file: Path) -> Path:
    """Return the path of the cache: `.env.opencast` beside `.env`."""
    return env_file.with_name(f"{env_file.name}.opencast")


def needs_lookup(given: Mapping[str, str]) -> bool:
    """Return whether the settings name a cluster but not Opencast's address."""
    return bool(given.get("OC_CLUSTER_NAME")) and not given.get("OPENCAST_BASE_URL")


def cached_settings(given: Mapping[str, str], env_file: Path | None) -> dict[str, str]:
    """Return the cached settings of the cluster that `given` names.

    The result is {} without an `env_file`, if the cache is missing or of another cluster, or if
    `given` needs no lookup.

    Raises:
        SettingsError: The cache isn't UTF-8.
    """
    if env_file is None or not needs_lookup(given):
        return {}
    cached = given_settings({}, cache_file(env_file))
    if cluster_of(cached) != cluster_of(given):
        return {}
    return {name: cached[name] for name in CACHED if name in cached}


def cluster_of(settings: Mapping[str, str]) -> tuple[str, bool]:
    """Return OC_CLUSTER_NAME ("" if it isn't given), and whether STACK_TYPE is `ecs`."""
    is_ecs = settings.get("STACK_TYPE", "").lower() == ECS
    return settings.get("OC_CLUSTER_NAME", ""), is_ecs
