"""The commands `invoke schedule.…`, for the class schedule and the Google Sheet's key."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from invoke import Collection, Context, Exit

from cdk import opencast
from cdk.names import GOOGLE_CREDENTIALS
from cdk.settings_reader import given_settings
from ingester.errors import RequestError
from ingester.schedule.importer import ImportReport, Sheet, import_parsed, import_sheets
from ingester.schedule.lock import COMMAND_SECONDS, ScheduleLock
from ingester.schedule.model import ReplacedSources
from ingester.schedule.parsed import ParsedSheet
from ingester.schedule.report import terminal_lines, terminal_removal_lines
from ingester.schedule.table import ScheduleTable
from ingester.schedule.wording import NO_RECORDINGS, source_name
from ops import arguments, terminal
from ops.command import OpsError, command
from ops.printable import printable
from ops.schedule import google_key, oc_import, sources
from ops.schedule.export import save_schedule
from ops.schedule.files import read_csv, read_json
from ops.secrets import store as secrets
from ops.target import (
    ENV_FILE,
    Target,
    announce,
    ask_on_terminal,
    configured_target,
    confirm_production,
    existing_target,
    may_ask,
    target_to_change,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


def import_csv(
    table: Table, sheet: Sheet, *, replace_all: bool = False, dry_run: bool = False
) -> ImportReport:
    """Import a sheet in place of the scheduled classes from the same source. Return a report.

    A row that can't be read keeps its scheduled class. With `replace_all`, the sheet replaces the
    scheduled classes from every source. A dry run writes nothing.

    Raises:
        OpsError: The import failed, and nothing was changed.
        ScheduleUnreadable: A row of the table can't be parsed. Nothing was changed.
    """
    with _schedule_locked(table, dry_run=dry_run):
        replaced = ReplacedSources(every=replace_all)
        return import_sheets(ScheduleTable(table), [sheet], replaced, dry_run=dry_run)


def import_classes(
    table: Table, parsed: ParsedSheet, *, replace_all: bool = False, dry_run: bool = False
) -> ImportReport:
    """Import scheduled classes in place of those from the same source. Return a report.

    A row that can't be read keeps its scheduled class. With `replace_all`, the import replaces the
    scheduled classes from every source. A dry run writes nothing.

    Raises:
        OpsError: The import failed, and nothing was changed.
        ScheduleUnreadable: A row of the table can't be parsed. Nothing was changed.
    """
    with _schedule_locked(table, dry_run=dry_run):
        replaced = ReplacedSources(names=frozenset({parsed.source}), every=replace_all)
        return import_parsed(ScheduleTable(table), [parsed], replaced, dry_run=dry_run)


def remove_source(table: Table, source: str, *, dry_run: bool = False) -> ImportReport:
    """Remove the scheduled classes of `source`, and return a report. A dry run writes nothing.

    Raises:
        OpsError: See `sources.remove`; or somebody else is changing the schedule.
        ScheduleUnreadable: See `sources.remove`.
    """
    with _schedule_locked(table, dry_run=dry_run):
        return sources.remove(ScheduleTable(table), source, dry_run=dry_run)


@contextmanager
def _schedule_locked(table: Table, *, dry_run: bool) -> Iterator[None]:
    """Hold the schedule's lock during the `with` block, unless `dry_run`.

    Raises:
        OpsError: Somebody else is changing the schedule, or the `with` block raised RequestError.
    """
    lock = ScheduleLock(table, lambda: datetime.now(UTC), COMMAND_SECONDS)
    try:
        with nullcontext() if dry_run else lock.held():
            yield
    except RequestError as error:
        raise OpsError(str(error)) from error


def show(report: ImportReport, *, dry_run: bool) -> None:
    """Print the report of an import or of a dry run."""
    for line in terminal_lines(report, dry_run=dry_run):
        terminal.say(line)
    for source, count in sorted(report.repeats.items()):
        name = source or sources.FIRST_SYSTEM_NAME
        terminal.say(
            f"{name} has {count} of these events too, which a later import from here won't change. "
            f"`invoke schedule.remove {shlex.quote(name)}` removes all events of {name}."
        )


def schedule_of(target: Target) -> Table:
    """Return the stack's schedule table."""
    table: Table = target.table(target.names.schedule_table)
    return table


