"""The life of a stack, from its making to its end, by the operator's commands and nothing else."""

from __future__ import annotations

import csv
import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from cdk.names import FUNCTIONS, Names
from cdk.settings import SECRETS, SIGNING_KEY
from ingester.schedule.model import DAYS
from local.driver import Driver, ZoomRecording
from local.state import State
from ops.recordings import execute
from ops.secrets import store as secrets
from ops.stack import removal
from ops.stack.access import GOOD
from tests.e2e.operator import Operator, check_out
from tests.e2e.scene import Scene

SETTING = "WEBHOOK_DELAY_SECONDS"
CHANGED = "7"
MEETING = 98_765_432_101
SERIES = "20260154321"


@dataclass(frozen=True)
class Life:
    """A second stack in the local cloud, and its operator with a checkout of their own."""

    name: str
    operator: Operator
    driver: Driver

    @property
    def names(self) -> Names:
        return Names(self.name)

    @cached_property
    def scene(self) -> Scene:
        """The stack as scenarios drive it."""
        return Scene(self.driver)

    def lecture(self, **options: Any) -> ZoomRecording:
        """A new recording in Zoom."""
        return self.scene.lecture(scheduled=False, **options)

    def queue(self, name: str) -> dict[str, Any]:
        """What `stack.status` tells of a queue."""
        found = {one["name"]: one for one in self.status()["queues"]}
        return dict(found[f"{self.name}-{name}"])

    def status(self) -> dict[str, Any]:
        """`stack.status --json`."""
        return dict(json.loads(self.operator.did("stack.status", "--json")))

    def released(self) -> dict[str, str]:
        """The number of the version that runs, by the functions' names."""
        prefix = f"{self.name}-"
        return {
            one["name"].removeprefix(prefix): one["released"] for one in self.status()["functions"]
        }

    def variables(self, function: str, qualifier: str = "live") -> dict[str, str]:
        """The environment of what runs."""
        found = self.driver.client("lambda").get_function_configuration(
            FunctionName=f"{self.name}-{function}", Qualifier=qualifier
        )
        return dict(found["Environment"]["Variables"])

    def code(self, function: str, qualifier: str = "live") -> str:
        """The hash of the code that runs."""
        found = self.driver.client("lambda").get_function_configuration(
            FunctionName=f"{self.name}-{function}", Qualifier=qualifier
        )
        return str(found["CodeSha256"])


@pytest.fixture
def life(operator: Operator, state: State, tmp_path: Path) -> Iterator[Life]:
    name = f"life-{uuid.uuid4().hex[:6]}"
    api = f"{state.aws_endpoint_url}/_aws/execute-api/{name}/live"
    environment = {
        **operator.environment,
        "STACK_NAME": name,
        "LAMBDA_CODE_BUCKET": f"{name}-code",
        "STACK_TAGS": f"Key=ms-custom-id,Value={name}",
        "API_BASE_URL": api,
        "CODEBUILD_SOURCE_URL": "https://github.com/example/zoom-ingester",
    }
    own = replace(operator, environment=environment, checkout=check_out(tmp_path), heard=[])
    driver = Driver(msgspec.structs.replace(state, stack_name=name, api_url=api))
    driver.add_series(SERIES, "The whole life")
    yield Life(name, own, driver)
    # Of a walk that fell: nothing of it is to trouble the tests after it.
    driver.client("cloudformation").delete_stack(StackName=name)
    driver.close()


def test_the_life_of_a_stack(life: Life) -> None:
    create(life)
    look_at_opencast(life)
    import_the_schedule(life)
    send_recordings_by_hand(life)
    retry_a_download(life)
    retry_an_upload(life)
    deploy_one_and_release_it(life)
    switch_debug(life)
    change_a_setting(life)
    a_setting_waits_for_unreleased_code(life)
    go_back(life)
    build(life)
    values = secret_values(life)
    assert_said_nowhere(values, everything_said(life))
    delete(life)


def create(life: Life) -> None:
    said = life.operator.did("stack.create")
    assert said.startswith(f"Stack {life.name} in us-east-1, AWS_PROFILE (not set)\n")
    assert f"{life.driver.state.api_url}/new_recording" in said
    assert "register webhook-url in the Zoom app" in said
    status = life.status()
    assert status["state"] == "CREATE_COMPLETE"
    assert status["outputs"][f"{life.name}-ingest-url"] == f"{life.driver.state.api_url}/ingest"
    assert set(life.released().values()) == {"1"}
    assert {queue["waiting"] for queue in status["queues"]} == {0}
    assert life.operator("stack.create").error == (
        f"The stack {life.name} is there already: `invoke stack.update` changes it."
    )


