"""Where a stack is: what a command has to know to work on one that is there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A stack's name, the bucket with its code, its release alias, and the way to it.

    `profile` is "" where none is named.
    """

    stack_name: str
    code_bucket: str
    release_alias: str
    region: str
    profile: str
