"""A second stack from its creation to its deletion, by commands of an operator only."""

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
from ops.schedule import export
from ops.secrets import store as secrets
from ops.stack.access import GOOD
from tests.e2e.operator import Operator, check_out
from tests.e2e.stack import Stack

SETTING = "WEBHOOK_DELAY_SECONDS"
CHANGED = "7"
MEETING = 98_765_432_101
SERIES = "20260154321"


@dataclass(frozen=True)
class Life:
    """A second stack in the local cloud, and the stack's operator with a separate checkout."""

    name: str
    operator: Operator
    driver: Driver

    @property
    def names(self) -> Names:
        return Names(self.name)

    @cached_property
    def stack(self) -> Stack:
        """The stack in the form that scenarios use."""
        return Stack(self.driver)

    def lecture(self, **options: Any) -> ZoomRecording:
        """Add a recording to Zoom, but no scheduled class, and return the recording."""
        return self.stack.lecture(scheduled=False, **options)

    def queue(self, name: str) -> dict[str, Any]:
        """Return a queue's entry in the output of `stack.status`."""
        found = {queue["name"]: queue for queue in self.status()["queues"]}
        return dict(found[f"{self.name}-{name}"])

    def status(self) -> dict[str, Any]:
        """Return the output of `stack.status --json`."""
        return dict(json.loads(self.operator.output("stack.status", "--json")))

    def released(self) -> dict[str, str]:
        """Return the number of the released version of each function, by short name."""
        prefix = f"{self.name}-"
        return {
            function["name"].removeprefix(prefix): function["released"]
            for function in self.status()["functions"]
        }

    def variables(self, function: str, qualifier: str = "live") -> dict[str, str]:
        """Return the environment of a function's version, by default the released version."""
        return dict(self._configuration(function, qualifier)["Environment"]["Variables"])

    def code(self, function: str, qualifier: str = "live") -> str:
        """Return the hash of the code of a function's version, by default the released version."""
        return str(self._configuration(function, qualifier)["CodeSha256"])

    def change_code(self, function: str, comment: str) -> None:
        """Append a comment to a function's file in the checkout."""
        source = self.operator.checkout / "functions" / f"{function}.py"
        source.write_text(f"{source.read_text('utf-8')}\n# {comment}\n", "utf-8")

    def _configuration(self, function: str, qualifier: str) -> dict[str, Any]:
        client = self.driver.client("lambda")
        name = f"{self.name}-{function}"
        found = client.get_function_configuration(FunctionName=name, Qualifier=qualifier)
        return dict(found)


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
    own = replace(operator, environment=environment, checkout=check_out(tmp_path), printed=[])
    driver = Driver(msgspec.structs.replace(state, stack_name=name, api_url=api))
    driver.add_series(SERIES, "The whole life")
    yield Life(name, own, driver)
    # A failed test must not leave its stack to later tests.
    driver.client("cloudformation").delete_stack(StackName=name)
    driver.close()


def test_commands_alone_take_a_stack_from_its_creation_to_its_deletion(life: Life) -> None:
    create(life)
    check_opencast(life)
    import_the_schedule(life)
    send_recordings_by_hand(life)
    retry_a_download(life)
    retry_an_upload(life)
    deploy_one_and_release_it(life)
    switch_debug_logging(life)
    change_a_setting(life)
    change_a_setting_beside_unreleased_code(life)
    roll_back(life)
    build(life)
    assert_absent(secret_values(life), outputs(life))
    delete(life)


def create(life: Life) -> None:
    output = life.operator.output("stack.create")
    assert output.startswith(f"Stack {life.name} in us-east-1, AWS_PROFILE (not set)\n")
    assert f"{life.driver.state.api_url}/new_recording" in output
    assert "register webhook-url in the Zoom app" in output
    status = life.status()
    assert status["state"] == "CREATE_COMPLETE"
    assert status["outputs"][f"{life.name}-ingest-url"] == f"{life.driver.state.api_url}/ingest"
    assert set(life.released().values()) == {"1"}
    assert {queue["waiting"] for queue in status["queues"]} == {0}
    assert life.operator.run("stack.create").error == (
        f"The stack {life.name} is there already: `invoke stack.update` changes it."
    )


