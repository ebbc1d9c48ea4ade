"""Location of a stack: the facts by which a command finds the stack in AWS."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A stack's name, code bucket and release alias, with its AWS region and profile.

    `profile` is "" if no profile is named. `code_bucket` may be "" for a command that doesn't need
    the bucket.
    """

    stack_name: str
    code_bucket: str
    release_alias: str
    region: str
    profile: str
