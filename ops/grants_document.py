"""Write the table of grants in docs/security.md: `python -m ops.grants_document`.

This module synthesizes the template and reads the template's grants. A test compares the document
with this module's output.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from cdk.names import FUNCTIONS, Function
from cdk.settings import SECRETS, load

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "security.md"
BEGIN = "<!-- `.venv/bin/python -m ops.grants_document` writes this table. -->\n"
END = "<!-- The table of grants ends. -->\n"

STACK = "zip"
ACCOUNT = "123456789012"
REGION = "us-east-1"
REQUIRED = {
    "STACK_NAME": STACK,
    "LAMBDA_CODE_BUCKET": "code",
    "NOTIFICATION_EMAIL": "operator@example.org",
    "INGEST_ALLOWED_IPS": "192.0.2.1",
    "ZOOM_API_BASE_URL": "https://api.zoom.us/v2",
    "OPENCAST_BASE_URL": "https://opencast.example.org",
    "OPENCAST_API_USER": "user",
    "DEFAULT_OC_WORKFLOW": "workflow",
    **dict.fromkeys(SECRETS, "a secret of an example"),
}
"""Settings of an example stack: all that have no default, and the secrets."""

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
"""The form of an ARN by type of resource: (text before the name, property, text after the name).

The property of the resource holds the name.
"""

OPTIONAL: Mapping[str, Mapping[str, str]] = {
    "`OC_SUBNET_IDS`": {"OC_SUBNET_IDS": "subnet-1", "OC_SECURITY_GROUP_ID": "sg-1"},
}
"""Example values of settings that add grants, by the text that names the settings in the table."""


class Kind(NamedTuple):
    """A kind of resource: a pattern of the ARNs, and the kind's words for people.

    The group of the pattern matches the resource's name."""

    pattern: str
    singular: str
    plural: str = ""


KINDS = (
    Kind(r"arn:aws:dynamodb:.*:table/{stack}-([^/]+)", "table", "tables"),
    Kind(r"arn:aws:dynamodb:.*:table/{stack}-([^/]+/index/.+)", "index", "indexes"),
    Kind(r"arn:aws:sqs:.*:{stack}-(.+)", "queue", "queues"),
    Kind(r"arn:aws:s3:::{stack}-([^/]+)", "bucket", "buckets"),
    Kind(r"arn:aws:s3:::{stack}-([^/]+)/\*", "files in bucket", "files in buckets"),
    Kind(r"arn:aws:ssm:.*:parameter/zoom-ingester/{stack}/(.+)", "secret", "secrets"),
    Kind(r"arn:aws:ssm:.*:parameter(/zoom-ingester/common/.+)", "secret", "secrets"),
    Kind(r"arn:aws:sns:.*:{stack}-(.+)", "topic", "topics"),
    Kind(r"arn:aws:lambda:.*:function:{stack}-(.+)", "function", "functions"),
    Kind(r"arn:aws:logs:.*:log-group:/aws/lambda/{stack}-{function}:\*()", "its own log group"),
    Kind(r"\*()", "everything"),
)


@dataclass(frozen=True, order=True)
class Grant:
    """A grant of one action on one resource.

    `function` is the function's name without the stack's name. `resource` is an ARN.
    """

    function: str
    action: str
    resource: str


class Row(NamedTuple):
    """A row of the table: a function's name in commands, the actions, and the resources.

    `function` is "each" in a row that all functions share. `condition` names the settings that add
    the grants; "" for no settings.
    """

    function: str
    actions: tuple[str, ...]
    kind: str
    names: tuple[str, ...]
    condition: str = ""


def grants(resources: Mapping[str, Any], stack: str) -> list[Grant]:
    """Return all grants of a template's functions. ARNs contain the examples ACCOUNT and REGION.

    Raises:
        ValueError: A role has a managed policy, or more or fewer than one inline policy; or see
            `resolve` and `pairs`.
    """
    found = []
    for resource in resources.values():
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        role = resources[resource["Properties"]["Role"]["Fn::GetAtt"][0]]["Properties"]
        name = resource["Properties"]["FunctionName"].removeprefix(f"{stack}-")
        if role.get("ManagedPolicyArns") or len(role["Policies"]) != 1:
            raise ValueError(f"The role of {name} has other policies than its grants.")
        document = resolve(role["Policies"][0]["PolicyDocument"], resources)
        found += [Grant(name, action, arn) for action, arn in pairs(document)]
    return sorted(found)


