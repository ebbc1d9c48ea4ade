"""Whether an object is, byte for byte, one version of what the fake Zoom had."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from bench.transfer.peers.content import Generated
from bench.transfer.peers.s3_settings import S3Object
from ingester.transfer.multipart import IDENTITY
from tests.transfer.rig import Rig, key_of, metadata_of


def version_in(stored: S3Object, versions: Sequence[Generated]) -> Generated | None:
    """The version that an object is; None if it is none of them."""
    return next((content for content in versions if _is_whole(stored, content)), None)


def objects_of(rig: Rig, names: Sequence[str]) -> dict[str, Generated]:
    """Which version each file's object is. Fails if one is none, or there is an object too many."""
    found: dict[str, Generated] = {}
    files = {key_of(name): name for name in names}
    for stored in rig.s3.objects():
        name = files[stored.key]
        versions = rig.zoom.versions(name)
        version = version_in(stored, versions)
        assert version, f"{stored.size} bytes in {stored.key} are none of {versions}."
        told = {**stored.metadata}
        assert told.pop(IDENTITY)
        assert told == metadata_of(name)
        found[name] = version
    return found


def _is_whole(stored: S3Object, content: Generated) -> bool:
    if stored.size != content.size:
        return False
    offset = 0
    for part in stored.parts:
        if part.crc32 != _crc32(content, offset, offset + part.size - 1):
            return False
        offset += part.size
    return True


@lru_cache(maxsize=10_000)
def _crc32(content: Generated, first: int, last: int) -> int:
    """As S3 computed it of the bytes that came."""
    return content.crc32(first, last)
