"""Make new ids.

Use cases get `random_uuid` as an argument, so tests and simulations choose the ids.
"""

from __future__ import annotations

import uuid


def random_uuid() -> str:
    """Return a new random UUID as text."""
    return str(uuid.uuid4())
