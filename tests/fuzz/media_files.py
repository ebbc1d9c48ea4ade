"""Targets: the check of an MP4 file's boxes, and libav, which opens the file in a child process."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ingester.errors import TransferFailed, UnusableVideo
from ingester.transfer.mp4 import inspect
from ingester.transfer.mp4_boxes import File, check_boxes
from local import media
from tests.fuzz.mutations import Mutator
from tests.fuzz.target import Target, require

BOXES = (
    *(b"ftyp", b"moov", b"mvhd", b"trak", b"tkhd", b"mdia", b"minf", b"stbl", b"stsd", b"stts"),
    *(b"stsc", b"stsz", b"stz2", b"stco", b"co64", b"ctts", b"stss", b"mdat", b"edts", b"elst"),
    *(b"udta", b"free", b"moof", b"cmov", b"uuid", b"meta"),
)
NUMBERS = (0, 1, 7, 8, 9, 15, 16, 17, 100, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1)


@cache
def movies() -> tuple[bytes, ...]:
    """Return small MP4s: with the index at the end, with the index first, and without sound."""
    with TemporaryDirectory() as folder:
        path = Path(folder)
        return (
            media.write_lecture(path / "a.mp4", 5).read_bytes(),
            media.write_lecture(path / "b.mp4", 5, faststart=True).read_bytes(),
            media.write_lecture(path / "c.mp4", 5, audio=False).read_bytes(),
        )


def make(mutator: Mutator) -> Any:
    """Make an input: the number of a movie and changes of its bytes.

    Such an input is shorter than the changed file.
    """
    changes = [_change(mutator) for _ in range(1 + int(mutator.random.random() ** 2 * 5))]
    return {"movie": mutator.random.randrange(3), "changes": changes}


def _change(mutator: Mutator) -> Any:
    box, count = mutator.one_of(BOXES).decode(), mutator.random.randrange(-4, 40)
    number = mutator.one_of(NUMBERS)
    return mutator.one_of(
        (
            {"at": box, "put": number, "skip": count},
            {"at": box, "put": number, "skip": -4},
            {"at": box, "name": mutator.one_of(BOXES).decode()},
            {"at": box, "cut": True},
            {"at": box, "insert": mutator.random.randbytes(8).hex() * mutator.one_of((1, 50))},
            {"at": box, "double": True},
            {"part": mutator.random.random(), "bytes": mutator.random.randbytes(3).hex()},
            {"end": mutator.random.random()},
        )
    )


def content_of(given: Any) -> bytes:
    """Return the bytes of the file that an input describes."""
    content: bytes = movies()[given["movie"]]
    for change in given["changes"]:
        content = _changed(content, change)
    return content


def _changed(content: bytes, change: Any) -> bytes:
    if "end" in change:
        return content[: int(change["end"] * len(content))]
    if "part" in change:
        at, new = int(change["part"] * len(content)), bytes.fromhex(change["bytes"])
        return content[:at] + new + content[at + len(new) :]
    at = content.find(change["at"].encode())
    if at < 4:
        return content
    length = struct.unpack(">I", content[at - 4 : at])[0]
    box = content[at - 4 : at - 4 + length]
    kinds: dict[str, Callable[[], bytes]] = {
        "put": lambda: _put(content, at + change["skip"], change["put"]),
        "name": lambda: content[:at] + change["name"].encode() + content[at + 4 :],
        "cut": lambda: content[: at - 4] + content[at - 4 + length :],
        "insert": lambda: content[: at + 4] + bytes.fromhex(change["insert"]) + content[at + 4 :],
        "double": lambda: content[: at - 4] + box + content[at - 4 :],
    }
    return next((kinds[kind]() for kind in kinds if kind in change), content)


def _put(content: bytes, at: int, number: int) -> bytes:
    return content[:at] + struct.pack(">I", number) + content[at + 4 :]


def check_file(given: Any) -> Iterator[str]:
    """Check that `check_boxes` accepts a file or raises an expected error, after few reads.

    Yield the texts that must contain no secret.
    """
    content = content_of(given)
    reads = 0

    def read(offset: int, length: int) -> bytes:
        nonlocal reads
        reads += 1
        require(length > 0, "A read of nothing")
        require(offset + length <= len(content), "A read behind the end")
        return content[offset : offset + length]

    try:
        check_boxes(File("1/a.mp4", read, len(content)))
    except (TransferFailed, UnusableVideo) as error:
        yield str(error)
    require(reads < 20, f"Too many reads for {len(content)} bytes: {reads}")


def check_child(given: Any) -> Iterator[str]:
    """Check that `inspect` accepts a file or raises an expected error.

    Yield the texts that must contain no secret.
    """
    content = content_of(given)
    try:
        movie = inspect("1/a.mp4", lambda at, size: content[at : at + size], len(content))
        yield f"{movie.seconds} {movie.streams}"
    except (TransferFailed, UnusableVideo) as error:
        yield str(error)


TARGETS = (
    Target("mp4-boxes", 6, make, check_file),
    Target("mp4-child", 0.15, make, check_child),
)
