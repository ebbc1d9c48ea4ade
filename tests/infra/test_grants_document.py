"""Tests of the table of grants in docs/security.md."""

from __future__ import annotations

import re

import pytest

from cdk.names import FUNCTIONS, UPLOADER, WEBHOOK
from ops import grants_document
from ops.grants_document import ACCOUNT, DOCUMENT, KINDS, REGION, STACK, Grant, Row, described
from tests.infra import template as given
from tests.infra.grants import grants
from tests.infra.template import Template

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{STACK}-"
TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{STACK}-"


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return grants_document.all_rows()


def test_the_table_of_grants_is_up_to_date_with_the_template(rows: list[Row]) -> None:
    text = DOCUMENT.read_text("utf-8")
    up_to_date = grants_document.document(text, rows) == text
    assert up_to_date, "Run: .venv/bin/python -m ops.grants_document"


def test_the_table_of_grants_has_each_grant_of_the_template_once(
    rows: list[Row], template: Template
) -> None:
    shown = [
        (function.task, action, row.kind, name)
        for row in rows
        if not row.condition
        for function in FUNCTIONS
        if row.function in {"each", function.task}
        for action in row.actions
        for name in row.names or ("",)
    ]
    of_name = {function.name: function for function in FUNCTIONS}
    granted = []
    for grant in grants(template):
        function = of_name[grant.function]
        kind, name = described(grant.resource, function, given.STACK)
        granted.append((function.task, grant.action, kind.singular, name))
    assert sorted(shown) == sorted(granted)


def test_the_table_of_grants_names_the_setting_that_adds_a_grant(rows: list[Row]) -> None:
    conditional = {(row.function, row.kind): row.condition for row in rows if row.condition}
    assert conditional == {
        (function, "everything"): "`OC_SUBNET_IDS`" for function in ("uploader", "follow")
    }
    found = [line for line in grants_document.lines(rows) if "with `OC_SUBNET_IDS`" in line]
    for line, function in zip(found, ("uploader", "follow"), strict=True):
        assert line.startswith(f"| {function} | `ec2:AssignPrivateIpAddresses`, `CreateNetw")
        assert line.endswith("| everything, with `OC_SUBNET_IDS` |")


def test_resources_with_the_same_actions_share_a_line_of_the_table_of_grants() -> None:
    found = [
        Grant(WEBHOOK.name, "sqs:SendMessage", f"{QUEUE}a"),
        Grant(WEBHOOK.name, "sqs:SendMessage", f"{QUEUE}b"),
        Grant(WEBHOOK.name, "dynamodb:GetItem", f"{TABLE}t"),
        Grant(WEBHOOK.name, "dynamodb:Query", f"{TABLE}t/index/i"),
        Grant(UPLOADER.name, "sqs:SendMessage", f"{QUEUE}a"),
    ]
    assert list(grants_document.lines(grants_document.rows(found, STACK)))[2:] == [
        "| webhook | `dynamodb:Query` | index `t/index/i` |",
        "| webhook | `sqs:SendMessage` | queues `a`, `b` |",
        "| webhook | `dynamodb:GetItem` | table `t` |",
        "| uploader | `sqs:SendMessage` | queue `a` |",
    ]


def test_a_grant_that_every_function_has_is_in_the_table_of_grants_once() -> None:
    found = [
        Grant(f.name, "logs:PutLogEvents", f"arn:aws:logs:x:1:log-group:/aws/lambda/zip-{f.name}:*")
        for f in FUNCTIONS
    ]
    lines = list(grants_document.lines(grants_document.rows(found, STACK)))[2:]
    assert lines == ["| each | `logs:PutLogEvents` | its own log group |"]


def test_the_table_of_grants_refuses_a_resource_of_an_unknown_kind() -> None:
    with pytest.raises(ValueError, match="has no kind for arn:aws:kms:x"):
        described("arn:aws:kms:x", WEBHOOK, STACK)
    log_group = f"arn:aws:logs:x:1:log-group:/aws/lambda/{STACK}-{UPLOADER.name}:*"
    with pytest.raises(ValueError, match="has no kind for"):
        described(log_group, WEBHOOK, STACK)


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Allow", "NotAction": "a:X", "Resource": "r"},
        {"Effect": "Allow", "Action": "a:X", "Resource": "r", "Condition": {}},
    ],
    ids=["not action", "condition"],
)
def test_the_table_of_grants_refuses_a_statement_that_it_cannot_show(
    statement: dict[str, str],
) -> None:
    with pytest.raises(ValueError, match="can't show the statement"):
        list(grants_document.pairs({"Statement": [statement]}))


def test_the_table_of_grants_leaves_denials_out() -> None:
    denial = {"Effect": "Deny", "Action": "a:X", "Resource": "r"}
    assert not list(grants_document.pairs({"Statement": [denial]}))


def test_the_grants_document_is_refused_without_the_lines_around_its_table() -> None:
    with pytest.raises(ValueError, match="lacks the lines"):
        grants_document.document("# Security\n", [])


def test_each_kind_of_resource_in_the_table_of_grants_has_a_pattern_with_one_group() -> None:
    for kind in KINDS:
        assert re.compile(kind.pattern.format(stack="zip", function="f")).groups == 1