def check_opencast(life: Life) -> None:
    """Check that `stack.status` reports the access to Opencast, and hides a wrong password."""
    assert life.status()["opencast"] == GOOD
    ssm, name = life.driver.client("ssm"), "OPENCAST_API_PASSWORD"
    right = secrets.stored(ssm, life.names)[name]
    secrets.put(ssm, life.names, name, "not this one", secrets.FROM_SETTINGS)
    output = life.operator.output("stack.status")
    assert "Opencast: Opencast refuses its user reading its own roles" in output
    assert "not this one" not in output
    secrets.put(ssm, life.names, name, right, secrets.FROM_SETTINGS)


def import_the_schedule(life: Life) -> None:
    """Import the scheduled class of the first lecture, after a dry run."""
    local = life.stack.start.astimezone(ZoneInfo("US/Eastern"))
    path = life.operator.checkout / "fall.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        link, series = f"https://zoom.us/j/{MEETING}", f"https://oc.example/#/{SERIES}"
        row = ["HIST E-1", "Lecture", DAYS[local.weekday()], f"{local:%H:%M}", link, series]
        csv.writer(file).writerows([export.COLUMNS, row])
    assert "1 would be added" in life.operator.output("schedule.csv-import", str(path), "--dry-run")
    assert life.driver.table("schedule").scan()["Count"] == 0
    assert "1 added" in life.operator.output("schedule.import_csv", str(path))


def send_recordings_by_hand(life: Life) -> None:
    """Ingest recordings by commands: with a scheduled class, with a series, and as "+Zoom"."""
    scheduled = life.lecture(meeting_id=MEETING)
    assert f"In Opencast: series {SERIES}" in life.operator.output("exec.pipeline", scheduled.uuid)
    without_class = life.lecture()
    refused = life.operator.run("exec.pipeline", without_class.uuid)
    assert refused.error.startswith("Ignored (IGNORED): No class in the schedule fits it")
    chosen = ("--oc-series-id", SERIES)
    life.operator.output("exec.webhook", without_class.uuid, *chosen)
    requested = life.lecture()
    life.operator.output("exec.on-demand", requested.uuid, *chosen)
    for recording in (without_class, requested):
        life.stack.await_state(recording, "SENT_TO_OPENCAST")
    for recording in (scheduled, without_class, requested):
        life.stack.assert_ingested_once(recording)
    for function in ("downloader", "uploader"):
        assert life.operator.output(f"exec.{function}").splitlines()[-1] in execute.GOOD_ANSWERS


def retry_a_download(life: Life) -> None:
    recording = life.lecture()
    life.stack.refuse_download(recording)
    failed = life.operator.run("exec.pipeline", recording.uuid, "--oc-series-id", SERIES)
    assert failed.error.startswith("Download failed (DOWNLOADER_FAILED): ")
    assert recording.uuid in life.operator.output("queue.downloads")
    assert life.queue("download-dlq")["waiting"] == 1
    assert recording.uuid in life.operator.output("queue.retry-downloads")
    life.stack.await_state(recording, "SENT_TO_OPENCAST")
    assert life.queue("download-dlq")["waiting"] == 0


def retry_an_upload(life: Life) -> None:
    recording, unknown = life.lecture(), f"{life.name}-later"
    failed = life.operator.run("exec.pipeline", recording.uuid, "--oc-series-id", unknown)
    assert failed.error.startswith("Upload failed (UPLOADER_FAILED): Opencast has no series ")
    assert recording.uuid in life.operator.output("recordings", "--failed")
    assert recording.uuid in life.operator.output("queue.uploads")
    life.driver.add_series(unknown, "Known after all")
    assert recording.uuid in life.operator.output("queue.retry-uploads", "--uuid", recording.uuid)
    life.stack.await_state(recording, "SENT_TO_OPENCAST")
    assert "Nothing waits in" in life.operator.output("queue.retry-uploads", "--all")

    def history() -> str:
        output = life.operator.output("logs.recording", recording.uuid)
        # The last log record may be written after the status row.
        return output if "Sent to Opencast" in output else ""

    output = life.stack.wait(history, "The log record of the end")
    assert output.index("Invalid Opencast series id.") < output.index("Sent to Opencast")
    assert recording.uuid in life.operator.output("logs.all", "--since", "10m")


