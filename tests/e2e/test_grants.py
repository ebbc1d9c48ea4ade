"""Tests that a scenario fails without a grant, and that the API refuses a forbidden address.

`tests/infra/test_functions.py` checks the grants that the local cloud doesn't enforce.
`tests/infra/test_grant_use.py` checks that the tables of this module name a scenario or a reason
for each grant.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import requests

from cdk.grants import NETWORK_INTERFACES
from cdk.names import FUNCTIONS, Function, Names
from local.driver import Driver, DriverError
from ops.grants_document import Grant
from tests.e2e import deployed
from tests.e2e.scenarios import SCENARIOS
from tests.e2e.stack import Stack

SECONDS = 8.0
"""Longest wait in seconds in a scenario without a grant, unless the scenario sets its own.

The awaited state usually never comes.
"""

LOG = "the local cloud writes a function's log itself"
EVENT_SOURCE = "the local event source doesn't act with the function's role"
VPC = "the local cloud runs no function in a VPC, where Lambda itself uses the grant"

NOT_ENFORCED = {
    "logs:CreateLogStream": LOG,
    "logs:PutLogEvents": LOG,
    "sqs:ReceiveMessage": EVENT_SOURCE,
    "sqs:DeleteMessage": EVENT_SOURCE,
    "sqs:GetQueueAttributes": EVENT_SOURCE,
    **dict.fromkeys(NETWORK_INTERFACES, VPC),
}

HELD_BY_UNIT_TESTS = {
    ("zoom-downloader", "dynamodb:UpdateItem", "recordings"): (
        "tests/unit/functions/downloader/test_ends.py"
        "::test_recording_is_ignored_when_it_is_gone_and_zoom_has_reported_its_removal"
    ),
    ("zoom-downloader", "s3:GetObjectTagging", "*"): (
        "tests/unit/transfer/test_multipart_resume.py"
        "::test_object_counts_as_not_released_when_s3_denies_reading_its_tags"
    ),
    ("zoom-uploader", "s3:PutObjectTagging", "*"): (
        "tests/unit/functions/uploader/test_release.py"
        "::test_ingest_succeeds_when_its_files_cannot_be_released"
    ),
}
"""Grants that no scenario needs, each with a unit test of the request that the grant allows."""

ENFORCED = {("status-query", "sqs:GetQueueAttributes")}
"""Exceptions to NOT_ENFORCED: grants of a function that no event source invokes."""

NEEDED_BY = {
    ("zoom-webhook", "dynamodb:GetItem", "pipeline-status"): "trashed_while_processing",
    ("zoom-webhook", "dynamodb:UpdateItem", "recording-events"): "scheduled_lecture",
    ("zoom-webhook", "", ""): "no_class",
    ("zoom-on-demand", "dynamodb:UpdateItem", "pipeline-status"): "webhook_refusal",
    ("zoom-on-demand", "dynamodb:GetItem", "recordings"): "lost_webhook_answer",
    ("zoom-on-demand", "", ""): "on_demand",
    ("zoom-downloader", "dynamodb:UpdateItem", "pipeline-status"): "refused_download",
    ("zoom-downloader", "dynamodb:GetItem", "schedule"): "no_class",
    ("zoom-downloader", "s3:AbortMultipartUpload", ""): "changed_source",
    ("zoom-downloader", "s3:ListBucketMultipartUploads", ""): "resumed_copy",
    ("zoom-downloader", "s3:ListMultipartUploadParts", ""): "resumed_copy",
    ("zoom-downloader", "sqs:ChangeMessageVisibility", ""): "broken_file",
    ("zoom-downloader", "sqs:SendMessage", "download"): "trashed_while_processing",
    ("zoom-downloader", "sqs:SendMessage", "download-dlq"): "refused_download",
    ("zoom-downloader", "", ""): "on_demand",
    ("zoom-uploader", "dynamodb:GetItem", "recording-events"): "scheduled_lecture",
    ("zoom-uploader", "sqs:ChangeMessageVisibility", ""): "opencast_busy",
    ("zoom-uploader", "sqs:SendMessage", ""): "unknown_series",
    ("zoom-uploader", "", ""): "on_demand",
    ("schedule-update", "", ""): "sheet_updated",
    ("status-query", "dynamodb:Query", "time_index"): "recent",
    ("status-query", "dynamodb:GetItem", "recordings"): "recording_details",
    ("status-query", "dynamodb:GetItem", "schedule"): "recording_details",
    ("zoom-reconcile", "", ""): "reconciled",
    ("zoom-follow", "", ""): "followed",
    ("status-query", "sqs:GetQueueAttributes", ""): "backlogs",
    ("status-query", "", ""): "no_class",
    ("slack", "lambda:InvokeFunction", ""): "zip_command_when_slack_is_slow",
    ("slack", "", ""): "zip_command",
    ("zoom-log-notifications", "", ""): "mailed_failure",
}
"""The scenario that needs a grant, by function, action and short name of the resource.

