"""The commands `invoke schedule.*` and `invoke migrate` on the local stack."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from cdk.names import GOOGLE_CREDENTIALS, Names
from local.authority import Authority
from local.driver import Driver
from local.state import State
from tests.class_listing import ClassListing, class_listing, listed
from tests.cloud import plain
from tests.e2e.operator import Operator
from tests.e2e.stack import Stack

PASSWORD = "OPENCAST_API_PASSWORD"
KEYS = {"schedule": "zoom_series_id", "recording-events": "zoom_uuid", "pipeline-status": "zip_id"}


@pytest.fixture
def meeting(driver: Driver) -> Iterator[str]:
    """Yield an unused meeting number, and delete its row in the schedule after the test."""
    number = str(2 * 10**10 + uuid.uuid4().int % 10**9)
    yield number
    driver.table("schedule").delete_item(Key={"zoom_series_id": number})


def classes_of(driver: Driver, meeting: str) -> list[dict[str, Any]]:
    """Return a meeting's scheduled classes, and assert that the meeting has no empty row."""
    item = driver.table("schedule").get_item(Key={"zoom_series_id": meeting}).get("Item")
    assert item is None or item["events"]
    return list(plain(item)["events"]) if item else []


def days_of(driver: Driver, meeting: str) -> list[str]:
    """Return the days of a meeting's scheduled classes."""
    return [scheduled["day"] for scheduled in classes_of(driver, meeting)]


def test_schedule_commands_import_and_remove_scheduled_classes_and_say_what_they_change(
    operator: Operator, driver: Driver, meeting: str, tmp_path: Path
) -> None:
    path = tmp_path / f"{meeting}.json"
    first = {"zoom_series_id": meeting, "opencast_series_id": "2026", "course_code": "HIST"}
    first["events"] = [{"day": "M", "time": "9:30", "title": "Lecture"}]  # type: ignore[assignment]
    path.write_text(json.dumps([first, {"zoom_series_id": "x"}]))
    output = operator.output("schedule.import-json", str(path), "--dry-run")
    assert output.splitlines() == [
        (
            "1 meeting with 1 event: 1 would be added, 0 would be changed, 0 unchanged, "
            "0 would be removed. 1 row skipped."
        ),
        "Would be added, 1 in all:",
        f"  {meeting}: HIST (2026) M 9:30 Lecture",
        "Skipped rows, 1 in all:",
        f"  {path.name} row 2: zoom_series_id is no meeting's number",
    ]
    assert days_of(driver, meeting) == []
    assert "1 added" in operator.output("schedule.import_json", str(path))
    assert days_of(driver, meeting) == ["M"]

    sheet = tmp_path / f"{meeting}.csv"
    sheet.write_text(
        "Course Code,Type,Day,Start,Meeting ID with Password,OC Series\n"
        f"CSCI,Section,F,14:00,https://zoom.us/j/{meeting}?pwd=x,https://oc/#/2027\n"
    )
    output = operator.output("schedule.import-csv", str(sheet), "--dry-run")
    assert f"  {meeting}: + CSCI (2027) F 14:00 Section" in output.splitlines()
    operator.output("schedule.import-csv", str(sheet))
    assert days_of(driver, meeting) == ["F", "M"]
    output = operator.output("schedule.remove", f"json:{path.name}", "--dry-run")
    assert f"  {meeting}: - HIST (2026) M 9:30 Lecture" in output.splitlines()
    operator.output("schedule.remove", f"json:{path.name}")
    assert days_of(driver, meeting) == ["F"]
    operator.output("schedule.remove", "--source", f"csv:{sheet.name}")
    assert days_of(driver, meeting) == []
    refused = operator.run("schedule.remove", f"csv:{sheet.name}")
    assert f"from csv:{sheet.name}, so nothing" in refused.error
    path.write_text('[{"zoom_series_id": 1,}]')
    # The column number's second digit depends on the version of Python.
    assert "is not JSON: line 1, column 2" in operator.run("schedule.import-json", str(path)).error


@pytest.fixture
def listing(state: State, driver: Driver, tls: Authority) -> Iterator[ClassListing]:
    """Yield a stand-in for Opencast's list of scheduled classes, with the password from SSM."""
    ssm = driver.client("ssm")
    name = Names(state.stack_name).secret(PASSWORD)
    password = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    with class_listing(tls, "zip-operator", password) as made:
        yield made


def test_the_oc_import_command_signs_in_with_the_password_in_ssm_and_imports_scheduled_classes(
    operator: Operator, driver: Driver, meeting: str, listing: ClassListing, tls: Authority
) -> None:
    command = ("schedule.oc-import", "--endpoint", listing.url)
    # The shell has an old password, but the command has to use the password in SSM.
    shell = {"OPENCAST_API_USER": "zip-operator", PASSWORD: "an-old-one"}
    shell["REQUESTS_CA_BUNDLE"] = str(tls.ca_bundle)
    output = operator.output(*command, **shell)
    assert f"{listing.host} lists no classes: nothing was changed." in output
    listing.classes = [listed(int(meeting), day="Tu Th"), listed(day="never")]
    output = operator.output(*command, "--dry-run", **shell)
    assert f"  {meeting}: HIST E-1010 (20260112345) T 14:30 Lecture, R 14:30 Lecture" in output
    assert f"  {listing.host} row 2: HIST E-1010: day 'never' is none that is known" in output
    assert classes_of(driver, meeting) == []
    operator.output(*command, **shell)
    sources = [scheduled["source"] for scheduled in classes_of(driver, meeting)]
    assert sources == [f"oc:{listing.host}"] * 2
    refused = operator.run(*command, **{**shell, "OPENCAST_API_USER": "nobody"})
    assert f"{listing.host} refuses nobody (401)" in refused.error
    assert "an-old-one" not in "".join(operator.printed)
    assert "topsecret" not in "".join(operator.printed)