def _endpoint(target: Target, address: str | None, path: str) -> oc_import.Endpoint:
    """Return the endpoint of the listing in DCE's Opencast, with the stack's user.

    If `address` is None, the endpoint is in the stack's own Opencast. The password comes from SSM,
    or from the settings if SSM has no password.

    Raises:
        OpsError: See `oc_import.endpoint_of`.
        SettingsError: `.env` or the cache of Opencast's location isn't UTF-8.
        ClientError: SSM refuses the request.
    """
    given = given_settings(os.environ, ENV_FILE)
    if address is None:
        address = ({**opencast.cached_settings(given, ENV_FILE), **given}).get(
            "OPENCAST_BASE_URL"
        ) or None
    name = "OPENCAST_API_PASSWORD"
    password = secrets.value_of(target.client("ssm"), target.names, name) or given.get(name, "")
    return oc_import.endpoint_of(address, path, given.get("OPENCAST_API_USER", ""), password)


def exit_if_strict(report: ImportReport, *, strict: bool) -> None:
    """Raise Exit (1) after a strict import that skipped rows."""
    skipped = sum(row.all_skipped for row in report.problems)
    if strict and skipped:
        raise Exit(f"Skipped rows, with --strict: {skipped}", code=1)


DRY_RUN = "only say what would change"
STRICT = "end with exit code 1 if a row was skipped"
FILE_HELP = {
    "replace-all": "replace the whole schedule, not only the classes from a file of this name",
    "dry-run": DRY_RUN,
    "strict": STRICT,
}


@command(
    name="csv-import",
    help={"filepath": "the CSV file, exported from the sheet in UTF-8", **FILE_HELP},
)
def csv_import(
    _context: Context,
    filepath: str,
    replace_all: bool = False,
    dry_run: bool = False,
    strict: bool = False,
) -> None:
    """Import the class schedule from a CSV file."""
    sheet = read_csv(Path(filepath))
    table = schedule_of(existing_target() if dry_run else target_to_change())
    report = import_csv(table, sheet, replace_all=replace_all, dry_run=dry_run)
    show(report, dry_run=dry_run)
    exit_if_strict(report, strict=strict)


@command(
    name="import-json",
    help={
        "filepath": "a list of objects: the sheet's columns, or rows of the schedule table",
        **FILE_HELP,
    },
)
def import_json(
    _context: Context,
    filepath: str,
    replace_all: bool = False,
    dry_run: bool = False,
    strict: bool = False,
) -> None:
    """Import the class schedule from a JSON file."""
    sheet = read_json(Path(filepath))
    table = schedule_of(existing_target() if dry_run else target_to_change())
    report = import_classes(table, sheet, replace_all=replace_all, dry_run=dry_run)
    show(report, dry_run=dry_run)
    exit_if_strict(report, strict=strict)


@command(
    name="oc-import",
    positional=("endpoint",),
    help={
        "endpoint": "the address of DCE's Opencast (engage), like https://opencast.example.edu, or "
        "the whole address of its series.json; without it, the stack's Opencast",
        "path": f"the path at which Opencast lists the classes, {oc_import.PATH} by default",
        "replace-all": "replace the whole schedule, not only what came from this Opencast",
        "dry-run": DRY_RUN,
        "strict": STRICT,
    },
)
def import_from_opencast(
    _context: Context,
    endpoint: str | None = None,
    path: str = oc_import.PATH,
    replace_all: bool = False,
    dry_run: bool = False,
    strict: bool = False,
) -> None:
    """Import the class schedule from DCE's Opencast."""
    target = existing_target() if dry_run else target_to_change()
    listing = _endpoint(target, endpoint, path)
    with terminal.working(f"Asking {listing.host}"), requests.Session() as session:
        rows = oc_import.fetch(listing, session)
    if not rows:
        terminal.say(f"{listing.host} lists no classes: nothing was changed.")
        return
    table, parsed = schedule_of(target), oc_import.parse(listing.host, rows)
    report = import_classes(table, parsed, replace_all=replace_all, dry_run=dry_run)
    show(report, dry_run=dry_run)
    exit_if_strict(report, strict=strict)


