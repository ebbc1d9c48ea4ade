"""Unit tests of the inspection of complete, broken and foreign files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from ingester.errors import TransferFailed
from ingester.transfer.mp4 import Movie, inspect
from local import media

MEBI = 1024 * 1024


@dataclass
class Ranges:
    """A file to read by ranges, with `hole` zero bytes at `hole_at`.

    `reads` has the offset and the length of each read.
    """

    content: bytes
    hole_at: int = 0
    hole: int = 0
    reads: list[tuple[int, int]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.content) + self.hole

    def __call__(self, offset: int, length: int) -> bytes:
        assert length > 0
        assert offset + length <= self.size, "S3 answers 416 to a range behind the end"
        self.reads.append((offset, length))
        return b"".join(
            (
                self.content[offset : min(offset + length, self.hole_at)],
                bytes(max(0, min(offset + length, self._end) - max(offset, self.hole_at))),
                self.content[
                    max(offset - self.hole, self.hole_at) : max(
                        offset + length - self.hole, self.hole_at
                    )
                ],
            )
        )

    @property
    def _end(self) -> int:
        return self.hole_at + self.hole


def inspected(content: bytes) -> Movie:
    return inspect("1/2/000-view.mp4", Ranges(content), len(content))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="module")
def whole(folder: Path) -> bytes:
    return media.write_lecture(folder / "end.mp4", 20).read_bytes()


@pytest.fixture(scope="module")
def index_first(folder: Path) -> bytes:
    return media.write_lecture(folder / "front.mp4", 20, faststart=True).read_bytes()


class TestComplete:
    def test_movie_is_read_when_the_index_is_at_the_end(self, whole: bytes) -> None:
        assert whole.index(b"moov") > whole.index(b"mdat")
        assert inspected(whole) == Movie(20.0, ("video", "audio"))

    def test_movie_is_read_when_the_index_is_at_the_front(self, index_first: bytes) -> None:
        assert index_first.index(b"moov") < index_first.index(b"mdat")
        assert inspected(index_first) == Movie(20.0, ("video", "audio"))

    def test_movie_is_read_when_there_is_no_audio(self, folder: Path) -> None:
        silent = media.write_lecture(folder / "silent.mp4", 7, audio=False).read_bytes()
        assert inspected(silent) == Movie(7.0, ("video",))

    def test_movie_is_read_when_the_last_box_of_the_file_has_length_0(
        self, index_first: bytes
    ) -> None:
        at = index_first.index(b"mdat") - 4
        assert inspected(index_first[:at] + bytes(4) + index_first[at + 4 :]).seconds == 20

    def test_inspection_reads_less_than_2_mib_of_a_large_file(self, whole: bytes) -> None:
        # The file has a box of over 512 MiB, whose length is a 64-bit number, and then an index.
        at = whole.index(b"mdat") - 4
        length = int.from_bytes(whole[at : at + 4], "big")
        hole = 512 * MEBI
        large = (length + 8 + hole).to_bytes(8, "big")
        content = whole[:at] + b"\0\0\0\1mdat" + large + whole[at + 8 :]
        file = Ranges(content, hole_at=at + 8 + length, hole=hole)
        assert inspect("key", file, file.size).seconds == 20
        assert sum(length for _, length in file.reads) < 2 * MEBI
        assert len(file.reads) < 30


class TestBroken:
    def test_transfer_failed_is_raised_when_the_file_is_cut_before_its_index(
        self, folder: Path
    ) -> None:
        with pytest.raises(TransferFailed, match="000-view"):
            inspected(media.write_broken(folder / "truncated.mp4", "truncated").read_bytes())

    def test_transfer_failed_is_raised_when_the_file_is_cut_after_its_index(
        self, folder: Path
    ) -> None:
        with pytest.raises(TransferFailed, match="breaks off"):
            inspected(media.write_broken(folder / "cut.mp4", "cut").read_bytes())

    def test_transfer_failed_is_raised_when_the_frames_are_missing(
        self, index_first: bytes
    ) -> None:
        # Every box in the file is complete, but the box with the frames is missing.
        with pytest.raises(TransferFailed, match="frames are missing"):
            inspected(index_first[: index_first.index(b"mdat") - 4])

    @settings(max_examples=60)
    @given(number=st.integers(0, 1_000_000), in_front=st.booleans())
    def test_transfer_failed_is_raised_wherever_the_file_is_cut(
        self, index_first: bytes, whole: bytes, number: int, in_front: bool
    ) -> None:
        content = index_first if in_front else whole
        with pytest.raises(TransferFailed):
            inspected(content[: 1 + number % (len(content) - 1)])

    @pytest.mark.parametrize(
        "content",
        [
            "Unauthorized: ünïcode\n".encode() * 2000,
            b"x",
            bytes(5000),
            bytes(range(256)) * 100,
        ],
        ids=["text", "one byte", "zeros", "noise"],
    )
    def test_transfer_failed_is_raised_when_the_file_is_not_an_mp4(self, content: bytes) -> None:
        with pytest.raises(TransferFailed, match="not a whole MP4"):
            inspected(content)

    @pytest.mark.parametrize(
        "content",
        [
            media.HTML_PAGE,
            b"\n\n<html>" + bytes(100_000),
            b'{"status":false,"errorCode":200}',
            b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
        ],
        ids=["page", "large page", "json", "xml"],
    )
    def test_error_calls_the_file_a_page_or_error_message_when_the_file_is_html_json_or_xml(
        self, content: bytes
    ) -> None:
        with pytest.raises(TransferFailed, match="a page or an error message"):
            inspected(content)

    @settings(max_examples=60)
    @given(content=st.binary(min_size=1, max_size=400))
    def test_transfer_failed_is_raised_when_the_file_has_random_bytes(self, content: bytes) -> None:
        with pytest.raises(TransferFailed):
            inspected(content)

    def test_transfer_failed_is_raised_when_the_index_is_invalid(self, whole: bytes) -> None:
        at = whole.index(b"moov") + 4
        with pytest.raises(TransferFailed):
            inspected(whole[:at] + bytes(len(whole) - at))

    def test_transfer_failed_is_raised_when_there_is_no_video(self, folder: Path) -> None:
        with pytest.raises(TransferFailed, match="no video"):
            inspected(media.write_audio(folder / "audio.mp4", 5).read_bytes())

    @pytest.mark.parametrize("reads", [0, 1])
    def test_error_of_s3_is_raised_unchanged_when_a_read_fails(
        self, whole: bytes, reads: int
    ) -> None:
        file = Ranges(whole)

        def failing(offset: int, length: int) -> bytes:
            if len(file.reads) >= reads:
                raise ClientError({"Error": {"Code": "SlowDown"}}, "GetObject")
            return file(offset, length)

        with pytest.raises(ClientError, match="SlowDown"):
            inspect("key", failing, file.size)
