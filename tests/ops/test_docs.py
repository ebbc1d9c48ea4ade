"""Tests that the documents agree with the project, such as its commands, files and limits."""

from __future__ import annotations

import html
import re
import runpy
from pathlib import Path

import pytest
from invoke import Collection

import on_demand
import tasks
import uploader
from cdk.names import FUNCTIONS
from ingester.ledger import table as ledger
from ingester.ledger.record import MAX_REQUESTS
from ingester.recording import events_table
from ingester.runtime import container
from ingester.status import table as status_table
from ingester.transfer import engine, file_copy, part_worker, ranges
from ingester.zoom import complete_message, signature
from ingester.zoom import download as source
from ingester.zoom import webhook_events as zoom_events
from ops.command_line import ALIASES
from tests.simulation.capacity.prices import ALARMS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
INGESTER = ROOT / "functions" / "ingester"
SOURCE_ROOTS = (ROOT, ROOT / "functions", INGESTER, INGESTER / "transfer")

GENERATED = {".local", ".venv", ".venv-cloud", ".venv-docs", "cdk.out", "dist", "node_modules"}
TYPES = {".py", ".md", ".toml", ".ini", ".yml", ".svg"}
"""Suffixes by which a path counts as a file of this project, even in an unknown folder."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands_of(collection: Collection) -> set[str]:
    return {*collection.task_names, *(other for others in ALIASES.values() for other in others)}


def code_of(document: Path) -> list[str]:
    """Return the code in a document: text in backticks, and indented lines."""
    found = re.findall(r"`([^`\n]+)`|^ {4,}(.+)$", document.read_text("utf-8"), re.MULTILINE)
    return [span or line for span, line in found]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_documents_name_only_commands_that_exist(document: Path) -> None:
    known = commands_of(tasks.namespace)
    for code in code_of(document):
        assert set(re.findall(r"\binvoke ([a-z][a-z-]*(?:\.[a-z][a-z_-]*)?)", code)) <= known


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_documents_name_only_make_targets_that_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for code in code_of(document):
        assert set(re.findall(r"^make ([a-z]+)", code)) <= targets


def test_the_picture_of_the_demo_shows_only_passed_checks() -> None:
    drawn = html.unescape((ROOT / "docs" / "demo.svg").read_text("utf-8")).replace("\xa0", " ")
    assert drawn.count("\u2713") >= 8
    assert "\u2717" not in drawn
    assert "The stack is down again." in drawn


def test_readme_and_contributing_list_the_environments_of_tox() -> None:
    # `make test` starts the environments in the order of `env_list`. Each known environment can run
    # alone.
    tox = (ROOT / "tox.ini").read_text()
    found = re.search(r"^env_list = (.+)$", tox, re.MULTILINE)
    environments = found[1].split(", ") if found else []
    for document in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / document).read_text("utf-8")
        paragraph = text.split("\n    make test\n\n")[1].split("\n\n")[0]
        assert re.findall(r"`([a-z0-9]+)`", paragraph) == environments
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    alone = re.search(r"tox -e unit +# or (.+)$", contributing, re.MULTILINE)
    assert alone
    known = set(re.findall(r"^\[testenv:(\w+)\]", tox, re.MULTILINE))
    assert {"unit", *alone[1].split(", ")} == known >= set(environments)


def is_path(text: str) -> bool:
    """Return whether code in a document looks like the path of a file or folder of this project."""
    if not re.fullmatch(r"\.?[\w-][\w.-]*(/[\w.-]+)*/?", text):
        return False
    first = text.partition("/")[0]
    if first in GENERATED or text.endswith("/source"):
        # A name that ends in `/source` is a flavor of Opencast.
        return False
    known = any((root / first).is_dir() for root in SOURCE_ROOTS)
    return ("/" in text and known) or Path(text).suffix in TYPES


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_documents_name_only_files_that_exist(document: Path) -> None:
    spans = re.findall(r"`([^`\n]+)`", document.read_text("utf-8"))
    missing = [
        text
        for text in spans
        if is_path(text) and not any((root / text).exists() for root in SOURCE_ROOTS)
    ]
    assert not missing


def anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub gives a document's headings."""
    headings = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_of_documents_lead_to_files_and_headings(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8")):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def sidebar() -> list[str]:
    """Return the pages of the website's sidebar, relative to docs/."""
    parts: dict[str, str] = runpy.run_path(str(ROOT / "docs" / "conf.py"))["PARTS"]
    return [page for pages in parts.values() for page in pages.split()]


def test_the_sidebar_has_every_document_once_except_the_index_and_single_decisions() -> None:
    pages = sorted((ROOT / "docs" / f"{page}.md").resolve() for page in sidebar())
    decisions = ROOT / "docs" / "decisions"
    left_out = {ROOT / "docs" / "index.md", *decisions.glob("*.md")} - {decisions / "README.md"}
    assert pages == sorted({*DOCUMENTS, ROOT / "bench" / "README.md"} - left_out)


@pytest.mark.parametrize("document", ["README.md", "docs/index.md"])
def test_start_pages_link_the_page_for_each_group_of_readers(document: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    groups = {path.name for path in (ROOT / "docs").glob("for-*.md")}
    assert len(groups) == 5
    assert all(f"{name})" in text for name in groups)


def test_zoom_md_lists_the_webhook_events_about_recordings_meetings_and_webinars() -> None:
    text = (ROOT / "docs" / "zoom.md").read_text("utf-8")
    events = re.findall(r"^ *\| [^|`]+ \| `([a-z._]+)` \|", text, re.MULTILINE)
    handled = {zoom_events.COMPLETED, zoom_events.TRANSCRIPT_COMPLETED, *zoom_events.STATUS_EVENTS}
    handled |= zoom_events.REMOVAL_EVENTS.keys() | zoom_events.RECOVERY_EVENTS
    assert sorted(events) == sorted(handled)


def test_documents_quote_the_limits_of_the_code() -> None:
    documents = (ROOT / "docs" / f"{name}.md" for name in ("architecture", "reliability"))
    text = " ".join(" ".join(document.read_text("utf-8").split()) for document in documents)
    for sentence in (
        (
            f"| {ranges.FAILURES + 1} in a row, each where it stopped | waits of "
            f"{ranges.LONGEST_PAUSE:g} s at most, since S3 waits for the same part; "
            f"{source.CONNECT_SECONDS:g} s to connect, {source.STALL_SECONDS:g} s without a byte |"
        ),
        (
            f"| {part_worker.ATTEMPTS}, after growing waits or what `Retry-After` asks | "
            f"no new attempt after {part_worker.RETRY_SECONDS:g} s |"
        ),
        f"| {file_copy.RESTARTS}, from the beginning |",
        (
            "exceeds a reserve of five seconds (`reserve_seconds`) plus "
            f"{engine.PART_MARGIN:g} times the duration of the slowest part"
        ),
        (
            f"| {complete_message.ZOOM_SECONDS:g} s in all, "
            f"for on-demand {on_demand.ZOOM_SECONDS:g} s;"
        ),
        f"| what is left of {on_demand.BUDGET_SECONDS:g} s |",
        f"then every {uploader.LONGEST_WAIT_SECONDS // 60} minutes",
        f"are stored for {events_table.EVENTS_RETENTION.days} days in a table of their own",
    ):
        assert sentence in text
    assert (container.SECONDS, signature.MAX_AGE_SECONDS) == (300, 300), '"five minutes" in docs/'
    assert engine.Budget().reserve_seconds == 5, '"a reserve of five seconds" in architecture.md'
    assert status_table.STATUS_RETENTION.days == 7, '"seven days" in docs/'
    assert (ledger.RETENTION.days, ledger.ATTEMPTS, MAX_REQUESTS) == (365, 10, 50), "decision 24"
    assert uploader.MAX_FAILURES == 5, '"the fifth failure moves the message …"'


def test_architecture_md_has_a_row_for_every_function() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    modules = re.findall(r"^\| `(\w+)\.py` \|", text, re.MULTILINE)
    assert sorted(modules) == sorted(function.module for function in FUNCTIONS)


def test_costs_md_and_the_prices_of_the_simulation_have_the_same_number_of_alarms() -> None:
    assert f", {ALARMS} alarms " in (ROOT / "docs/costs.md").read_text()
