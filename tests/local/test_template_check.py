"""Tests of the comparison of the local cloud with the template."""

from typing import Any

import pytest

from local.deploy import Access
from local.template_check import NEVER_HONOURED, compare

TABLE = {
    "TableName": "rows",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}


@pytest.fixture(scope="module", autouse=True)
def made(access: Access) -> None:
    access.client("dynamodb").create_table(**TABLE)
    access.client("s3").create_bucket(Bucket="files")
    access.client("sqs").create_queue(QueueName="q", Attributes={"VisibilityTimeout": "30"})


def template(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Resources": {"It": {"Type": kind, "Properties": properties}}}


def url_of(access: Access) -> str:
    return str(access.client("sqs").get_queue_url(QueueName="q")["QueueUrl"])


def test_access_to_the_local_cloud_ignores_profile_and_proxy_of_the_shell(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "of-another-machine")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert url_of(access).endswith("/q")
    assert access.resource("s3").Bucket("files").creation_date


def test_template_check_sets_time_to_live_and_point_in_time_recovery_of_a_table(
    access: Access,
) -> None:
    wanted = template(
        "AWS::DynamoDB::Table",
        TimeToLiveSpecification={"AttributeName": "expiration", "Enabled": True},
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )
    checked = compare(wanted, {"It": "rows"}, access.client)
    assert checked.set_after == ("point-in-time recovery", "rows' time to live")
    found = access.client("dynamodb").describe_time_to_live(TableName="rows")
    assert found["TimeToLiveDescription"]["AttributeName"] == "expiration"
    assert compare(wanted, {"It": "rows"}, access.client).set_after == ()


def test_template_check_sets_the_lifecycle_of_a_bucket(access: Access) -> None:
    wanted = template(
        "AWS::S3::Bucket",
        LifecycleConfiguration={
            "Rules": [
                {
                    "ExpirationInDays": 7,
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                    "Status": "Enabled",
                },
                {
                    "ExpirationInDays": 1,
                    "Status": "Enabled",
                    "TagFilters": [{"Key": "released", "Value": "yes"}],
                },
            ]
        },
    )
    assert compare(wanted, {"It": "files"}, access.client).set_after == ("the bucket's lifecycle",)
    rules = access.client("s3").get_bucket_lifecycle_configuration(Bucket="files")["Rules"]
    assert rules[0]["Expiration"] == {"Days": 7}
    assert rules[1]["Filter"] == {"Tag": {"Key": "released", "Value": "yes"}}
    assert rules[0]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert compare(wanted, {"It": "files"}, access.client).set_after == ()


def test_template_check_reports_a_queue_when_it_differs_from_the_template(access: Access) -> None:
    wanted = template(
        "AWS::SQS::Queue", VisibilityTimeout=960, RedrivePolicy={"maxReceiveCount": 2}
    )
    found = compare(wanted, {"It": url_of(access)}, access.client)
    assert {"a queue's VisibilityTimeout", "a queue's redrive"} <= set(found.not_honoured)
    assert set(NEVER_HONOURED) <= set(found.not_honoured)


def test_template_check_does_not_report_a_queue_when_it_matches_the_template(
    access: Access,
) -> None:
    wanted = template("AWS::SQS::Queue", VisibilityTimeout=30)
    found = compare(wanted, {"It": url_of(access)}, access.client)
    assert set(found.not_honoured) == set(NEVER_HONOURED)
    assert found.set_after == ()


def test_template_check_reports_a_missing_or_different_subscription(access: Access) -> None:
    logs, subscription = access.client("logs"), {"LogGroupName": "/g", "FilterPattern": "?ERROR"}
    logs.create_log_group(logGroupName="/g")
    wanted, named = template("AWS::Logs::SubscriptionFilter", **subscription), {"It": "mail"}
    assert "a log's subscription" in compare(wanted, named, access.client).not_honoured
    for pattern, missing in (("?WARNING", {"a log's subscription"}), ("?ERROR", set())):
        logs.put_subscription_filter(
            logGroupName="/g",
            filterName="mail",
            filterPattern=pattern,
            destinationArn="arn:aws:lambda:us-east-1:123456789012:function:f",
        )
        found = compare(wanted, named, access.client)
        assert set(found.not_honoured) == {*NEVER_HONOURED, *missing}
        assert found.set_after == ()


ALARM = {
    "MetricName": "Errors",
    "Namespace": "AWS/Lambda",
    "Statistic": "Sum",
    "Period": 300,
    "EvaluationPeriods": 1,
    "Threshold": 1.0,
    "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    "TreatMissingData": "notBreaching",
    "AlarmActions": ["arn:aws:sns:us-east-1:123456789012:t"],
}


def test_template_check_reports_an_alarm_only_when_it_differs_from_the_template(
    access: Access,
) -> None:
    access.client("cloudwatch").put_metric_alarm(AlarmName="a", **ALARM)
    known = compare(template("AWS::CloudWatch::Alarm", **ALARM), {"It": "a"}, access.client)
    assert set(known.not_honoured) == set(NEVER_HONOURED)
    other = ALARM | {"TreatMissingData": "breaching", "AlarmActions": []}
    found = compare(template("AWS::CloudWatch::Alarm", **other), {"It": "a"}, access.client)
    named = {"an alarm's TreatMissingData", "an alarm's actions"}
    assert set(found.not_honoured) == {*NEVER_HONOURED, *named}


def test_template_check_reports_a_dashboard_only_when_it_is_missing(access: Access) -> None:
    wanted = template("AWS::CloudWatch::Dashboard")
    cloudwatch = access.client("cloudwatch")
    assert "the dashboard" in compare(wanted, {"It": "d"}, access.client).not_honoured
    text = '{"type": "text", "properties": {"markdown": "x"}}'
    cloudwatch.put_dashboard(DashboardName="d", DashboardBody=f'{{"widgets": [{text}]}}')
    found = compare(wanted, {"It": "d"}, access.client).not_honoured
    assert set(found) == set(NEVER_HONOURED)