def deploy_one_and_release_it(life: Life) -> None:
    before = life.code("zoom-webhook")
    life.change_code("webhook", "The second version.")
    assert "zoom-webhook: deployed (" in life.operator.output("deploy.webhook")
    assert "zoom-webhook: deployed already" in life.operator.output("deploy.webhook")
    assert (life.code("zoom-webhook"), life.released()["zoom-webhook"]) == (before, "1")
    functions = {function["name"]: function for function in life.status()["functions"]}
    assert functions[f"{life.name}-zoom-webhook"]["unreleased"] == "code"
    output = life.operator.output("release", "--description", "second")
    assert "zoom-webhook: live 1 → 2" in output
    assert "zoom-uploader: live stays at 1" in output
    assert life.code("zoom-webhook") != before


def switch_debug_logging(life: Life) -> None:
    before = {function.name: life.code(function.name) for function in FUNCTIONS}
    variables = life.variables("zoom-webhook")
    assert life.operator.output("debug.on").count("debug logging is on") == len(FUNCTIONS)
    assert life.variables("zoom-webhook") == {**variables, "DEBUG": "1"}
    recording = life.lecture()
    life.operator.output("exec.pipeline", recording.uuid, "--oc-series-id", SERIES)

    def are_logged() -> bool:
        output = life.operator.output("logs.recording", recording.uuid)
        functions = ("webhook", "downloader", "uploader")
        return all(re.search(rf"{function} +DEBUG ", output) for function in functions)

    life.stack.wait(are_logged, "The debug records of three functions")
    again = life.operator.run(
        "exec.pipeline", recording.uuid, "--oc-series-id", f"{life.name}-later"
    )
    assert again.error.startswith("It was in Opencast already, since ")
    assert life.operator.output("debug.on").count("was on already") == len(FUNCTIONS)
    assert life.operator.output("debug.off").count("debug logging is off") == len(FUNCTIONS)
    assert life.variables("zoom-webhook") == variables
    assert {function.name: life.code(function.name) for function in FUNCTIONS} == before


def change_a_setting(life: Life) -> None:
    """Check that a changed setting is previewed and deployed, and the code stays the same."""
    before, code = life.released(), life.code("zoom-webhook")
    changed = {SETTING: CHANGED}
    shown = life.operator.output("stack.diff", **changed)
    assert re.search(rf"{SETTING}[\s\S]*\[\+\] {CHANGED}", shown + life.operator.printed[-1])
    assert re.search(
        r"Modify +\S*zoomwebhookFunction", life.operator.output("stack.changeset", **changed)
    )
    assert life.variables("zoom-webhook")[SETTING] == "0"
    output = life.operator.output("stack.update", **changed)
    assert "zoom-webhook: the changed settings run" in output
    assert life.variables("zoom-webhook")[SETTING] == CHANGED
    assert life.code("zoom-webhook") == code
    now = life.released()
    assert {name for name in now if now[name] != before[name]} == {"zoom-webhook"}
    # `stack.update` must not make a new alias, which would start at version 1.
    renamed = life.operator.run("stack.update", LAMBDA_RELEASE_ALIAS="other")
    assert "there is no alias other" in renamed.error
    assert life.released() == now


def change_a_setting_beside_unreleased_code(life: Life) -> None:
    """Check that only `release` releases the waiting code and the waiting setting."""
    before, code = life.released(), life.code("zoom-webhook")
    life.change_code("webhook", "The third version.")
    life.operator.output("deploy.webhook")
    output = life.operator.output("stack.update")
    assert "zoom-webhook: the changed settings wait for a release" in output
    assert (life.code("zoom-webhook"), life.released()) == (code, before)
    # Debug logging changes the released version, but must not release the waiting code.
    waiting = life.code("zoom-webhook", "$LATEST")
    life.operator.output("debug.on")
    assert (life.code("zoom-webhook"), life.code("zoom-webhook", "$LATEST")) == (code, waiting)
    assert life.variables("zoom-webhook")["DEBUG"] == "1"
    assert life.variables("zoom-webhook")[SETTING] == CHANGED
    assert life.variables("zoom-webhook", "$LATEST")[SETTING] == "0"
    life.operator.output("debug.off")
    life.operator.output("release", "-f", "webhook", "-d", "third")
    assert life.code("zoom-webhook") == waiting
    assert life.variables("zoom-webhook")[SETTING] == "0"


