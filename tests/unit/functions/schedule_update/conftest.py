"""Fixtures of Google's stand-in and of the sheet's user."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.authority import Authority
from tests.cloud import Clock, Cloud
from tests.function_harness import schedule_update_dependencies
from tests.google_web import DOCUMENT, Google, google
from tests.unit.functions.schedule_update.harness import (
    SheetUser,
    sheets_of,
)


@pytest.fixture(scope="module")
def google_server(tls: Authority) -> Iterator[Google]:
    with google(tls) as made:
        yield made


@pytest.fixture
def user(aws: Cloud, google_server: Google, clock: Clock) -> SheetUser:
    deps = schedule_update_dependencies(
        aws, clock, sheets_of(google_server, clock), gsheets_doc_id=DOCUMENT
    )
    return SheetUser(aws, google_server, clock, deps)
