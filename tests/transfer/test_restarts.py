"""A source that becomes another one in mid-copy, or only looks so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.transfer.peers.zoom_settings import ZoomFault, ZoomSettings
from ingester.errors import SourceChanged
from ingester.transfer.engine import Budget
from tests.transfer.rig import Rig, settled
from tests.transfer.verdict import objects_of

SIZE = 40_000_000
ONE = ZoomSettings(files={"a": SIZE})
LATE = 6
"""The GET of the fifth part, where one comes after the other."""
ONE_BY_ONE = Budget(connections=1)


@pytest.mark.parametrize(
    "fault",
    [
        ZoomFault(what="whole", request=LATE),
        ZoomFault(what="shifted", request=LATE),
        ZoomFault(what="headers", request=LATE, headers={"ETag": '"of another"'}),
        ZoomFault(what="headers", request=LATE, headers={"Content-Range": "bytes 0-9/10"}),
    ],
    ids=["no range", "another range", "another ETag", "another size"],
)
def test_one_answer_that_is_wrong_costs_nothing_that_is_stored(rig: Rig, fault: ZoomFault) -> None:
    rig.begin(ONE, zoom_faults=[fault])
    rig.engine(ONE_BY_ONE).copy(rig.copies("a"))
    settled()
    assert objects_of(rig, "a")["a"].version == 1
    assert rig.s3.stats().operations["CreateMultipartUpload"] == 1
    assert rig.s3.stats().body_bytes < 1.01 * SIZE


def test_a_source_that_changed_is_copied_from_its_beginning(rig: Rig) -> None:
    rig.begin(ONE, zoom_faults=[ZoomFault(what="changed", request=LATE, size=SIZE + 1)])
    rig.engine(ONE_BY_ONE).copy(rig.copies("a"))
    settled()
    assert objects_of(rig, "a")["a"].version == 2
    assert rig.s3.uploads() == []


def test_a_source_that_never_stays_the_same_is_an_error(rig: Rig) -> None:
    faults = [ZoomFault(what="changed", request=number) for number in range(2, 30, 2)]
    rig.begin(ONE, zoom_faults=faults)
    with pytest.raises(SourceChanged):
        rig.engine(ONE_BY_ONE).copy(rig.copies("a"))
    settled()
    assert rig.s3.objects() == []


@pytest.mark.parametrize(
    "telling", ["etag", "last_modified", "size"], ids=["ETag", "Last-Modified", "size"]
)
def test_each_thing_that_tells_a_version_is_looked_at(rig: Rig, telling: str) -> None:
    """From one call to the next: the first stops half-way, and then there is another version."""
    told = replace(ONE, etag=telling == "etag", last_modified=telling == "last_modified")
    rig.begin(told, zoom_faults=[ZoomFault(what="status", request=LATE, times=99)])
    with pytest.raises(Exception, match="500"):
        rig.engine(ONE_BY_ONE).copy(rig.copies("a"))
    settled()
    assert rig.kept()
    rig.go_on()
    rig.zoom.change(SIZE + 1 if telling == "size" else None)
    rig.engine().copy(rig.copies("a"))
    settled()
    assert objects_of(rig, "a")["a"].version == 2


@pytest.mark.parametrize("moment", [{"request": 2}, {"request": LATE}, {"total": SIZE // 2}])
def test_an_address_that_expired_is_asked_for_anew(rig: Rig, moment: dict[str, int]) -> None:
    """By one connection: the others take what it found."""
    expires = ZoomFault(what="expired", **moment)  # type: ignore[arg-type]
    rig.begin(ONE, zoom_faults=[expires])
    rig.engine().copy(rig.copies("a"))
    settled()
    assert objects_of(rig, "a")["a"].size == SIZE
    assert rig.zoom.stats().requests["rec"] == 2
    assert rig.s3.stats().operations["CreateMultipartUpload"] == 1
