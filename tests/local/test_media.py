"""The media the stand-in serves are real: they open, last, differ, and break as they should."""

from pathlib import Path

import av
import pytest
from av.error import FFmpegError

from local.media import Broken, padded, write_audio, write_broken, write_chat, write_lecture


def test_a_lecture_lasts_as_long_as_it_says(tmp_path: Path) -> None:
    path = write_lecture(tmp_path / "a.mp4", 130, "a")
    assert 5_000 < path.stat().st_size < 60_000
    with av.open(str(path)) as container:
        assert container.duration == pytest.approx(130 * av.time_base, rel=0.01)
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert sum(1 for _ in container.decode(video=0)) == 130


def test_the_same_seed_gives_the_same_bytes_and_another_others(tmp_path: Path) -> None:
    one, again, other = (
        write_lecture(tmp_path / f"{number}.mp4", 10, seed).read_bytes()
        for number, seed in enumerate(["a", "a", "b"])
    )
    assert one == again
    assert one != other


def test_pictures_differ_too_not_only_the_title(tmp_path: Path) -> None:
    frames = set()
    for seed in "abc":
        with av.open(str(write_lecture(tmp_path / f"{seed}.mp4", 2, seed))) as container:
            frames.add(bytes(next(container.decode(video=0)).planes[0]))
    assert len(frames) == 3


def test_padding_changes_nothing_but_the_size(tmp_path: Path) -> None:
    movie = write_lecture(tmp_path / "a.mp4", 2).read_bytes()
    one, other = padded(movie, 3_000_000, "a"), padded(movie, 3_000_000, "b")
    assert len(one) == len(other) == len(movie) + 3_000_000
    pieces = {whole[-number * 1_000_000 :][:1000] for whole in (one, other) for number in (1, 2)}
    assert len(pieces) == 4
    path = tmp_path / "b.mp4"
    path.write_bytes(one)
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 2


def test_audio_alone_has_no_picture(tmp_path: Path) -> None:
    with av.open(str(write_audio(tmp_path / "a.m4a", 10))) as container:
        assert [stream.type for stream in container.streams] == ["audio"]
        assert container.duration == pytest.approx(10 * av.time_base, rel=0.02)


def test_chats_differ_by_seed(tmp_path: Path) -> None:
    first = write_chat(tmp_path / "a.txt", "a").read_bytes()
    assert first != write_chat(tmp_path / "b.txt", "b").read_bytes()
    assert first.count(b"\r\n") == first.count(b"\n") == 6


@pytest.mark.parametrize("kind", ["truncated", "html", "empty"])
def test_what_is_broken_does_not_open(tmp_path: Path, kind: Broken) -> None:
    path = write_broken(tmp_path / "x.mp4", kind)
    assert b"moov" not in path.read_bytes()
    with pytest.raises(FFmpegError):
        av.open(str(path))


def test_a_cut_file_opens_but_lacks_frames(tmp_path: Path) -> None:
    path = write_broken(tmp_path / "x.mp4", "cut")
    with av.open(str(path)) as container:
        assert container.duration == pytest.approx(130 * av.time_base, rel=0.01)
        packets = sum(packet.size for packet in container.demux())
    assert packets < path.stat().st_size
    assert path.stat().st_size < write_lecture(tmp_path / "y.mp4", seed="broken").stat().st_size
