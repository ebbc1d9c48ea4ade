"""Check the boxes of an MP4 before libav opens it, with few reads.

An MP4 is a sequence of boxes, each of which begins with its length (ISO/IEC 14496-12, section 4.2).
If a file is cut off after its index (`moov`), libav opens the file without an error. libav also
allocates as much memory as the index asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ingester.errors import TransferFailed, UnusableVideo

BLOCK_BYTES = 256 * 1024
"""Size of one read in bytes, enough for several usual boxes."""

MAX_BOXES = 1_000
"""Maximum number of boxes of a file that are read."""

MAX_INDEX_BYTES = 128 * 1024 * 1024
"""Maximum size of the index (`moov`) in bytes. The index of a 24-hour video has some 45 MB."""

MAX_SAMPLES = 20_000_000
"""Maximum number of samples (frames) of all tracks. A 24-hour video has some 6 million."""

MAX_READS = 1_000
"""Maximum number of reads of a file, including the reads for libav."""

MAX_READ_BYTES = 2 * MAX_INDEX_BYTES
"""Maximum number of bytes in all reads of a file, including the reads for libav."""

_HEADER_BYTES = 16
"""Size of the longest header: length (4), type (4) and, if the length is 1, the real length (8)."""

_FIRST_BYTES_OF_TEXT = frozenset({b"<", b"{", b"["})
"""First bytes of HTML, XML and JSON. An MP4 begins with the length of its first box, and none of
these bytes begins a length below 1 GB."""

_CHILD = {b"moov": b"trak", b"trak": b"mdia", b"mdia": b"minf", b"minf": b"stbl"}
"""The child box that leads to the sample tables, by parent box. No other child is opened."""

_ENTRY_BYTES = {
    b"stts": 8,
    b"ctts": 8,
    b"stsc": 12,
    b"stss": 4,
    b"stps": 4,
    b"stco": 4,
    b"co64": 8,
}
"""Bytes of an entry, by the type of a table with a count at byte 4. Sources: ISO/IEC 14496-12,
sections 8.6 and 8.7, and for `stps`
https://developer.apple.com/documentation/quicktime-file-format/partial_sync_sample_atom"""


@dataclass(frozen=True)
class _Box:
    """A box: its type, and the offsets at which the content begins and ends (exclusive)."""

    type: bytes
    begin: int
    end: int


