"""`invoke stack.…`: what is checked and done around the CDK's command line."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from cdk.settings import load
from ops import removal, stack
from ops.cdk_cli import CdkCli
from ops.command import OpsError
from tests.cloud import Cloud
from tests.infra.template import SETTINGS


def test_a_production_stack_asks_first() -> None:
    asked: list[str] = []

    def answer(text: str) -> str:
        asked.append(text)
        return "n"

    stack.confirm_production("zip-test", answer)
    assert asked == []
    with pytest.raises(OpsError, match="was left as it is"):
        stack.confirm_production("zip-prod", answer)
    assert asked == ["Change zip-prod? [y/N] "]
    stack.confirm_production("zip-prod", lambda _: " Y ")


def test_nobody_is_asked_if_noninteractive() -> None:
    assert stack.interactive({})
    assert stack.interactive({"NONINTERACTIVE": ""})
    assert not stack.interactive({"NONINTERACTIVE": "1"})


def test_a_code_bucket_that_isn_t_there_is_said(aws: Cloud) -> None:
    with pytest.raises(OpsError, match=r"LAMBDA_CODE_BUCKET zip-code can't be reached"):
        stack.check_code_bucket(aws.s3, "zip-code")
    aws.s3.create_bucket(Bucket="zip-code")
    stack.check_code_bucket(aws.s3, "zip-code")


def test_packages_for_another_processor_are_refused() -> None:
    settings = load({**SETTINGS, "LAMBDA_ARCHITECTURE": "x86_64"}, None)
    with pytest.raises(OpsError, match="LAMBDA_ARCHITECTURE is x86_64"):
        stack.prepare(settings, boto3.Session())


def test_packages_for_another_python_are_refused() -> None:
    settings = load({**SETTINGS, "LAMBDA_RUNTIME": "python3.14"}, None)
    with pytest.raises(OpsError, match=r"LAMBDA_RUNTIME is python3\.14"):
        stack.prepare(settings, boto3.Session())


def test_whether_a_stack_is_there() -> None:
    client = boto3.client(
        "cloudformation",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    with Stubber(client) as answers:
        answers.add_client_error(
            "describe_stacks", "ValidationError", "Stack with id zip does not exist", 400
        )
        assert not stack.exists(client, "zip")
        answers.add_response("describe_stacks", {"Stacks": []}, {"StackName": "zip"})
        assert stack.exists(client, "zip")
        answers.add_client_error("describe_stacks", "AccessDenied", "not authorized", 403)
        with pytest.raises(ClientError, match="not authorized"):
            stack.exists(client, "zip")


def test_the_command_line_gets_region_and_profile_of_the_settings() -> None:
    settings = load({**SETTINGS, "AWS_REGION": "eu-west-1", "AWS_PROFILE": "dce"}, None)
    cli = stack.cli_for(settings, {"PATH": "/bin", "AWS_REGION": "us-east-1"})
    assert cli.environment == {
        "PATH": "/bin",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_PROFILE": "dce",
    }


def test_a_failing_command_line_says_where_to_look(tmp_path: Path) -> None:
    cli = CdkCli({"PATH": "/usr/local/bin:/usr/bin:/bin"}, output=tmp_path / "out", home=tmp_path)
    with (tmp_path / "log").open("wb") as log, pytest.raises(OpsError, match=str(tmp_path)):
        cli.run("no-such-command", log=log)


def test_the_schedule_is_saved_as_the_import_reads_it(aws: Cloud, tmp_path: Path) -> None:
    events = [
        {"day": "M", "time": "9:30", "title": "Lecture", "course_code": "CSCI E-1"}
        | {"opencast_series_id": "20270112345"},
        {"day": "F", "time": "14:00", "title": "Section", "course_code": "CSCI E-2"}
        | {"opencast_series_id": "20270154321"},
    ]
    aws.schedule.put_item(Item={"zoom_series_id": "86168921331", "events": events})
    first_system = {"day": "T", "time": "20:00", "title": "Lecture"}
    aws.schedule.put_item(
        Item={
            "zoom_series_id": "9999999999",
            "opencast_series_id": Decimal(20270199999),
            "course_code": "HIST, \u00e9",
            "events": [first_system],
        }
    )
    aws.schedule.put_item(Item={"zoom_series_id": "1"})
    path = tmp_path / "schedule.csv"
    assert removal.save_schedule(aws.schedule, path) == 3
    with path.open(encoding="utf-8", newline="") as file:
        lines = sorted(csv.DictReader(file), key=lambda line: line["OC Series"])
    assert [line["OC Series"].partition("#/")[2] for line in lines] == [
        "20270112345",
        "20270154321",
        "20270199999",
    ]
    assert lines[2] == {
        "Course Code": "HIST, \u00e9",
        "Type": "Lecture",
        "Day": "T",
        "Start": "20:00",
        "Meeting ID with Password": "https://zoom.us/j/9999999999",
        "OC Series": "https://opencast/engage/ui/index.html#/20270199999",
    }
    with pytest.raises(OpsError, match="is there already"):
        removal.save_schedule(aws.schedule, path)


def test_a_bucket_is_emptied_unfinished_uploads_too(aws: Cloud) -> None:
    for number in range(1005):
        aws.s3.put_object(Bucket=aws.bucket, Key=f"{number}", Body=b"")
    aws.s3.create_multipart_upload(Bucket=aws.bucket, Key="unfinished")
    removal.empty_bucket(aws.s3, aws.bucket)
    aws.s3.delete_bucket(Bucket=aws.bucket)
    assert aws.bucket not in [bucket["Name"] for bucket in aws.s3.list_buckets()["Buckets"]]
