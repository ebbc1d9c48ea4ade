"""Text from other systems, made encodable as UTF-8."""

from __future__ import annotations


def encodable(text: str) -> str:
    """Return a text with a `?` for each unpaired surrogate, which JSON can have but UTF-8 can't."""
    return text.encode("utf-8", "replace").decode()
