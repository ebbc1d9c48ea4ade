"""Alerts in the template: the topic, whose logs are mailed, and which of their lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cdk.names import FUNCTIONS, LOG_NOTIFICATIONS
from ingester.alerts.log_records import records_of
from ingester.log_level import Level
from local.subscription_filters import matches
from tests.infra.template import STACK, Template
from tests.log_lines import CRASHES, ROUTINE, line_of

Changed = Callable[[Mapping[str, str]], Template]


def pattern_of(template: Template) -> str:
    filters = template.of_type("AWS::Logs::SubscriptionFilter").values()
    [pattern] = {one["FilterPattern"] for one in filters}
    return str(pattern)


def test_every_function_s_log_is_mailed_but_the_mailer_s_own(template: Template) -> None:
    filters = template.of_type("AWS::Logs::SubscriptionFilter").values()
    groups = [
        template.resources[one["LogGroupName"]["Ref"]]["Properties"]["LogGroupName"]
        for one in filters
    ]
    others = [function for function in FUNCTIONS if function != LOG_NOTIFICATIONS]
    # One each: a log group may have two, and the other is for whoever ships logs.
    assert sorted(groups) == sorted(f"/aws/lambda/{STACK}-{one.name}" for one in others)
    for one in filters:
        alias = template.resources[one["DestinationArn"]["Ref"]]
        assert alias["Type"] == "AWS::Lambda::Alias"
        called = template.resources[alias["Properties"]["FunctionName"]["Ref"]]["Properties"]
        assert called["FunctionName"] == f"{STACK}-{LOG_NOTIFICATIONS.name}"


def test_a_log_is_connected_once_it_may_call(template: Template) -> None:
    """CloudWatch tries the function at once, and refuses one that it may not call."""
    for resource in template.resources.values():
        if resource["Type"] == "AWS::Logs::SubscriptionFilter":
            [permission] = [
                template.resources[name]["Properties"] for name in resource["DependsOn"]
            ]
            group = resource["Properties"]["LogGroupName"]["Ref"]
            assert permission["Principal"] == "logs.amazonaws.com"
            assert permission["SourceArn"]["Fn::GetAtt"][0] == group


def is_of_reconcile(template: Template, permission: Mapping[str, Any]) -> bool:
    """Whether a permission is for the rule that starts reconcile."""
    source = template.resources[permission["SourceArn"]["Fn::GetAtt"][0]]["Properties"]
    return str(source.get("Name", "")).endswith("-reconcile")


def test_only_these_logs_and_the_clock_call_the_mailer(template: Template) -> None:
    sources = []
    for permission in template.of_type("AWS::Lambda::Permission").values():
        if permission["Principal"] == "apigateway.amazonaws.com" or is_of_reconcile(
            template, permission
        ):
            continue
        assert template.resources[permission["FunctionName"]["Ref"]]["Type"] == "AWS::Lambda::Alias"
        source = template.resources[permission["SourceArn"]["Fn::GetAtt"][0]]["Type"]
        sources.append((permission["Principal"], source))
    assert set(sources) == {
        ("logs.amazonaws.com", "AWS::Logs::LogGroup"),
        ("events.amazonaws.com", "AWS::Events::Rule"),
    }
    assert len(sources) == len(FUNCTIONS)


@pytest.mark.parametrize("level", Level)
def test_the_filter_lets_through_what_the_function_mails(changed: Changed, level: Level) -> None:
    template = changed({"LOG_NOTIFICATIONS_FILTER_LOG_LEVEL": level.name.lower()})
    pattern = pattern_of(template)
    functions = template.named("AWS::Lambda::Function", "FunctionName")
    told = functions[LOG_NOTIFICATIONS.name]["Environment"]["Variables"]
    assert told["LOG_NOTIFICATIONS_FILTER_LOG_LEVEL"] == level.name
    for other in Level:
        assert matches(pattern, line_of(other.name)) == (other >= level), other
    for line in CRASHES:
        [record] = records_of([line])
        assert record.crash
        assert matches(pattern, line)
    for line in ROUTINE:
        assert not matches(pattern, line)
    assert len(pattern) <= 1024


def test_errors_are_mailed_where_nothing_else_is_set(template: Template) -> None:
    pattern = pattern_of(template)
    assert [level for level in Level if matches(pattern, line_of(level.name))] == [
        Level.ERROR,
        Level.CRITICAL,
    ]


def test_the_topic_has_the_operator_s_address(template: Template) -> None:
    [(topic_id, topic)] = template.of_type("AWS::SNS::Topic").items()
    assert topic["TopicName"] == f"{STACK}-notifications"
    [subscription] = template.of_type("AWS::SNS::Subscription").values()
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "ops@example.edu")
    assert subscription["TopicArn"] == {"Ref": topic_id}


def test_the_topic_takes_tls_only_and_this_account_s_alarms(template: Template) -> None:
    [policy] = template.of_type("AWS::SNS::TopicPolicy").values()
    statements = {one["Effect"]: one for one in policy["PolicyDocument"]["Statement"]}
    assert len(policy["PolicyDocument"]["Statement"]) == 2
    assert statements["Deny"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    allow = statements["Allow"]
    assert allow["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allow["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_repeats_are_looked_for_more_often_than_they_are_mailed(template: Template) -> None:
    rule = template.named("AWS::Events::Rule", "Name")["notification-repeats"]
    assert rule["ScheduleExpression"] == "rate(5 minutes)"
    functions = template.named("AWS::Lambda::Function", "FunctionName")
    told = functions[LOG_NOTIFICATIONS.name]["Environment"]["Variables"]
    assert int(told["NOTIFICATION_QUIET_SECONDS"]) >= 300
