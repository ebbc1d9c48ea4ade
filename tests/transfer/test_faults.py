"""Property tests of copies with faults, which must leave a whole version of a file or nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ingester.errors import EmptyFile, IngesterError, NotAFile, PermanentFailure
from ingester.transfer.multipart import IDENTITY_KEY
from ingester.transfer.plan import Copied
from tests.transfer import strategies as of
from tests.transfer.harness import Harness, key_of
from tests.transfer.strategies import Scenario, mild_scenarios, scenarios

repeatable = settings(
    derandomize="CI" in os.environ,
    # Hypothesis can't shrink an example, because threads make each run differ.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    max_examples=30,
    print_blob=True,
)

KINDS = {
    "breaks": scenarios(zoom=st.one_of(of.BREAKS, of.BREAKS_OF_ALL)),
    "statuses": scenarios(zoom=st.one_of(of.BUSY, of.REFUSALS, of.EXPIRED)),
    "pages": scenarios(zoom=st.one_of(of.PAGES, of.EMPTY), ranges=st.booleans()),
    "wrong answers": scenarios(zoom=st.one_of(of.WRONG_HEADERS, of.WHOLE, of.SHIFTED, of.BREAKS)),
    "changes": scenarios(zoom=st.one_of(of.CHANGES, of.CHANGES, of.BREAKS, of.EXPIRED)),
    "s3": scenarios(s3=of.OF_S3),
    "no ranges": scenarios(zoom=of.OF_ZOOM, s3=of.OF_S3, ranges=st.just(False)),
    "no lengths": scenarios(
        zoom=st.one_of(of.BREAKS, of.BREAKS_OF_ALL, of.CHANGES),
        ranges=st.just(False),
        lengths=st.just(False),
    ),
    "everything": scenarios(zoom=of.OF_ZOOM, s3=of.OF_S3),
    "TLS": scenarios(zoom=of.OF_ZOOM, s3=of.OF_S3, ranges=st.booleans()),
}
OF_ONE_FILE = (NotAFile, EmptyFile)
"""Errors of one file, in spite of which the other files can be copied."""


def run_with_faults(harness: Harness, scenario: Scenario) -> IngesterError | None:
    """Run a scenario, check S3's content, and return the run's error, or None without an error."""
    harness.begin(scenario.zoom, scenario.s3)
    tolerated_errors = OF_ONE_FILE if scenario.tolerates_errors else ()
    error, results = None, []
    try:
        results = harness.copy(
            scenario.names, sizes=scenario.sizes, tolerated_errors=tolerated_errors
        )
    except IngesterError as raised:
        error = raised
    check(harness, scenario.names, scenario.sizes, results)
    if error is None or isinstance(error, PermanentFailure):
        assert scenario.may_leave_an_upload or not harness.s3.uploads()
    return error


def check(
    harness: Harness,
    names: Sequence[str],
    sizes: Mapping[str, int],
    results: Sequence[Copied | IngesterError],
) -> None:
    """Check that each object is one version of a file, and that results describe the objects."""
    found = harness.versions()
    for name, result in zip(names, results, strict=bool(results)):
        if isinstance(result, Copied):
            assert (result.key, result.size) == (key_of(name), found[name].size)
            assert result.size == sizes.get(name, result.size)
        else:
            assert isinstance(result, OF_ONE_FILE)


def run_again(harness: Harness, scenario: Scenario) -> None:
    """Run a scenario again without faults, and check that S3 then holds the current versions.

    An empty file has no object. If Zoom supports ranges, also check that Zoom sent no byte that S3
    had, except for one byte of each file.
    """
    harness.remove_faults()
    if scenario.changes:
        harness.zoom.change(scenario.size_of_changed)
    stored = harness.stored_bytes()
    before = {summary.key: summary for summary in harness.s3.objects()}
    versions = {name: harness.zoom.content(name) for name in scenario.names}
    sizes = {name: versions[name].size for name in scenario.sizes}
    results = harness.copy(scenario.names, sizes=sizes, tolerated_errors=OF_ONE_FILE)
    check(harness, scenario.names, sizes, results)
    wanted = {name: version for name, version in versions.items() if version.size}
    assert harness.versions() == wanted
    if not scenario.zoom.ranges:
        return
    missing = 0
    for summary in harness.s3.objects():
        known = stored.get((summary.key, summary.metadata[IDENTITY_KEY]), 0)
        # The engine reads one byte to learn the version of the source.
        missing += 1 if summary == before.get(summary.key) else summary.size - known + 1
    assert harness.zoom.stats().body_bytes <= missing


@pytest.mark.parametrize("kind", KINDS)
@repeatable
@given(data=st.data())
def test_object_in_s3_is_one_whole_version_of_its_file_or_does_not_exist(
    harness: Harness, tls_harness: Harness, kind: str, data: st.DataObject
) -> None:
    harness = tls_harness if kind == "TLS" else harness
    scenario = data.draw(KINDS[kind])
    run_with_faults(harness, scenario)
    run_again(harness, scenario)


@pytest.mark.parametrize("has_ranges", [True, False], ids=["ranges", "no ranges"])
@repeatable
@given(data=st.data())
def test_copy_succeeds_when_faults_are_few_and_happen_once(
    harness: Harness, has_ranges: bool, data: st.DataObject
) -> None:
    scenario = data.draw(mild_scenarios(has_ranges=has_ranges))
    assert run_with_faults(harness, scenario) is None
