"""Make small media files for the Zoom stand-in, which are playable or broken on purpose.

A video of two minutes at one frame a second needs less than 50 KB.
"""

import hashlib
import json
import math
import random
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container.output import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

Broken = Literal["truncated", "cut", "html", "empty"]

WIDTH, HEIGHT = 128, 72
FRAMES_A_SECOND = 1
SAMPLE_RATE = 8000
AAC_FRAME = 1024
HTML_PAGE = (
    b"<!DOCTYPE html><html><head><title>Error - Zoom</title></head>"
    b"<body><p>This recording does not exist.</p></body></html>\n"
)


def write_lecture(
    path: Path,
    seconds: int = 130,
    seed: str = "lecture",
    *,
    audio: bool = True,
    faststart: bool = False,
    words: Sequence[float] = (),
) -> Path:
    """Write an MP4 of `seconds`, with the same bytes for the same arguments, and return its path.

    The video is H.264 if the wheel of PyAV has an encoder, else MPEG-4 part 2. `audio` adds an AAC
    track of silence, with a tone of one second at each of the seconds in `words`. The index (moov)
    is at the end, as in a file written while recording, unless `faststart`.
    """
    options = {"movflags": "+faststart"} if faststart else {}
    with av.open(str(path), "w", format="mp4", options=options) as container:
        container.metadata["title"] = seed
        video = _video_stream(container)
        sound = _audio_stream(container) if audio else None
        for frame in _frames(seconds, seed):
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None:
            _write_sound(container, sound, seconds, words)
    return path


def write_audio(path: Path, seconds: int = 130, seed: str = "audio") -> Path:
    """Write an audio-only MP4 (Zoom's M4A) of `seconds` of silence, and return its path.

    `seed` is the title.
    """
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["title"] = seed
        _write_sound(container, _audio_stream(container), seconds)
    return path


def padded(movie: bytes, length: int, seed: str) -> bytes:
    """Return `movie`, an MP4, with `length` more bytes (at least 8) that players ignore.

    The bytes are a `free` box (ISO/IEC 14496-12, section 8.1.2), whose content depends on the seed
    and has no repetitions. Nothing is encoded for the box, so a large file is made almost as
    quickly as a small one.
    """
    header = length.to_bytes(4, "big") + b"free"
    return movie + header + hashlib.shake_128(seed.encode()).digest(length - len(header))


def write_broken(path: Path, kind: Broken, seed: str = "broken") -> Path:
    """Write a broken MP4 of the kind `kind`, and return its path.

    `truncated`: the file ends before its index. `cut`: the file has an index and only half of
    the frames. `html`: the file is an error page. `empty`: the file has no bytes.
    """
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "html":
        path.write_bytes(HTML_PAGE)
    else:
        whole = write_lecture(path, seed=seed, faststart=kind == "cut").read_bytes()
        path.write_bytes(whole[: _half_of_the_frames(whole)])
    return path


def write_chat(path: Path, seed: str = "chat", lines: int = 5) -> Path:
    """Write a chat file in Zoom's format, and return its path.

    Each line has the time, the sender and a text, separated by tabs. After `lines` random lines,
    a last line has the seed.
    """
    draw = random.Random(seed)  # noqa: S311 - pictures and names, no secrets
    names = ("Ada Lovelace", "Zoë Müller", "李雷", "Host")
    texts = ("Good morning", "Can you repeat that?", "Ça marche", "Slide 12, please", f"ref {seed}")
    rows = [
        f"00:{minute:02d}:{draw.randrange(60):02d}\t{draw.choice(names)}:\t{draw.choice(texts)}\r\n"
        for minute in range(lines)
    ]
    path.write_text("".join(rows) + f"00:59:59\tHost:\t{seed}\r\n", encoding="utf-8", newline="")
    return path


def write_transcript(path: Path, seed: str = "transcript", words: Sequence[float] = (1.0,)) -> Path:
    """Write a WebVTT transcript in Zoom's format, and return its path.

    A cue of one second begins at each of the seconds in `words`.
    """
    cues = [
        f"{number}\r\n{_stamp(second)} --> {_stamp(second + 1)}\r\nHost: {seed} {number}\r\n"
        for number, second in enumerate(words, 1)
    ]
    path.write_text("\r\n".join(("WEBVTT\r\n", *cues)), encoding="utf-8", newline="")
    return path