def look_at_opencast(life: Life) -> None:
    """The stack's access to Opencast is told, and a wrong password is no secret either."""
    assert life.status()["opencast"] == GOOD
    ssm, name = life.driver.client("ssm"), "OPENCAST_API_PASSWORD"
    right = secrets.stored(ssm, life.names)[name]
    secrets.put(ssm, life.names, name, "not this one", secrets.FROM_SETTINGS)
    said = life.operator.did("stack.status")
    assert "Opencast: Opencast refuses its user reading its own roles" in said
    assert "not this one" not in said
    secrets.put(ssm, life.names, name, right, secrets.FROM_SETTINGS)


def import_the_schedule(life: Life) -> None:
    """The class of the lecture that follows."""
    local = life.scene.start.astimezone(ZoneInfo("US/Eastern"))
    path = life.operator.checkout / "fall.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        link, series = f"https://zoom.us/j/{MEETING}", f"https://oc.example/#/{SERIES}"
        row = ["HIST E-1", "Lecture", DAYS[local.weekday()], f"{local:%H:%M}", link, series]
        csv.writer(file).writerows([removal.COLUMNS, row])
    assert "1 would be added" in life.operator.did("schedule.csv-import", str(path), "--dry-run")
    assert life.driver.table("schedule").scan()["Count"] == 0
    assert "1 added" in life.operator.did("schedule.import_csv", str(path))


def send_recordings_by_hand(life: Life) -> None:
    """By the schedule, by an operator's choice, and as "+Zoom" does."""
    scheduled = life.lecture(meeting_id=MEETING)
    assert f"In Opencast: series {SERIES}" in life.operator.did("exec.pipeline", scheduled.uuid)
    unclaimed = life.lecture()
    refused = life.operator("exec.pipeline", unclaimed.uuid)
    assert refused.error.startswith("IGNORED: No opencast series match.")
    chosen = ("--oc-series-id", SERIES)
    life.operator.did("exec.webhook", unclaimed.uuid, *chosen)
    asked = life.lecture()
    life.operator.did("exec.on-demand", asked.uuid, *chosen)
    for recording in (unclaimed, asked):
        life.scene.until(recording, "SENT_TO_OPENCAST")
    for recording in (scheduled, unclaimed, asked):
        life.scene.ingested_whole(recording)
    for function in ("downloader", "uploader"):
        assert life.operator.did(f"exec.{function}").splitlines()[-1] in execute.GOOD_ANSWERS


def retry_a_download(life: Life) -> None:
    recording = life.lecture()
    (file,) = recording.wanted()
    life.driver.trouble_zoom(kind="status", status=403, where="download", file_id=file.id, times=2)
    failed = life.operator("exec.pipeline", recording.uuid, "--oc-series-id", SERIES)
    assert failed.error.startswith("DOWNLOADER_FAILED: permanent failure")
    assert recording.uuid in life.operator.did("queue.downloads")
    assert life.queue("download-dlq")["waiting"] == 1
    assert recording.uuid in life.operator.did("queue.retry-downloads")
    life.scene.until(recording, "SENT_TO_OPENCAST")
    assert life.queue("download-dlq")["waiting"] == 0


def retry_an_upload(life: Life) -> None:
    recording, unknown = life.lecture(), f"{life.name}-later"
    failed = life.operator("exec.pipeline", recording.uuid, "--oc-series-id", unknown)
    assert failed.error.startswith("UPLOADER_FAILED: Invalid Opencast series id.")
    assert recording.uuid in life.operator.did("recordings", "--failed")
    assert recording.uuid in life.operator.did("queue.uploads")
    life.driver.add_series(unknown, "Known after all")
    assert recording.uuid in life.operator.did("queue.retry-uploads", "--uuid", recording.uuid)
    life.scene.until(recording, "SENT_TO_OPENCAST")
    assert "Nothing waits in" in life.operator.did("queue.retry-uploads", "--all")
    story = life.operator.did("logs.recording", recording.uuid)
    assert story.index("Invalid Opencast series id.") < story.index("Sent to Opencast")
    assert recording.uuid in life.operator.did("logs.all", "--since", "10m")


