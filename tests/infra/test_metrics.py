"""Tests of the dashboard, and of the metrics in alarms and dashboard."""

from __future__ import annotations

import re

import pytest

from cdk.api import MEASURED
from cdk.names import FUNCTIONS
from ingester.metrics import Metric, namespace_of
from tests.infra.measured import DOCUMENTED, UsedMetric, of_alarms, of_dashboard, widgets
from tests.infra.template import STACK, Template

STATISTICS = r"Sum|SampleCount|Maximum|Minimum|Average|p\d\d"
OWN = namespace_of(STACK)
NAMED_BY = {
    "FunctionName": ("AWS::Lambda::Function", "FunctionName"),
    "QueueName": ("AWS::SQS::Queue", "QueueName"),
    "ApiName": ("AWS::ApiGateway::RestApi", "Name"),
    "BucketName": ("AWS::S3::Bucket", "BucketName"),
    "TableName": ("AWS::DynamoDB::Table", "TableName"),
    "LogGroupName": ("AWS::Logs::LogGroup", "LogGroupName"),
}
"""The type of the resources that a dimension names, and their property with the name."""


@pytest.fixture
def used(template: Template) -> list[UsedMetric]:
    return [*of_alarms(template), *of_dashboard(template)]


def test_every_metric_of_alarms_and_dashboard_exists(used: list[UsedMetric]) -> None:
    for metric in used:
        if metric.namespace == OWN:
            assert metric.name in set(Metric), metric
            assert metric.dimensions == (), metric
            continue
        names, dimension_sets = DOCUMENTED[metric.namespace]
        assert metric.name in names, metric
        assert {name for name, _ in metric.dimensions} in dimension_sets, metric


def test_resources_in_the_dimensions_of_metrics_exist_in_the_stack(
    used: list[UsedMetric], template: Template
) -> None:
    for metric in used:
        for name, value in metric.dimensions:
            if name not in NAMED_BY:
                continue
            resource_type, key = NAMED_BY[name]
            assert value in [p[key] for p in template.of_type(resource_type).values()], metric


def test_the_api_gateway_stage_measures_exactly_the_routes_whose_metrics_are_used(
    used: list[UsedMetric], template: Template
) -> None:
    [stage] = template.of_type("AWS::ApiGateway::Stage").values()
    paths = {
        resource["PathPart"] for resource in template.of_type("AWS::ApiGateway::Resource").values()
    }
    measured = {
        (setting["HttpMethod"], setting["ResourcePath"].replace("~1", "").removeprefix("/"))
        for setting in stage["MethodSettings"]
        if setting.get("MetricsEnabled")
    }
    assert measured == {("POST", path) for path in MEASURED}
    routes = [dict(metric.dimensions) for metric in used if "Resource" in dict(metric.dimensions)]
    assert {(route["Method"], route["Resource"].removeprefix("/")) for route in routes} == measured
    assert {route["Stage"] for route in routes} == {stage["StageName"]}
    assert {path for _, path in measured} <= paths


def test_the_dashboard_shows_every_metric_of_the_functions(template: Template) -> None:
    shown = {metric.name for metric in of_dashboard(template) if metric.namespace == OWN}
    assert shown == set(Metric)


def test_the_dashboard_shows_every_function_queue_and_table(template: Template) -> None:
    shown = {value for metric in of_dashboard(template) for _, value in metric.dimensions}
    assert {f"{STACK}-{function.name}" for function in FUNCTIONS} <= shown
    for resource_type, key in (
        ("AWS::SQS::Queue", "QueueName"),
        ("AWS::DynamoDB::Table", "TableName"),
    ):
        assert {properties[key] for properties in template.of_type(resource_type).values()} <= shown


def test_the_statistics_of_metrics_have_names_that_cloudwatch_knows(used: list[UsedMetric]) -> None:
    for metric in used:
        assert re.fullmatch(STATISTICS, metric.statistic), metric


def test_the_dashboard_is_named_after_the_stack_and_the_address_of_the_dashboard_is_exported(
    template: Template,
) -> None:
    [dashboard] = template.of_type("AWS::CloudWatch::Dashboard").values()
    assert dashboard["DashboardName"] == f"{STACK}-pipeline"
    outputs = [
        output["Value"]["Fn::Join"][1][-1]
        for output in template.outputs.values()
        if output.get("Export", {}).get("Name") == f"{STACK}-dashboard-url"
    ]
    assert outputs == [f"#dashboards:name={STACK}-pipeline"]


