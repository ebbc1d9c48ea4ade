"""Where Opencast is, as a command looked it up in AWS and noted it beside `.env`.

So that synth needs no AWS. What is given in the environment or in `.env` wins, setting by setting;
with OPENCAST_BASE_URL given nothing of the note counts, for then it is another Opencast.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cdk.settings_reader import given_settings

ECS = "ecs"
"""The `STACK_TYPE` of a cluster whose stack exports where it is; else its EC2 tags say so."""

NOTED = ("OPENCAST_BASE_URL", "OC_VPC_ID", "OC_SUBNET_IDS", "OC_SECURITY_GROUP_ID")


def note_beside(env_file: Path) -> Path:
    """The file with what was looked up: `.env.opencast` beside `.env`."""
    return env_file.with_name(f"{env_file.name}.opencast")


def wants_look_up(given: Mapping[str, str]) -> bool:
    """Whether the settings name a cluster and leave it open where that is."""
    return bool(given.get("OC_CLUSTER_NAME")) and not given.get("OPENCAST_BASE_URL")


def noted(given: Mapping[str, str], env_file: Path | None) -> dict[str, str]:
    """What was looked up for the cluster that the settings name; {} if nothing was, or needn't be.

    SettingsError if the note is no text.
    """
    if env_file is None or not wants_look_up(given):
        return {}
    note = given_settings({}, note_beside(env_file))
    if whose(note) != whose(given):
        return {}
    return {name: note[name] for name in NOTED if name in note}


def whose(settings: Mapping[str, str]) -> tuple[str, bool]:
    """Which cluster settings or a note are about: its name, and whether it is one of ECS."""
    is_ecs = settings.get("STACK_TYPE", "").lower() == ECS
    return settings.get("OC_CLUSTER_NAME", ""), is_ecs
