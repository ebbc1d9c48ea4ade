"""The generated sections of docs/capacity.md, and the document's chart."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from bench.transfer.chart import Panel, Series, draw
from tests.simulation.capacity.bounds import bound_of
from tests.simulation.capacity.loads import (
    ENGINE_RATE,
    FAST,
    LECTURE,
    MODEST,
    RECORDING_BYTES,
    WITHIN,
    Load,
)
from tests.simulation.capacity.measure import MB_OF, Measured
from tests.simulation.capacity.prices import (
    PRICES,
    costs,
    fixed_costs,
    gigabyte_seconds,
    total,
    without_release,
)
from tests.simulation.event_sources import COLD_SECONDS
from tests.simulation.world import LATENCIES, SLOW_SHARE

ROOT = Path(__file__).parents[3]
DOCUMENT, CHART = ROOT / "docs" / "capacity.md", ROOT / "docs" / "capacity.svg"
COMMAND = "python -m tests.simulation.capacity --write"

LOADS = tuple(Load(recordings) for recordings in (1, 100, 300, 1000))
MORE_UPLOADS = tuple(Load(300, uploads=uploads) for uploads in (5, 10, 20, 40))
TOO_MANY = Load(300, 100, 300)
"""A load whose uploads take longer than the uploader's 15 minutes, because so many run at once."""

FAST_OPENCAST = tuple(
    Load(300, downloads, uploads, FAST)
    for downloads, uploads in ((20, 5), (20, 20), (50, 20), (100, 50))
)
BEFORE = Load(300, 10, delay=300)
"""A burst with the former defaults of DOWNLOADS_AT_ONCE and WEBHOOK_DELAY_SECONDS."""

MORE_DOWNLOADS = (BEFORE, *(Load(300, downloads) for downloads in (10, 15, 20, 30, 50, 100)))
EARLY = (
    *(Load(300, downloads, is_early=True) for downloads in (20, 100)),
    *(Load(300, 100, is_early=True, zoom_limit=limit) for limit in (30, 5)),
)
THOUSAND = (Load(1000), Load(1000, is_followed=True))
SETTINGS = (*MORE_UPLOADS, TOO_MANY, *FAST_OPENCAST)
ALL = tuple(dict.fromkeys((*THOUSAND, *reversed(LOADS), *SETTINGS, *MORE_DOWNLOADS, *EARLY)))
"""Every load of the document. The loads of 1,000 recordings take longest and come first."""

Results = dict[Load, Measured]
TICKS = ((5, "5 min"), (15, "15 min"), (60, "1 h"), (240, "4 h"), (1440, "24 h"))
SHORT_TICKS = ((5, "5 min"), (10, "10 min"), (20, "20 min"), (40, "40 min"), (90, "90 min"))
STEPS = 20


def duration(seconds: float) -> str:
    """Format a duration in seconds as text, from ten minutes on in whole minutes."""
    if seconds < 600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: int = 0) -> str:
    """Make a Markdown table. Columns from index `right` on are aligned right, if `right` > 0."""
    line = ["---:" if right and at >= right else "---" for at in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, line, *rows))


def load_row(measured: Measured) -> tuple[str, ...]:
    """Make a load's row in the table of loads."""
    bound = bound_of(measured)
    return (
        f"{measured.load.recordings:,}",
        duration(measured.last_staged),
        duration(measured.last_ingested),
        duration(measured.median_wait),
        bound.by,
        bound.change,
        f"{total(measured):,.2f}",
    )


LOAD_HEAD = (
    "recordings",
    "last in S3",
    "last in Opencast",
    "half in Opencast after",
    "bounded by",
    "setting to change",
    "$",
)


def loads_table(results: Results) -> str:
    return table(LOAD_HEAD, [load_row(results[load]) for load in LOADS])


SETTINGS_HEAD = (
    "recordings",
    "Opencast",
    "downloads",
    "uploads",
    "last in S3",
    "last in Opencast",
    "into Opencast",
    "receives at most",
    "bounded by",
)


def settings_row(measured: Measured) -> tuple[str, ...]:
    """Make a load's row in the table of settings."""
    load = measured.load
    return (
        f"{load.recordings:,}",
        load.opencast.name,
        f"{load.downloads}",
        f"{load.uploads}",
        duration(measured.last_staged),
        duration(measured.last_ingested),
        f"{measured.opencast_rate / 1e6:,.0f} MB/s",
        f"{measured.upload_receives}",
        bound_of(measured).by,
    )