def test_every_widget_of_the_dashboard_has_its_own_question_as_title(template: Template) -> None:
    titles = [widget["properties"]["title"] for widget in widgets(template)]
    assert len(set(titles)) == len(titles) > 10
    assert all(title.endswith("?") for title in titles)


SHOWN = {
    "How many recordings reached Opencast, and how many didn't?": {
        "WorkflowInitiated",
        "RecordingIgnored",
        "OpencastUnreachable",
        "RecordingFailed",
    },
    "How many does Zoom announce?": {
        "MeetingStarted",
        "MeetingEnded",
        "RecordingCompleted",
        "RecordingsReconciled",
    },
    "How many minutes were recorded for a series, how many recordings were too short?": {
        "RecordingDuration",
        "SkippedForDuration",
    },
    "How many minutes does a recording take to Opencast?": {
        "MinutesInPipeline",
        "MinutesToPublished",
    },
    "How many bytes are copied?": {"BytesTransferred"},
    "How fast is a copy, in MB/s?": {"TransferRate"},
    "How long has the oldest message waited, in seconds?": {"ApproximateAgeOfOldestMessage"},
    "How many messages are on the way?": {
        "ApproximateNumberOfMessagesVisible",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    },
    "Do failed messages need attention?": {"ApproximateNumberOfMessagesVisible"},
    "Which function crashes, runs out of time, or is throttled?": {"Errors", "Throttles"},
    "What is refused, and what fails?": {
        "WebhookUnauthorized",
        "WebhookWronglySigned",
        "WebhookRejected",
        "WebhookNotTaken",
        "5XXError",
    },
    "How long do Zoom and Opencast wait for an answer, in milliseconds?": {"Latency"},
    "What is paid for: how many GB-seconds of functions?": {"Duration"},
    "What is paid for: how many calls?": {"Invocations", "Count"},
    "How many downloads and uploads run at once?": {"ConcurrentExecutions"},
    "What is paid for: how many bytes of recordings are stored?": {"BucketSizeBytes"},
    "What is paid for: how many units of the tables?": {
        "ConsumedReadCapacityUnits",
        "ConsumedWriteCapacityUnits",
    },
    "What is paid for: how many bytes are logged?": {"IncomingBytes"},
}
"""The metrics that answer each question of the dashboard."""


def test_each_question_of_the_dashboard_is_answered_by_the_expected_metrics(
    template: Template,
) -> None:
    shown: dict[str, set[str]] = {}
    for metric in of_dashboard(template):
        shown.setdefault(metric.by, set()).add(metric.name)
    assert shown == SHOWN


def test_dashboard_computes_gb_seconds_from_the_memory_of_each_function(template: Template) -> None:
    [widget] = [each for each in widgets(template) if "GB-s" in each["properties"]["title"]]
    metrics = widget["properties"]["metrics"]
    functions = template.functions
    durations = {
        options["id"]: dimension
        for *_, dimension, options in (each for each in metrics if isinstance(each[0], str))
    }
    formulas = [each[0]["expression"] for each in metrics if isinstance(each[0], dict)]
    assert len(formulas) == len(durations) == len(FUNCTIONS)
    for formula in formulas:
        parts = re.fullmatch(r"(\w+) \* (\d+) / 1024 / 1000", formula)
        assert parts is not None, formula
        name = durations[parts[1]].removeprefix(f"{STACK}-")
        assert functions[name]["MemorySize"] == int(parts[2]), name


def test_the_dashboard_shows_the_indexes_of_tables(template: Template) -> None:
    # A table's units don't include the units of its indexes, which Opencast's page queries all day.
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
    shown = {
        (found["TableName"], found["GlobalSecondaryIndexName"])
        for metric in of_dashboard(template)
        if "GlobalSecondaryIndexName" in (found := dict(metric.dimensions))
    }
    there = {
        (table["TableName"], index["IndexName"])
        for table in template.of_type("AWS::DynamoDB::Table").values()
        for index in table.get("GlobalSecondaryIndexes", ())
    }
    assert shown == there != set()


def test_the_dashboard_shows_minutes_in_pipeline_as_percentiles(template: Template) -> None:
    shown = {
        metric.statistic for metric in of_dashboard(template) if metric.name == "MinutesInPipeline"
    }
    assert shown == {"p50", "p95"}


def test_the_dashboard_shows_every_alarm(template: Template) -> None:
    [widget] = [each for each in widgets(template) if each["type"] == "alarm"]
    shown = {alarm.strip("{}") for alarm in widget["properties"]["alarms"]}
    assert shown == set(template.of_type("AWS::CloudWatch::Alarm"))
