"""Alarms and dashboard ask for metrics that somebody emits, and everything emitted is shown."""

from __future__ import annotations

import re

import pytest

from cdk.api import MEASURED
from cdk.names import FUNCTIONS
from ingester.metrics import Metric, namespace_of
from tests.infra.measured import DOCUMENTED, Asked, of_alarms, of_dashboard, widgets
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
"""Dimensions that are the names of things in the stack: their types and properties."""


@pytest.fixture
def asked(template: Template) -> list[Asked]:
    return [*of_alarms(template), *of_dashboard(template)]


def test_every_metric_is_one_that_somebody_emits(asked: list[Asked]) -> None:
    for one in asked:
        if one.namespace == OWN:
            assert one.name in set(Metric), one
            assert one.dimensions == (), one
            continue
        names, dimension_sets = DOCUMENTED[one.namespace]
        assert one.name in names, one
        assert {name for name, _ in one.dimensions} in dimension_sets, one


def test_every_dimension_names_a_thing_of_the_stack(asked: list[Asked], template: Template) -> None:
    for one in asked:
        for name, value in one.dimensions:
            if name not in NAMED_BY:
                continue
            resource_type, key = NAMED_BY[name]
            assert value in [p[key] for p in template.of_type(resource_type).values()], one


def test_routes_that_are_asked_for_are_measured(asked: list[Asked], template: Template) -> None:
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
    routes = [dict(one.dimensions) for one in asked if "Resource" in dict(one.dimensions)]
    assert {(one["Method"], one["Resource"].removeprefix("/")) for one in routes} == measured
    assert {one["Stage"] for one in routes} == {stage["StageName"]}
    assert {path for _, path in measured} <= paths


def test_every_metric_of_our_own_is_shown(template: Template) -> None:
    shown = {one.name for one in of_dashboard(template) if one.namespace == OWN}
    assert shown == set(Metric)


def test_every_function_queue_and_table_is_shown(template: Template) -> None:
    shown = {value for one in of_dashboard(template) for _, value in one.dimensions}
    assert {f"{STACK}-{function.name}" for function in FUNCTIONS} <= shown
    for resource_type, key in (
        ("AWS::SQS::Queue", "QueueName"),
        ("AWS::DynamoDB::Table", "TableName"),
    ):
        assert {one[key] for one in template.of_type(resource_type).values()} <= shown


def test_statistics_are_cloudwatch_s(asked: list[Asked]) -> None:
    for one in asked:
        assert re.fullmatch(STATISTICS, one.statistic), one


def test_the_dashboard(template: Template) -> None:
    [dashboard] = template.of_type("AWS::CloudWatch::Dashboard").values()
    assert dashboard["DashboardName"] == f"{STACK}-pipeline"
    outputs = [
        output["Value"]["Fn::Join"][1][-1]
        for output in template.outputs.values()
        if output.get("Export", {}).get("Name") == f"{STACK}-dashboard-url"
    ]
    assert outputs == [f"#dashboards:name={STACK}-pipeline"]


def test_every_widget_asks_a_question_of_its_own(template: Template) -> None:
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
    "How many minutes does a recording take to Opencast?": {"MinutesInPipeline"},
    "How many bytes are copied?": {"BytesTransferred"},
    "How fast is a copy, in MB/s?": {"TransferRate"},
    "How long has the oldest message waited, in seconds?": {"ApproximateAgeOfOldestMessage"},
    "How many messages are on the way?": {
        "ApproximateNumberOfMessagesVisible",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    },
    "Do dead letters need somebody?": {"ApproximateNumberOfMessagesVisible"},
    "Which function crashes or runs out of time, and which is held back?": {"Errors", "Throttles"},
    "What is refused, and what fails?": {
        "WebhookUnauthorized",
        "WebhookWronglySigned",
        "WebhookRejected",
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
"""What each question is answered by."""


def test_what_answers_each_question(template: Template) -> None:
    shown: dict[str, set[str]] = {}
    for one in of_dashboard(template):
        shown.setdefault(one.by, set()).add(one.name)
    assert shown == SHOWN


def test_a_function_is_billed_by_its_own_memory(template: Template) -> None:
    [widget] = [one for one in widgets(template) if "GB-s" in one["properties"]["title"]]
    metrics = widget["properties"]["metrics"]
    functions = template.named("AWS::Lambda::Function", "FunctionName")
    durations = {
        options["id"]: dimension
        for *_, dimension, options in (one for one in metrics if isinstance(one[0], str))
    }
    formulas = [one[0]["expression"] for one in metrics if isinstance(one[0], dict)]
    assert len(formulas) == len(durations) == len(FUNCTIONS)
    for formula in formulas:
        parts = re.fullmatch(r"(\w+) \* (\d+) / 1024 / 1000", formula)
        assert parts is not None, formula
        name = durations[parts[1]].removeprefix(f"{STACK}-")
        assert functions[name]["MemorySize"] == int(parts[2]), name


def test_of_a_table_its_indexes_are_shown_too(template: Template) -> None:
    """Their units aren't among the table's own, and Opencast's page asks by them all day."""
    shown = {
        (found["TableName"], found["GlobalSecondaryIndexName"])
        for one in of_dashboard(template)
        if "GlobalSecondaryIndexName" in (found := dict(one.dimensions))
    }
    there = {
        (table["TableName"], index["IndexName"])
        for table in template.of_type("AWS::DynamoDB::Table").values()
        for index in table.get("GlobalSecondaryIndexes", ())
    }
    assert shown == there != set()


def test_minutes_in_pipeline_by_percentiles(template: Template) -> None:
    shown = {one.statistic for one in of_dashboard(template) if one.name == "MinutesInPipeline"}
    assert shown == {"p50", "p95"}


def test_the_dashboard_shows_every_alarm(template: Template) -> None:
    [widget] = [one for one in widgets(template) if one["type"] == "alarm"]
    shown = {alarm.strip("{}") for alarm in widget["properties"]["alarms"]}
    assert shown == set(template.of_type("AWS::CloudWatch::Alarm"))