def settings_table(results: Results) -> str:
    return table(SETTINGS_HEAD, [settings_row(results[load]) for load in SETTINGS])


def downloads_table(results: Results) -> str:
    """Make the table by which the default of DOWNLOADS_AT_ONCE is chosen."""
    head = ("DOWNLOADS_AT_ONCE", "WEBHOOK_DELAY_SECONDS", "half are in S3", "last in S3", "into S3")
    rows = [
        (
            f"{load.downloads}",
            f"{load.delay}",
            duration(median(results[load].staged)),
            duration(results[load].last_staged),
            f"{load.total_bytes / results[load].last_staged / 1e6:,.0f} MB/s",
        )
        for load in MORE_DOWNLOADS
    ]
    return table(head, rows)


def early_table(results: Results) -> str:
    head = (
        "DOWNLOADS_AT_ONCE",
        "Zoom's limit a second",
        "requests to Zoom's API",
        "in the busiest second",
        "messages",
        "most receives of a message",
        "last in Opencast",
    )
    rows = [
        (
            f"{load.downloads}",
            f"{load.zoom_limit:g}" if load.zoom_limit < math.inf else "none",
            f"{results[load].api_requests:,}",
            f"{results[load].api_peak}",
            f"{results[load].messages:,}",
            f"{results[load].download_receives}",
            duration(results[load].last_ingested),
        )
        for load in EARLY
    ]
    return table(head, rows)


def count_rows(measured: Measured) -> dict[str, str]:
    """Return the rows of a load's messages, invocations and requests, as name → cell."""
    functions = measured.functions
    return {
        "messages sent": f"{measured.messages:,}",
        "most receives of a message (download, upload)": (
            f"{measured.download_receives}, {measured.upload_receives}"
        ),
        "failed messages": f"{measured.dead_letters}",
        **{
            f"{name}: invocations; GB-s; most at the same time": (
                f"{functions[name].count:,}; {gigabyte_seconds(measured, name):,.0f}; "
                f"{functions[name].most_at_once}"
            )
            for name in MB_OF
        },
        "requests to Zoom's API; in the busiest second": (
            f"{measured.api_requests}; {measured.api_peak}"
        ),
        "DynamoDB, write units; read units": (
            f"{measured.write_units:,.0f}; {measured.read_units:,.0f}"
        ),
        "SQS requests, standard; FIFO": (
            f"{measured.standard_requests:,}; {measured.fifo_requests:,}"
        ),
        "S3 requests, PUT; GET": f"{measured.s3_puts:,}; {measured.s3_gets:,}",
        "GB-months in the staging bucket": f"{measured.staged_gb_months:,.1f}",
        "parameters decrypted": f"{measured.decryptions:,}",
        "MB of logs": f"{measured.log_bytes / 1e6:,.2f}",
    }


def _by_load(results: Results, rows_of: Callable[[Measured], dict[str, str]]) -> str:
    found = [rows_of(results[load]) for load in LOADS]
    head = ("", *(f"{load.recordings:,}" for load in LOADS))
    return table(head, [(name, *(column[name] for column in found)) for name in found[0]], right=1)


def counts_table(results: Results) -> str:
    return _by_load(results, count_rows)


def cost_rows(measured: Measured) -> dict[str, str]:
    """Return the rows of a load's costs, as name → cell with dollars."""
    rows = {
        name: f"{dollars:,.4f}" if dollars >= 0.0001 else "< 0.0001"
        for name, dollars in costs(measured).items()
    }
    each = total(measured) / measured.load.recordings
    return {
        **rows,
        "**together**": f"**{total(measured):,.2f}**",
        "a recording": f"{each:.4f}",
    }


def costs_table(results: Results) -> str:
    return _by_load(results, cost_rows)


def prices_table(_: Results) -> str:
    rows = [(price.name, f"{price.dollars:.10f}".rstrip("0"), price.unit) for price in PRICES]
    return table(("what", "$", "unit"), rows)


def fixed_table(_: Results) -> str:
    rows = [(name, f"{dollars:.2f}") for name, dollars in fixed_costs().items()]
    together = f"**{sum(fixed_costs().values()):.2f}**"
    return table(("what", "$ a month"), [*rows, ("**together**", together)], right=1)


