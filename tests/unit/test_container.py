"""What a warm container keeps, and for how long."""

from __future__ import annotations

import pytest
from botocore.exceptions import EndpointConnectionError

from ingester.container import Container
from ingester.errors import SettingsError


class Building:
    """Builds 1, 2, 3 …, or fails; `now` is its clock."""

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


def test_nothing_happens_before_the_first_call_and_then_once(
    building: Building, container: Container[int]
) -> None:
    assert building.built == 0
    assert [container(), container()] == [1, 1]
    building.now = 299
    assert container() == 1
    building.now = 300
    assert container() == 2


def test_what_fails_at_first_is_tried_again_at_the_next_call(
    building: Building, container: Container[int]
) -> None:
    building.failure = EndpointConnectionError(endpoint_url="https://ssm")
    for _ in range(2):
        with pytest.raises(EndpointConnectionError):
            container()
    building.failure = None
    assert container() == 1


def test_old_secrets_do_while_aws_cant_say_them(
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


def test_who_suspects_a_rotation_gets_it_built_anew_but_not_all_the_time(
    building: Building, container: Container[int]
) -> None:
    assert [container(), container.renewed(), container.renewed(), container()] == [1, 2, 2, 2]
    building.now = 9.9
    assert container.renewed() == 2
    building.now = 10
    assert [container.renewed(), container.renewed()] == [3, 3]
    # What was built early grows old from then on.
    building.now = 309.9
    assert container() == 3
    building.now = 310
    assert container() == 4


def test_aws_is_not_asked_all_the_time_either_while_it_cant_say(
    building: Building, container: Container[int]
) -> None:
    container()
    building.failure = EndpointConnectionError(endpoint_url="https://ssm")
    assert container.renewed() == 1
    building.now, building.failure = 9, None
    assert container.renewed() == 1
    building.now = 10
    assert container.renewed() == 2


def test_what_is_carried_over_from_the_old_one(building: Building) -> None:
    container = Container(building, 300, building.clock, lambda old, new: 10 * old + new)
    assert [container(), container.renewed()] == [1, 12]
    building.now = 300
    assert container() == 123
    building.now, building.failure = 600, EndpointConnectionError(endpoint_url="https://ssm")
    assert container() == 123


def test_a_secret_that_was_taken_away_is_noticed(
    building: Building, container: Container[int]
) -> None:
    container()
    building.now, building.failure = 300, SettingsError("A secret is missing")
    with pytest.raises(SettingsError):
        container()