def deploy_one_and_release_it(life: Life) -> None:
    before = life.code("zoom-webhook")
    source = life.operator.checkout / "functions" / "webhook.py"
    source.write_text(f"{source.read_text('utf-8')}\n# Another version.\n", "utf-8")
    assert "zoom-webhook: deployed (" in life.operator.did("deploy.webhook")
    assert "zoom-webhook: deployed already" in life.operator.did("deploy.webhook")
    assert (life.code("zoom-webhook"), life.released()["zoom-webhook"]) == (before, "1")
    (webhook,) = [one for one in life.status()["functions"] if one["name"].endswith("-webhook")]
    assert webhook["unreleased"] == "code"
    said = life.operator.did("release", "--description", "second")
    assert "zoom-webhook: live 1 → 2" in said
    assert "zoom-uploader: live stays at 1" in said
    assert life.code("zoom-webhook") != before


def switch_debug(life: Life) -> None:
    before = {function.name: life.code(function.name) for function in FUNCTIONS}
    variables = life.variables("zoom-webhook")
    assert life.operator.did("debug.on").count("debug logging is on") == len(FUNCTIONS)
    assert life.variables("zoom-webhook") == {**variables, "DEBUG": "1"}
    recording = life.lecture()
    life.operator.did("exec.pipeline", recording.uuid, "--oc-series-id", SERIES)
    story = life.operator.did("logs.recording", recording.uuid)
    for function in ("webhook", "downloader", "uploader"):
        assert re.search(rf"{function} +DEBUG ", story)
    again = life.operator("exec.pipeline", recording.uuid, "--oc-series-id", f"{life.name}-later")
    assert again.error.startswith("It was in Opencast already, since ")
    assert life.operator.did("debug.on").count("was on already") == len(FUNCTIONS)
    assert life.operator.did("debug.off").count("debug logging is off") == len(FUNCTIONS)
    assert life.variables("zoom-webhook") == variables
    assert {function.name: life.code(function.name) for function in FUNCTIONS} == before


def change_a_setting(life: Life) -> None:
    """A changed setting is shown, made, and runs; the code that runs is as before."""
    before, code = life.released(), life.code("zoom-webhook")
    changed = {SETTING: CHANGED}
    shown = life.operator.did("stack.diff", **changed)
    assert re.search(rf"{SETTING}[\s\S]*\[\+\] {CHANGED}", shown + life.operator.heard[-1])
    assert re.search(
        r"Modify +\S*zoomwebhookFunction", life.operator.did("stack.changeset", **changed)
    )
    assert life.variables("zoom-webhook")[SETTING] == "1"
    said = life.operator.did("stack.update", **changed)
    assert "zoom-webhook: the changed settings run" in said
    assert life.variables("zoom-webhook")[SETTING] == CHANGED
    assert life.code("zoom-webhook") == code
    now = life.released()
    assert {name for name in now if now[name] != before[name]} == {"zoom-webhook"}
    # A new alias would begin at version 1.
    renamed = life.operator("stack.update", LAMBDA_RELEASE_ALIAS="other")
    assert "there is no alias other" in renamed.error
    assert life.released() == now


def a_setting_waits_for_unreleased_code(life: Life) -> None:
    """An update releases nothing: neither code that was deployed nor settings beside it."""
    before, code = life.released(), life.code("zoom-webhook")
    source = life.operator.checkout / "functions" / "webhook.py"
    source.write_text(f"{source.read_text('utf-8')}\n# A third version.\n", "utf-8")
    life.operator.did("deploy.webhook")
    said = life.operator.did("stack.update")
    assert "zoom-webhook: the changed settings wait for a release" in said
    assert (life.code("zoom-webhook"), life.released()) == (code, before)
    # Debug logging comes to what runs all the same, and takes the waiting code nowhere.
    waiting = life.code("zoom-webhook", "$LATEST")
    life.operator.did("debug.on")
    assert (life.code("zoom-webhook"), life.code("zoom-webhook", "$LATEST")) == (code, waiting)
    assert life.variables("zoom-webhook")["DEBUG"] == "1"
    assert life.variables("zoom-webhook")[SETTING] == CHANGED
    assert life.variables("zoom-webhook", "$LATEST")[SETTING] == "1"
    life.operator.did("debug.off")
    life.operator.did("release", "-f", "webhook", "-d", "third")
    assert life.code("zoom-webhook") == waiting
    assert life.variables("zoom-webhook")[SETTING] == "1"


