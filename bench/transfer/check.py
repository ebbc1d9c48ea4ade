"""Whether what S3 holds is what was to be copied."""

from collections.abc import Sequence
from functools import lru_cache

from bench.transfer.cases import Load
from bench.transfer.peers.content import Generated
from bench.transfer.peers.s3_settings import S3Object
from bench.transfer.workplace import key_of


def problem_of(objects: Sequence[S3Object], load: Load, *, parts: bool) -> str:
    """What is wrong, empty if nothing: exactly these objects, exactly these sizes.

    With `parts` the CRC32 of each part, as S3 computed it, has to be that of the file's bytes at
    its place.
    """
    expected = {key_of(name): name for name in load.files}
    found = {stored.key: stored for stored in objects}
    if set(found) != set(expected):
        missing, others = set(expected) - set(found), set(found) - set(expected)
        return f"missing: {sorted(missing)}, not asked for: {sorted(others)}"
    for key, name in expected.items():
        size = load.files[name]
        if found[key].size != size:
            return f"{key} has {found[key].size} bytes in place of {size}"
        wrong = _wrong_part(found[key], name, size) if parts else None
        if wrong is not None:
            return f"{key}: part {wrong} isn't what Zoom has"
    return ""


def _wrong_part(stored: S3Object, name: str, size: int) -> int | None:
    offset = 0
    for part in stored.parts:
        if part.crc32 != _crc32(name, size, offset, offset + part.size - 1):
            return part.number
        offset += part.size
    return None


@lru_cache(maxsize=100_000)
def _crc32(name: str, size: int, first: int, last: int) -> int:
    return Generated(name, size).crc32(first, last)