def assumed_table(_: Results) -> str:
    """Make the table of the simulation's assumptions, with the values in the simulation's code."""
    calls = ", ".join(f"{name} {seconds * 1000:.0f}" for name, seconds in LATENCIES.items())
    shortest, longest = 0.5 * COLD_SECONDS, 1.5 * COLD_SECONDS
    rows = [
        (
            "a recording",
            f"{RECORDING_BYTES / 1e9:g} GB: two views, {LECTURE / 60:.0f} minutes, 1 or 2 segments",
            "as in [costs](costs.md)",
        ),
        (
            "Zoom's webhook events",
            f"within {WITHIN / 60:.0f} minutes",
            "lectures end at the same hour",
        ),
        (
            "the engine",
            f"{ENGINE_RATE / 1e6:.0f} MB/s for each invocation of {MB_OF['downloader']} MB",
            (
                "[measured](performance.md#on-a-link-like-that-of-a-lambda-function) on a link of "
                "75 MB/s"
            ),
        ),
        *(
            (
                f"Opencast, {site.name}",
                f"{site.an_ingest / 1e6:g} MB/s for one ingest, {site.together / 1e6:,g} for all",
                "assumed; put in your own",
            )
            for site in (MODEST, FAST)
        ),
        (
            "a call, on average, in ms",
            f"{calls}; {SLOW_SHARE:.0%} up to 2 s longer",
            "`tests/simulation/world.py`",
        ),
        (
            "a cold start",
            f"{shortest:g} to {longest:g} s, paid for",
            "`tests/simulation/event_sources.py`",
        ),
    ]
    return table(("what", "value", "source"), rows)


def thousand_table(results: Results) -> str:
    """Make the table that compares the costs of 1,000 recordings (see `comparison`)."""
    plain, followed = (results[load] for load in THOUSAND)
    return comparison(plain, followed)


def comparison(plain: Measured, followed: Measured) -> str:
    """Make the table of a load's costs in three cases.

    Staged files aren't released, are released, or are released while ingests are followed.
    """
    columns = [cost_rows(measured) for measured in (without_release(plain), plain, followed)]
    head = (
        "",
        "all stay for seven days",
        "released files go after a day",
        "released files go, and ingests are followed",
    )
    return table(head, [(name, *(each[name] for each in columns)) for name in columns[0]], right=1)


PARTS: dict[str, Callable[[Results], str]] = {
    "loads": loads_table,
    "settings": settings_table,
    "downloads": downloads_table,
    "early": early_table,
    "counts": counts_table,
    "costs": costs_table,
    "thousand": thousand_table,
    "fixed": fixed_table,
    "prices": prices_table,
    "assumed": assumed_table,
}


def chart(results: Results) -> str:
    """Draw the share of the recordings in Opencast over time, as SVG."""
    loads = [_series(f"{load.recordings:,}", results[load]) for load in LOADS]
    uploads = [_series(f"{load.uploads} at once", results[load]) for load in MORE_UPLOADS]
    return draw(
        "Recordings in Opencast over time",
        [
            _panel("Default settings", loads, TICKS),
            _panel("300, by uploads", uploads, SHORT_TICKS),
        ],
    )


def _panel(title: str, series: list[Series], ticks: Sequence[tuple[float, str]]) -> Panel:
    return Panel(
        title=title,
        x_label="since Zoom's first webhook event",
        y_label="% in Opencast",
        series=series,
        levels=[],
        x_ticks=ticks,
        is_log=True,
    )


def _series(name: str, measured: Measured) -> Series:
    moments = measured.ingested
    last = len(moments) - 1
    points = [
        (moments[round(last * step / STEPS)] / 60, 100.0 * step / STEPS)
        for step in range(STEPS + 1)
    ]
    return Series(name, points)


def marked(name: str, text: str) -> str:
    return f"<!-- {name}: written by {COMMAND} -->\n\n{text}\n\n<!-- end of {name} -->"


def part_of(document: str, name: str) -> str:
    """Return a generated section of the document.

    Raises:
        ValueError: The document has no such section.
    """
    found = _pattern(name).search(document)
    if found is None:
        raise ValueError(f"{DOCUMENT.name} has no part {name}.")
    return found[1].strip()


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(rf"<!-- {name}: [^\n]*-->(.*?)<!-- end of {name} -->", re.DOTALL)


def written(document: str, results: Results) -> str:
    """Return the document with every generated section replaced.

    Raises:
        ValueError: The document lacks a section.
    """
    for name, make in PARTS.items():
        part_of(document, name)
        text = marked(name, make(results))
        document = _pattern(name).sub(lambda _, text=text: text, document)  # type: ignore[misc]  # bound now
    return document
