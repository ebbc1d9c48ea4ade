"""Files that nobody wrote: the same bytes however they are asked for."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from bench.transfer.peers.content import BLOCK, Content, Filed, Generated

SIZE = 2 * BLOCK + 12345


def generated(_: Path) -> Content:
    return Generated("talk", SIZE)


def filed(folder: Path) -> Content:
    path = folder / "talk.mp4"
    path.write_bytes(bytes(range(256)) * (SIZE // 256) + bytes(SIZE % 256))
    return Filed(path)


@pytest.fixture(params=[generated, filed])
def content(request: pytest.FixtureRequest, tmp_path: Path) -> Content:
    made: Content = request.param(tmp_path)
    return made


def test_any_range_is_that_of_the_whole(content: Content) -> None:
    whole = content.read(0, content.size)
    assert len(whole) == content.size == SIZE
    for offset, length in ((0, 1), (7, 2), (BLOCK - 1, 2), (BLOCK + 3, BLOCK + 9), (SIZE - 1, 1)):
        assert content.read(offset, length) == whole[offset : offset + length]


def test_it_ends_where_it_ends(content: Content) -> None:
    assert content.read(SIZE - 2, 100) == content.read(SIZE - 2, 2)
    assert content.read(SIZE, 1) == content.read(SIZE + 10, 1) == b""


def test_the_checksum_is_that_of_the_bytes(content: Content) -> None:
    whole = content.read(0, content.size)
    assert content.crc32(0, SIZE - 1) == zlib.crc32(whole)
    assert content.crc32(100, BLOCK + 5) == zlib.crc32(whole[100 : BLOCK + 6])


def test_swapped_blocks_and_other_names_and_versions_show() -> None:
    one = Generated("talk", SIZE)
    assert one.read(0, BLOCK) != one.read(BLOCK, BLOCK)
    others = [Generated("talk", SIZE, version=2), Generated("walk", SIZE)]
    assert len({item.read(100, 1000) for item in (one, *others)}) == 3
    assert one.read(0, SIZE) == Generated("talk", SIZE).read(0, SIZE)
