"""The recorded cases. The files may be exchanged for others of the same kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent.parent / "vectors"


def cases(name: str) -> list[Any]:
    """The cases of one file as pytest parameters, numbered."""
    loaded = json.loads((FOLDER / f"{name}.json").read_text())
    return [pytest.param(case, id=f"{name}-{number}") for number, case in enumerate(loaded)]


def empty_is_absent(row: dict[str, Any]) -> dict[str, Any]:
    """A row in which an empty text counts as an absent one."""
    return {key: value for key, value in row.items() if value != ""}
