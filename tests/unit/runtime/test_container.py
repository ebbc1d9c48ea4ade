"""The dependencies of a warm container, and their lifetime."""

from __future__ import annotations

import pytest
from botocore.exceptions import EndpointConnectionError

from ingester.errors import SettingsError
from ingester.runtime.container import Container


class Building:
    """A builder that returns 1, 2, 3 … or fails. `now` is the time in seconds."""

    def __init__(self) -> None:
        self.built = 0
        self.now = 0.0
        self.failure: Exception | None = None

    def __call__(self) -> int:
        if self.failure:
            raise self.failure
        self.built += 1
        return self.built

    def clock(self) -> float:
        return self.now


@pytest.fixture
def building() -> Building:
    return Building()


@pytest.fixture
def container(building: Building) -> Container[int]:
    return Container(building, 300, building.clock)


def test_container_builds_dependencies_at_the_first_call_and_again_after_300_seconds(
    building: Building, container: Container[int]
) -> None:
    assert building.built == 0
    assert [container(), container()] == [1, 1]
    building.now = 299
    assert container() == 1
    building.now = 300
    assert container() == 2


def test_container_builds_dependencies_at_the_next_call_when_earlier_calls_failed(
    building: Building, container: Container[int]
) -> None:
    building.failure = EndpointConnectionError(endpoint_url="https://ssm")
    for _ in range(2):
        with pytest.raises(EndpointConnectionError):
            container()
    building.failure = None
    assert container() == 1


def test_container_keeps_the_old_dependencies_for_another_300_seconds_when_aws_fails(
    building: Building, container: Container[int]
) -> None:
    container()
    building.now, building.failure = 300, EndpointConnectionError(endpoint_url="https://ssm")
    assert container() == 1
    building.failure = None
    building.now = 599
    assert container() == 1
    building.now = 600
    assert container() == 2


def test_sparing_rebuild_builds_dependencies_at_most_once_in_ten_seconds(
    building: Building, container: Container[int]
) -> None:
    assert [
        container(),
        container.rebuild_sparingly(),
        container.rebuild_sparingly(),
        container(),
    ] == [1, 2, 2, 2]
    building.now = 9.9
    assert container.rebuild_sparingly() == 2
    building.now = 10
    assert [container.rebuild_sparingly(), container.rebuild_sparingly()] == [3, 3]
    # The dependencies were built at 10 s and expire after 300 s.
    building.now = 309.9
    assert container() == 3
    building.now = 310
    assert container() == 4


def test_sparing_rebuild_builds_nothing_for_ten_seconds_after_a_build_failed(
    building: Building, container: Container[int]
) -> None:
    container()
    building.failure = EndpointConnectionError(endpoint_url="https://ssm")
    assert container.rebuild_sparingly() == 1
    building.now, building.failure = 9, None
    assert container.rebuild_sparingly() == 1
    building.now = 10
    assert container.rebuild_sparingly() == 2


def test_container_carries_over_values_of_the_old_dependencies(building: Building) -> None:
    container = Container(building, 300, building.clock, lambda old, new: 10 * old + new)
    assert [container(), container.rebuild_sparingly(), container.rebuild_or_none()] == [1, 12, 123]
    building.now = 300
    assert container() == 1234
    building.now, building.failure = 600, EndpointConnectionError(endpoint_url="https://ssm")
    assert container() == 1234


def test_container_raises_settings_error_when_a_secret_was_removed(
    building: Building, container: Container[int]
) -> None:
    container()
    building.now, building.failure = 300, SettingsError("A secret is missing")
    with pytest.raises(SettingsError):
        container()


def test_rebuild_without_fallback_builds_again_when_the_dependencies_are_new(
    container: Container[int],
) -> None:
    assert [container(), container.rebuild_sparingly()] == [1, 2]
    assert [container.rebuild_or_none(), container.rebuild_or_none(), container()] == [3, 4, 4]


def test_rebuild_without_fallback_returns_none_and_old_dependencies_stay_while_aws_fails(
    building: Building, container: Container[int]
) -> None:
    container()
    building.failure = EndpointConnectionError(endpoint_url="https://ssm")
    assert [container.rebuild_or_none(), container()] == [None, 1]
    building.failure = None
    assert [container.rebuild_or_none(), container()] == [2, 2]


def test_rebuild_without_fallback_raises_settings_error_when_a_secret_was_removed(
    building: Building, container: Container[int]
) -> None:
    container()
    building.failure = SettingsError("A secret is missing")
    with pytest.raises(SettingsError):
        container.rebuild_or_none()


@pytest.mark.parametrize("fails", [False, True])
def test_rebuild_without_fallback_returns_none_after_ten_attempts_within_a_minute(
    fails: bool, building: Building, container: Container[int]
) -> None:
    container()
    building.failure = EndpointConnectionError(endpoint_url="https://ssm") if fails else None
    for second in range(10):
        building.now = second
        assert (container.rebuild_or_none() is None) is fails
    building.failure = None
    kept = container()
    for moment in (10.0, 30.0, 59.9):
        building.now = moment
        assert [container.rebuild_or_none(), container()] == [None, kept]
    # The limit counts only the attempts of the last minute.
    building.now = 60
    assert [container.rebuild_or_none(), container.rebuild_or_none()] == [kept + 1, None]
    building.now = 61
    assert [container.rebuild_or_none(), container.rebuild_or_none()] == [kept + 2, None]
    building.now = 121
    assert container.rebuild_or_none() == kept + 3


def test_age_of_dependencies_counts_from_a_rebuild_without_fallback(
    building: Building, container: Container[int]
) -> None:
    container()
    building.now = 299
    assert container.rebuild_or_none() == 2
    building.now = 598.9
    assert container() == 2
    building.now = 599
    assert container() == 3


def test_age_of_dependencies_stays_the_same_when_a_rebuild_without_fallback_fails(
    building: Building, container: Container[int]
) -> None:
    container()
    building.now, building.failure = 299, EndpointConnectionError(endpoint_url="https://ssm")
    assert container.rebuild_or_none() is None
    building.now, building.failure = 300, None
    assert container() == 2


def test_old_dependencies_are_used_for_at_most_15_minutes_while_aws_fails(
    building: Building, container: Container[int]
) -> None:
    # Otherwise, a revoked secret would be accepted as long as SSM fails.
    assert container() == 1
    building.failure = EndpointConnectionError(endpoint_url="https://ssm")
    for building.now in (300, 600, 899):
        assert container() == 1
    building.now = 900
    with pytest.raises(EndpointConnectionError):
        container()
    building.failure = None
    assert container() == 2


def test_dependencies_built_recently_are_at_most_ten_seconds_old(
    building: Building, container: Container[int]
) -> None:
    assert container() == 1
    building.now = 9
    assert container.built_recently() == 1
    building.now = 10
    assert [container.built_recently(), container()] == [2, 2]
    building.now = 20
    building.failure = EndpointConnectionError(endpoint_url="https://ssm")
    assert [container.built_recently(), container()] == [None, 2]
