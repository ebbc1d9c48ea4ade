"""A look into real containers, by ranges."""

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
    """A file that is read by ranges, with `hole` zero bytes at `hole_at`; counts what is read."""

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


def look(content: bytes) -> Movie:
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


class TestWhole:
    def test_the_index_at_the_end(self, whole: bytes) -> None:
        assert whole.index(b"moov") > whole.index(b"mdat")
        assert look(whole) == Movie(20.0, ("video", "audio"))

    def test_the_index_in_front(self, index_first: bytes) -> None:
        assert index_first.index(b"moov") < index_first.index(b"mdat")
        assert look(index_first) == Movie(20.0, ("video", "audio"))

    def test_without_sound(self, folder: Path) -> None:
        silent = media.write_lecture(folder / "silent.mp4", 7, audio=False).read_bytes()
        assert look(silent) == Movie(7.0, ("video",))

    def test_the_last_box_may_reach_to_the_end(self, index_first: bytes) -> None:
        at = index_first.index(b"mdat") - 4
        assert look(index_first[:at] + bytes(4) + index_first[at + 4 :]).seconds == 20

    def test_far_fewer_bytes_than_a_large_file_has(self, whole: bytes) -> None:
        """Half a gigabyte of frames behind a length of 64 bits, and the index after it."""
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
    def test_cut_before_its_index(self, folder: Path) -> None:
        with pytest.raises(TransferFailed, match="000-view"):
            look(media.write_broken(folder / "truncated.mp4", "truncated").read_bytes())

    def test_cut_behind_its_index(self, folder: Path) -> None:
        with pytest.raises(TransferFailed, match="breaks off"):
            look(media.write_broken(folder / "cut.mp4", "cut").read_bytes())

    def test_cut_between_its_index_and_its_frames(self, index_first: bytes) -> None:
        """No box is cut there, one is missing."""
        with pytest.raises(TransferFailed, match="frames are missing"):
            look(index_first[: index_first.index(b"mdat") - 4])

    @settings(max_examples=60)
    @given(number=st.integers(0, 1_000_000), in_front=st.booleans())
    def test_cut_anywhere(
        self, index_first: bytes, whole: bytes, number: int, in_front: bool
    ) -> None:
        content = index_first if in_front else whole
        with pytest.raises(TransferFailed):
            look(content[: 1 + number % (len(content) - 1)])

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
    def test_no_mp4_at_all(self, content: bytes) -> None:
        with pytest.raises(TransferFailed, match="not a whole MP4"):
            look(content)

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
    def test_an_answer_in_words_is_called_so(self, content: bytes) -> None:
        with pytest.raises(TransferFailed, match="a page or an error message"):
            look(content)

    @settings(max_examples=60)
    @given(content=st.binary(min_size=1, max_size=400))
    def test_no_bytes_break_it(self, content: bytes) -> None:
        with pytest.raises(TransferFailed):
            look(content)

    def test_an_index_of_nonsense(self, whole: bytes) -> None:
        at = whole.index(b"moov") + 4
        with pytest.raises(TransferFailed):
            look(whole[:at] + bytes(len(whole) - at))

    def test_sound_alone_is_no_lecture(self, folder: Path) -> None:
        with pytest.raises(TransferFailed, match="no video"):
            look(media.write_audio(folder / "audio.mp4", 5).read_bytes())

    @pytest.mark.parametrize("reads", [0, 4])
    def test_s3_failing_is_not_the_files_fault(self, whole: bytes, reads: int) -> None:
        """Also inside libav, which calls back to read."""
        file = Ranges(whole)

        def failing(offset: int, length: int) -> bytes:
            if len(file.reads) >= reads:
                raise ClientError({"Error": {"Code": "SlowDown"}}, "GetObject")
            return file(offset, length)

        with pytest.raises(ClientError, match="SlowDown"):
            inspect("key", failing, file.size)
