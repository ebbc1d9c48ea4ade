"""Tests of log subscription filters in the local cloud, and of the lines that they deliver."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from cdk.notifications import pattern
from ingester.alerts.subscription import batch_of
from local.deploy import Access
from local.subscription_filters import Deliveries, Line, SubscriptionFilter, envelope, matches
from tests.hooks import failing
from tests.local.processes_of import wait_for

ASSUME = {
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "lambda.amazonaws.com"},
        }
    ]
}
MAILER = """
import json, os, uuid

def handler(event, context):
    name = os.path.join(os.environ["FOLDER"], uuid.uuid4().hex)
    with open(name, "w") as file:
        json.dump(event, file)
    os.rename(name, name + ".json")
"""
TALKER = """
def handler(event, context):
    print(event["said"])
    if "raised" in event:
        raise KeyError(event["raised"])
"""
LATE = """
import os, subprocess

# A program that passes each line on after 0.3 s is between the function and the cloud.
PROGRAM = "while read -r line; do sleep 0.3; echo \\"$line\\"; done"
subprocess.Popen(["sh", "-c", PROGRAM], stdin=(pipe := os.pipe())[0], stdout=2)
os.dup2(pipe[1], 2)

def handler(event, context):
    for said in event["said"]:
        print(said)
"""
FILTER = SubscriptionFilter("/aws/lambda/f", "mail", "?ERROR", "arn")

Make = Callable[..., str]


@pytest.fixture(scope="module")
def make(access: Access) -> Make:
    """Return a function that creates a Lambda function and returns the ARN."""
    role = access.client("iam").create_role(
        RoleName="functions", AssumeRolePolicyDocument=json.dumps(ASSUME)
    )

    def make(name: str, code: str, **environment: str) -> str:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as file:
            file.writestr("code.py", code)
        made = access.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=role["Role"]["Arn"],
            Handler="code.handler",
            Code={"ZipFile": content.getvalue()},
            Environment={"Variables": environment},
        )
        return str(made["FunctionArn"])

    return make


@pytest.fixture(scope="module")
def mails(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mails")


@pytest.fixture(scope="module")
def mailer(make: Make, mails: Path) -> str:
    return make("mailer", MAILER, FOLDER=str(mails))


@pytest.fixture
def talker(access: Access, make: Make, mailer: str, mails: Path) -> Iterator[str]:
    """Delete old mails, and yield the name of a function to whose log `mailer` subscribes."""
    for old in mails.iterdir():
        old.unlink()
    name = f"talker{next(NUMBERS)}"
    make(name, TALKER)
    say(access, name, "nothing")
    access.client("logs").put_subscription_filter(
        logGroupName=f"/aws/lambda/{name}",
        filterName="mail",
        filterPattern=pattern("ERROR"),
        destinationArn=mailer,
    )
    yield name
    access.client("logs").delete_log_group(logGroupName=f"/aws/lambda/{name}")


NUMBERS = count()


def say(access: Access, function: str, said: str, **event: str) -> None:
    payload = json.dumps({"said": said, **event})
    access.client("lambda").invoke(FunctionName=function, Payload=payload)


def lines_in(folder: Path) -> list[list[str]]:
    batches = [batch_of(json.loads(file.read_text())) for file in folder.glob("*.json")]
    return sorted(batch.lines for batch in batches if batch)


def deliveries(access: Access) -> Deliveries:
    found = Deliveries(access.client("logs"), access.client("lambda"))
    found.look()
    return found


def test_log_line_that_matches_the_filter_is_delivered_once(
    access: Access, talker: str, mails: Path
) -> None:
    filters = deliveries(access)
    for said in ("INFO one", "ERROR two", "INFO three"):
        say(access, talker, said)
        filters.deliver()
    say(access, talker, "ERROR four")
    filters.deliver()
    wait_for(lambda: len(lines_in(mails)) >= 2)
    assert sorted(lines[1] for lines in lines_in(mails)) == ["ERROR four", "ERROR two"]


def test_log_of_an_invocation_has_the_lines_of_this_invocation_when_the_lines_arrive_late(
    access: Access, make: Make
) -> None:
    make("late", LATE)
    for said in (["one", "two"], ["three"]):
        access.client("lambda").invoke(FunctionName="late", Payload=json.dumps({"said": said}))
    streams: dict[str, list[str]] = defaultdict(list)
    for event in access.client("logs").filter_log_events(logGroupName="/aws/lambda/late")["events"]:
        streams[event["logStreamName"]].append(event["message"])
    assert [lines[1:-2] for lines in streams.values()] == [["one", "two"], ["three"]]


def test_log_of_a_crash_is_delivered_with_all_its_lines(
    access: Access, talker: str, mails: Path
) -> None:
    say(access, talker, "it begins", raised="a key")
    deliveries(access).deliver()
    wait_for(lambda: bool(lines_in(mails)))
    [lines] = lines_in(mails)
    assert "it begins" in lines
    assert "Traceback (most recent call last):" in lines
    assert "KeyError: 'a key'" in lines


def test_changed_filter_pattern_applies_to_later_log_lines(
    access: Access, talker: str, mailer: str, mails: Path
) -> None:
    filters = deliveries(access)
    say(access, talker, "INFO one, not two")
    filters.deliver()
    access.client("logs").put_subscription_filter(
        logGroupName=f"/aws/lambda/{talker}",
        filterName="mail",
        filterPattern="?two ?zwei",
        destinationArn=mailer,
    )
    filters.look()
    say(access, talker, "INFO two")
    filters.deliver()
    wait_for(lambda: bool(lines_in(mails)))
    assert [lines[1] for lines in lines_in(mails)] == ["INFO two"]


def test_removed_log_group_does_not_prevent_other_deliveries(
    access: Access, talker: str, mailer: str, mails: Path
) -> None:
    logs = access.client("logs")
    logs.create_log_group(logGroupName="/a")
    logs.put_subscription_filter(
        logGroupName="/a", filterName="a", filterPattern="?x ?y", destinationArn=mailer
    )
    filters = deliveries(access)
    logs.delete_log_group(logGroupName="/a")
    say(access, talker, "ERROR one")
    with pytest.raises(ExceptionGroup, match="Not every log was delivered"):
        filters.deliver()
    wait_for(lambda: bool(lines_in(mails)))
    filters.look()
    filters.deliver()


@pytest.mark.usefixtures("mailer")
def test_known_filters_stay_when_a_later_list_of_the_filters_fails(
    access: Access, talker: str, mails: Path
) -> None:
    logs = access.client("logs")
    filters = Deliveries(logs, access.client("lambda"))
    filters.look()
    with (
        failing(logs, "logs.DescribeSubscriptionFilters", "ThrottlingException"),
        pytest.raises(ClientError),
    ):
        filters.look()
    say(access, talker, "ERROR one")
    filters.deliver()
    wait_for(lambda: bool(lines_in(mails)))


def test_log_line_is_delivered_later_when_the_invocation_of_the_subscriber_fails(
    access: Access, talker: str, mails: Path
) -> None:
    logs, functions = access.client("logs"), access.client("lambda")
    filters = Deliveries(logs, functions)
    filters.look()
    early = {"logGroupName": f"/aws/lambda/{talker}", "logStreamName": "early"}
    logs.create_log_stream(**early)
    minute_ago = int(time.time() * 1000) - 60_000
    lines = [{"timestamp": minute_ago, "message": line} for line in ("START", "ERROR one")]
    logs.put_log_events(**early, logEvents=lines)
    say(access, talker, "INFO two")
    with (
        failing(functions, "lambda.Invoke", "TooManyRequestsException"),
        pytest.raises(ExceptionGroup),
    ):
        filters.deliver()
    filters.deliver()
    wait_for(lambda: bool(lines_in(mails)))
    assert [lines[1] for lines in lines_in(mails)] == ["ERROR one"]


@pytest.mark.parametrize("other", ["", "ERROR", "?ERROR -x", '{ $.level = "ERROR" }', "?x [a, b]"])
def test_filter_pattern_is_refused_when_it_does_not_consist_of_optional_words(other: str) -> None:
    with pytest.raises(ValueError, match="Not a pattern of optional words only"):
        matches(other, "ERROR")


def test_envelope_of_log_lines_can_be_read_by_the_function_log_notifications() -> None:
    line: Line = {"timestamp": 1, "message": "é\n", "logStreamName": "s"}
    batch = batch_of(envelope(FILTER, "s", [line]))
    assert batch is not None
    assert (batch.log_group, batch.log_stream, batch.lines) == ("/aws/lambda/f", "s", ["é\n"])
