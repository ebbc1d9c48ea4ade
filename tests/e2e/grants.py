"""The grants of the deployed functions' roles, which tests take away and give back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from local.driver import Driver
from tests.infra.grants import POLICY, pairs, without


def granted(driver: Driver, function: str) -> list[tuple[str, str]]:
    """What a function may do: (action, resource's ARN)."""
    return list(pairs(_policy(driver, _role(driver, function))))


@contextmanager
def taken_away(driver: Driver, function: str, action: str, resource: str) -> Iterator[None]:
    """A function may not do one thing that it may."""
    iam, role = driver.client("iam"), _role(driver, function)
    document = _policy(driver, role)

    def put(content: dict[str, Any]) -> None:
        iam.put_role_policy(RoleName=role, PolicyName=POLICY, PolicyDocument=json.dumps(content))

    put(without(document, action, resource))
    try:
        yield
    finally:
        put(document)


def _role(driver: Driver, function: str) -> str:
    found = driver.client("lambda").get_function_configuration(FunctionName=function)
    return str(found["Role"].rsplit("/", 1)[-1])


def _policy(driver: Driver, role: str) -> dict[str, Any]:
    found = driver.client("iam").get_role_policy(RoleName=role, PolicyName=POLICY)
    document = found["PolicyDocument"]
    return dict(json.loads(document) if isinstance(document, str) else document)
