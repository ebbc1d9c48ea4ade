"""Tests of the template's resources and exports."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import uploader
from cdk import receive_limits
from cdk.receive_limits import RESERVE_RECEIVES
from ingester.ledger.record import BUSY_FACTOR
from ingester.ledger.table import FOLLOW_INDEX
from ingester.recording import staging_bucket
from tests.infra.template import SECRET_SETTINGS, STACK, Changed, Template

DAY = 24 * 3600
URLS = ("webhook-url", "ingest-url", "schedule-url", "status-url", "slack-url", "page-url")
QUEUE_URLS = ("download-url", "download-dlq-url", "upload-fifo-url", "upload-dlq-fifo-url")


def methods_of(template: Template) -> dict[tuple[str, str], Any]:
    """Return the API's methods by (method, path). The root's path is ""."""
    paths = template.api_paths()
    return {
        (method["HttpMethod"], paths.get(method["ResourceId"].get("Ref"), "")): method
        for method in template.of_type("AWS::ApiGateway::Method").values()
    }


def function_called(template: Template, method: Mapping[str, Any]) -> str:
    """Return the name of the function whose alias a method calls."""
    [alias] = [
        template.resources[part["Ref"]]["Properties"]
        for part in method["Integration"]["Uri"]["Fn::Join"][1]
        if isinstance(part, dict)
        and template.resources.get(part["Ref"], {}).get("Type") == "AWS::Lambda::Alias"
    ]
    function = template.resources[alias["FunctionName"]["Ref"]]["Properties"]
    return template.short(function["FunctionName"])


def test_cfn_lint_finds_no_error_in_the_template(template_file: Path) -> None:
    # W3005 reports redundant dependencies, of which CDK adds one to each function.
    program = Path(sys.executable).with_name("cfn-lint")
    command = [str(program), "--ignore-checks", "W3005", "--template", str(template_file)]
    lint = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (lint.returncode, lint.stdout, lint.stderr) == (0, "", "")


def test_no_synthesized_file_contains_a_secret(template_file: Path) -> None:
    files = [path for path in template_file.parent.rglob("*") if path.is_file()]
    assert len(files) > 3
    for path in files:
        text = path.read_text()
        assert not [name for name, value in SECRET_SETTINGS.items() if value in text], path


def test_queues_have_the_expected_types_encryption_retention_and_dead_letter_queues(
    template: Template,
) -> None:
    queues = template.queues
    assert set(queues) == {"download", "download-dlq", "upload.fifo", "upload-dlq.fifo"}
    for name, queue in queues.items():
        assert queue["MessageRetentionPeriod"] == 14 * DAY
        assert queue["SqsManagedSseEnabled"] is True
        fifo = True if name.endswith(".fifo") else None
        assert queue.get("FifoQueue") == queue.get("ContentBasedDeduplication") == fifo
    limits = {
        name: (
            template.resources[to["deadLetterTargetArn"]["Fn::GetAtt"][0]],
            to["maxReceiveCount"],
        )
        for name, queue in queues.items()
        if (to := queue.get("RedrivePolicy"))
    }
    targets = {
        name: (template.short(dlq["Properties"]["QueueName"]), limit)
        for name, (dlq, limit) in limits.items()
    }
    assert targets == {"download": ("download-dlq", 32), "upload.fifo": ("upload-dlq.fifo", 358)}


@pytest.mark.parametrize(
    ("patience", "outage", "limit"),
    [("0.25", "1", 82), ("6", "24", 358), ("20", "72", 982), ("168", "72", 1000)],
)
def test_the_receive_limit_of_the_upload_queue_covers_the_waits_for_opencast_or_is_1000(
    changed: Changed, patience: str, outage: str, limit: int
) -> None:
    template = changed(
        {
            "OC_INGEST_PATIENCE_HOURS": patience,
            "OC_OUTAGE_HOURS": outage,
            "STAGING_DAYS": "14",
        }
    )
    assert receive_limits.BUSY_FACTOR == BUSY_FACTOR
    queues = template.queues
    received = queues["upload.fifo"]["RedrivePolicy"]["maxReceiveCount"]
    assert received == limit
    hours = BUSY_FACTOR * float(patience) + float(outage)
    waits = hours * 3600 / uploader.LONGEST_WAIT_SECONDS
    assert received >= min(1000, 50 + waits + RESERVE_RECEIVES)


def test_the_visibility_timeout_of_a_queue_exceeds_the_function_timeout_by_at_most_two_minutes(
    template: Template,
) -> None:
    for mapping in template.of_type("AWS::Lambda::EventSourceMapping").values():
        queue = template.resources[mapping["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]
        [consumer] = [
            properties
            for properties in template.of_type("AWS::Lambda::Function").values()
            if template.short(properties["FunctionName"]).removeprefix("zoom-")[:-2]
            in queue["QueueName"]
        ]
        assert consumer["Timeout"] < queue["VisibilityTimeout"] <= consumer["Timeout"] + 120


@pytest.mark.parametrize(
    ("function", "variable", "queue"),
    [
        ("zoom-downloader", "DOWNLOAD_RECEIVE_LIMIT", "download"),
        ("zoom-uploader", "UPLOAD_RECEIVE_LIMIT", "upload.fifo"),
    ],
)
def test_a_queue_delivers_a_message_more_often_than_its_function_works_on_the_message(
    changed: Changed, function: str, variable: str, queue: str
) -> None:
    template = changed({"OC_INGEST_PATIENCE_HOURS": "24", "OC_OUTAGE_HOURS": "36"})
    policy = template.queues[queue]["RedrivePolicy"]
    limit = template.functions[function]["Environment"]["Variables"][variable]
    assert int(limit) == policy["maxReceiveCount"] - RESERVE_RECEIVES


def test_queues_and_bucket_refuse_requests_without_tls(template: Template) -> None:
    policies = {
        **template.of_type("AWS::SQS::QueuePolicy"),
        **template.of_type("AWS::S3::BucketPolicy"),
    }
    assert len(policies) == 5
    for policy in policies.values():
        [statement] = policy["PolicyDocument"]["Statement"]
        assert statement["Effect"] == "Deny"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_tables_have_the_expected_keys_billing_expiration_and_recovery(template: Template) -> None:
    tables = template.tables
    keys = {name: table["KeySchema"] for name, table in tables.items()}
    assert keys == {
        "schedule": [{"AttributeName": "zoom_series_id", "KeyType": "HASH"}],
        "pipeline-status": [{"AttributeName": "zip_id", "KeyType": "HASH"}],
        "recording-events": [{"AttributeName": "zoom_uuid", "KeyType": "HASH"}],
        "recordings": [{"AttributeName": "uuid", "KeyType": "HASH"}],
        "notification-faults": [{"AttributeName": "fault", "KeyType": "HASH"}],
    }
    assert {table["BillingMode"] for table in tables.values()} == {"PAY_PER_REQUEST"}
    expiring = {name for name, table in tables.items() if "TimeToLiveSpecification" in table}
    assert expiring == set(tables) - {"schedule"}
    for name in expiring:
        assert tables[name]["TimeToLiveSpecification"] == {
            "AttributeName": "expiration",
            "Enabled": True,
        }
    recovered = {
        name
        for name, table in tables.items()
        if table.get("PointInTimeRecoverySpecification") == {"PointInTimeRecoveryEnabled": True}
    }
    assert recovered == {"schedule", "recordings"}


def test_the_status_table_has_indexes_by_meeting_and_by_time(template: Template) -> None:
    status = template.tables["pipeline-status"]
    types = {a["AttributeName"]: a["AttributeType"] for a in status["AttributeDefinitions"]}
    assert types == {"zip_id": "S", "meeting_id": "N", "update_date": "S", "update_time": "N"}
    indexes = {
        index["IndexName"]: [key["AttributeName"] for key in index["KeySchema"]]
        for index in status["GlobalSecondaryIndexes"]
    }
    assert indexes == {"mid_index": ["meeting_id"], "time_index": ["update_date", "update_time"]}
    projections = [index["Projection"] for index in status["GlobalSecondaryIndexes"]]
    assert projections == [{"ProjectionType": "ALL"}] * 2


def test_the_ledger_has_an_index_of_the_records_to_follow(template: Template) -> None:
    [index] = template.tables["recordings"]["GlobalSecondaryIndexes"]
    assert index["IndexName"] == FOLLOW_INDEX
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["follow", "follow_due"]
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}


@pytest.mark.parametrize(("days", "alarm_after"), [("3", 1), ("10", 7), ("30", 7)])
def test_staging_days_set_the_expiration_of_staged_files_and_the_age_alarm_of_the_upload_dlq(
    changed: Changed, days: str, alarm_after: int
) -> None:
    template = changed({"STAGING_DAYS": days})
    [bucket] = template.of_type("AWS::S3::Bucket").values()
    assert bucket["LifecycleConfiguration"]["Rules"][0]["ExpirationInDays"] == int(days)
    alarm = template.alarms["upload-dead-letter-age"]
    assert alarm["EvaluationPeriods"] == alarm_after
    assert f"deleted after {days};" in alarm["AlarmDescription"]


def test_the_staging_bucket_is_private_and_encrypted_and_expires_its_files(
    template: Template,
) -> None:
    [bucket] = template.of_type("AWS::S3::Bucket").values()
    assert bucket["BucketName"] == f"{STACK}-zoom-recording-files"
    assert bucket["LifecycleConfiguration"]["Rules"] == [
        {
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
            "ExpirationInDays": 7,
            "Status": "Enabled",
        },
        {
            "ExpirationInDays": 1,
            "Status": "Enabled",
            "TagFilters": [{"Key": staging_bucket.RELEASED, "Value": "yes"}],
        },
    ]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    [encryption] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}


@pytest.mark.parametrize(
    "resource_type", ["AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SQS::Queue"]
)
def test_buckets_tables_and_queues_are_deleted_with_the_stack(
    template: Template, resource_type: str
) -> None:
    policies = [
        (resource["DeletionPolicy"], resource["UpdateReplacePolicy"])
        for resource in template.resources.values()
        if resource["Type"] == resource_type
    ]
    assert set(policies) == {("Delete", "Delete")}


def test_the_template_has_no_resources_of_cdk_itself(template: Template) -> None:
    types = {resource["Type"] for resource in template.resources.values()}
    assert not {name for name in types if name.startswith(("AWS::CDK", "Custom::", "AWS::SSM"))}
    assert not template.of_type("AWS::CloudFormation::CustomResource")
    assert "BootstrapVersion" not in template.text


def test_each_route_but_the_preflight_calls_the_alias_of_its_function(template: Template) -> None:
    [api] = template.of_type("AWS::ApiGateway::RestApi").values()
    assert api["Name"] == f"{STACK}-api"
    methods = methods_of(template)
    assert set(methods) == {
        ("POST", "new_recording"),
        ("POST", "ingest"),
        ("OPTIONS", "ingest"),
        ("POST", "schedule_update"),
        ("GET", "status"),
        ("POST", "slack"),
        ("GET", ""),
    }
    called = {
        path: function_called(template, method)
        for (verb, path), method in methods.items()
        if verb != "OPTIONS"
    }
    assert called == {
        "new_recording": "zoom-webhook",
        "ingest": "zoom-on-demand",
        "schedule_update": "schedule-update",
        "status": "status-query",
        "slack": "slack",
        "": "status-query",
    }


def test_the_api_may_invoke_an_alias_only_through_its_routes(template: Template) -> None:
    routes = set()
    for permission in template.of_type("AWS::Lambda::Permission").values():
        if permission["Principal"] != "apigateway.amazonaws.com":
            continue
        target = template.resources[permission["FunctionName"]["Ref"]]
        assert target["Type"] == "AWS::Lambda::Alias"
        routes.add(permission["SourceArn"]["Fn::Join"][1][-1])
    assert routes == {
        "/POST/new_recording",
        "/POST/ingest",
        "/POST/schedule_update",
        "/GET/status",
        "/POST/slack",
        "/GET/",
    }


def test_the_preflight_answer_of_ingest_allows_every_origin(template: Template) -> None:
    [answer] = methods_of(template)["OPTIONS", "ingest"]["Integration"]["IntegrationResponses"]
    headers = {
        name.removeprefix("method.response.header."): value.strip("'")
        for name, value in answer["ResponseParameters"].items()
    }
    assert headers == {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": "POST,OPTIONS",
        "Access-Control-Allow-Headers": "Content-Type,X-Amz-Date,Authorization,X-Api-Key,"
        "X-Amz-Security-Token,X-Amz-User-Agent,Accept-Language,X-Requested-With",
    }


def test_browsers_may_read_the_errors_of_api_gateway(template: Template) -> None:
    responses = template.of_type("AWS::ApiGateway::GatewayResponse").values()
    assert {response["ResponseType"] for response in responses} == {
        "ACCESS_DENIED",
        "DEFAULT_4XX",
        "DEFAULT_5XX",
    }
    for response in responses:
        assert response["ResponseParameters"] == {
            "gatewayresponse.header.Access-Control-Allow-Origin": "'*'"
        }


def test_the_stage_of_the_api_logs_the_ip_address_and_no_bodies(template: Template) -> None:
    [stage] = template.of_type("AWS::ApiGateway::Stage").values()
    assert stage["StageName"] == "live"
    group = template.resources[stage["AccessLogSetting"]["DestinationArn"]["Fn::GetAtt"][0]]
    assert group["Properties"]["LogGroupName"] == f"/aws/apigateway/{STACK}-api/access_logs"
    log_format = json.loads(stage["AccessLogSetting"]["Format"])
    assert {"ip", "status", "resourcePath"} <= set(log_format)
    levels = [(each["LoggingLevel"], each["DataTraceEnabled"]) for each in stage["MethodSettings"]]
    assert levels == [("ERROR", False)] * 7


def test_the_api_key_keeps_its_name(template: Template) -> None:
    [key] = template.of_type("AWS::ApiGateway::ApiKey").values()
    assert key["Name"] == "ZoomIngesterApiKey"


def test_the_environment_of_the_on_demand_function_has_the_address_of_the_webhook(
    template: Template, changed: Changed
) -> None:
    def address(of: Template) -> Any:
        functions = of.functions
        return functions["zoom-on-demand"]["Environment"]["Variables"]["WEBHOOK_URL"]

    [api] = template.of_type("AWS::ApiGateway::RestApi")
    parts = address(template)["Fn::Join"][1]
    assert parts[:3] == ["https://", {"Ref": api}, ".execute-api."]
    assert parts[-1] == "/live/new_recording"
    own = changed({"API_BASE_URL": "https://zip.example.edu/"})
    assert address(own) == "https://zip.example.edu/new_recording"


def test_every_resource_with_tags_has_the_tags_of_the_stack(template: Template) -> None:
    tagged = [
        resource["Properties"]["Tags"]
        for resource in template.resources.values()
        if "Tags" in resource["Properties"]
    ]
    assert len(tagged) > 20
    expected = [{"Key": "cost center", "Value": "12 a"}, {"Key": "project", "Value": "MH"}]
    assert all(tags == expected for tags in tagged)


def test_codebuild_takes_revisions_from_codebuild_source_url(
    template: Template, changed: Changed
) -> None:
    [project] = template.of_type("AWS::CodeBuild::Project").values()
    assert project["Name"] == f"{STACK}-codebuild"
    assert project["Source"]["Type"] == "NO_SOURCE"
    assert "CODEBUILD_SOURCE_URL" in project["Source"]["BuildSpec"]
    given = changed({"CODEBUILD_SOURCE_URL": "https://github.com/example/zip"})
    [project] = given.of_type("AWS::CodeBuild::Project").values()
    assert project["Source"]["Type"] == "GITHUB"
    assert project["Source"]["Location"] == "https://github.com/example/zip.git"
    assert project["Source"]["BuildSpec"] == "buildspec.yml"


def test_every_route_but_the_webhook_and_the_preflight_is_throttled(template: Template) -> None:
    # CloudFormation names the root `/`, and all other routes with an escaped slash:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-apigateway-stage-methodsetting.html
    [stage] = template.of_type("AWS::ApiGateway::Stage").values()
    assert {
        (route["HttpMethod"], route["ResourcePath"]): (
            route["ThrottlingRateLimit"],
            route["ThrottlingBurstLimit"],
        )
        for route in stage["MethodSettings"]
        if "ThrottlingRateLimit" in route
    } == {
        ("POST", "/~1ingest"): (10, 20),
        ("POST", "/~1slack"): (10, 20),
        ("POST", "/~1schedule_update"): (1, 5),
        ("GET", "/~1status"): (50, 100),
        ("GET", "/"): (20, 40),
    }


def test_exports_keep_their_names_and_lead_to_the_routes_and_queues_of_the_stack(
    template: Template,
) -> None:
    exports = {
        template.short(output["Export"]["Name"]): output["Value"]
        for output in template.outputs.values()
        if "Export" in output
    }
    resource_ids = [f"{name.removesuffix('-url')}-resource-id" for name in URLS]
    assert resource_ids[0] == "webhook-resource-id"
    assert set(exports) == {"api-id", *URLS, *resource_ids, *QUEUE_URLS, "dashboard-url"}
    paths = template.api_paths()
    assert [paths.get(exports[name].get("Ref"), "") for name in resource_ids] == [
        "new_recording",
        "ingest",
        "schedule_update",
        "status",
        "slack",
        "",
    ]
    queues = [template.resources[exports[name]["Ref"]]["Properties"] for name in QUEUE_URLS]
    assert [template.short(queue["QueueName"]) for queue in queues] == [
        "download",
        "download-dlq",
        "upload.fifo",
        "upload-dlq.fifo",
    ]
    assert exports["webhook-url"]["Fn::Join"][1][-1] == "/live/new_recording"
    assert exports["page-url"]["Fn::Join"][1][-1] == "/live/"
