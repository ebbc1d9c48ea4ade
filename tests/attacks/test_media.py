"""Attacks with files: videos made to exhaust the downloader, and answers of a hostile CDN."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from local.authority import ensure_authority
from local.neighbours.https_server import Answer
from tests.attacks.evidence import log_lines, mailed, mailed_pattern, now_in_ms
from tests.attacks.recordings import Hostile, Outcome, file, outcomes
from tests.attacks.target import Target
from tests.neighbours import Page, web_server
from tests.unit.zoom.pages import page, ranged
from tests.unit.zoom.test_hostile_mp4 import (
    Write,
    compressed_index,
    eight_byte_boxes,
    fragment_of_many_samples,
    hidden_compressed_index,
    nested_indexes,
    samples_of_no_bytes,
    two_indexes,
)

MEBI = 1024 * 1024
LONGEST_NUMBER = "9" * 5000
VIDEO = ("Content-Type", "video/mp4")

NO_BYTES = "20 million samples of no bytes"
UNUSABLE: Mapping[str, Write] = {
    "20,000 boxes": eight_byte_boxes,
    "a compressed index": compressed_index,
    "a compressed index where only libav looks": hidden_compressed_index,
    NO_BYTES: samples_of_no_bytes,
    "a fragment of 100 million samples": fragment_of_many_samples,
    "two indexes": two_indexes,
    "5,000 indexes in each other": nested_indexes,
}
"""Videos that are made to exhaust the downloader."""

ANSWERS: Mapping[str, Callable[[bytes], Answer]] = {
    "a length of 5,000 digits": lambda movie: page(movie[:-1], ("Content-Length", LONGEST_NUMBER)),
    "a range of 5,000 digits": lambda movie: Answer(
        206, (VIDEO, ("Content-Range", f"bytes 0-9/{LONGEST_NUMBER}")), movie
    ),
    "a range of other bytes": lambda movie: Answer(
        206, (VIDEO, ("Content-Range", f"bytes 7-{len(movie)}/{len(movie)}")), movie
    ),
    "a range below zero": lambda movie: Answer(
        206, (VIDEO, ("Content-Range", "bytes 0--1/-1")), movie
    ),
    "a gzip bomb": lambda _: page(gzip.compress(bytes(64 * MEBI)), ("Content-Encoding", "gzip")),
    "half of the video": lambda movie: page(movie[: len(movie) // 2]),
    "XML": lambda _: page(b"<?xml version='1.0'?><a/>", kind="application/xml"),
}
"""Functions that make hostile answers of the download host from the announced video."""

HONEST = "an honest video"
ENDLESS = "64 MiB more than Zoom has told"
FEW_BYTES = 8 * MEBI
"""Upper limit, in bytes, of what the host may send before the downloader closes the connection.

The limit is larger than the video and the sockets' buffers, and far smaller than the 64 MiB that
the host would send.
"""

BESIDE = "an honest video beside a hostile one"


@dataclass
class Found:
    """The outcomes by the names of the attacks, and the bytes sent for the endless download.

    `since` is the time before the attacks, in ms since 1970.
    """

    outcomes: Mapping[str, Outcome]
    endless_bytes: list[int] = field(default_factory=list)
    since: int = 0


@pytest.fixture(scope="module")
def found(
    home: Path, target: Target, movie: bytes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Found]:
    """Send recordings with hostile files and with honest files, and yield the outcomes."""
    since, sent = now_in_ms(), list[int]()
    pages: dict[str, Page] = {HONEST: ranged(movie)}
    sizes = dict.fromkeys([HONEST, ENDLESS, *ANSWERS], len(movie))
    folder = tmp_path_factory.mktemp("hostile")
    for name, write in UNUSABLE.items():
        path = folder / write.__name__
        write(path, movie)
        pages[name] = ranged(path.read_bytes())
        sizes[name] = path.stat().st_size
    for name, made in ANSWERS.items():
        pages[name] = made(movie)
    pages[ENDLESS] = replace(page(movie + bytes(64 * MEBI)), sent=sent.append)
    with web_server(ensure_authority(home / "tls")) as web:
        urls = {name: f"{web.url}/{number}.mp4" for number, name in enumerate(pages)}
        web.pages = {f"/{number}.mp4": pages[name] for number, name in enumerate(pages)}
        gallery = file(urls[NO_BYTES], sizes[NO_BYTES], recording_type="gallery_view")
        # The recordings with retryable failures come last, because each waits a minute for a retry.
        recordings = [
            Hostile(BESIDE, [file(urls[HONEST], len(movie)), gallery]),
            *(Hostile(name, [file(urls[name], sizes[name])]) for name in pages),
        ]
        yield Found(outcomes(target, recordings), sent, since)


@pytest.mark.parametrize("name", UNUSABLE)
def test_recording_fails_and_nothing_is_ingested_when_its_video_is_unusable(
    name: str, found: Found
) -> None:
    outcome = found.outcomes[name]
    assert outcome.state == "DOWNLOADER_FAILED"
    assert outcome.ingests == []


@pytest.mark.parametrize("name", [*ANSWERS, ENDLESS])
def test_recording_fails_and_nothing_is_staged_when_the_download_host_is_hostile(
    name: str, found: Found
) -> None:
    outcome = found.outcomes[name]
    assert outcome.state == "DOWNLOADER_FAILED"
    assert (outcome.keys, outcome.ingests) == ([], [])


def test_download_ends_early_when_the_host_sends_more_than_zoom_announced(found: Found) -> None:
    assert sum(found.endless_bytes) < FEW_BYTES


def test_recording_is_ingested_when_its_video_is_honest(found: Found) -> None:
    outcome = found.outcomes[HONEST]
    assert outcome.state == "SENT_TO_OPENCAST"
    assert len(outcome.keys) == len(outcome.ingests) == 1


def test_honest_video_of_a_recording_is_ingested_when_another_video_is_hostile(
    found: Found,
) -> None:
    outcome = found.outcomes[BESIDE]
    assert outcome.state == "SENT_TO_OPENCAST"
    (ingest,) = outcome.ingests
    assert [made.flavor for made in ingest.files] == ["multipart/chunked+source"]


def test_operators_are_mailed_when_a_video_is_hostile(found: Found, target: Target) -> None:
    # The test also proves that the fixture `no_error_mail` can find a mailed error.
    lines = list(log_lines(target.driver, found.since))
    errors = "\n".join(mailed(lines, mailed_pattern(target.driver)))
    for name in (NO_BYTES, BESIDE):
        assert str(found.outcomes[name].row["recording_id"]) in errors
