"""Unit tests of the progress of a file's copy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from ingester.transfer.progress import Progress, rate


def test_progress_of_a_copy_counts_every_byte_and_retry_when_many_threads_count() -> None:
    progress = Progress()

    def count() -> None:
        for _ in range(2000):
            progress.add_bytes(3)
            progress.add_retry()

    with ThreadPoolExecutor(8) as threads:
        for future in [threads.submit(count) for _ in range(8)]:
            future.result()
    assert (progress.fetched, progress.retries) == (8 * 2000 * 3, 8 * 2000)


def test_progress_of_a_copy_keeps_its_start_time_when_the_copy_begins_again() -> None:
    progress = Progress()
    progress.begin(100.0)
    progress.begin(200.0)
    assert progress.began == 100.0


@pytest.mark.parametrize(
    ("fetched", "seconds", "megabytes"),
    [(150_000_000, 10.0, 15.0), (1_234_567, 1.0, 1.2), (0, 5.0, 0.0), (5, 0.0, 0.0)],
)
def test_rate_of_a_copy_is_in_megabytes_a_second(
    fetched: int, seconds: float, megabytes: float
) -> None:
    assert rate(fetched, seconds) == megabytes
