"""Fixtures that several test modules of the commands share."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import boto3
import pytest

from tests.cloud import REGION, Clock, Cloud
from tests.ops.migration_harness import Stacks, stacks_of
from tests.ops.queue_harness import DOWNLOADS, UPLOADS, Queues


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--rewrite-outputs`, which writes the files in tests/ops/outputs/."""
    parser.addoption(
        "--rewrite-outputs",
        action="store_true",
        help="write what commands print to tests/ops/outputs/ in place of comparing it",
    )


@pytest.fixture(params=[DOWNLOADS, UPLOADS], ids=["downloads", "uploads"])
def queues(request: pytest.FixtureRequest, aws: Cloud, clock: Clock) -> Queues:
    return Queues(aws, clock, request.param)


@pytest.fixture
def downloads(aws: Cloud, clock: Clock) -> Queues:
    return Queues(aws, clock, DOWNLOADS)


@pytest.fixture
def uploads(aws: Cloud, clock: Clock) -> Queues:
    return Queues(aws, clock, UPLOADS)


@pytest.fixture
def stacks(aws: Cloud, clock: Clock) -> Stacks:
    return stacks_of(aws, clock)


@pytest.fixture
def shell_of_stack(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Create the stack `test`, set environment variables for it, and return the monkeypatch."""
    settings = {"STACK_NAME": "test", "AWS_REGION": REGION, "LAMBDA_CODE_BUCKET": aws.bucket}
    for name, value in {**settings, "NONINTERACTIVE": "1"}.items():
        monkeypatch.setenv(name, value)
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    cloudformation = boto3.client("cloudformation", REGION)
    cloudformation.create_stack(StackName="test", TemplateBody=json.dumps(template))
    return monkeypatch


@pytest.fixture
def write_tree(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    """Return a function that writes files, given their texts by name, and returns the folder."""

    def write(texts: Mapping[str, str]) -> Path:
        for name, text in texts.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return tmp_path

    return write
