"""Unit tests of the inspection of hostile MP4 files."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingester.errors import FileGone, TransferFailed, UnusableVideo
from ingester.recording.staging_bucket import Staging
from ingester.transfer import mp4
from ingester.transfer.mp4_boxes import MAX_READS
from ingester.zoom.download_token import Access
from local import media
from tests.neighbours import Web
from tests.unit.transfer.copying import BUCKET, Copying
from tests.unit.zoom.pages import FRESH_TOKEN, ranged
from tests.unit.zoom.test_stage_recording import CHAT, GONE, Recording, file_of

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

ROOT = Path(__file__).parents[3]
MEBI = 1024 * 1024
MOST_BYTES = 400 * MEBI
MOST_SECONDS = 60

MEASURED = """
import json, re, resource, sys, time
from pathlib import Path
from ingester.errors import IngesterError
from ingester.transfer.mp4 import inspect

path = Path(sys.argv[1])
reads = 0

def read_range(offset, length):
    global reads
    reads += 1
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)

began = time.monotonic()
try:
    movie = inspect("1/2/000-view.mp4", read_range, path.stat().st_size)
    result = f"Movie of {movie.seconds:.0f} s"
except IngesterError as error:
    result = f"{type(error).__name__}: {error}"
seconds = time.monotonic() - began
# getrusage would count the memory of the process that started this one.
parent = re.search(r"VmHWM:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())[1]
child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([result, reads, seconds, int(parent), child]))
"""
"""A program that inspects a file and prints the result, the number of reads, time and memory."""


@dataclass(frozen=True)
class Measured:
    """The result of an inspection, with its reads, duration and memory."""

    result: str
    reads: int
    seconds: float
    parent_bytes: int
    child_bytes: int


def measured(path: Path) -> Measured:
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path)],
        env={"PYTHONPATH": "functions"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result, reads, seconds, parent, child = json.loads(done.stdout)
    return Measured(result, reads, seconds, parent * 1024, child * 1024)


def reader(content: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, length: content[offset : offset + length]


def box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def numbers(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "big") for value in values)


def rebuilt(content: bytes, tables: dict[bytes, bytes]) -> bytes:
    """Return MP4 boxes in which `tables` replace the contents of boxes, by kind."""
    made, offset = b"", 0
    while offset < len(content):
        length, kind = (
            int.from_bytes(content[offset : offset + 4], "big"),
            content[offset + 4 :][:4],
        )
        body = content[offset + 8 : offset + length]
        if kind in {b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl"}:
            body = rebuilt(body, tables)
        made += box(kind, tables.get(kind, body))
        offset += length
    return made


def lasting(movie: bytes, seconds: int, samples: int) -> bytes:
    """Return a movie of `seconds` seconds with an index of `samples` samples.

    All samples refer to the first bytes of the media data of `movie`.
    """
    chunks = samples // 10
    key_frames = range(1, samples, 50)
    ticks, milliseconds = 16384 * seconds // samples, 1000 * seconds
    tables = {
        b"stts": numbers(0, 1, samples, ticks),
        b"stsz": numbers(0, 0, samples) + numbers(100, 50) * (samples // 2),
        b"stsc": numbers(0, 1, 1, 10, 1),
        b"stco": numbers(0, chunks) + numbers(movie.index(b"mdat") + 4) * chunks,
        b"stss": numbers(0, len(key_frames), *key_frames),
        b"elst": numbers(0, 1, milliseconds, 0, 0x10000),
    }
    for kind, duration in ((b"mvhd", milliseconds), (b"mdhd", samples * ticks)):
        begin = movie.index(kind) + 4
        end = begin - 8 + int.from_bytes(movie[begin - 8 : begin - 4], "big")
        tables[kind] = movie[begin : begin + 16] + numbers(duration) + movie[begin + 20 : end]
    return rebuilt(movie, tables)


def nested(kind: bytes, depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = box(kind, content)
    return content


Write = Callable[[Path, bytes], object]
"""A function that writes a hostile file to a path, given a valid movie without audio."""

MDAT = box(b"mdat", bytes(8))


def eight_byte_boxes(path: Path, movie: bytes) -> None:
    path.write_bytes(box(b"free") * 20_000 + movie)


def spread_boxes(path: Path, movie: bytes) -> None:
    """Write boxes so far apart that no read finds two of them."""
    with path.open("wb") as file:
        for _ in range(2_000):
            file.write(numbers(MEBI) + b"free")
            file.seek(MEBI - 8, 1)
        file.write(movie)


def bomb() -> bytes:
    """Return a compressed index of about 1 MB that expands to 1 GiB."""
    deflate = zlib.compressobj(9)
    start = deflate.compress(bytes(MEBI)) + deflate.flush(zlib.Z_FULL_FLUSH)
    again = deflate.compress(bytes(MEBI)) + deflate.flush(zlib.Z_FULL_FLUSH)
    content = numbers(1_024 * MEBI) + start + 1_023 * again
    return box(b"cmov", box(b"dcom", b"zlib"), box(b"cmvd", content))


def compressed_index(path: Path, _movie: bytes) -> None:
    path.write_bytes(MDAT + box(b"moov", bomb()))


def hidden_compressed_index(path: Path, _movie: bytes) -> None:
    """Write a compressed index at a place where only libav looks."""
    path.write_bytes(MDAT + box(b"moov", box(b"trak", box(b"edts", bomb()))))


def samples_of_no_bytes(path: Path, movie: bytes) -> None:
    tables = {b"stsz": numbers(0, 1, 20_000_000), b"stts": numbers(0, 1, 20_000_000, 1)}
    path.write_bytes(rebuilt(movie, tables))


def table_of_no_bytes(path: Path, movie: bytes) -> None:
    path.write_bytes(rebuilt(movie, {b"stsz": numbers(0, 0, 20_000_000)}))


def samples_of_one_byte(path: Path, movie: bytes) -> None:
    """Write an index with as many samples as the last box has bytes of content."""
    count = 1_000_000_000
    tables = {
        b"stsz": numbers(0, 1, count),
        b"stts": numbers(0, 1, count, 1),
        b"stsc": numbers(0, 1, 1, count, 1),
        b"stco": numbers(0, 1, 8),
    }
    with path.open("wb") as file:
        file.write(rebuilt(movie, tables) + numbers(count + 8) + b"mdat")
        file.truncate(file.tell() + count)


def samples_as_many_as_allowed(path: Path, movie: bytes) -> None:
    path.write_bytes(lasting(movie, 80_000, 20_000_000))


def many_boxes_in_the_index(path: Path, _movie: bytes) -> None:
    path.write_bytes(MDAT + box(b"moov", box(b"free") * 4_000_000))


def many_boxes_below_the_index(path: Path, _movie: bytes) -> None:
    """Write many boxes at a place where only libav looks."""
    index = box(b"moov", box(b"trak", box(b"edts", box(b"free") * 8_000_000)))
    path.write_bytes(MDAT + index)


def fragment_of_many_samples(path: Path, movie: bytes) -> None:
    empty = {kind: numbers(0, 0) for kind in (b"stts", b"stsc", b"stco", b"stss")}
    moov = rebuilt(movie[movie.index(b"moov") - 4 :], {**empty, b"stsz": numbers(0, 0, 0)})
    moov = box(b"moov", moov[8:], box(b"mvex", box(b"trex", numbers(0, 1, 1, 1, 1, 0))))
    run = box(b"trun", numbers(0, 100_000_000))
    track = box(b"traf", box(b"tfhd", numbers(0x020000, 1)), run)
    path.write_bytes(movie[: movie.index(b"mdat") - 4] + moov + box(b"moof", track) + MDAT)


def index_of_129_mib(path: Path, _movie: bytes) -> None:
    with path.open("wb") as file:
        file.write(MDAT + numbers(129 * MEBI) + b"moov")
        file.truncate(len(MDAT) + 129 * MEBI)


def index_of_an_impossible_length(path: Path, _movie: bytes) -> None:
    path.write_bytes(MDAT + numbers(1) + b"moov" + (2**63).to_bytes(8, "big") + bytes(100))


def two_indexes(path: Path, movie: bytes) -> None:
    path.write_bytes(movie + box(b"moov"))


def long_length_of_zero(path: Path, movie: bytes) -> None:
    path.write_bytes(movie + numbers(1) + b"free" + bytes(8))


def boxes_of_length_zero(path: Path, _movie: bytes) -> None:
    path.write_bytes(MDAT + box(b"moov", bytes(MEBI)))


def nested_boxes(path: Path, _movie: bytes) -> None:
    path.write_bytes(MDAT + box(b"moov", nested(b"trak", 5_000)))


def nested_indexes(path: Path, _movie: bytes) -> None:
    path.write_bytes(MDAT + nested(b"moov", 5_000))


def truncated(path: Path, movie: bytes) -> None:
    path.write_bytes(movie[:-100])


HOSTILE: list[tuple[Write, str]] = [
    (eight_byte_boxes, "UnusableVideo: .*more than 1,000 boxes"),
    (spread_boxes, "UnusableVideo: .*over 1,000 reads"),
    (compressed_index, "UnusableVideo: .*compressed"),
    (hidden_compressed_index, "UnusableVideo: .*memory"),
    (samples_of_no_bytes, "UnusableVideo: .*stsz"),
    (table_of_no_bytes, "UnusableVideo: .*stsz"),
    (samples_of_one_byte, "UnusableVideo: .*20,000,000 frames"),
    (samples_as_many_as_allowed, "UnusableVideo: .*memory|Movie"),
    (many_boxes_in_the_index, "UnusableVideo: .*more than 1,000 boxes"),
    (many_boxes_below_the_index, "TransferFailed|UnusableVideo"),
    (fragment_of_many_samples, "UnusableVideo: .*memory"),
    (index_of_129_mib, "UnusableVideo: .*bytes"),
    (index_of_an_impossible_length, "TransferFailed: .*breaks off"),
    (two_indexes, "UnusableVideo: .*two indexes"),
    (long_length_of_zero, "TransferFailed: .*breaks off"),
    (boxes_of_length_zero, "TransferFailed"),
    (nested_boxes, "TransferFailed"),
    (nested_indexes, "TransferFailed"),
    (truncated, "TransferFailed: .*breaks off"),
]


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("media") / "movie.mp4"
    return media.write_lecture(path, 20, audio=False).read_bytes()


@pytest.mark.parametrize(("write", "result"), HOSTILE, ids=[write.__name__ for write, _ in HOSTILE])
def test_inspection_ends_within_400_mib_and_60_seconds_when_the_file_is_hostile(
    write: Write, result: str, movie: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "hostile.mp4"
    write(path, movie)
    found = measured(path)
    path.unlink()
    assert re.match(result, found.result)
    assert found.parent_bytes < MOST_BYTES
    assert found.child_bytes < MOST_BYTES
    assert found.seconds < MOST_SECONDS
    assert found.reads <= MAX_READS


@pytest.mark.parametrize("hours", [8, 24, 30])
def test_movie_is_read_within_400_mib_when_it_is_up_to_30_hours_long(
    hours: int, movie: bytes, tmp_path: Path
) -> None:
    # Zoom's videos have 77 samples a second: 30 frames of video and 47 of audio.
    path = tmp_path / "long.mp4"
    path.write_bytes(lasting(movie, hours * 3600, hours * 3600 * 77))
    found = measured(path)
    assert re.fullmatch(r"Movie of \d+ s", found.result)
    assert abs(int(found.result.split()[2]) - hours * 3600) < hours * 30
    assert found.parent_bytes < MOST_BYTES
    assert found.child_bytes < MOST_BYTES


def test_inspection_makes_one_read_when_the_file_begins_with_many_eight_byte_boxes(
    movie: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "hostile.mp4"
    eight_byte_boxes(path, movie)
    assert measured(path).reads == 1


class TestChild:
    """The failures, limits and environment of an inspection's child process."""

    @pytest.fixture
    def inspected(self, movie: bytes, tmp_path: Path) -> Callable[..., mp4.Movie]:
        def inspected(
            program: str, seconds: float = 30, content: bytes = movie, library_path: str = ""
        ) -> mp4.Movie:
            path = tmp_path / "child.py"
            path.write_text(
                f"import os, signal, socket, sys, time\nparent = socket.socket(fileno=0)\n{program}"
            )
            return mp4.inspect(
                "key.mp4",
                reader(content),
                len(content),
                program=path,
                seconds=seconds,
                library_path=library_path,
            )

        return inspected

    @pytest.mark.parametrize(
        ("end", "reason"),
        [
            ("os.kill(os.getpid(), signal.SIGSEGV)", r"key\.mp4 .* crashes .* -11"),
            ("os.kill(os.getpid(), signal.SIGKILL)", r"crashes .* -9"),
            ("os.kill(os.getpid(), signal.SIGXCPU)", "takes longer"),
            ("sys.exit(3)", "crashes .* 3"),
            ("time.sleep(60)", "takes longer"),
            ("parent.sendall(b'x' * 100_000)", "nonsense"),
            ("parent.sendall(b'[]\\n')", "nonsense"),
            ("parent.sendall(b'\"\\xff\"\\n')", "nonsense"),
            ('parent.sendall(b\'{"offset": -1, "length": 9}\\n\')', "nonsense"),
            ("parent.sendall(b'{\"length\": 100000}\\n')", "nonsense"),
            ('parent.sendall(b\'{"failure": "MemoryError"}\\n\')', "memory"),
        ],
        ids=[
            "SIGSEGV",
            "SIGKILL",
            "SIGXCPU",
            "exit",
            "hang",
            "flood",
            "type",
            "no UTF-8",
            "offset",
            "length",
            "memory",
        ],
    )
    def test_unusable_video_is_raised_when_the_child_process_fails_after_its_first_read(
        self, inspected: Callable[..., mp4.Movie], end: str, reason: str
    ) -> None:
        began = "parent.sendall(b'{\"length\": 8}\\n')\nparent.recv(8)\n"
        with pytest.raises(UnusableVideo, match=reason):
            inspected(began + end, seconds=2)

    def test_unusable_video_is_raised_when_the_child_process_reads_no_answers(
        self, inspected: Callable[..., mp4.Movie], movie: bytes
    ) -> None:
        large = movie + box(b"free", bytes(2 * MEBI))
        program = "parent.sendall(b'{\"length\": 2000000}\\n')\ntime.sleep(60)"
        with pytest.raises(UnusableVideo, match="takes longer"):
            inspected(program, seconds=2, content=large)

    def test_runtime_error_is_raised_when_the_child_process_does_not_start(
        self, inspected: Callable[..., mp4.Movie]
    ) -> None:
        with pytest.raises(RuntimeError, match="No module named 'nothing'"):
            inspected("import nothing")

    @pytest.mark.parametrize(
        ("program", "code", "error"),
        [
            ("bytearray(257 << 20)", 1, b"MemoryError"),
            ("while True: pass", -signal.SIGXCPU, b""),
            ("open('empty', 'w').write('x' * 9999)", 1, b"File too large"),
        ],
        ids=["memory", "time", "files"],
    )
    def test_child_process_ends_when_it_exceeds_a_limit(
        self, tmp_path: Path, program: str, code: int, error: bytes
    ) -> None:
        script = f"from ingester.transfer.mp4_child import limit\nlimit(256 << 20, 1)\n{program}"
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONPATH": str(ROOT / "functions")},
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert error in done.stderr

    @pytest.mark.parametrize(
        ("library_path", "names"), [("", "PYTHONPATH"), ("/lib", "LD_LIBRARY_PATH PYTHONPATH")]
    )
    def test_child_process_gets_only_its_search_paths_as_environment(
        self,
        inspected: Callable[..., mp4.Movie],
        monkeypatch: pytest.MonkeyPatch,
        library_path: str,
        names: str,
    ) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("LD_LIBRARY_PATH", "/usr/lib")
        program = """import json
ours = set(os.environ) - {"LC_CTYPE"}
parent.sendall(json.dumps({"failure": " ".join(sorted(ours))}).encode() + b"\\n")"""
        with pytest.raises(TransferFailed, match=rf"whole MP4: {names}\.$"):
            inspected(program, library_path=library_path)