def go_back(life: Life) -> None:
    """By a release's name for all, by a number for one."""
    before = life.released()
    refused = life.operator("release", "--to", "never")
    assert "There is no release never, so nothing was moved. There are: third (" in refused.error
    assert life.released() == before
    assert "zoom-webhook: live" in life.operator.did("release", "--to", "second")
    second = dict.fromkeys(before, "1") | {"zoom-webhook": "2"}
    assert life.released() == second
    life.operator.did("release", "-f", "webhook", "--to", "1")
    assert life.released() == {**second, "zoom-webhook": "1"}
    life.operator.did("release", "--to", "third")
    assert life.released() == before


def build(life: Life) -> None:
    said = life.operator.did("codebuild", "-r", "release-1")
    assert "== POST_BUILD SUCCEEDED" in said
    assert "release-1 is released" in said


def secret_values(life: Life) -> dict[str, str]:
    """The stack's secrets by their names, as functions read them."""
    found = secrets.stored(life.driver.client("ssm"), life.names)
    given = {name for name in SECRETS if life.operator.environment.get(name)}
    assert set(found) == given | {SIGNING_KEY}
    assert found["OPENCAST_API_PASSWORD"] == life.operator.environment["OPENCAST_API_PASSWORD"]
    return found


def everything_said(life: Life) -> dict[str, str]:
    """The template, the functions' environments, their logs, and what commands printed."""
    cloudformation, logs = life.driver.client("cloudformation"), life.driver.client("logs")
    template = cloudformation.get_template(StackName=life.name)["TemplateBody"]
    said = {"template": json.dumps(template), "terminal": "\n".join(life.operator.heard)}
    for function in FUNCTIONS:
        said[f"{function.name}'s environment"] = json.dumps(life.variables(function.name))
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=life.names.log_group(function)
        )
        messages = [event["message"] for page in pages for event in page["events"]]
        said[f"{function.name}'s log"] = "\n".join(messages)
    return said


def assert_said_nowhere(values: dict[str, str], said: dict[str, str]) -> None:
    found = [
        (name, where) for name, value in values.items() for where in said if value in said[where]
    ]
    assert found == []


def delete(life: Life) -> None:
    """It is asked first; then nothing is left but what was said."""
    asked = {"NONINTERACTIVE": ""}
    assert "was left as it is" in life.operator("stack.delete", answer="no\n", **asked).error[-60:]
    said = life.operator.did("stack.delete", answer=f"{life.name}\n", **asked)
    assert f"{life.name} is gone." in said
    saved = life.operator.checkout / f"{life.name}-schedule.csv"
    with saved.open(encoding="utf-8", newline="") as file:
        assert [line["OC Series"].rpartition("/")[2] for line in csv.DictReader(file)] == [SERIES]
    assert left_of(life) == [f"bucket {life.name}-code"]
    life.driver.client("s3").delete_bucket(Bucket=f"{life.name}-code")
    assert f"There is no stack {life.name}" in life.operator("stack.status").error


def left_of(life: Life) -> list[str]:
    """What is named after the stack in the cloud, apart from the account's role for the API."""
    client, found = life.driver.client, []
    for service, call, key in (
        ("apigateway", "get_api_keys", "items"),
        ("apigateway", "get_rest_apis", "items"),
        ("cloudformation", "list_exports", "Exports"),
        ("codebuild", "list_projects", "projects"),
        ("dynamodb", "list_tables", "TableNames"),
        ("iam", "list_roles", "Roles"),
        ("lambda", "list_event_source_mappings", "EventSourceMappings"),
        ("lambda", "list_functions", "Functions"),
        ("logs", "describe_log_groups", "logGroups"),
        ("sqs", "list_queues", "QueueUrls"),
        ("ssm", "describe_parameters", "Parameters"),
    ):
        listed = getattr(client(service), call)().get(key, [])
        named = [one for one in listed if life.name in str(one)]
        found += [f"{service} {one}" for one in named if "ApiCloudWatchRole" not in str(one)]
    buckets = [one["Name"] for one in client("s3").list_buckets()["Buckets"]]
    found += [f"bucket {name}" for name in buckets if name.startswith(life.name)]
    files = client("s3").list_objects_v2(Bucket=f"{life.name}-code").get("Contents", [])
    return found + [f"file {one['Key']}" for one in files]
