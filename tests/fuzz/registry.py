"""All targets of the fuzzer. Each module with `TARGETS` has to be listed here."""

from __future__ import annotations

from tests.fuzz import (
    api,
    captions,
    configuration,
    files,
    google,
    logs,
    media_files,
    opencast,
    queues,
    slack,
    tables,
    zoom,
)
from tests.fuzz.target import Target

MODULES = (
    zoom,
    queues,
    opencast,
    slack,
    google,
    tables,
    api,
    captions,
    logs,
    files,
    media_files,
    configuration,
)

TARGETS: dict[str, Target] = {
    target.name: target for module in MODULES for target in module.TARGETS
}


def share_of(inputs: int, names: list[str]) -> dict[str, int]:
    """Divide a number of inputs among targets by weight, with at least one input for each."""
    whole = sum(TARGETS[name].weight for name in names)
    return {name: max(1, round(inputs * TARGETS[name].weight / whole)) for name in names}