class File:
    """A file of `size` bytes that is read by `read_range(offset, length)`, within limits.

    `name` is the file's name in error messages.
    """

    def __init__(self, name: str, read_range: Callable[[int, int], bytes], size: int) -> None:
        self.name = name
        self.size = size
        self._read_range = read_range
        self._reads_left = MAX_READS
        self._bytes_left = MAX_READ_BYTES
        self._block_at, self._block = 0, b""

    def read(self, offset: int, length: int) -> bytes:
        """Read exactly `length` bytes from `offset` on.

        Raises:
            UnusableVideo: The file takes too many reads, or reads of too many bytes.
            TransferFailed: The file is shorter than its size.
        """
        self._reads_left -= 1
        self._bytes_left -= length
        if self._reads_left < 0 or self._bytes_left < 0:
            raise UnusableVideo.of(
                self.name,
                f"checking it takes over {MAX_READS:,} reads, or over {MAX_READ_BYTES:,} bytes",
            )
        content = self._read_range(offset, length)
        if len(content) != length:
            raise TransferFailed(f"{self.name} has fewer bytes than S3 tells.")
        return content

    def peek(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset` on, from the last block read or a new one.

        Raises:
            UnusableVideo, TransferFailed: See `read`.
        """
        begin = offset - self._block_at
        if not 0 <= begin <= len(self._block) - min(length, self.size - offset):
            self._block = self.read(offset, min(BLOCK_BYTES, self.size - offset))
            self._block_at, begin = offset, 0
        return self._block[begin : begin + length]


def check_boxes(file: File) -> None:
    """Check that a file is complete, and that its index describes no more than the file can hold.

    A fragmented file is checked only up to its first fragment.

    Raises:
        TransferFailed: The file is a page (HTML, XML or JSON), is shorter than its size, has a box
            of an impossible length, or lacks the index or the samples.
        UnusableVideo: The file has too many boxes or two indexes; its index is too large,
            compressed or impossible, or has too many samples; or the check reads too often or too
            many bytes.
    """
    if file.peek(0, _HEADER_BYTES).lstrip()[:1] in _FIRST_BYTES_OF_TEXT:
        raise TransferFailed(
            f"{file.name} is a page or an error message under a video's name, and no MP4."
        )
    index: _Box | None = None
    box_types = set()
    boxes_left = MAX_BOXES
    for box in _boxes(file, 0, file.size):
        boxes_left -= 1
        _check_box(file, box, boxes_left)
        if box.type == b"moov":
            if index or box.end - box.begin > MAX_INDEX_BYTES:
                raise UnusableVideo.of(
                    file.name, f"it has two indexes, or one of over {MAX_INDEX_BYTES:,} bytes"
                )
            index = box
        box_types.add(box.type)
        if box.type == b"moof":
            # The index comes before the fragments. libav checks the fragments.
            break
    if index is None or not box_types & {b"mdat", b"moof"}:
        raise TransferFailed(
            f"{file.name} is not a whole MP4: its index or its frames are missing."
        )
    _check_index(file, index, boxes_left)


def _check_index(file: File, index: _Box, boxes_left: int) -> None:
    waiting, samples = [index], 0
    while waiting:
        parent = waiting.pop()
        for box in _boxes(file, parent.begin, parent.end):
            boxes_left -= 1
            _check_box(file, box, boxes_left)
            if box.type == _CHILD.get(parent.type):
                waiting.append(box)
            elif parent.type == b"stbl":
                samples += _samples(file, box)
    if samples > MAX_SAMPLES:
        raise UnusableVideo.of(file.name, f"its index has more than {MAX_SAMPLES:,} frames")


def _boxes(file: File, offset: int, end: int) -> Iterator[_Box]:
    """Yield the boxes between two offsets.

    Raises:
        TransferFailed: A box reaches beyond the end, or is shorter than its header; or the file is
            shorter than its size.
        UnusableVideo: See `File.read`.
    """
    while offset < end:
        header = file.peek(offset, min(_HEADER_BYTES, end - offset))
        length, content = int.from_bytes(header[:4], "big"), 8
        if length == 1:
            length, content = int.from_bytes(header[8:16], "big"), _HEADER_BYTES
        elif length == 0:
            length = end - offset
        if length < content or offset + length > end:
            raise TransferFailed(
                f"{file.name} is not a whole MP4: it breaks off, or is none at all."
            )
        yield _Box(header[4:8], offset + content, offset + length)
        offset += length


def _check_box(file: File, box: _Box, boxes_left: int) -> None:
    if boxes_left < 0:
        raise UnusableVideo.of(file.name, f"it has more than {MAX_BOXES:,} boxes")
    if box.type == b"cmov":
        # A small compressed index may expand to gigabytes. Zoom doesn't compress its indexes.
        raise UnusableVideo.of(file.name, "its index is compressed")


def _samples(file: File, table: _Box) -> int:
    """Return the number of samples if `table` is a sample-size table, otherwise 0.

    Raises:
        UnusableVideo: The table has no room for its entries; the file has no room for the table's
            samples; or the check reads too often or too many bytes.
        TransferFailed: The file is shorter than its size.
    """
    length, samples, fits = table.end - table.begin, 0, True
    head = file.peek(table.begin, min(12, length)).ljust(12, b"\0")
    first, second = int.from_bytes(head[4:8], "big"), int.from_bytes(head[8:12], "big")
    if table.type == b"stsz":
        samples = second
        fits = samples * first <= file.size if first else 12 + 4 * samples <= length
    elif table.type == b"stz2":
        samples = second
        # The last byte of the first number is the number of bits of an entry (ISO/IEC 14496-12,
        # section 8.7.3.3).
        fits = 12 + samples * (first & 0xFF) / 8 <= length
    elif table.type in _ENTRY_BYTES:
        fits = 8 + first * _ENTRY_BYTES[table.type] <= length
    if not fits:
        name = table.type.decode()
        raise UnusableVideo.of(file.name, f"its table {name} tells of more than the file can hold")
    return samples
