"""A target that has prepared answers for some calls to AWS.

The other calls reach the fake AWS (moto).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import boto3

from cdk.stack_location import Place
from ops.target import Target
from tests.cloud import REGION

Answer = tuple[int, dict[str, Any]]
"""An HTTP status, and the content as botocore parses it."""


def target_answering(answers: Mapping[str, Answer], stack: str = "test") -> Target:
    """Return a target with prepared answers by call, such as `lambda.GetAlias`."""
    session = boto3.Session("key", "secret", region_name=REGION)
    for call, (status, content) in answers.items():
        answer = (SimpleNamespace(status_code=status), {"ResponseMetadata": {}, **content})
        handler: Any = lambda answer=answer, **_: answer  # noqa: E731 - the stubs' type is wrong
        session.events.register(f"before-call.{call}", handler)
    return Target(Place(stack, f"{stack}-code", "live", REGION, ""), session)


def released_function(**variables: str) -> dict[str, Answer]:
    """Return Lambda's answers for functions whose alias points to version 1."""
    environment = {"Environment": {"Variables": variables}}
    return {
        "lambda.GetAlias": (200, {"FunctionVersion": "1", "RevisionId": "r"}),
        "lambda.GetFunctionConfiguration": (
            200,
            {"Version": "1", "CodeSha256": "x", **environment},
        ),
    }
