"""Prepare the deletion of a stack: save its schedule, and empty its bucket."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ingester.schedule.table import IMPORT_LOCK
from ops.command import OpsError
from ops.csv_text import escaped
from ops.secrets import store
from ops.target import Target

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

COLUMNS = ("Course Code", "Type", "Day", "Start", "Meeting ID with Password", "OC Series")
"""The columns that the schedule's import reads."""


def save_schedule(table: Table, path: Path) -> int | None:
    """Write the schedule table to a CSV file that `schedule.csv-import` reads.

    Return the number of classes; None if the table is gone, after a deletion that failed half-way.

    Raises OpsError if the file exists with other content. It may be the only copy of an earlier
    schedule.
    """
    try:
        lines = [line for row in _rows(table) for line in _lines_of(row)]
    except ClientError as error:
        if error.response["Error"].get("Code") == "ResourceNotFoundException":
            return None
        raise
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(
        {name: escaped(cell) for name, cell in line.items()}
        for line in sorted(lines, key=lambda line: list(line.values()))
    )
    content = text.getvalue().encode()
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        # The same content is that of an interrupted deletion, which is now repeated.
        if path.read_bytes() != content:
            raise OpsError(f"{path} is there already: move it away, nothing was deleted.") from None
    return len(lines)


def has_leftovers(target: Target) -> bool:
    """Tell whether secrets or packages of a stack exist, with or without the stack itself."""
    if store.described(target.client("ssm"), target.names):
        return True
    s3, prefix = target.own_s3(), f"{target.place.stack_name}/"
    try:
        found = s3.list_objects_v2(Bucket=target.place.code_bucket, Prefix=prefix, MaxKeys=1)
    except s3.exceptions.NoSuchBucket:
        return False
    return bool(found.get("KeyCount"))


def _lines_of(row: dict[str, Any]) -> list[dict[str, str]]:
    try:
        return list(csv_lines(row))
    except (AttributeError, KeyError, TypeError) as error:
        raise OpsError(
            f"The schedule's row of meeting {row.get('zoom_series_id')} can't be read, so nothing "
            "was deleted: mend it or delete it in the schedule table."
        ) from error


def csv_lines(row: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yield a row of the schedule table as lines of the CSV, one for each of its classes.

    The first system's rows have course and series once for the whole meeting. A class with a source
    has its own course, or none.
    """
    for event in row.get("events", ()):
        shared = "" if event.get("source") else row.get("course_code", "")
        series = str(event.get("opencast_series_id") or row.get("opencast_series_id", ""))
        yield {
            "Course Code": str(event.get("course_code") or shared),
            "Type": str(event["title"]),
            "Day": str(event["day"]),
            "Start": str(event["time"]),
            "Meeting ID with Password": f"https://zoom.us/j/{row['zoom_series_id']}",
            # The import reads the series from a link's fragment.
            "OC Series": f"https://opencast/engage/ui/index.html#/{series}",
        }


def empty_bucket(s3: S3Client, bucket: str) -> None:
    """Delete every file and every unfinished upload of a bucket, if it exists."""
    try:
        _abort_uploads(s3, bucket)
        delete_below(s3, bucket, "")
    except ClientError as error:
        if error.response["Error"].get("Code") != "NoSuchBucket":
            raise


def _abort_uploads(s3: S3Client, bucket: str) -> None:
    for uploads in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in uploads.get("Uploads", ()):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


def delete_below(s3: S3Client, bucket: str, prefix: str) -> None:
    """Delete a bucket's files whose keys begin with `prefix`. Raises OpsError if S3 refuses."""
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
    """Yield the meetings, without an import's lock."""
    scan: dict[str, Any] = {"ConsistentRead": True}
    while True:
        page = table.scan(**scan)
        yield from (item for item in page["Items"] if item["zoom_series_id"] != IMPORT_LOCK)
        if "LastEvaluatedKey" not in page:
            return
        scan["ExclusiveStartKey"] = page["LastEvaluatedKey"]
