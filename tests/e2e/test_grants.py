"""Every grant of a function is needed: without it, some scenario fails.

Grants that the local cloud doesn't enforce are held by the template's test instead
(`tests/infra/test_functions.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import requests

from cdk.names import FUNCTIONS, Function, Names
from local.driver import Driver, DriverError
from tests.e2e import deployed, grants
from tests.e2e.scenarios import SCENARIOS
from tests.e2e.scene import Scene
from tests.infra.grants import Grant

PATIENCE_SECONDS = 8.0
LOG = "the local cloud writes a function's log itself"
EVENT_SOURCE = "the local event source doesn't act with the function's role"

NOT_ENFORCED = {
    "logs:CreateLogStream": LOG,
    "logs:PutLogEvents": LOG,
    "sqs:ReceiveMessage": EVENT_SOURCE,
    "sqs:DeleteMessage": EVENT_SOURCE,
    "sqs:GetQueueAttributes": EVENT_SOURCE,
}

HELD_BY_UNIT_TESTS = {
    ("zoom-on-demand", "dynamodb:UpdateItem", "pipeline-status"): "the webhook makes the row too",
    ("zoom-on-demand", "dynamodb:GetItem", "recordings"): "asked when the webhook's answer is lost",
    ("zoom-downloader", "dynamodb:UpdateItem", "recordings"): "written when a file is left out",
}

ENFORCED = {("status-query", "sqs:GetQueueAttributes")}
"""What is nobody's event source."""

NEEDED_BY = {
    ("zoom-webhook", "dynamodb:GetItem", "pipeline-status"): "trashed_while_processing",
    ("zoom-webhook", "dynamodb:UpdateItem", "recording-events"): "scheduled_lecture",
    ("zoom-webhook", "", ""): "unclaimed",
    ("zoom-on-demand", "", ""): "on_demand",
    ("zoom-downloader", "dynamodb:UpdateItem", "pipeline-status"): "gone_from_zoom",
    ("zoom-downloader", "dynamodb:GetItem", "schedule"): "unclaimed",
    ("zoom-downloader", "s3:AbortMultipartUpload", ""): "changed_source",
    ("zoom-downloader", "s3:ListBucketMultipartUploads", ""): "taken_up_again",
    ("zoom-downloader", "s3:ListMultipartUploadParts", ""): "taken_up_again",
    ("zoom-downloader", "sqs:ChangeMessageVisibility", ""): "broken_file",
    ("zoom-downloader", "sqs:SendMessage", "download"): "trashed_while_processing",
    ("zoom-downloader", "sqs:SendMessage", "download-dlq"): "gone_from_zoom",
    ("zoom-downloader", "", ""): "on_demand",
    ("zoom-uploader", "dynamodb:GetItem", "recording-events"): "scheduled_lecture",
    ("zoom-uploader", "sqs:ChangeMessageVisibility", ""): "opencast_busy",
    ("zoom-uploader", "sqs:SendMessage", ""): "unknown_series",
    ("zoom-uploader", "", ""): "on_demand",
    ("schedule-update", "", ""): "sheet_updated",
    ("status-query", "dynamodb:Query", "time_index"): "recent",
    ("status-query", "dynamodb:GetItem", "recordings"): "backlogs",
    ("zoom-reconcile", "", ""): "reconciled",
    ("status-query", "sqs:GetQueueAttributes", ""): "backlogs",
    ("status-query", "", ""): "unclaimed",
    ("slack", "lambda:InvokeFunction", ""): "zip_when_slack_is_slow",
    ("slack", "", ""): "zip_command",
    ("zoom-log-notifications", "", ""): "mailed",
}
"""(function, action, the resource's last word), "" for any → the scenario that needs the grant."""


def last_word_of(grant: Grant, names: Names) -> str:
    """What a grant's resource is called in the stack."""
    return grant.resource.rsplit("/", 1)[-1].rsplit(":", 1)[-1].removeprefix(names.of(""))


def scenario_for(grant: Grant, names: Names) -> str:
    word = last_word_of(grant, names)
    keys = ((grant.function, grant.action, word), (grant.function, grant.action, ""))
    return (
        next((NEEDED_BY[key] for key in keys if key in NEEDED_BY), "")
        or NEEDED_BY[grant.function, "", ""]
    )


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_every_grant_is_needed(function: Function, scene: Scene) -> None:
    names = Names(scene.driver.state.stack_name)
    unneeded = []
    for action, resource in grants.granted(scene.driver, names.function(function)):
        grant = Grant(function.name, action, resource)
        if action in NOT_ENFORCED and (function.name, action) not in ENFORCED:
            continue
        if (function.name, action, last_word_of(grant, names)) in HELD_BY_UNIT_TESTS:
            continue
        with grants.taken_away(scene.driver, names.function(function), action, resource):
            if action.startswith("ssm:"):
                deployed.cold_start(scene.driver, names.function(function))
            try:
                crashes = _crashes(scene.driver, names.log_group(function), action)
                hurried = replace(scene, seconds=PATIENCE_SECONDS, hopeless=crashes)
                SCENARIOS[scenario_for(grant, names)](hurried)
            except (AssertionError, DriverError):
                continue
        unneeded.append(grant)
    assert unneeded == []
    SCENARIOS[NEEDED_BY[function.name, "", ""]](scene)


def test_another_address_gets_403(scene: Scene) -> None:
    """The API's policy: whatever asks or tells only from INGEST_ALLOWED_IPS, as it is deployed."""
    driver = scene.driver
    with deployed.kept_out(driver):
        assert driver.ask_for_ingest(uuid="x").status == 403
        with pytest.raises(DriverError, match="403"):
            driver.status(1)
        # The same routes, and whoever says to come from elsewhere.
        for method, path in (("POST", "ingest"), ("GET", "status"), ("GET", "")):
            for spelling in (path, f"{path}/", f"/{path}"):
                answer = requests.request(
                    method,
                    f"{driver.state.api_url}/{spelling}",
                    headers={"X-Forwarded-For": "203.0.113.9"},
                    verify=driver.state.ca_bundle,
                    timeout=30,
                )
                assert answer.status_code == 403, spelling
                assert answer.headers["Access-Control-Allow-Origin"] == "*"
                assert "<html" not in answer.text
        assert driver.send("endpoint.url_validation").status == 200
    assert driver.status(1) == {}


def _crashes(driver: Driver, log_group: str, action: str) -> Callable[[], str]:
    """Tells when from now on an invocation ended in an error for want of a grant.

    Its message is back after 16 minutes, so nobody has to wait for what it was to do. What the
    function itself writes are JSON objects; how it crashed is written by Lambda, as plain text.
    """
    logs, since = driver.client("logs"), int(time.time() * 1000)

    def look() -> str:
        found = logs.filter_log_events(logGroupName=log_group, startTime=since)["events"]
        lines = [event["message"] for event in found if not event["message"].startswith("{")]
        return next((line for line in lines if f"not authorized to perform: {action} " in line), "")

    return look
