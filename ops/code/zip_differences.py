"""The differences of two zips that should have the same bytes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path


def differences(first: Path, second: Path) -> Iterator[str]:
    """Yield lines about the differences between two zips; no line for zips with the same bytes."""
    if first.read_bytes() == second.read_bytes():
        return
    with zipfile.ZipFile(first) as one, zipfile.ZipFile(second) as other:
        names, others = set(one.namelist()), set(other.namelist())
        yield from (f"{name} is only in the first" for name in sorted(names - others))
        yield from (f"{name} is only in the second" for name in sorted(others - names))
        changed = [name for name in sorted(names & others) if one.read(name) != other.read(name)]
        yield from (f"{name} differs" for name in changed)
    if names == others and not changed:
        yield "the files are the same; their order, times, modes or compression differ"
