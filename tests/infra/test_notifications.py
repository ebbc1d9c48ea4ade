"""Tests of the log filters and the notifications topic in the template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from cdk.names import FUNCTIONS, LOG_NOTIFICATIONS
from ingester.alerts.log_records import records_of
from ingester.log_level import Level
from local.subscription_filters import matches
from tests.infra.template import STACK, Changed, Template
from tests.log_lines import CRASHES, ROUTINE, line_of


def pattern_of(template: Template) -> str:
    filters = template.of_type("AWS::Logs::SubscriptionFilter").values()
    [pattern] = {each["FilterPattern"] for each in filters}
    return str(pattern)


def test_function_log_notifications_gets_the_logs_of_all_other_functions(
    template: Template,
) -> None:
    filters = template.of_type("AWS::Logs::SubscriptionFilter").values()
    groups = [
        template.resources[each["LogGroupName"]["Ref"]]["Properties"]["LogGroupName"]
        for each in filters
    ]
    others = [function for function in FUNCTIONS if function != LOG_NOTIFICATIONS]
    # A log group may have two filters. A site may need the second filter to ship logs.
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
    assert sorted(groups) == sorted(f"/aws/lambda/{STACK}-{other.name}" for other in others)
    for each in filters:
        alias = template.resources[each["DestinationArn"]["Ref"]]
        assert alias["Type"] == "AWS::Lambda::Alias"
        called = template.resources[alias["Properties"]["FunctionName"]["Ref"]]["Properties"]
        assert called["FunctionName"] == f"{STACK}-{LOG_NOTIFICATIONS.name}"


def test_a_log_filter_is_created_after_its_permission(template: Template) -> None:
    # CloudWatch tests a new filter's function, and refuses a function that CloudWatch may not
    # invoke.
    for resource in template.resources.values():
        if resource["Type"] == "AWS::Logs::SubscriptionFilter":
            [permission] = [
                template.resources[name]["Properties"] for name in resource["DependsOn"]
            ]
            group = resource["Properties"]["LogGroupName"]["Ref"]
            assert permission["Principal"] == "logs.amazonaws.com"
            assert permission["SourceArn"]["Fn::GetAtt"][0] == group


def is_for(function: str, template: Template, permission: Mapping[str, Any]) -> bool:
    """Return whether a permission is for an alias of a function whose name ends with `function`."""
    alias = template.resources[permission["FunctionName"]["Ref"]]
    assert alias["Type"] == "AWS::Lambda::Alias"
    target = template.resources[alias["Properties"]["FunctionName"]["Ref"]]["Properties"]
    return str(target["FunctionName"]).endswith(function)


def test_only_log_groups_and_a_rule_of_eventbridge_may_invoke_the_function_log_notifications(
    template: Template,
) -> None:
    sources = []
    for permission in template.of_type("AWS::Lambda::Permission").values():
        if not is_for("log-notifications", template, permission):
            continue
        source = template.resources[permission["SourceArn"]["Fn::GetAtt"][0]]["Type"]
        sources.append((permission["Principal"], source))
    assert set(sources) == {
        ("logs.amazonaws.com", "AWS::Logs::LogGroup"),
        ("events.amazonaws.com", "AWS::Events::Rule"),
    }
    assert len(sources) == len(FUNCTIONS)


@pytest.mark.parametrize("level", Level)
def test_the_log_filter_matches_the_log_records_that_the_function_log_notifications_mails(
    changed: Changed, level: Level
) -> None:
    template = changed({"LOG_NOTIFICATIONS_FILTER_LOG_LEVEL": level.name.lower()})
    pattern = pattern_of(template)
    functions = template.functions
    variables = functions[LOG_NOTIFICATIONS.name]["Environment"]["Variables"]
    assert variables["LOG_NOTIFICATIONS_FILTER_LOG_LEVEL"] == level.name
    for other in Level:
        assert matches(pattern, line_of(other.name)) == (other >= level), other
    for line in CRASHES:
        [record] = records_of([line])
        assert record.crash
        assert matches(pattern, line)
    for line in ROUTINE:
        assert not matches(pattern, line)
    assert len(pattern) <= 1024


def test_log_records_of_error_and_above_are_mailed_by_default(template: Template) -> None:
    pattern = pattern_of(template)
    assert [level for level in Level if matches(pattern, line_of(level.name))] == [
        Level.ERROR,
        Level.CRITICAL,
    ]


def test_notifications_topic_sends_mails_to_the_address_in_notification_email(
    template: Template,
) -> None:
    [(topic_id, topic)] = template.of_type("AWS::SNS::Topic").items()
    assert topic["TopicName"] == f"{STACK}-notifications"
    [subscription] = template.of_type("AWS::SNS::Subscription").values()
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "ops@example.edu")
    assert subscription["TopicArn"] == {"Ref": topic_id}


def test_the_policy_of_the_topic_allows_only_alarms_of_this_account_and_requires_tls(
    template: Template,
) -> None:
    [policy] = template.of_type("AWS::SNS::TopicPolicy").values()
    statements = {each["Effect"]: each for each in policy["PolicyDocument"]["Statement"]}
    assert len(policy["PolicyDocument"]["Statement"]) == 2
    assert statements["Deny"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    allow = statements["Allow"]
    assert allow["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allow["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_repeated_faults_are_checked_at_least_as_often_as_they_are_mailed(
    template: Template,
) -> None:
    rule = template.named("AWS::Events::Rule", "Name")["notification-repeats"]
    assert rule["ScheduleExpression"] == "rate(5 minutes)"
    functions = template.functions
    variables = functions[LOG_NOTIFICATIONS.name]["Environment"]["Variables"]
    assert int(variables["NOTIFICATION_QUIET_SECONDS"]) >= 300
