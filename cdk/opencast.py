"""The note of where a DCE cluster's Opencast is, which a command looks up in AWS once.

The note is a file beside `.env`, so that synth needs no AWS. A setting in the shell or in `.env`
wins over the note. The note counts for nothing if OPENCAST_BASE_URL is given, because that may be
another Opencast.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cdk.settings_reader import given_settings

ECS = "ecs"
"""The `STACK_TYPE` of an ECS cluster, which is looked up in exports; others in EC2's tags."""

NOTED = ("OPENCAST_BASE_URL", "OC_VPC_ID", "OC_SUBNET_IDS", "OC_SECURITY_GROUP_ID")


def note_beside(env_file: Path) -> Path:
    """Return the path of the note: `.env.opencast` beside `.env`."""
    return env_file.with_name(f"{env_file.name}.opencast")


def wants_look_up(given: Mapping[str, str]) -> bool:
    """Return whether the settings name a cluster without its address."""
    return bool(given.get("OC_CLUSTER_NAME")) and not given.get("OPENCAST_BASE_URL")


def noted(given: Mapping[str, str], env_file: Path | None) -> dict[str, str]:
    """Return the noted settings of the cluster that `given` names.

    They are {} if there is no note of this cluster, or `given` needs none. Raises SettingsError if
    the note isn't UTF-8.
    """
    if env_file is None or not wants_look_up(given):
        return {}
    note = given_settings({}, note_beside(env_file))
    if whose(note) != whose(given):
        return {}
    return {name: note[name] for name in NOTED if name in note}


def whose(settings: Mapping[str, str]) -> tuple[str, bool]:
    """Return the cluster that settings or a note name, and whether it is an ECS cluster."""
    is_ecs = settings.get("STACK_TYPE", "").lower() == ECS
    return settings.get("OC_CLUSTER_NAME", ""), is_ecs
