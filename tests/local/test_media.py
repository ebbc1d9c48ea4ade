"""Tests of the Zoom stand-in's media files, broken and padded files included."""

from pathlib import Path

import av
import pytest
from av.error import FFmpegError

from local.media import Broken, padded, write_audio, write_broken, write_chat, write_lecture


def test_lecture_file_has_video_and_audio_and_the_requested_duration(tmp_path: Path) -> None:
    path = write_lecture(tmp_path / "a.mp4", 130, "a")
    assert 5_000 < path.stat().st_size < 60_000
    with av.open(str(path)) as container:
        assert container.duration == pytest.approx(130 * av.time_base, rel=0.01)
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert sum(1 for _ in container.decode(video=0)) == 130


def test_lecture_file_has_the_same_bytes_only_for_the_same_seed(tmp_path: Path) -> None:
    first, again, other = (
        write_lecture(tmp_path / f"{number}.mp4", 10, seed).read_bytes()
        for number, seed in enumerate(["a", "a", "b"])
    )
    assert first == again
    assert first != other


def test_pictures_of_a_lecture_file_differ_by_seed(tmp_path: Path) -> None:
    frames = set()
    for seed in "abc":
        with av.open(str(write_lecture(tmp_path / f"{seed}.mp4", 2, seed))) as container:
            frames.add(bytes(next(container.decode(video=0)).planes[0]))
    assert len(frames) == 3


def test_movie_can_still_be_played_when_it_is_padded(tmp_path: Path) -> None:
    movie = write_lecture(tmp_path / "a.mp4", 2).read_bytes()
    first, other = padded(movie, 3_000_000, "a"), padded(movie, 3_000_000, "b")
    assert len(first) == len(other) == len(movie) + 3_000_000
    samples = {whole[-number * 1_000_000 :][:1000] for whole in (first, other) for number in (1, 2)}
    assert len(samples) == 4
    path = tmp_path / "b.mp4"
    path.write_bytes(first)
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 2


def test_audio_file_has_no_video_stream(tmp_path: Path) -> None:
    with av.open(str(write_audio(tmp_path / "a.m4a", 10))) as container:
        assert [stream.type for stream in container.streams] == ["audio"]
        assert container.duration == pytest.approx(10 * av.time_base, rel=0.02)


def test_chat_files_differ_by_seed(tmp_path: Path) -> None:
    first = write_chat(tmp_path / "a.txt", "a").read_bytes()
    assert first != write_chat(tmp_path / "b.txt", "b").read_bytes()
    assert first.count(b"\r\n") == first.count(b"\n") == 6


@pytest.mark.parametrize("kind", ["truncated", "html", "empty"])
def test_broken_movie_cannot_be_opened_when_it_has_no_index(tmp_path: Path, kind: Broken) -> None:
    path = write_broken(tmp_path / "x.mp4", kind)
    assert b"moov" not in path.read_bytes()
    with pytest.raises(FFmpegError):
        av.open(str(path))


def test_broken_movie_can_be_opened_when_only_frames_are_cut(tmp_path: Path) -> None:
    path = write_broken(tmp_path / "x.mp4", "cut")
    with av.open(str(path)) as container:
        assert container.duration == pytest.approx(130 * av.time_base, rel=0.01)
        packets = sum(packet.size for packet in container.demux())
    assert packets < path.stat().st_size
    assert path.stat().st_size < write_lecture(tmp_path / "y.mp4", seed="broken").stat().st_size
