"""The grants of a template as data: which function may do what to which resource.

The end-to-end tests remove each of them once from the running stack, with `without`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.infra.template import Template

POLICY = "grants"
"""The name of each role's one inline policy."""

ACCOUNT = "123456789012"
REGION = "us-east-1"
PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
}
ARNS = {
    "AWS::SQS::Queue": (f"arn:aws:sqs:{REGION}:{ACCOUNT}:", "QueueName", ""),
    "AWS::DynamoDB::Table": (f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/", "TableName", ""),
    "AWS::S3::Bucket": ("arn:aws:s3:::", "BucketName", ""),
    "AWS::SNS::Topic": (f"arn:aws:sns:{REGION}:{ACCOUNT}:", "TopicName", ""),
    "AWS::Logs::LogGroup": (f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:", "LogGroupName", ":*"),
}
"""Types of resources: the text before the name in the ARN, the name's property, the text after."""


@dataclass(frozen=True, order=True)
class Grant:
    """One action on one resource.

    `function` is the function's name without the stack's name. `resource` is an ARN.
    """

    function: str
    action: str
    resource: str


def grants(template: Template) -> list[Grant]:
    """Return all grants of all functions, with the stack's ARNs in ACCOUNT and REGION."""
    found = []
    for properties in template.of_type("AWS::Lambda::Function").values():
        role = template.resources[properties["Role"]["Fn::GetAtt"][0]]["Properties"]
        assert not role.get("ManagedPolicyArns"), "a managed policy grants more than is used"
        [policy] = role["Policies"]
        assert policy["PolicyName"] == POLICY
        function = template.short(properties["FunctionName"])
        document = resolve(policy["PolicyDocument"], template.resources)
        found += [Grant(function, action, resource) for action, resource in pairs(document)]
    return sorted(found)


def without(document: Mapping[str, Any], action: str, resource: str) -> dict[str, Any]:
    """Return a policy document without one action on one resource.

    The document's ARNs are resolved. It has to contain the action on the resource.
    """
    before = list(pairs(document))
    left = [pair for pair in before if pair != (action, resource)]
    assert len(left) < len(before), f"{action} on {resource} isn't in the policy"
    statements = [
        {"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in left
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def pairs(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each (action, resource) that a policy allows, whatever it denies."""
    for statement in document["Statement"]:
        if statement["Effect"] == "Deny":
            continue
        for action in as_list(statement["Action"]):
            for resource in as_list(statement["Resource"]):
                yield action, resource


def resolve(value: Any, resources: Mapping[str, Any]) -> Any:
    """Resolve in `value` the functions of CloudFormation that the policies use."""
    if isinstance(value, list):
        return [resolve(part, resources) for part in value]
    if not isinstance(value, dict):
        return value
    if "Ref" in value:
        return PSEUDO_PARAMETERS.get(value["Ref"]) or arn_of(value["Ref"], resources)
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return separator.join(resolve(parts, resources))
    if "Fn::GetAtt" in value:
        name, attribute = value["Fn::GetAtt"]
        assert attribute == "Arn"
        return arn_of(name, resources)
    return {key: resolve(part, resources) for key, part in value.items()}


def arn_of(name: str, resources: Mapping[str, Any]) -> str:
    """Return the ARN of a resource by its logical id. (For a topic, `Ref` gives it too.)"""
    prefix, key, suffix = ARNS[resources[name]["Type"]]
    return str(prefix + resources[name]["Properties"][key] + suffix)


def as_list(value: Any) -> list[Any]:
    """Return the values as a list. A policy may write a single value without one."""
    return value if isinstance(value, list) else [value]