def roll_back(life: Life) -> None:
    """Check a rollback of all functions to a named release, and of one function to a version."""
    before = life.released()
    refused = life.operator.run("release", "--to", "never")
    assert "There is no release never, so nothing was moved. There are: third (" in refused.error
    assert life.released() == before
    assert "zoom-webhook: live" in life.operator.output("release", "--to", "second")
    second = dict.fromkeys(before, "1") | {"zoom-webhook": "2"}
    assert life.released() == second
    life.operator.output("release", "-f", "webhook", "--to", "1")
    assert life.released() == {**second, "zoom-webhook": "1"}
    life.operator.output("release", "--to", "third")
    assert life.released() == before


def build(life: Life) -> None:
    output = life.operator.output("codebuild", "-r", "release-1")
    assert "== POST_BUILD SUCCEEDED" in output
    assert "release-1 is released" in output


def secret_values(life: Life) -> dict[str, str]:
    """Check the stack's secrets, and return the secrets by name."""
    found = secrets.stored(life.driver.client("ssm"), life.names)
    given = {name for name in SECRETS if life.operator.environment.get(name)}
    assert set(found) == given | {SIGNING_KEY}
    assert found["OPENCAST_API_PASSWORD"] == life.operator.environment["OPENCAST_API_PASSWORD"]
    return found


def outputs(life: Life) -> dict[str, str]:
    """Return the template, the functions' environments and logs, and the output of all commands."""
    cloudformation, logs = life.driver.client("cloudformation"), life.driver.client("logs")
    template = cloudformation.get_template(StackName=life.name)["TemplateBody"]
    texts = {"template": json.dumps(template), "terminal": "\n".join(life.operator.printed)}
    for function in FUNCTIONS:
        texts[f"{function.name}'s environment"] = json.dumps(life.variables(function.name))
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=life.names.log_group(function)
        )
        messages = [event["message"] for page in pages for event in page["events"]]
        texts[f"{function.name}'s log"] = "\n".join(messages)
    return texts


def assert_absent(values: dict[str, str], texts: dict[str, str]) -> None:
    """Assert that no value is in any of the texts. A failure shows names only."""
    found = [
        (name, where)
        for name, value in values.items()
        for where, text in texts.items()
        if value in text
    ]
    assert found == []


def delete(life: Life) -> None:
    """Delete the stack. Check the confirmation, the saved schedule and the remaining resources.

    Only the empty code bucket may remain, which this function deletes too.
    """
    asking = {"NONINTERACTIVE": ""}
    refused = life.operator.run("stack.delete", answer="no\n", **asking)
    assert "was left as it is" in refused.error[-60:]
    output = life.operator.output("stack.delete", answer=f"{life.name}\n", **asking)
    assert f"{life.name} is gone." in output
    saved = life.operator.checkout / f"{life.name}-schedule.csv"
    with saved.open(encoding="utf-8", newline="") as file:
        assert [line["OC Series"].rpartition("/")[2] for line in csv.DictReader(file)] == [SERIES]
    assert remains_of(life) == [f"bucket {life.name}-code"]
    life.driver.client("s3").delete_bucket(Bucket=f"{life.name}-code")
    assert f"There is no stack {life.name}" in life.operator.run("stack.status").error


def remains_of(life: Life) -> list[str]:
    """Return the resources that are named after the stack, and the files in its code bucket.

    The account's API role is left out.
    """
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
        named = [item for item in map(str, listed) if life.name in item]
        found += [f"{service} {item}" for item in named if "ApiCloudWatchRole" not in item]
    buckets = [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]]
    found += [f"bucket {name}" for name in buckets if name.startswith(life.name)]
    files = client("s3").list_objects_v2(Bucket=f"{life.name}-code").get("Contents", [])
    return found + [f"file {file['Key']}" for file in files]
