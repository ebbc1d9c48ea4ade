"""Tests of `invoke stack.…`."""

from __future__ import annotations

import csv
import re
import stat
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest

from cdk.names import Names
from cdk.settings import load
from cdk.stack_location import Place
from ingester.schedule.table import IMPORT_LOCK
from ops.code.wheels import host, lambda_
from ops.command import OpsError
from ops.schedule import export
from ops.stack import commands as stack
from ops.stack import removal
from ops.stack.cdk_cli import CdkCli
from ops.target import target_of
from tests.cloud import REGION, Cloud
from tests.command_line import invoke
from tests.infra.template import SETTINGS


def test_error_names_the_code_bucket_when_the_bucket_is_missing(
    aws: Cloud,
) -> None:
    with pytest.raises(OpsError, match=r"LAMBDA_CODE_BUCKET zip-code can't be reached"):
        stack.check_code_bucket(aws.s3, "zip-code")
    aws.s3.create_bucket(Bucket="zip-code")
    stack.check_code_bucket(aws.s3, "zip-code")


@pytest.mark.parametrize(
    ("name", "value"), [("LAMBDA_ARCHITECTURE", "x86_64"), ("LAMBDA_RUNTIME", "python3.14")]
)
def test_platform_of_packages_is_refused_when_it_does_not_fit_the_settings(
    name: str, value: str
) -> None:
    settings = load({**SETTINGS, name: value}, None)
    with pytest.raises(OpsError, match=f"{name} is {value}"):
        stack.check_platform(settings, lambda_())
    stack.check_platform(settings, host())


def test_the_code_bucket_is_created_once_and_not_public(aws: Cloud) -> None:
    assert stack.ensure_code_bucket(aws.s3, "zip-code", "us-east-1")
    assert not stack.ensure_code_bucket(aws.s3, "zip-code", "us-east-1")
    blocked = aws.s3.get_public_access_block(Bucket="zip-code")["PublicAccessBlockConfiguration"]
    assert all(blocked.values())


def test_the_code_bucket_is_not_created_when_only_the_first_check_of_the_bucket_is_refused(
    aws: Cloud,
) -> None:
    aws.s3.create_bucket(Bucket="zip-code")
    refused = SimpleNamespace(status_code=403), {"Error": {"Code": "403", "Message": "Forbidden"}}
    answers = iter([refused])
    aws.s3.meta.events.register("before-call.s3.HeadBucket", lambda **_: next(answers, None))
    assert not stack.ensure_code_bucket(aws.s3, "zip-code", "us-east-1")
    assert next(answers, None) is None


def test_the_cdk_cli_gets_region_and_profile_of_the_settings() -> None:
    settings = load({**SETTINGS, "AWS_REGION": "eu-west-1", "AWS_PROFILE": "dce"}, None)
    cli = stack.cli_for(settings, {"PATH": "/bin", "AWS_REGION": "us-east-1"})
    assert cli.environment == {
        "PATH": "/bin",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_PROFILE": "dce",
    }


def test_the_error_of_a_failed_cdk_cli_names_the_log(tmp_path: Path) -> None:
    cli = CdkCli({"PATH": "/usr/local/bin:/usr/bin:/bin"}, output=tmp_path / "out", home=tmp_path)
    path = tmp_path / "log"
    with path.open("wb") as log, pytest.raises(OpsError, match=re.escape(f"said: {path}") + "$"):
        cli.run("no-such-command", log=log)


def test_saving_the_schedule_writes_a_private_csv_file_and_overwrites_no_other_content(
    aws: Cloud, tmp_path: Path
) -> None:
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
    assert export.save_schedule(aws.schedule, path) == 3
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
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # A repeated deletion accepts a file with the same content, and refuses any other file.
    assert export.save_schedule(aws.schedule, path) == 3
    aws.schedule.delete_item(Key={"zoom_series_id": "9999999999"})
    with pytest.raises(OpsError, match="is there already"):
        export.save_schedule(aws.schedule, path)


