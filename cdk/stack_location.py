"""Location of a stack: the facts that a command needs to work on an existing stack."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A stack's name, the bucket with its code, its release alias, and the way to it.

    `profile` is "" where none is named, `code_bucket` where a command doesn't need it.
    """

    stack_name: str
    code_bucket: str
    release_alias: str
    region: str
    profile: str