def test_the_save_creds_command_stores_a_google_key_in_ssm_and_refuses_a_key_that_is_not_in_pem(
    operator: Operator, driver: Driver, tmp_path: Path
) -> None:
    ssm = driver.client("ssm")
    path = tmp_path / "key.json"
    key = {
        "type": "service_account",
        "client_email": "zip@zip.iam.gserviceaccount.com",
        "private_key": "-----BEGIN PRIVATE KEY-----\nsecretsecret\n-----END PRIVATE KEY-----\n",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    before = ssm.get_parameter(Name=GOOGLE_CREDENTIALS, WithDecryption=True)["Parameter"]["Value"]
    try:
        path.write_text(json.dumps(key))
        output = operator.output("schedule.save-creds", "-f", str(path))
        assert f"The key is in SSM, {GOOGLE_CREDENTIALS}" in output
        assert "Share the sheet with zip@zip.iam.gserviceaccount.com" in output
        kept = ssm.get_parameter(Name=GOOGLE_CREDENTIALS, WithDecryption=True)["Parameter"]
        assert (kept["Type"], json.loads(kept["Value"])) == ("SecureString", key)
        path.write_text(json.dumps({**key, "private_key": "secretsecret"}))
        refused = operator.run("schedule.save-creds", "-f", str(path))
        assert "its private_key is none in PEM" in refused.error
        assert "secretsecret" not in "".join(operator.printed)
    finally:
        ssm.put_parameter(Name=GOOGLE_CREDENTIALS, Value=before, Overwrite=True)


@pytest.fixture
def older(driver: Driver) -> Iterator[str]:
    """Yield the name of an older stack, whose tables exist during the test."""
    dynamodb = driver.client("dynamodb")
    name = f"older-{uuid.uuid4().hex[:8]}"
    for table, key in KEYS.items():
        dynamodb.create_table(
            TableName=f"{name}-{table}",
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    yield name
    for table in KEYS:
        dynamodb.delete_table(TableName=f"{name}-{table}")


def put(driver: Driver, table: str, item: dict[str, Any]) -> None:
    """Put an item into the table with the full name `table`."""
    serialize = TypeSerializer().serialize
    typed = {name: serialize(value) for name, value in item.items()}
    driver.client("dynamodb").put_item(TableName=table, Item=typed)


def test_the_migrate_command_copies_rows_of_an_older_stack_once_so_nothing_is_ingested_twice(
    operator: Operator, stack: Stack, driver: Driver, older: str, meeting: str
) -> None:
    now = datetime.now(UTC)
    recording = stack.lecture(scheduled=False)
    zip_id = f"auto-ingest-{recording.uuid}"
    put(
        driver,
        f"{older}-schedule",
        {"zoom_series_id": meeting, "opencast_series_id": "2026", "course_code": "HIST"},
    )
    status = {
        "zip_id": zip_id,
        "meeting_id": recording.meeting_id,
        "recording_id": recording.uuid,
        "topic": "HIST E-1010",
        "recording_start_time": "2026-10-14T15:00:00Z",
        "origin": "webhook_notification",
        "pipeline_state": "SENT_TO_OPENCAST",
        "update_date": f"{now:%Y-%m-%d}",
        "update_time": now.hour * 3600 + now.minute * 60,
        "expiration": int((now + timedelta(days=7)).timestamp()),
    }
    put(driver, f"{older}-pipeline-status", status)
    event = {"event": "recording.started", "timestamp": 10}
    put(
        driver,
        f"{older}-recording-events",
        {"zoom_uuid": recording.uuid, "recording_event_times": [event]},
    )
    rows = {
        "pipeline-status": {"zip_id": zip_id},
        "recording-events": {"zoom_uuid": recording.uuid},
    }
    try:
        assert _counts(operator.output("migrate", "--from", older, "--dry-run")) == ["1 0 0"] * 3
        assert _counts(operator.output("migrate", "--from", older)) == ["1 0 0"] * 3
        assert (
            _counts(operator.output("migrate", f"--from={older}", "--days", "3")) == ["0 1 0"] * 3
        )
        # The older stack has ingested the recording, so the newer stack must not ingest it again.
        stack.send_completed(recording)
        found = driver.table("pipeline-status").get_item(Key={"zip_id": zip_id})["Item"]
        assert plain(found) == status
    finally:
        for table, key in rows.items():
            driver.table(table).delete_item(Key=key)
    nobody = operator.run("migrate", "--from", "nobody-zip").error
    assert "There is no table nobody-zip-schedule, nobody-zip-recording-events" in nobody
    assert "set STACK_NAME to the new one" in operator.run("migrate", driver.state.stack_name).error


def _counts(output: str) -> list[str]:
    """Return the counts of copied, existing and skipped rows of each table except the ledger."""
    names = ("schedule", "recording events", "status")
    lines = [" ".join(line.split()) for line in output.splitlines()]
    return [
        line.removeprefix(f"{name} ")
        for name in names
        for line in lines
        if line.startswith(f"{name} ")
    ]