def test_a_scheduled_class_without_a_course_is_saved_without_the_course_of_its_meeting() -> None:
    nameless = {"day": "M", "time": "9:30", "title": "Lecture", "source": "sheet:Fall"}
    row = {"zoom_series_id": "7", "course_code": "CSCI E-7", "events": [nameless]}
    assert [line["Course Code"] for line in export.csv_lines(row)] == [""]


def test_an_import_lock_is_not_saved_as_a_scheduled_class(aws: Cloud, tmp_path: Path) -> None:
    # The row of an import's lock may contain anything.
    aws.schedule.put_item(Item={"zoom_series_id": IMPORT_LOCK, "events": "none", "ends": 1})
    assert export.save_schedule(aws.schedule, tmp_path / "schedule.csv") == 0


def test_saving_the_schedule_fails_and_writes_no_file_when_a_row_cannot_be_read(
    aws: Cloud, tmp_path: Path
) -> None:
    aws.schedule.put_item(Item={"zoom_series_id": "7", "events": "no"})
    with pytest.raises(OpsError, match=r"row of meeting 7 can't be read, so nothing was changed"):
        export.save_schedule(aws.schedule, tmp_path / "schedule.csv")
    assert not (tmp_path / "schedule.csv").exists()


def test_emptying_a_bucket_deletes_files_and_unfinished_uploads(aws: Cloud) -> None:
    for number in range(1005):
        aws.s3.put_object(Bucket=aws.bucket, Key=f"{number}", Body=b"")
    aws.s3.create_multipart_upload(Bucket=aws.bucket, Key="unfinished")
    removal.empty_bucket(aws.s3, aws.bucket)
    aws.s3.delete_bucket(Bucket=aws.bucket)
    assert aws.bucket not in [bucket["Name"] for bucket in aws.s3.list_buckets()["Buckets"]]


def test_saving_the_schedule_and_emptying_a_bucket_do_nothing_when_table_and_bucket_are_gone(
    aws: Cloud, tmp_path: Path
) -> None:
    aws.schedule.delete()
    aws.s3.delete_bucket(Bucket=aws.bucket)
    path = tmp_path / "schedule.csv"
    assert export.save_schedule(aws.schedule, path) is None
    assert not path.exists()
    removal.empty_bucket(aws.s3, aws.bucket)


def test_a_dry_run_of_a_stack_deletion_lists_what_it_would_delete_and_keep(
    aws: Cloud, shell_of_stack: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {**SETTINGS, "STACK_NAME": "test", "AWS_REGION": REGION}.items():
        shell_of_stack.setenv(name, value)
    shell_of_stack.chdir(tmp_path)
    code = SETTINGS["LAMBDA_CODE_BUCKET"]
    aws.s3.create_bucket(Bucket=code)
    aws.s3.put_object(Bucket=code, Key="test/zoom-webhook.zip", Body=b"")
    aws.s3.put_object(Bucket=aws.bucket, Key="1/video.mp4", Body=b"")
    aws.sqs.send_message(QueueUrl=aws.download_dlq, MessageBody="{}")
    secret = Names("test").secret("ZOOM_CLIENT_SECRET")
    aws.ssm.put_parameter(Name=secret, Value="x", Type="SecureString")
    done = invoke("stack.delete", "--dry-run")
    assert done.code == 0, done
    listed = [" ".join(line.split()) for line in done.out.splitlines()]
    for line in (
        "stack test 1 resources",
        "AWS::SNS::Topic 1",
        "messages in test-download-dlq 1",
        f"files in s3://{aws.bucket} 1",
        f"packages in s3://{code}/test/ 1",
        f"secrets below {Names('test').secrets_path} ZOOM_CLIENT_SECRET",
        "Would be saved before: the schedule, in test-schedule.csv",
    ):
        assert line in listed
    assert f"Would stay: the bucket {code}, the CSV file, and the role" in done.out
    assert removal.has_leftovers(target_of(Place("test", code, "live", REGION, "")))
    assert aws.s3.list_objects_v2(Bucket=aws.bucket)["KeyCount"] == 1
    assert not list(tmp_path.iterdir())
