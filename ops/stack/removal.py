"""What has to be done before a stack can go: its schedule saved, its bucket emptied."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.command import OpsError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

COLUMNS = ("Course Code", "Type", "Day", "Start", "Meeting ID with Password", "OC Series")
"""As the schedule's import reads them."""


def save_schedule(table: Table, path: Path) -> int:
    """Write the schedule table to a CSV file that `schedule.csv-import` takes.

    Returns how many classes it holds. OpsError if the file is there already: it may be the only
    copy of an earlier one.
    """
    lines = [line for row in _rows(table) for line in csv_lines(row)]
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(lines)
    except FileExistsError:
        raise OpsError(f"{path} is there already: move it away, nothing was deleted.") from None
    return len(lines)


def csv_lines(row: dict[str, Any]) -> Iterator[dict[str, str]]:
    """A row of the schedule table as lines of the CSV, one for each of its classes.

    Rows of the first system have course and series once for the whole meeting.
    """
    for event in row.get("events", ()):
        series = str(event.get("opencast_series_id") or row.get("opencast_series_id", ""))
        yield {
            "Course Code": str(event.get("course_code") or row.get("course_code", "")),
            "Type": str(event["title"]),
            "Day": str(event["day"]),
            "Start": str(event["time"]),
            "Meeting ID with Password": f"https://zoom.us/j/{row['zoom_series_id']}",
            # The import takes the series from a link's fragment.
            "OC Series": f"https://opencast/engage/ui/index.html#/{series}",
        }


def empty_bucket(s3: S3Client, bucket: str) -> None:
    """Delete every file and every unfinished upload of a bucket."""
    for uploads in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in uploads.get("Uploads", ()):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    delete_below(s3, bucket, "")


def delete_below(s3: S3Client, bucket: str, prefix: str) -> None:
    """Delete the files of a bucket whose keys begin with `prefix`. OpsError if S3 refuses one."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        keys: list[ObjectIdentifierTypeDef] = [
            {"Key": file["Key"]} for file in page.get("Contents", ())
        ]
        if keys:
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
            refused = answer.get("Errors", [])
            if refused:
                raise OpsError(f"{bucket} can't be emptied: {refused[0].get('Message')}.")


def _rows(table: Table) -> Iterator[dict[str, Any]]:
    answer = table.scan()
    yield from answer["Items"]
    while "LastEvaluatedKey" in answer:
        answer = table.scan(ExclusiveStartKey=answer["LastEvaluatedKey"])
        yield from answer["Items"]
