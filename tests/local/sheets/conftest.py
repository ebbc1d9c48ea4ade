"""Fixtures for a Google stand-in and its client."""

from collections.abc import Iterator

import pytest

from local.authority import Authority
from local.neighbours.sheets import SheetsStandIn
from local.neighbours.sheets_account import ServiceAccount
from local.neighbours.sheets_book import Spreadsheet
from tests.local.clock import Clock
from tests.local.sheets.client import DOCUMENT, Client
from tests.neighbours import CONTROL_TOKEN, client_session


@pytest.fixture(scope="session")
def account() -> ServiceAccount:
    """Return one account for all tests, because making a key is slow."""
    return ServiceAccount()


@pytest.fixture
def client(tls: Authority, clock: Clock, account: ServiceAccount) -> Iterator[Client]:
    spreadsheet = Spreadsheet(DOCUMENT)
    spreadsheet.put("Fall", [["Course", "Start"], ["BIO", "14:30"]])
    with (
        SheetsStandIn(
            tls=tls,
            spreadsheet=spreadsheet,
            account=account,
            control_token=CONTROL_TOKEN,
            clock=clock,
        ) as sheets,
        client_session(tls) as session,
    ):
        yield Client(sheets, session)
