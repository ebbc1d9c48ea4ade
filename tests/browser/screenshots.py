"""Make the screenshots of the page in docs/ (see docs/page.md for the command)."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.browser.harness import Site, chromium, launched, open_page, serving
from tests.browser.recordings import NOW, fill
from tests.cloud import Clock, cloud
from tests.function_harness import status_query_dependencies

DOCS = Path(__file__).parents[2] / "docs"
WIDE = {"viewport": {"width": 960, "height": 720}}
NARROW = {"viewport": {"width": 360, "height": 720}}
WHOLE_FORM = {"viewport": {"width": 360, "height": 760}}
PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "page-light.png": ("", {**WIDE, "color_scheme": "light"}),
    "page-dark.png": ("", {**WIDE, "color_scheme": "dark"}),
    "page-narrow.png": ("", {**NARROW, "color_scheme": "light"}),
    "page-recording.png": (
        "#meeting=95846636714&recording=8dXp112QmuoKj48w%3D%3D",
        {**WIDE, "color_scheme": "light"},
    ),
    "page-request.png": ("#request", {**WHOLE_FORM, "color_scheme": "dark"}),
}
# Without this option, subpixel rendering of text would make the files several times as large.
GREY_TEXT = "--disable-lcd-text"


def main() -> None:
    """Make every screenshot, and print its size."""
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    os.environ |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1"}
    clock = Clock(NOW)
    with cloud() as aws:
        fill(aws)
        aws.sqs.send_message(QueueUrl=aws.download_queue, MessageBody="{}")
        aws.sqs.send_message(QueueUrl=aws.upload_dlq, MessageBody="{}", MessageGroupId="a")
        aws.sqs.send_message(QueueUrl=aws.download_dlq, MessageBody="{}")
        deps = replace(status_query_dependencies(aws, clock), stack_name="zip-prod")
        with serving(Site(deps)) as site, launched(chromium(), GREY_TEXT) as browser:
            for name, (view, options) in PICTURES.items():
                context = browser.new_context(timezone_id="America/New_York", **options)
                page = context.new_page()
                page.clock.install(time=NOW)
                open_page(page, site, view)
                page.screenshot(path=DOCS / name)
                context.close()
                print(f"docs/{name}: {(DOCS / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
