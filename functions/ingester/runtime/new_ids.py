"""New ids. Use cases get their source as an argument, so that a test or a simulation knows them."""

from __future__ import annotations

import uuid


def random_uuid() -> str:
    """Return a new random UUID as text."""
    return str(uuid.uuid4())