def test_inspector_inspects_one_video_at_a_time(movie: bytes) -> None:
    inspector, running, most = mp4.Inspector(""), [0], [0]
    read = reader(movie)

    def watched(offset: int, length: int) -> bytes:
        running[0] += 1
        most[0] = max(most[0], running[0])
        time.sleep(0.05)
        running[0] -= 1
        return read(offset, length)

    with ThreadPoolExecutor(3) as pool:
        movies = list(pool.map(lambda _: inspector.inspect("key", watched, len(movie)), range(3)))
    assert [found.seconds for found in movies] == [20, 20, 20]
    assert most == [1]


class TestRecording:
    """Recordings with an unusable video."""

    @pytest.fixture
    def recording(self, web: Web, copying: Copying, client: S3Client) -> Recording:
        return Recording(web, copying, Staging(client, BUCKET))

    @pytest.fixture
    def hostile(self, movie: bytes, tmp_path: Path) -> bytes:
        path = tmp_path / "hostile.mp4"
        samples_of_no_bytes(path, movie)
        return path.read_bytes()

    def test_other_files_are_staged_when_one_video_is_unusable(
        self, recording: Recording, movie: bytes, hostile: bytes
    ) -> None:
        recording.web.pages = {"/1": ranged(movie), "/2": ranged(hostile)}
        staged = recording.run(file_of(1), file_of(2, view="gallery_view"))
        assert [item.view for item in staged] == ["active_speaker"]
        assert recording.staged.missing == ()
        assert re.fullmatch(
            r"gallery_view of segment 0 is refused: .* If it plays in Zoom, add it in Opencast\.",
            recording.staged.reason,
        )

    def test_unusable_video_is_raised_when_no_video_is_usable(
        self, recording: Recording, hostile: bytes
    ) -> None:
        recording.web.pages = {"/1": ranged(hostile), "/2": ranged(CHAT)}
        with pytest.raises(UnusableVideo, match="stsz"):
            recording.run(file_of(1), file_of(2, "CHAT", "chat_file"))

    def test_file_gone_is_raised_when_one_video_is_unusable_and_the_other_is_missing(
        self, recording: Recording, hostile: bytes
    ) -> None:
        recording.web.pages = {"/1": ranged(hostile), "/2": GONE}
        recording.fresh = [Access(FRESH_TOKEN)]
        with pytest.raises(FileGone):
            recording.run(file_of(1), file_of(2, view="gallery_view"))
