"""Tests of `schedule.list`, `schedule.export`, `stack.list` and strict imports."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import boto3
import pytest
from invoke import Exit

from ops.schedule.commands import exit_if_strict, import_csv
from ops.schedule.export import save_schedule
from ops.schedule.files import read_csv
from tests.cloud import REGION, Cloud
from tests.command_line import ROW, SHEET, invoke

UNLINKED = ROW.replace("https://zoom.us/j/123", "no")


@pytest.mark.usefixtures("shell_of_stack")
def test_schedule_list_and_schedule_export_show_the_imported_scheduled_classes(
    tmp_path: Path,
) -> None:
    path = tmp_path / "fall.csv"
    path.write_text(SHEET + ROW)
    assert invoke("schedule.csv-import", str(path)).code == 0
    listed = json.loads(invoke("schedule.list", "--meeting=123", "--json").out)
    assert [(row["course"], row["day"], row["series"]) for row in listed] == [
        ("HIST E-1", "M", "20260112345")
    ]
    assert "csv:fall.csv" in invoke("schedule.list").out
    assert "no such class" in invoke("schedule.list", "--meeting", "124").out
    saved = tmp_path / "saved.csv"
    assert invoke("schedule.export", str(saved)).code == 0
    assert "HIST E-1,Lecture,M,9:30" in saved.read_text()
    again = invoke("schedule.export", str(saved))
    assert (again.code, again.err) == (0, "")


@pytest.mark.usefixtures("shell_of_stack")
def test_schedule_list_has_a_note_beside_a_scheduled_class_that_gets_no_recordings(
    tmp_path: Path,
) -> None:
    path = tmp_path / "fall.csv"
    path.write_text(SHEET + ROW + ROW.replace("HIST", "ARTS").replace("12345", "54321"))
    assert invoke("schedule.csv-import", str(path)).code == 0
    listed = json.loads(invoke("schedule.list", "--json").out)
    assert [(row["course"], row["note"]) for row in listed] == [
        ("HIST E-1", ""),
        ("ARTS E-1", "gets no recordings"),
    ]
    assert "note" in invoke("schedule.list").out
    path.write_text(SHEET + ROW)
    assert invoke("schedule.csv-import", str(path)).code == 0
    assert "note" not in invoke("schedule.list").out


@pytest.mark.usefixtures("shell_of_stack", "aws")
def test_invoke_stack_list_prints_the_stack_of_the_settings_and_then_the_other_stacks() -> None:
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {
            "Id": {"Value": "x", "Export": {"Name": "zip-other-webhook-resource-id"}},
            "Else": {"Value": "x", "Export": {"Name": "something-else"}},
        },
    }
    cloudformation = boto3.client("cloudformation", REGION)
    cloudformation.create_stack(StackName="zip-other", TemplateBody=json.dumps(template))
    assert invoke("stack.list").out.split() == ["test", "zip-other"]


@pytest.mark.parametrize(
    ("strict", "text", "ends"),
    [
        (True, SHEET + ROW + UNLINKED, True),
        (False, SHEET + ROW + UNLINKED, False),
        (True, SHEET + ROW, False),
        (True, SHEET + ROW.replace("9:30", "1:30"), False),
    ],
)
def test_a_schedule_import_fails_only_when_it_is_strict_and_skipped_a_row(
    aws: Cloud, tmp_path: Path, text: str, *, strict: bool, ends: bool
) -> None:
    path = tmp_path / "fall.csv"
    path.write_text(text)
    report = import_csv(aws.schedule, read_csv(path))
    with pytest.raises(Exit) if ends else nullcontext() as ended:
        exit_if_strict(report, strict=strict)
    assert ended is None or ended.value.code == 1


def test_an_exported_schedule_can_be_imported_again(aws: Cloud, tmp_path: Path) -> None:
    path = tmp_path / "fall.csv"
    path.write_text(SHEET + ROW)
    import_csv(aws.schedule, read_csv(path))
    assert save_schedule(aws.schedule, tmp_path / "saved.csv") == 1
    report = import_csv(aws.schedule, read_csv(tmp_path / "saved.csv"), dry_run=True)
    assert (report.meetings, report.classes) == (1, 1)
