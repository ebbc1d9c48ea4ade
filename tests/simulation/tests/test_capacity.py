"""Tests of the capacity measurements, and of their agreement with docs/capacity.md."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cdk.functions import SIZES
from ingester.transfer.parts import parts_of
from tests.simulation.aws.calls import call_directly
from tests.simulation.capacity import document
from tests.simulation.capacity.bounds import bound_of
from tests.simulation.capacity.loads import ENGINE_RATE, FAST, RECORDING_BYTES, Load, scenario_of
from tests.simulation.capacity.measure import MB_OF, PUTS_BESIDE_PARTS, Measured, measure
from tests.simulation.capacity.meter import NOTHING, Meter, Stored, metered
from tests.simulation.capacity.prices import costs, total, without_release
from tests.simulation.cloud import Instrumentation
from tests.simulation.play import play
from tests.simulation.truth import Site


@pytest.fixture(scope="module")
def one_recording() -> Measured:
    return measure(Load(1))


@pytest.fixture(scope="module")
def text() -> str:
    return document.DOCUMENT.read_text("utf-8")


def rows(part: str) -> list[tuple[str, ...]]:
    return [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in part.splitlines()]


def test_capacity_document_has_a_row_for_each_load_with_default_settings(text: str) -> None:
    found = [row[0] for row in rows(document.part_of(text, "loads"))]
    assert found[2:] == ["1", "100", "300", "1,000"]


def test_capacity_document_has_the_measurements_of_one_recording(
    text: str, one_recording: Measured
) -> None:
    assert document.load_row(one_recording) in rows(document.part_of(text, "loads"))
    for name, make in (("counts", document.count_rows), ("costs", document.cost_rows)):
        found = {row[0]: row[1] for row in rows(document.part_of(text, name))[2:]}
        assert found == make(one_recording)


def test_capacity_document_has_the_prices_of_the_code(text: str) -> None:
    assert document.part_of(text, "prices") == document.prices_table({})


def test_capacity_document_has_the_fixed_costs_and_assumptions_of_the_code(text: str) -> None:
    assert document.part_of(text, "fixed") == document.fixed_table({})
    assert document.part_of(text, "assumed") == document.assumed_table({})


def test_table_of_downloads_in_the_capacity_document_shows_its_loads_and_the_default_settings(
    text: str,
) -> None:
    found = [row[:2] for row in rows(document.part_of(text, "downloads"))[2:]]
    wanted = [(f"{load.downloads}", f"{load.delay}") for load in document.MORE_DOWNLOADS]
    assert found == wanted
    assert (f"{Load(300).downloads}", "0") in found


def test_table_of_settings_in_the_capacity_document_shows_each_of_its_loads(text: str) -> None:
    found = [row[2:4] for row in rows(document.part_of(text, "settings"))[2:]]
    assert found == [(f"{load.downloads}", f"{load.uploads}") for load in document.SETTINGS]


def test_capacity_simulation_bills_each_function_for_the_memory_of_the_function() -> None:
    sizes = {function.module: size.memory for function, size in SIZES.items()}
    assert {name: sizes[name] for name in MB_OF} == MB_OF


def test_default_load_has_the_default_concurrency_of_a_site() -> None:
    load, site = Load(1), Site()
    assert (site.downloads_at_once, site.uploads_at_once) == (load.downloads, load.uploads)


def test_recording_is_staged_at_the_rate_of_the_engine(one_recording: Measured) -> None:
    seconds = one_recording.functions["downloader"].seconds
    assert RECORDING_BYTES / ENGINE_RATE < seconds < RECORDING_BYTES / ENGINE_RATE + 5


def test_put_requests_include_every_part_of_a_file(one_recording: Measured) -> None:
    sizes = [file.size for file in scenario_of(Load(1)).recordings[0].files]
    puts = sum(len(parts_of(size)) + PUTS_BESIDE_PARTS for size in sizes)
    assert one_recording.s3_puts - one_recording.s3_tags == puts


def test_total_cost_is_the_sum_of_the_costs_and_mostly_storage_when_no_file_is_released(
    one_recording: Measured,
) -> None:
    assert total(one_recording) == pytest.approx(sum(costs(one_recording).values()))
    before = without_release(one_recording)
    assert costs(before)["S3, staged files"] > 3 * total(before) / 4


def test_a_recording_costs_less_than_half_as_much_when_its_files_are_released(
    one_recording: Measured,
) -> None:
    assert one_recording.s3_tags == len(scenario_of(Load(1)).recordings[0].files)
    assert total(one_recording) < total(without_release(one_recording)) / 2


def test_a_thousand_recordings_cost_less_than_four_dollars_when_staged_files_are_released(
    text: str,
) -> None:
    (together,) = [row for row in rows(document.part_of(text, "thousand")) if "together" in row[0]]
    before, after, followed = (float(cell.strip("*").replace(",", "")) for cell in together[1:])
    assert after < followed < 4 < before


def test_ingests_are_the_same_with_and_without_the_records_of_the_judge() -> None:
    scenario = scenario_of(Load(3))
    ingests = [
        play(scenario, instrumentation=Instrumentation(for_judge=judged)).system.opencast.ingests
        for judged in (True, False)
    ]
    assert ingests[0] == ingests[1]


@pytest.mark.parametrize(
    ("rate", "uploads_busy", "downloads_busy", "setting"),
    [
        (2400e6, 0.5, 0.5, "Opencast's network, disks or nodes"),
        (1000e6, 0.9, 0.9, "`OC_TRACK_UPLOAD_MAX`"),
        (700e6, 0.4, 0.95, "`DOWNLOADS_AT_ONCE`"),
        (500e6, 0.3, 0.3, "nothing"),
    ],
)
def test_bottleneck_is_the_saturated_resource_nearest_to_opencast_or_else_zoom(
    one_recording: Measured, rate: float, uploads_busy: float, downloads_busy: float, setting: str
) -> None:
    load = Load(300, 10, 20, FAST)
    span, runs = load.total_bytes / rate, one_recording.functions["downloader"]
    busy = {
        "uploader": replace(runs, seconds=uploads_busy * span * load.uploads),
        "downloader": replace(runs, seconds=downloads_busy * 1000 * load.downloads),
    }
    first = busy["downloader"].seconds / load.recordings
    measured = replace(
        one_recording,
        load=load,
        functions=busy,
        staged=(first, 1000.0),
        ingest_began=0.0,
        ingested=(span,),
    )
    assert bound_of(measured).change == setting


def test_dynamodb_write_costs_the_larger_size_and_each_changed_index() -> None:
    meter = Meter()
    meter.write(NOTHING, Stored(100, ((),)))
    assert meter.write_units == 1
    meter.write(Stored(100, ((),)), Stored(100, (("d", 1),)))
    assert meter.write_units == 3
    meter.write(Stored(100, (("d", 1),)), Stored(100, (("d", 2),)))
    assert meter.write_units == 6
    meter.write(Stored(3000, ((),)), Stored(100, ((),)))
    assert meter.write_units == 9


def test_dynamodb_read_costs_half_when_the_read_is_eventually_consistent() -> None:
    meter = Meter()
    meter.read(Stored(5000), consistent=True)
    meter.read(NOTHING, consistent=False)
    assert meter.read_units == 2.5


def test_dynamodb_query_costs_read_units_for_the_total_size_of_its_items() -> None:
    meter = Meter()
    table = metered(meter)(
        "test", "id", call=call_directly, now=lambda: 0.0, indexes={"index": ("kind", None)}
    )
    question: dict[str, Any] = {
        "IndexName": "index",
        "KeyConditionExpression": "kind = :kind",
        "ExpressionAttributeValues": {":kind": "a"},
        "Limit": 100,
    }
    table.query(**question)
    assert meter.read_units == 0.5
    for number in range(5):
        table.put_item(Item={"id": f"{number}".zfill(1000), "kind": "a"})
    table.query(**question)
    assert meter.read_units == 0.5 + 2 * 0.5


def test_expiry_of_a_dynamodb_item_costs_nothing() -> None:
    meter = Meter()
    table = metered(meter)("test", "id", call=call_directly, now=lambda: 1000.0)
    table.put_item(Item={"id": "one", "expiration": 999})
    before = meter.write_units
    assert len(table.expire()) == 1
    assert meter.write_units == before
