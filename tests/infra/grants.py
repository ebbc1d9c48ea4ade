"""The grants of a template, as (function, action, resource).

The end-to-end tests remove grants one by one from the running stack, with `without`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ops import grants_document
from ops.grants_document import Grant, pairs
from tests.infra.template import STACK, Template

POLICY = "grants"
"""The name of the only inline policy of each function's role."""


def grants(template: Template) -> list[Grant]:
    """Return all grants of all functions, with ARNs of the stack STACK in an example account.

    Also check that each function's role has one inline policy, with the name POLICY.
    """
    for role in template.of_type("AWS::IAM::Role").values():
        if role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {
            "Service": "lambda.amazonaws.com"
        }:
            [policy] = role["Policies"]
            assert policy["PolicyName"] == POLICY
    return grants_document.grants(template.resources, STACK)


def without(document: Mapping[str, Any], action: str, resource: str) -> dict[str, Any]:
    """Return a policy document without one action on one resource.

    The document's ARNs have to be resolved. The policy has to allow the action on the resource.
    """
    before = list(pairs(document))
    left = [pair for pair in before if pair != (action, resource)]
    assert len(left) < len(before), f"{action} on {resource} isn't in the policy"
    statements = [
        {"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in left
    ]
    return {"Version": "2012-10-17", "Statement": statements}
