"""Check that S3 holds exactly the objects that a program had to write."""

from collections.abc import Sequence
from functools import lru_cache

from bench.transfer.cases import Load
from bench.transfer.peers.content import Generated
from bench.transfer.peers.s3_settings import S3Object


def key_of(name: str) -> str:
    """Return the S3 key of a file."""
    return f"bench/{name}.mp4"


def problem_of(objects: Sequence[S3Object], load: Load, *, parts: bool) -> str:
    """Return the first mistake in keys, sizes or (with `parts`) bytes, or "" without a mistake."""
    expected = {key_of(name): Generated(name, size) for name, size in load.files.items()}
    found = {stored.key: stored for stored in objects}
    if set(found) != set(expected):
        missing, others = set(expected) - set(found), set(found) - set(expected)
        return f"missing: {sorted(missing)}, unexpected: {sorted(others)}"
    for key, content in expected.items():
        if found[key].size != content.size:
            return f"{key} has {found[key].size} bytes in place of {content.size}"
        number = wrong_part(found[key], content) if parts else None
        if number is not None:
            return f"{key}: part {number} differs from Zoom's"
    return ""


def wrong_part(stored: S3Object, content: Generated) -> int | None:
    """Return the number of the first part whose bytes differ from `content`, else None."""
    offset = 0
    for part in stored.parts:
        if part.crc32 != _crc32(content, offset, offset + part.size - 1):
            return part.number
        offset += part.size
    return None


@lru_cache(maxsize=100_000)
def _crc32(content: Generated, first: int, last: int) -> int:
    return content.crc32(first, last)
