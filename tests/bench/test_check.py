"""What counts as copied: these objects, these sizes, these bytes in this order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.transfer.cases import Load
from bench.transfer.check import problem_of
from bench.transfer.peers.content import BLOCK, Generated
from bench.transfer.peers.s3_settings import S3Object, S3Part

SIZE = 2 * BLOCK + 100
LOAD = Load("one", {"f": SIZE})
FILE = Generated("f", SIZE)
BOUNDS = [(0, BLOCK), (BLOCK, BLOCK), (2 * BLOCK, 100)]
PARTS = tuple(
    S3Part(number=number, size=size, crc32=FILE.crc32(offset, offset + size - 1))
    for number, (offset, size) in enumerate(BOUNDS, 1)
)
OBJECT = S3Object(
    key="bench/f.mp4",
    size=SIZE,
    etag="",
    checksum="",
    content_type="",
    metadata={},
    parts=PARTS,
)


def test_what_is_right_has_no_problem() -> None:
    assert problem_of([OBJECT], LOAD, parts=True) == ""


@pytest.mark.parametrize(
    ("objects", "problem"),
    [
        ([], "missing: ['bench/f.mp4']"),
        ([OBJECT, replace(OBJECT, key="other")], "not asked for: ['other']"),
        ([replace(OBJECT, size=SIZE - 1)], "in place of"),
    ],
)
def test_objects_and_sizes(objects: list[S3Object], problem: str) -> None:
    for parts in (False, True):
        assert problem in problem_of(objects, LOAD, parts=parts)


def test_swapped_parts() -> None:
    swapped = replace(OBJECT, parts=(PARTS[1], PARTS[0], PARTS[2]))
    assert problem_of([swapped], LOAD, parts=True) == "bench/f.mp4: part 2 isn't what Zoom has"
    assert problem_of([swapped], LOAD, parts=False) == ""
