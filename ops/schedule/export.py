"""Export the schedule table as a CSV file that `schedule.csv-import` reads."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ingester.schedule.table import IMPORT_LOCK
from ops.command import OpsError
from ops.csv_text import escaped

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

COLUMNS = ("Course Code", "Type", "Day", "Start", "Meeting ID with Password", "OC Series")
"""The columns that the schedule's import reads."""


def save_schedule(table: Table, path: Path) -> int | None:
    """Write the schedule table to a CSV file that `schedule.csv-import` reads.

    Only the owner may read a new file. Return the number of scheduled classes, or None if the
    table is gone after an incomplete deletion.

    Raises:
        OpsError: A row of the table can't be read, or the file exists with other content, which may
            be the only copy of an earlier schedule.
        ClientError: DynamoDB refuses the request for another reason than a missing table.
        OSError: The file can't be read or written.
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
        # Only the owner may read the file, because it says when and in which meetings people teach.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    except FileExistsError:
        # A repeated deletion finds the file with the same content if the first was interrupted.
        if path.read_bytes() != content:
            raise OpsError(f"{path} is there already: move it away, nothing was changed.") from None
    return len(lines)


def _lines_of(row: dict[str, Any]) -> list[dict[str, str]]:
    try:
        return list(csv_lines(row))
    except (AttributeError, KeyError, TypeError) as error:
        raise OpsError(
            f"The schedule's row of meeting {row.get('zoom_series_id')} can't be read, so nothing "
            "was changed: correct it or delete it in the schedule table."
        ) from error


def csv_lines(row: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yield a row of the schedule table as lines of the CSV: a line for each scheduled class.

    The first system's rows have one course and one series for the whole meeting. Each scheduled
    class with a source has a separate course, or no course.

    Raises:
        AttributeError, KeyError, TypeError: The row is malformed.
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
            # The import reads the series from the fragment of a link.
            "OC Series": f"https://opencast/engage/ui/index.html#/{series}",
        }


def _rows(table: Table) -> Iterator[dict[str, Any]]:
    """Yield the rows of meetings, without the row that is an import's lock."""
    scan: dict[str, Any] = {"ConsistentRead": True}
    while True:
        page = table.scan(**scan)
        yield from (item for item in page["Items"] if item["zoom_series_id"] != IMPORT_LOCK)
        if "LastEvaluatedKey" not in page:
            return
        scan["ExclusiveStartKey"] = page["LastEvaluatedKey"]
