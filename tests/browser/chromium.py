"""Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

PATIENCE = 20_000
"""Milliseconds until something that doesn't come counts as missing: machines may be busy."""

# Root has no sandbox of Chromium's; the rest is what would talk to elsewhere, or take time.
ARGUMENTS = (
    *(("--no-sandbox",) if os.geteuid() == 0 else ()),
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str:
    """The path of Chromium's program; "" if there is none."""
    return shutil.which("chromium") or ""


def browser_here() -> Iterator[Browser]:
    """Chromium for a fixture. Without one its tests are left out; in CI that is a failure."""
    program = chromium()
    if not program:
        said = "No chromium here: `apt-get install chromium` lets the page's tests run."
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    with launched(program) as running:
        yield running


@contextmanager
def launched(program: str, *arguments: str) -> Iterator[Browser]:
    """A browser without a window, for as long as the block lasts."""
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE)
        browser = playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS, *arguments])
        try:
            yield browser
        finally:
            browser.close()
