"""Tests that each grant has an end-to-end scenario that needs it, or a reason for having none."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdk.names import Names
from ops.grants_document import Grant
from tests.e2e.scenarios import SCENARIOS
from tests.e2e.test_grants import (
    ENFORCED,
    HELD_BY_UNIT_TESTS,
    NEEDED_BY,
    NOT_ENFORCED,
    short_name_of,
)
from tests.infra.grants import grants
from tests.infra.template import STACK, synthesize

NAMES = Names(STACK)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> list[Grant]:
    """Return the grants of a stack whose uploader and follow function run in Opencast's VPC."""
    changes = {"OC_SUBNET_IDS": "subnet-1", "OC_SECURITY_GROUP_ID": "sg-1"}
    return grants(synthesize(tmp_path_factory.mktemp("synth"), changes))


def keys(grant: Grant) -> set[tuple[str, str, str]]:
    """Return the keys under which a table of the end-to-end tests may list a grant."""
    name = short_name_of(grant, NAMES)
    return {(grant.function, *key) for key in ((grant.action, name), (grant.action, ""), ("", ""))}


def is_tried(grant: Grant) -> bool:
    """Return whether the end-to-end tests run once without the grant."""
    is_enforced = grant.action not in NOT_ENFORCED or (grant.function, grant.action) in ENFORCED
    return is_enforced and not keys(grant) & set(HELD_BY_UNIT_TESTS)


def test_every_grant_has_an_end_to_end_scenario_or_a_reason(everything: list[Grant]) -> None:
    assert [g for g in everything if is_tried(g) and not keys(g) & set(NEEDED_BY)] == []


def test_tables_of_the_end_to_end_tests_name_only_existing_grants_and_scenarios(
    everything: list[Grant],
) -> None:
    tried = {key for grant in everything if is_tried(grant) for key in keys(grant)}
    assert set(NEEDED_BY) - tried == set()
    assert set(HELD_BY_UNIT_TESTS) - {key for grant in everything for key in keys(grant)} == set()
    assert set(NOT_ENFORCED) - {grant.action for grant in everything} == set()
    assert ENFORCED - {(grant.function, grant.action) for grant in everything} == set()
    assert set(NEEDED_BY.values()) - set(SCENARIOS) == set()


@pytest.mark.parametrize("key", HELD_BY_UNIT_TESTS, ids=str)
def test_the_unit_test_of_a_grant_without_a_scenario_exists(key: tuple[str, str, str]) -> None:
    path, _, name = HELD_BY_UNIT_TESTS[key].partition("::")
    assert f"def {name}(" in (Path(__file__).parents[2] / path).read_text("utf-8")