@command(
    name="remove",
    help={
        "source": "where the classes came from, as csv:fall.csv, json:…, oc:… or first-system",
        "dry-run": DRY_RUN,
    },
)
def remove(_context: Context, source: str, dry_run: bool = False) -> None:
    """Remove one source's classes from the schedule.

    Classes from a file stay in the schedule, even when the same classes come from a sheet.
    """
    # An empty source, such as a script's unset variable, would name the first system's scheduled
    # classes.
    if not source.strip():
        raise OpsError("SOURCE is empty: name where the classes came from, like csv:fall.csv.")
    report = remove_source(
        schedule_of(existing_target() if dry_run else target_to_change()), source, dry_run=dry_run
    )
    for line in terminal_removal_lines(report, source, dry_run=dry_run):
        terminal.say(line)


@command(
    name="list",
    help={
        "meeting": "show only the scheduled classes of the meeting with this number",
        "json": "print JSON",
    },
)
def list_classes(_context: Context, meeting: str | None = None, json: bool = False) -> None:
    """Show the scheduled classes."""
    number = None if meeting is None else str(arguments.meeting_number(meeting))
    meetings = ScheduleTable(schedule_of(existing_target())).all()
    chosen = [found for found in meetings if number in {None, found.zoom_series_id}]
    rows = [
        {
            "meeting_id": found.zoom_series_id,
            "course": found.course_of(scheduled),
            "day": scheduled.day,
            "time": scheduled.time,
            "title": scheduled.title,
            "series": found.series_of(scheduled),
            "source": source_name(scheduled.source),
            "note": NO_RECORDINGS if scheduled in without else "",
        }
        for found in sorted(chosen, key=lambda found: found.zoom_series_id)
        for without in (found.without_recordings(),)
        for scheduled in found.events
    ]
    if json:
        terminal.show_json(rows)
        return
    if not any(row["note"] for row in rows):
        rows = [{name: row[name] for name in row if name != "note"} for row in rows]
    if rows:
        terminal.show(
            "Schedule", tuple(rows[0]), [tuple(map(printable, row.values())) for row in rows]
        )
    else:
        terminal.say("The schedule has no such class." if number else "The schedule is empty.")


@command(
    name="export",
    help={"filepath": "the file to write; it must not exist yet"},
)
def export_csv(_context: Context, filepath: str) -> None:
    """Save the schedule as CSV, which csv-import reads."""
    count = save_schedule(schedule_of(existing_target()), Path(filepath))
    terminal.say(f"{filepath} has the schedule's classes: {count or 0}")


@command(
    name="save-creds",
    help={"filename": "the key of a Google service account, JSON as Google's console saves it"},
)
def save_creds(_context: Context, filename: str = "service_account.json") -> None:
    """Keep the key for the schedule's sheet in SSM."""
    key = google_key.read_key(Path(filename))
    # No stack has to exist, because the key may be stored before the first stack is created.
    target = configured_target()
    announce(target)
    if may_ask():
        confirm_production(target.place.stack_name, ask_on_terminal)
    written = google_key.save(target.client("ssm"), key)
    done = "is in" if written else "was already in"
    terminal.say(f"The key {done} SSM, {GOOGLE_CREDENTIALS}, for all stacks of this account.")
    terminal.say(f"Share the sheet with {key.email}, to read it.")


collection = Collection(
    "schedule",
    list_classes,
    export_csv,
    csv_import,
    import_json,
    import_from_opencast,
    remove,
    save_creds,
)
