"""Tests of the functions in the template."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdk.names import (
    FUNCTIONS,
    GOOGLE_CREDENTIALS,
    RECONCILE,
    SCHEDULE_UPDATE,
    UPLOADER,
    Function,
)
from cdk.opencast import cache_file
from ingester import settings as read
from ingester.schedule.lock import COMMAND_SECONDS, LEASE_SECONDS
from ops.grants_document import ACCOUNT, REGION, Grant, resolve
from tests.infra.function_types import READS
from tests.infra.grants import grants, without
from tests.infra.template import STACK, Changed, Template, synthesize

CONSUME = (
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ChangeMessageVisibility",
)
ALL_QUEUES = ("download", "download-dlq", "upload.fifo", "upload-dlq.fifo")
SQS = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{STACK}-"
TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{STACK}-"
STATUS = f"{TABLE}pipeline-status"
RECORDINGS = f"{TABLE}recordings"
FILES = f"arn:aws:s3:::{STACK}-zoom-recording-files/*"
GOOGLE_KEY = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{GOOGLE_CREDENTIALS}"
SECRET = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/zoom-ingester/{STACK}/"

EXPECTED: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "zoom-webhook": [
        (("dynamodb:GetItem", "dynamodb:UpdateItem"), (STATUS, RECORDINGS)),
        (("dynamodb:UpdateItem",), (f"{TABLE}recording-events",)),
        (("sqs:SendMessage",), (f"{SQS}download",)),
    ],
    "zoom-on-demand": [
        (("dynamodb:UpdateItem",), (STATUS,)),
        (("dynamodb:GetItem",), (RECORDINGS,)),
    ],
    "zoom-downloader": [
        (("dynamodb:UpdateItem",), (STATUS,)),
        (("dynamodb:GetItem", "dynamodb:UpdateItem"), (RECORDINGS,)),
        (("dynamodb:GetItem",), (f"{TABLE}schedule",)),
        (
            (
                "s3:PutObject",
                "s3:ListMultipartUploadParts",
                "s3:AbortMultipartUpload",
                "s3:GetObject",
                "s3:GetObjectTagging",
            ),
            (FILES,),
        ),
        (("s3:ListBucketMultipartUploads",), (FILES.removesuffix("/*"),)),
        (CONSUME, (f"{SQS}download",)),
        (("sqs:SendMessage",), (f"{SQS}download", f"{SQS}download-dlq", f"{SQS}upload.fifo")),
    ],
    "zoom-uploader": [
        (("dynamodb:UpdateItem",), (STATUS,)),
        (("dynamodb:GetItem", "dynamodb:UpdateItem"), (RECORDINGS,)),
        (("dynamodb:GetItem",), (f"{TABLE}recording-events",)),
        (("s3:GetObject", "s3:PutObjectTagging"), (FILES,)),
        (CONSUME, (f"{SQS}upload.fifo",)),
        (("sqs:SendMessage",), (f"{SQS}upload-dlq.fifo",)),
    ],
    "zoom-reconcile": [
        (("dynamodb:GetItem", "dynamodb:UpdateItem"), (f"{TABLE}recordings",)),
    ],
    "zoom-follow": [
        (("dynamodb:UpdateItem",), (STATUS,)),
        (("dynamodb:GetItem", "dynamodb:UpdateItem"), (RECORDINGS,)),
        (("dynamodb:Query",), (f"{RECORDINGS}/index/follow_index",)),
    ],
    "schedule-update": [
        (
            (
                "dynamodb:Scan",
                "dynamodb:BatchWriteItem",
                "dynamodb:PutItem",
                "dynamodb:DeleteItem",
            ),
            (f"{TABLE}schedule",),
        ),
        (("ssm:GetParameter",), (GOOGLE_KEY,)),
    ],
    "status-query": [
        (("dynamodb:Query",), (f"{STATUS}/index/mid_index", f"{STATUS}/index/time_index")),
        (("dynamodb:GetItem",), (f"{TABLE}recordings", f"{TABLE}schedule")),
        (
            ("sqs:GetQueueAttributes",),
            tuple(f"{SQS}{queue}" for queue in ALL_QUEUES),
        ),
    ],
    "slack": [
        (("dynamodb:Query",), (f"{STATUS}/index/mid_index",)),
        (("dynamodb:GetItem",), (f"{TABLE}schedule",)),
        (
            ("lambda:InvokeFunction",),
            (f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{STACK}-slack:live",),
        ),
    ],
    "zoom-log-notifications": [
        (("dynamodb:GetItem",), (STATUS,)),
        (("dynamodb:UpdateItem", "dynamodb:Scan"), (f"{TABLE}notification-faults",)),
        (("sns:Publish",), (f"arn:aws:sns:{REGION}:{ACCOUNT}:{STACK}-notifications",)),
    ],
}
"""The grants of each function, except those on the stack's secrets and the function's log group."""


def secret_grants(function: Function) -> list[Grant]:
    """Return the grants on the stack's secrets that a function's code reads."""
    _, secrets = READS[function]
    names = read.variables_of(secrets) if secrets else ()
    return [Grant(function.name, "ssm:GetParameter", f"{SECRET}{name}") for name in names]


def log_grants(function: str) -> list[Grant]:
    """Return the grants of a function on its log group. Every function has such grants."""
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/{STACK}-{function}:*"
    return [
        Grant(function, action, group) for action in ("logs:CreateLogStream", "logs:PutLogEvents")
    ]


def test_template_has_every_function_with_its_handler_and_code_and_its_runtime_and_architecture(
    template: Template,
) -> None:
    functions = template.functions
    assert set(functions) == {function.name for function in FUNCTIONS}
    for function in FUNCTIONS:
        properties = functions[function.name]
        assert properties["Handler"] == f"{function.module}.handler"
        assert properties["Code"] == {
            "S3Bucket": "zip-code",
            "S3Key": f"{STACK}/{function.name}.zip",
        }
        assert properties["Runtime"] == "python3.13"
        assert properties["Architectures"] == ["arm64"]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_a_function_has_exactly_the_expected_grants(template: Template, function: Function) -> None:
    expected = [
        Grant(function.name, action, resource)
        for actions, resources in EXPECTED[function.name]
        for action in actions
        for resource in resources
    ]
    found = [grant for grant in grants(template) if grant.function == function.name]
    assert found == sorted(expected + log_grants(function.name) + secret_grants(function))


def test_removing_a_grant_from_a_policy_keeps_all_other_grants() -> None:
    document = {
        "Statement": [
            {"Effect": "Allow", "Action": ["a:X", "a:Y"], "Resource": ["r1", "r2"]},
            {"Effect": "Allow", "Action": "b:Z", "Resource": "r1"},
        ]
    }
    left = without(document, "a:Y", "r1")["Statement"]
    assert [(statement["Action"], statement["Resource"]) for statement in left] == [
        ("a:X", "r1"),
        ("a:X", "r2"),
        ("a:Y", "r2"),
        ("b:Z", "r1"),
    ]


def test_only_lambda_may_assume_the_roles_of_the_functions(template: Template) -> None:
    for properties in template.functions.values():
        role = template.resources[properties["Role"]["Fn::GetAtt"][0]]["Properties"]
        [statement] = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_event_source_mapping_of_each_queue_has_the_expected_settings(template: Template) -> None:
    mappings = template.of_type("AWS::Lambda::EventSourceMapping")
    max_concurrency = {}
    for mapping in mappings.values():
        queue = template.resources[mapping["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]
        max_concurrency[template.short(queue["QueueName"])] = mapping["ScalingConfig"][
            "MaximumConcurrency"
        ]
        assert mapping["BatchSize"] == 1
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["FunctionName"]["Fn::Join"][1][-1] == ":live"
    assert max_concurrency == {"download": 20, "upload.fifo": 5}


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("OC_TRACK_UPLOAD_MAX", {20, 2}), ("DOWNLOADS_AT_ONCE", {2, 5})],
)
def test_the_concurrency_of_a_queue_equals_its_setting(
    changed: Changed, setting: str, expected: set[int]
) -> None:
    mappings = changed({setting: "2"}).of_type("AWS::Lambda::EventSourceMapping")
    found = {mapping["ScalingConfig"]["MaximumConcurrency"] for mapping in mappings.values()}
    assert found == expected


def test_the_environment_of_the_uploader_has_oc_outage_hours(
    template: Template, changed: Changed
) -> None:
    later = changed({"OC_OUTAGE_HOURS": "1.5"})
    hours = [
        each.functions[UPLOADER.name]["Environment"]["Variables"]["OC_OUTAGE_HOURS"]
        for each in (template, later)
    ]
    assert hours == ["24", "1.5"]


def test_reconcile_runs_every_hour_unless_it_is_off(template: Template, changed: Changed) -> None:
    rule = template.named("AWS::Events::Rule", "Name")["reconcile"]
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(1 hour)", "ENABLED")
    [target] = rule["Targets"]
    alias = template.resources[target["Arn"]["Ref"]]["Properties"]
    function = template.resources[alias["FunctionName"]["Ref"]]["Properties"]
    assert template.short(function["FunctionName"]) == RECONCILE.name
    off = changed({"RECONCILE_DAYS": "0"})
    assert "reconcile" not in off.named("AWS::Events::Rule", "Name")
    assert RECONCILE.name in off.functions


def test_the_follow_function_runs_every_minute_only_when_it_is_on(
    template: Template, changed: Changed
) -> None:
    assert "follow" not in template.named("AWS::Events::Rule", "Name")
    rule = changed({"FOLLOW_INGESTS": "true"}).named("AWS::Events::Rule", "Name")["follow"]
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(1 minute)", "ENABLED")


def test_slack_function_is_never_retried_when_it_has_invoked_itself(template: Template) -> None:
    # A retry would post the answer to Slack a second time.
    [config] = template.of_type("AWS::Lambda::EventInvokeConfig").values()
    function = template.resources[config["FunctionName"]["Ref"]]["Properties"]
    assert template.short(function["FunctionName"]) == "slack"
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (0, 60)
    alias = config["Qualifier"]["Fn::Select"][1]["Fn::Split"][1]["Ref"]
    assert template.resources[alias]["Properties"]["Name"] == "live"


def test_the_lock_of_the_schedule_outlives_the_function_that_holds_it(template: Template) -> None:
    # After an early end of the lock, a second update would begin while the first update still
    # writes.
    seconds = template.functions[SCHEDULE_UPDATE.name]["Timeout"]
    assert seconds < LEASE_SECONDS < COMMAND_SECONDS


def test_all_log_groups_keep_log_records_for_180_days_by_default(template: Template) -> None:
    groups = template.named("AWS::Logs::LogGroup", "LogGroupName")
    expected = {f"/aws/lambda/{STACK}-{function.name}" for function in FUNCTIONS}
    [api] = template.of_type("AWS::ApiGateway::RestApi")
    others = {
        f"/aws/apigateway/{STACK}-api/access_logs",
        f"API-Gateway-Execution-Logs_{{{api}}}/live",
        f"/aws/codebuild/{STACK}-codebuild",
    }
    assert set(groups) == expected | others
    assert {group["RetentionInDays"] for group in groups.values()} == {180}


def test_versions_and_aliases_stay_the_same_when_settings_change(
    template: Template, changed: Changed
) -> None:
    later = changed(
        {
            "BUFFER_MINUTES": "45",
            "MINIMUM_DURATION": "5",
            "DEFAULT_OC_WORKFLOW": "other",
            "WEBHOOK_DELAY_SECONDS": "5",
            "ZOOM_API_BASE_URL": "https://gateway.example.edu",
            "OC_SUBNET_IDS": "subnet-1",
            "OC_SECURITY_GROUP_ID": "sg-1",
            "LAMBDA_RUNTIME": "python3.14",
            "STACK_TAGS": "",
        }
    )
    for resource_type in ("AWS::Lambda::Version", "AWS::Lambda::Alias"):
        before = template.of_type(resource_type)
        assert len(before) == len(FUNCTIONS)
        assert later.of_type(resource_type) == before


def test_the_alias_of_each_function_is_named_by_lambda_release_alias(changed: Changed) -> None:
    aliases = changed({"LAMBDA_RELEASE_ALIAS": "released"}).of_type("AWS::Lambda::Alias")
    assert {alias["Name"] for alias in aliases.values()} == {"released"}


def test_only_the_functions_that_call_opencast_run_in_the_vpc_of_opencast(
    template: Template, changed: Changed
) -> None:
    assert not any("VpcConfig" in properties for properties in template.functions.values())
    inside = changed({"OC_SUBNET_IDS": "subnet-1a, subnet-2b", "OC_SECURITY_GROUP_ID": "sg-3c"})
    places = {
        name: properties["VpcConfig"]
        for name, properties in inside.functions.items()
        if "VpcConfig" in properties
    }
    place = {"SubnetIds": ["subnet-1a", "subnet-2b"], "SecurityGroupIds": ["sg-3c"]}
    assert places == {"zoom-uploader": place, "zoom-follow": place}
    more = set(grants(inside)) - set(grants(template))
    assert {(grant.function, grant.action.split(":")[0]) for grant in more} == {
        ("zoom-uploader", "ec2"),
        ("zoom-follow", "ec2"),
    }


def test_the_code_of_the_uploader_may_not_use_the_vpc_grants_of_lambda(
    changed: Changed,
) -> None:
    inside = changed({"OC_SUBNET_IDS": "subnet-1a", "OC_SECURITY_GROUP_ID": "sg-3c"})
    role = inside.resources[inside.functions["zoom-uploader"]["Role"]["Fn::GetAtt"][0]]
    [policy] = role["Properties"]["Policies"]
    by_effect = {
        statement["Effect"]: statement
        for statement in policy["PolicyDocument"]["Statement"]
        if "ec2:CreateNetworkInterface" in statement["Action"]
    }
    assert by_effect["Deny"]["Action"] == by_effect["Allow"]["Action"]
    assert by_effect["Deny"]["Resource"] == "*"
    [(operator, condition)] = by_effect["Deny"]["Condition"].items()
    assert operator == "ArnEquals"
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{STACK}-zoom-uploader"
    assert resolve(condition, inside.resources) == {"lambda:SourceFunctionArn": arn}


def test_the_template_has_the_cached_address_and_network_of_opencast(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    cache_file(env_file).write_text(
        "OC_CLUSTER_NAME=oc\nSTACK_TYPE=ecs\nOPENCAST_BASE_URL=https://admin.oc.example.edu\n"
        "OC_SUBNET_IDS=subnet-1a\nOC_SECURITY_GROUP_ID=sg-3c\n"
    )
    changes = {"OPENCAST_BASE_URL": "", "STACK_TYPE": "ecs", "OC_CLUSTER_NAME": "oc"}
    template = synthesize(tmp_path, changes, env_file)
    uploader = template.functions["zoom-uploader"]
    variables = uploader["Environment"]["Variables"]
    assert variables["OPENCAST_BASE_URL"] == "https://admin.oc.example.edu"
    assert uploader["VpcConfig"] == {"SubnetIds": ["subnet-1a"], "SecurityGroupIds": ["sg-3c"]}
