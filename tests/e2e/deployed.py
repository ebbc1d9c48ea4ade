"""What tests do to the deployed functions and queues themselves, and put right again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.driver import Driver

ALIAS = "live"


def cold_start(driver: Driver, function: str, **changes: Any) -> None:
    """A new version behind the alias: its first container keeps nothing of another's.

    `changes` of its configuration, as Lambda's API names them, go into it and into what is not
    released.
    """
    client = driver.client("lambda")
    told = client.get_function_configuration(FunctionName=function).get("Description", "")
    client.update_function_configuration(FunctionName=function, Description=f"{told}.", **changes)
    version = client.publish_version(FunctionName=function)["Version"]
    client.update_alias(FunctionName=function, Name=ALIAS, FunctionVersion=version)


@contextmanager
def limited(driver: Driver, function: str, seconds: int, **settings: str) -> Iterator[None]:
    """Lambda ends each invocation of a function after so many seconds; some `settings` differ."""
    client = driver.client("lambda")
    found = client.get_function_configuration(FunctionName=function)
    usual = {"Timeout": found["Timeout"], "Environment": found["Environment"]}
    variables = {**found["Environment"]["Variables"], **settings}
    released = client.get_alias(FunctionName=function, Name=ALIAS)["FunctionVersion"]
    cold_start(driver, function, Timeout=seconds, Environment={"Variables": variables})
    try:
        yield
    finally:
        client.update_alias(FunctionName=function, Name=ALIAS, FunctionVersion=released)
        client.update_function_configuration(FunctionName=function, **usual)


@contextmanager
def delivered_again_after(driver: Driver, queue: str, seconds: int) -> Iterator[None]:
    """A message that is received and not let go of is visible again after so many seconds."""
    sqs, url, name = driver.client("sqs"), driver.queue_url(queue), "VisibilityTimeout"
    usual = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={name: str(seconds)})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={name: usual})


@contextmanager
def kept_out(driver: Driver) -> Iterator[None]:
    """This machine's address is none of `INGEST_ALLOWED_IPS`."""
    api = driver.client("apigateway")
    (found,) = [one for one in api.get_rest_apis()["items"] if "policy" in one]
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
    """Kill every process in which the local cloud runs a function; how many there were.

    `endpoint` is where the function finds AWS, if that isn't the cloud's own address.
    """
    # Others' stacks on this machine may have functions of the same name.
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