def write_chapters(path: Path, seed: str, begins: Sequence[float], seconds: float) -> Path:
    """Write chapters in the JSON of Zoom's web player, and return the path.

    `begins` are the seconds at which chapters begin. `seconds` is the end of the last chapter.
    """
    ends = [*begins[1:], seconds]
    items = [
        {"startTime": begin, "endTime": end, "title": f"{seed} & {number}", "chapter": "…"}
        for number, (begin, end) in enumerate(zip(begins, ends, strict=True), 1)
    ]
    content = {"status": True, "result": {"recordingSmartChapters": {"itemList": items}}}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def write_summary(path: Path, seed: str) -> Path:
    """Write a summary or next steps in JSON, and return the path.

    Zoom documents no format, so the fields are invented.
    """
    content = {"summary_title": seed, "summary_content": f"Ada Lovelace: Ça marche, {seed}"}
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    return path


def _stamp(second: float) -> str:
    minutes, seconds = divmod(second, 60)
    return f"00:{int(minutes):02d}:{seconds:06.3f}"


def _video_stream(container: OutputContainer) -> VideoStream:
    if "libx264" in av.codec.codecs_available:
        # With more than one thread the encoded bytes would depend on the number of cores.
        options = {"crf": "30", "preset": "ultrafast", "tune": "zerolatency", "threads": "1"}
        stream = container.add_stream("libx264", rate=FRAMES_A_SECOND, options=options)
    else:
        stream = container.add_stream("mpeg4", rate=FRAMES_A_SECOND, options={"qscale": "8"})
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    return stream


def _frames(count: int, seed: str) -> Iterator[VideoFrame]:
    """Yield `count` frames with a moving bar, in colours that depend on the seed."""
    draw = random.Random(seed)  # noqa: S311 - pictures and names, no secrets
    shades = [draw.randrange(32, 224) for _ in range(HEIGHT // 8)]
    colours = (draw.randrange(64, 192), draw.randrange(64, 192))
    step = draw.randrange(3, 17)
    for number in range(count):
        frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
        frame.pts = number
        bar = number * step % (WIDTH - 16)
        luma, *chroma = frame.planes
        rows = (
            bytes([shade]) * bar
            + bytes([235 - shade // 2]) * 16
            + bytes([shade]) * (WIDTH - bar - 16)
            for shade in shades
        )
        luma.update(b"".join(row.ljust(luma.line_size, b"\0") * 8 for row in rows))
        for plane, colour in zip(chroma, colours, strict=True):
            plane.update(bytes([colour]) * plane.buffer_size)
        yield frame


def _audio_stream(container: OutputContainer) -> AudioStream:
    stream = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
    stream.bit_rate = 8000
    return stream


def _write_sound(
    container: OutputContainer, stream: AudioStream, seconds: int, words: Sequence[float] = ()
) -> None:
    frame = AudioFrame(format="fltp", layout="mono", samples=AAC_FRAME)
    frame.sample_rate = SAMPLE_RATE
    for number in range(seconds * SAMPLE_RATE // AAC_FRAME):
        first = number * AAC_FRAME
        sound = bytes(AAC_FRAME * 4)
        if words:
            samples = range(first, first + AAC_FRAME)
            sound = array("f", [_sample(index, words) for index in samples]).tobytes()
        for plane in frame.planes:
            plane.update(sound.ljust(plane.buffer_size, b"\0"))
        frame.pts = first
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _sample(index: int, words: Sequence[float]) -> float:
    """Return the audio sample with this index.

    A tone of 500 Hz begins at each of the seconds in `words`, and lasts a second. Other samples
    are 0.
    """
    second = index / SAMPLE_RATE
    is_tone = any(word <= second < word + 1 for word in words)
    return 0.5 * math.sin(2 * math.pi * 500 * second) if is_tone else 0.0


def _half_of_the_frames(whole: bytes) -> int:
    """Return the offset of the middle of `mdat`, the MP4's box with the frames."""
    offset = 0
    while whole[offset + 4 : offset + 8] != b"mdat":
        offset += int.from_bytes(whole[offset : offset + 4], "big")
    return offset + int.from_bytes(whole[offset : offset + 4], "big") // 2