"" stands for any action or resource.
"""


def short_name_of(grant: Grant, names: Names) -> str:
    """Return the name of a grant's resource without the stack's name."""
    return grant.resource.rsplit("/", 1)[-1].rsplit(":", 1)[-1].removeprefix(names.of(""))


def scenario_for(grant: Grant, names: Names) -> str:
    short_name = short_name_of(grant, names)
    keys = ((grant.action, short_name), (grant.action, ""), ("", ""))
    return next(scenario for key in keys if (scenario := NEEDED_BY.get((grant.function, *key), "")))


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_a_scenario_fails_when_a_function_lacks_one_of_its_grants(
    function: Function, stack: Stack
) -> None:
    driver, names, name = stack.driver, stack.names, stack.function(function)
    unneeded = []
    for action, resource in deployed.grants_of(driver, name):
        grant = Grant(function.name, action, resource)
        if action in NOT_ENFORCED and (function.name, action) not in ENFORCED:
            continue
        if (function.name, action, short_name_of(grant, names)) in HELD_BY_UNIT_TESTS:
            continue
        with deployed.without_grant(driver, name, action, resource):
            if action.startswith("ssm:"):
                deployed.cold_start(driver, name)
            try:
                crash = _crash_of(driver, names.log_group(function), action)
                impatient = replace(stack, seconds=SECONDS, cannot_succeed=crash)
                SCENARIOS[scenario_for(grant, names)](impatient)
            except (AssertionError, DriverError):
                continue
        unneeded.append(grant)
    assert unneeded == []
    SCENARIOS[NEEDED_BY[function.name, "", ""]](stack)


def test_the_api_answers_403_to_an_address_that_is_not_allowed(
    stack: Stack, session: requests.Session
) -> None:
    driver = stack.driver
    with deployed.address_refused(driver):
        assert driver.request_ingest(uuid="x").status == 403
        with pytest.raises(DriverError, match="403"):
            driver.status(1)
        # Neither another spelling of a route nor a forged address may get past the API's policy.
        for method, path in (("POST", "ingest"), ("GET", "status"), ("GET", "")):
            for spelling in (path, f"{path}/", f"/{path}"):
                url = f"{driver.state.api_url}/{spelling}"
                headers = {"X-Forwarded-For": "203.0.113.9"}
                answer = session.request(method, url, headers=headers, timeout=120)
                assert answer.status_code == 403, spelling
                assert answer.headers["Access-Control-Allow-Origin"] == "*"
                assert "<html" not in answer.text
        assert driver.send("endpoint.url_validation").status == 200
    assert driver.status(1) == {}


def _crash_of(driver: Driver, log_group: str, action: str) -> Callable[[], str]:
    """Return a function that returns the log line of a later crash for lack of the grant, or "".

    After such a crash, the message comes back only after 16 minutes. The function's own lines are
    JSON objects, but Lambda writes the line about the crash as plain text.
    """
    logs, since = driver.client("logs"), int(time.time() * 1000)

    def look() -> str:
        found = logs.filter_log_events(logGroupName=log_group, startTime=since)["events"]
        lines = [event["message"] for event in found if not event["message"].startswith("{")]
        return next((line for line in lines if f"not authorized to perform: {action} " in line), "")

    return look
