"""`invoke schedule.…`: the class schedule, by which recordings find their course."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from invoke import Collection, Context
from rich.console import Console

from ingester.errors import RequestError
from ingester.neighbours.tables import ScheduleTable
from ingester.schedule_import import CSV_SOURCE, ImportReport, Sheet, import_sheets
from ops.command import OpsError, command
from ops.target import changing, looking

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

MOST_SKIPPED = 20


def read_csv(path: Path) -> Sheet:
    """A CSV file as a sheet. OpsError if it can't be read as CSV in UTF-8 (with a BOM or not)."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, strict=True))
    except FileNotFoundError:
        raise OpsError(f"There is no file {path}.") from None
    except OSError as error:
        raise OpsError(f"{path} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise OpsError(
            f"{path} is not UTF-8 (byte {error.start}): export the sheet as CSV in UTF-8."
        ) from error
    except csv.Error as error:
        raise OpsError(f"{path} is not CSV: {error}.") from error
    return Sheet(path.name, f"{CSV_SOURCE}{path.name}", rows)


def import_csv(
    table: Table, path: Path, *, replace_all: bool = False, dry_run: bool = False
) -> ImportReport:
    """Replaces what came from a file of this name. OpsError says why nothing was changed."""
    try:
        return import_sheets(
            ScheduleTable(table), [read_csv(path)], replace_all=replace_all, dry_run=dry_run
        )
    except RequestError as error:
        raise OpsError(str(error)) from error


def count(number: int, thing: str) -> str:
    """`1 meeting`, `2 meetings`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def show(report: ImportReport, console: Console, *, dry_run: bool) -> None:
    """Prints what an import did."""
    plan = report.plan
    would = "would be " if dry_run else ""
    console.print(
        f"{count(report.meetings, 'meeting')} with {count(report.events, 'event')}: "
        f"{plan.added} {would}added, "
        f"{plan.changed} {would}changed, {plan.unchanged} unchanged, "
        f"{len(plan.delete)} {would}removed."
    )
    if report.skipped:
        console.print(f"Skipped, {len(report.skipped)} in all:")
    for one in report.skipped[:MOST_SKIPPED]:
        console.print(f"  {one}", markup=False)
    if len(report.skipped) > MOST_SKIPPED:
        console.print(f"  … and {len(report.skipped) - MOST_SKIPPED} more")


HELP = {
    "filepath": "the CSV file, exported from the sheet in UTF-8",
    "replace-all": "replace the whole schedule, not only what came from a file of this name",
    "dry-run": "only say what would change",
}


@command(name="csv-import", help=HELP, aliases=("import-csv",))
def csv_import(
    _context: Context, filepath: str, replace_all: bool = False, dry_run: bool = False
) -> None:
    """Import the class schedule from a CSV file."""
    target = looking() if dry_run else changing()
    table = target.table(target.names.schedule_table)
    report = import_csv(table, Path(filepath), replace_all=replace_all, dry_run=dry_run)
    show(report, Console(), dry_run=dry_run)


collection = Collection("schedule", csv_import)