def pairs(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each (action, resource) that a policy allows. Deny statements are left out.

    Raises:
        ValueError: A statement other than a Deny has a condition or another element that the table
            can't show.
    """
    for statement in document["Statement"]:
        if statement["Effect"] == "Deny":
            continue
        if set(statement) - {"Action", "Effect", "Resource", "Sid"}:
            raise ValueError(f"The table of grants can't show the statement {statement}.")
        for action in as_list(statement["Action"]):
            for resource in as_list(statement["Resource"]):
                yield action, resource


def resolve(value: Any, resources: Mapping[str, Any]) -> Any:
    """Return `value` with the results of CloudFormation's functions that the policies use.

    Raises:
        ValueError: A policy names an attribute that isn't an ARN.
    """
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
        if attribute != "Arn":
            raise ValueError(f"A policy names {name}.{attribute}, which isn't an ARN.")
        return arn_of(name, resources)
    return {key: resolve(part, resources) for key, part in value.items()}


def arn_of(name: str, resources: Mapping[str, Any]) -> str:
    """Return the ARN of a resource, given the resource's logical id."""
    prefix, key, suffix = ARNS[resources[name]["Type"]]
    return str(prefix + resources[name]["Properties"][key] + suffix)


def as_list(value: Any) -> list[Any]:
    """Return a list unchanged, and any other value as a list's only item.

    In a policy, a single action or resource may stand without a list.
    """
    return value if isinstance(value, list) else [value]


def rows(found: Collection[Grant], stack: str, condition: str = "") -> list[Row]:
    """Return the rows of the grants `found`, first the rows that all functions share.

    `condition` is the text that names the settings which add the grants; "" for no settings.

    Raises:
        ValueError: KINDS has no kind for a resource.
    """
    of_function = {
        function: list(_rows_of(function, found, stack, condition)) for function in FUNCTIONS
    }
    shared = [
        row._replace(function="each")
        for row in of_function[FUNCTIONS[0]]
        if all(row._replace(function=f.task) in others for f, others in of_function.items())
    ]
    own = [row for others in of_function.values() for row in others]
    return [*shared, *(row for row in own if row._replace(function="each") not in shared)]


def _rows_of(
    function: Function, found: Iterable[Grant], stack: str, condition: str
) -> Iterator[Row]:
    """Yield a function's rows. Resources of one kind with the same actions share a row.

    Raises:
        ValueError: KINDS has no kind for a resource.
    """
    actions: dict[str, list[str]] = {}
    for grant in sorted(found):
        if grant.function == function.name:
            actions.setdefault(grant.resource, []).append(grant.action)
    names: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for resource, of_resource in actions.items():
        kind, name = described(resource, function, stack)
        names.setdefault((kind.singular, tuple(of_resource)), []).append(name)
    for (singular, of_kind), listed in sorted(names.items()):
        yield Row(function.task, of_kind, singular, tuple(filter(None, listed)), condition)


def described(resource: str, function: Function, stack: str) -> tuple[Kind, str]:
    """Return the kind and the short name of a resource, given the resource's ARN.

    Raises:
        ValueError: KINDS has no kind for the resource.
    """
    for kind in KINDS:
        pattern = kind.pattern.replace("{stack}", stack).replace("{function}", function.name)
        if match := re.fullmatch(pattern, resource):
            return kind, match[1]
    raise ValueError(f"The table of grants has no kind for {resource}: add it to KINDS.")


def lines(found: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of the table with the rows `found`."""
    plurals = {kind.singular: kind.plural for kind in KINDS}
    yield "| function | may | on |"
    yield "| --- | --- | --- |"
    for row in found:
        kind = plurals[row.kind] if len(row.names) > 1 else row.kind
        names = ", ".join(f"`{name}`" for name in row.names)
        condition = f", with {row.condition}" if row.condition else ""
        yield f"| {row.function} | {_short(row.actions)} | {f'{kind} {names}'.strip()}{condition} |"


def _short(actions: Iterable[str]) -> str:
    """Return actions as text, with each service's name only before the service's first action."""
    by_service: dict[str, list[str]] = {}
    for action in actions:
        service, _, verb = action.partition(":")
        by_service.setdefault(service, []).append(verb)
    first = (f"{service}:{verbs[0]}" for service, verbs in by_service.items())
    return ", ".join(
        ", ".join(f"`{text}`" for text in (beginning, *verbs[1:]))
        for beginning, verbs in zip(first, by_service.values(), strict=True)
    )


def synthesized(extra: Mapping[str, str]) -> dict[str, Any]:
    """Return the resources of an example stack's template with the settings `extra`."""
    given = {**REQUIRED, **extra}
    with tempfile.TemporaryDirectory() as folder:
        from cdk.app import build  # noqa: PLC0415  # the import starts the CDK's kernel

        build(load(given, None), outdir=Path(folder)).synth()
        template = json.loads((Path(folder) / f"{STACK}.template.json").read_text("utf-8"))
    return dict(template["Resources"])


def all_rows() -> list[Row]:
    """Return the rows of the table. Rows of optional settings are at the end.

    Raises:
        ValueError: See `grants` and `rows`.
    """
    usual = grants(synthesized({}), STACK)
    found = rows(usual, STACK)
    for condition, extra in OPTIONAL.items():
        more = set(grants(synthesized(extra), STACK)) - set(usual)
        found += rows(more, STACK, condition)
    return found


def document(text: str, found: Iterable[Row]) -> str:
    """Return the document's text with a new table of grants, which has the rows `found`.

    Raises:
        ValueError: The document lacks the lines around the table, or ends with them.
    """
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not after:
        raise ValueError(f"{DOCUMENT} lacks the lines around the table of grants.")
    table = "".join(f"{line}\n" for line in lines(found))
    return f"{before}{BEGIN}{table}{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(document(DOCUMENT.read_text("utf-8"), all_rows()), "utf-8")
