"""Whatever goes wrong: an object is one version of its source, whole, or there is none."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ingester.errors import EmptyFile, IngesterError, NotAFile, PermanentFailure
from ingester.transfer.multipart import IDENTITY
from ingester.transfer.plan import Copied
from tests.transfer import faults as of
from tests.transfer.rig import Rig, key_of, settled
from tests.transfer.scenarios import Scenario, mild_scenarios, scenarios
from tests.transfer.verdict import objects_of

repeatable = settings(
    derandomize="CI" in os.environ,
    # Threads make a failure differ from one run to the next, which shrinking can't do with.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    max_examples=30,
    print_blob=True,
)

KINDS = {
    "breaks": scenarios(zoom=st.one_of(of.BREAKS, of.BREAKS_OF_ALL)),
    "answers": scenarios(zoom=st.one_of(of.BUSY, of.REFUSALS, of.EXPIRED)),
    "pages": scenarios(zoom=st.one_of(of.PAGES, of.EMPTY), ranges=st.booleans()),
    "lies": scenarios(zoom=st.one_of(of.LIES, of.WHOLE, of.SHIFTED, of.BREAKS)),
    "changes": scenarios(zoom=st.one_of(of.CHANGES, of.CHANGES, of.BREAKS, of.EXPIRED)),
    "s3": scenarios(s3=of.OF_S3),
    "no ranges": scenarios(zoom=of.OF_ZOOM, s3=of.OF_S3, ranges=st.just(False)),
    "no sizes": scenarios(
        zoom=st.one_of(of.BREAKS, of.BREAKS_OF_ALL, of.CHANGES),
        ranges=st.just(False),
        sizes=st.just(False),
    ),
    "everything": scenarios(zoom=of.OF_ZOOM, s3=of.OF_S3),
    "TLS": scenarios(zoom=of.OF_ZOOM, s3=of.OF_S3, ranges=st.booleans()),
}
OF_ONE = (NotAFile, EmptyFile)
"""Errors that concern one file alone."""


def call(rig: Rig, scenario: Scenario) -> IngesterError | None:
    """A first call, in which all of this happens; its error. What is there then is right."""
    rig.begin(scenario.zoom, scenario.s3)
    copies = rig.copies(scenario.names, told=scenario.told, skips=OF_ONE if scenario.skips else ())
    try:
        results = rig.engine().copy(copies)
    except IngesterError as error:
        settled()
        judge(rig, scenario.names, scenario.told, [])
        if isinstance(error, PermanentFailure):
            assert scenario.may_leave_an_upload or not rig.s3.uploads()
        return error
    settled()
    judge(rig, scenario.names, scenario.told, results)
    assert scenario.may_leave_an_upload or not rig.s3.uploads()
    return None


def judge(
    rig: Rig,
    names: Sequence[str],
    told: Mapping[str, int],
    results: Sequence[Copied | IngesterError],
) -> None:
    """All that is there is right, and all that a call returned is there, of the size told."""
    found = objects_of(rig, names)
    for name, result in zip(names, results, strict=bool(results)):
        if isinstance(result, Copied):
            assert (result.key, result.size) == (key_of(name), found[name].size)
            assert result.size == told.get(name, result.size)
        else:
            assert isinstance(result, OF_ONE)


def call_again(rig: Rig, scenario: Scenario) -> None:
    """A second call, in which nothing goes wrong: it copies what is missing, and only that."""
    rig.go_on()
    if scenario.changes:
        rig.zoom.change(scenario.size_of_changed)
    kept, before = rig.kept(), {stored.key: stored for stored in rig.s3.objects()}
    versions = {name: rig.zoom.versions(name)[-1] for name in scenario.names}
    told = {name: versions[name].size for name in scenario.told}
    results = rig.engine().copy(rig.copies(scenario.names, told=told, skips=OF_ONE))
    settled()
    judge(rig, scenario.names, told, results)
    wanted = {name: version for name, version in versions.items() if version.size}
    assert objects_of(rig, scenario.names) == wanted
    if not scenario.zoom.ranges:
        return
    missing = 0
    for stored in rig.s3.objects():
        is_there = stored == before.get(stored.key)
        known = kept.get((stored.key, stored.metadata[IDENTITY]), 0)
        # One byte to see which version the source is.
        missing += 1 if is_there else stored.size - known + 1
    assert rig.zoom.stats().body_bytes <= missing


@pytest.mark.parametrize("kind", KINDS)
@repeatable
@given(data=st.data())
def test_an_object_is_one_version_whole_or_not_there(
    rig: Rig, tls_rig: Rig, kind: str, data: st.DataObject
) -> None:
    rig = tls_rig if kind == "TLS" else rig
    scenario = data.draw(KINDS[kind])
    call(rig, scenario)
    call_again(rig, scenario)


@pytest.mark.parametrize("is_ranged", [True, False], ids=["ranges", "no ranges"])
@repeatable
@given(data=st.data())
def test_a_few_faults_are_no_error(rig: Rig, is_ranged: bool, data: st.DataObject) -> None:
    scenario = data.draw(mild_scenarios(is_ranged=is_ranged))
    assert call(rig, scenario) is None
