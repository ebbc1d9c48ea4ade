"""Changes to the deployed functions, roles, queues and API during a test."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.driver import ALIAS, Driver
from ops.grants_document import pairs
from tests.infra.grants import POLICY, without


def cold_start(driver: Driver, function: str, **changes: Any) -> None:
    """Publish a new version behind the alias, so that the next invocation is a cold start.

    The new version has the `changes`, which are arguments of Lambda's UpdateFunctionConfiguration.
    """
    client = driver.client("lambda")
    before = client.get_function_configuration(FunctionName=function).get("Description", "")
    client.update_function_configuration(FunctionName=function, Description=f"{before}.", **changes)
    version = client.publish_version(FunctionName=function)["Version"]
    client.update_alias(FunctionName=function, Name=ALIAS, FunctionVersion=version)


@contextmanager
def limited(driver: Driver, function: str, seconds: int, **settings: str) -> Iterator[None]:
    """Set a function's timeout, add `settings`, and restore timeout and settings afterwards."""
    client = driver.client("lambda")
    found = client.get_function_configuration(FunctionName=function)
    usual = {"Timeout": found["Timeout"], "Environment": found["Environment"]}
    variables = {**found["Environment"]["Variables"], **settings}
    released = client.get_alias(FunctionName=function, Name=ALIAS)["FunctionVersion"]
    try:
        cold_start(driver, function, Timeout=seconds, Environment={"Variables": variables})
        yield
    finally:
        client.update_alias(FunctionName=function, Name=ALIAS, FunctionVersion=released)
        client.update_function_configuration(FunctionName=function, **usual)


@contextmanager
def limited_concurrency(driver: Driver, function: str, number: int) -> Iterator[None]:
    """Let a function's event source start at most `number` invocations at once in the `with` block.

    With fewer processes, fewer of the slow cold starts happen.
    """
    client = driver.client("lambda")
    mappings = client.list_event_source_mappings(FunctionName=f"{function}:{ALIAS}")
    (mapping,) = mappings["EventSourceMappings"]
    usual = mapping.get("ScalingConfig", {})
    client.update_event_source_mapping(
        UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": number}
    )
    try:
        yield
    finally:
        client.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig=usual)


@contextmanager
def visible_again_after(driver: Driver, queue: str, seconds: int) -> Iterator[None]:
    """Set a queue's visibility timeout to `seconds`, and restore the timeout afterwards."""
    sqs, url, name = driver.client("sqs"), driver.queue_url(queue), "VisibilityTimeout"
    usual = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={name: str(seconds)})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={name: usual})


@contextmanager
def address_refused(driver: Driver) -> Iterator[None]:
    """Replace this machine's address in the API's policy, and restore the policy afterwards."""
    api = driver.client("apigateway")
    (found,) = [item for item in api.get_rest_apis()["items"] if "policy" in item]
    policy = found["policy"]
    text = policy.encode().decode("unicode_escape") if '\\"' in policy else policy
    assert "127.0.0.1" in text

    def put(value: str) -> None:
        patch = {"op": "replace", "path": "/policy", "value": value}
        api.update_rest_api(restApiId=found["id"], patchOperations=[patch])
        api.create_deployment(restApiId=found["id"], stageName="live")

    put(text.replace("127.0.0.1", "203.0.113.9"))
    try:
        yield
    finally:
        put(text)


def kill(driver: Driver, function: str, endpoint: str = "") -> int:
    """Kill every process in which the local cloud runs a function, and return the number.

    `endpoint` is the address at which the function calls AWS, by default the local cloud's.
    """
    # Another stack on this machine may have a function with the same name.
    ours = {
        f"AWS_LAMBDA_FUNCTION_NAME={function}".encode(),
        f"AWS_ENDPOINT_URL={endpoint or driver.state.aws_endpoint_url}".encode(),
    }
    killed = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if ours <= set((process / "environ").read_bytes().split(b"\0")):
                os.kill(int(process.name), signal.SIGKILL)
                killed += 1
        except OSError:
            continue
    return killed


def grants_of(driver: Driver, function: str) -> list[tuple[str, str]]:
    """Return the (action, resource ARN) pairs that a function's role allows."""
    return list(pairs(policy_of(driver, function)))


def policy_of(driver: Driver, function: str) -> dict[str, Any]:
    """Return the policy document of a function's role."""
    return _policy(driver, _role(driver, function))


@contextmanager
def without_grant(driver: Driver, function: str, action: str, resource: str) -> Iterator[None]:
    """Remove one grant from a function's role, and restore the grant afterwards."""
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
