"""Google and the desk of each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.authority import Authority
from tests.cloud import Clock, Cloud
from tests.function_harness import schedule_tools
from tests.google_web import DOCUMENT, Google, google
from tests.unit.functions.schedule_update.harness import (
    Desk,
    sheets_of,
)


@pytest.fixture(scope="module")
def there(tls: Authority) -> Iterator[Google]:
    with google(tls) as made:
        yield made


@pytest.fixture
def desk(aws: Cloud, there: Google, clock: Clock) -> Desk:
    deps = schedule_tools(aws, clock, sheets_of(there, clock), gsheets_doc_id=DOCUMENT)
    return Desk(aws, there, clock, deps)
