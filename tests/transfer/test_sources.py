"""Tests of copies whose source breaks off, changes, expires, or has no ranges."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.transfer.peers.zoom_settings import ZoomFault, ZoomSettings
from ingester.errors import SourceChanged, TransferFailed
from ingester.transfer.engine import Budget
from ingester.transfer.plan import Copied
from tests.transfer.harness import ONE_CONNECTION, Harness

SIZE = 40_000_000
ONE = ZoomSettings(files={"a": SIZE})
LATE = 6
"""Number of the request for the fifth part, with one connection."""
STREAM_SIZE = 12_000_000
STREAM = ZoomSettings(files={"a": STREAM_SIZE}, ranges=False, content_length=False)


class TestBreaks:
    @pytest.mark.parametrize("kind", ["rst", "fin"])
    def test_copy_fetches_at_most_a_twentieth_of_a_file_again_when_all_connections_break(
        self, harness: Harness, kind: str
    ) -> None:
        # Only bytes in flight are lost, which are at most a twentieth of the file.
        size = 128_000_000
        fault = ZoomFault(kind=kind, total=size // 2)  # type: ignore[arg-type]
        harness.begin(ZoomSettings(files={"a": size}, link_mbps=100, faults=(fault,)))
        harness.copy()
        assert harness.versions()["a"].size == size
        assert harness.zoom.stats().cuts > 1
        assert harness.zoom.stats().body_bytes <= 1.05 * size
        assert harness.s3.stats().body_bytes <= 1.05 * size


class TestChanges:
    @pytest.mark.parametrize(
        "fault",
        [
            ZoomFault(kind="whole", request=LATE),
            ZoomFault(kind="shifted", request=LATE),
            ZoomFault(kind="headers", request=LATE, headers={"ETag": '"of another"'}),
            ZoomFault(kind="headers", request=LATE, headers={"Content-Range": "bytes 0-9/10"}),
        ],
        ids=["no range", "another range", "another ETag", "another size"],
    )
    def test_stored_parts_of_a_copy_remain_when_one_answer_is_wrong(
        self, harness: Harness, fault: ZoomFault
    ) -> None:
        harness.begin(ONE, zoom_faults=[fault])
        harness.copy(engine=harness.engine(ONE_CONNECTION))
        assert harness.versions()["a"].version == 1
        assert harness.uploads_begun == 1
        assert harness.s3.stats().body_bytes < 1.01 * SIZE

    def test_copy_begins_again_when_the_source_changes(self, harness: Harness) -> None:
        harness.begin(ONE, zoom_faults=[ZoomFault(kind="changed", request=LATE, size=SIZE + 1)])
        harness.copy(engine=harness.engine(ONE_CONNECTION))
        assert harness.versions()["a"].version == 2
        assert harness.s3.uploads() == []

    def test_copy_fails_when_the_source_keeps_changing(self, harness: Harness) -> None:
        faults = [ZoomFault(kind="changed", request=number) for number in range(2, 30, 2)]
        harness.begin(ONE, zoom_faults=faults)
        with pytest.raises(SourceChanged):
            harness.copy(engine=harness.engine(ONE_CONNECTION))
        assert harness.s3.objects() == []

    @pytest.mark.parametrize("validator", ["etag", "last_modified", "size"])
    def test_copy_begins_again_when_the_source_changed_after_the_last_run(
        self, harness: Harness, validator: str
    ) -> None:
        settings = replace(
            ONE, etag=validator == "etag", last_modified=validator == "last_modified"
        )
        fault = ZoomFault(kind="status", request=LATE, times=99)
        harness.begin(settings, zoom_faults=[fault])
        with pytest.raises(Exception, match="500"):
            harness.copy(engine=harness.engine(ONE_CONNECTION))
        assert harness.stored_bytes()
        harness.remove_faults()
        harness.zoom.change(SIZE + 1 if validator == "size" else None)
        harness.copy()
        assert harness.versions()["a"].version == 2

    @pytest.mark.parametrize(
        "moment", [{"request": 2}, {"request": LATE}, {"total": SIZE // 2}], ids=str
    )
    def test_copy_renews_an_expired_url_once_for_all_connections(
        self, harness: Harness, moment: dict[str, int]
    ) -> None:
        fault = ZoomFault(kind="expired", **moment)  # type: ignore[arg-type]
        harness.begin(ONE, zoom_faults=[fault])
        # With more connections, a fast machine requests all parts before half of the file is sent.
        harness.copy(engine=harness.engine(Budget(connections=2)))
        assert harness.versions()["a"].size == SIZE
        assert harness.zoom.stats().requests["rec"] == 2
        assert harness.uploads_begun == 1


class TestStreams:
    """Tests with a source that supports no ranges, and whose answers have no Content-Length."""

    def test_copy_reads_a_stream_again_when_the_stream_ends_early(self, harness: Harness) -> None:
        harness.begin(STREAM, zoom_faults=[ZoomFault(kind="fin", total=STREAM_SIZE // 2)])
        [copied] = harness.copy(sizes={"a": STREAM_SIZE})
        assert isinstance(copied, Copied)
        assert copied.size == harness.versions()["a"].size == STREAM_SIZE

    @pytest.mark.parametrize("size", [None, 3_000_000, 17_000_000], ids=["same", "less", "more"])
    def test_copy_contains_no_bytes_of_an_attempt_that_broke_off(
        self, harness: Harness, size: int | None
    ) -> None:
        # Without validators, only the bytes distinguish the versions.
        changes = ZoomFault(kind="changed", request=2, size=size)
        breaks = ZoomFault(kind="rst", total=STREAM_SIZE - 1)
        settings = replace(STREAM, etag=False, last_modified=False)
        harness.begin(settings, zoom_faults=[breaks, changes])
        harness.copy()
        assert harness.versions()["a"].version == 2
        assert harness.s3.uploads() == []

    def test_copy_fails_when_its_stream_always_ends_early(self, harness: Harness) -> None:
        harness.begin(STREAM, zoom_faults=[ZoomFault(kind="fin", request=1, times=99)])
        message = f"{STREAM_SIZE // 2} bytes came from a.mp4, expected {STREAM_SIZE}"
        with pytest.raises(TransferFailed, match=message):
            harness.copy(sizes={"a": STREAM_SIZE})
        assert harness.s3.objects() == []
