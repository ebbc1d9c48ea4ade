"""A Google stand-in, and a client of it."""

from collections.abc import Iterator

import pytest
import requests

from local.authority import Authority
from local.neighbours.sheets import SheetsStandIn
from local.neighbours.sheets_account import ServiceAccount
from local.neighbours.sheets_book import Book
from tests.local.sheets.client import DOCUMENT, Client, Clock


@pytest.fixture(scope="session")
def account() -> ServiceAccount:
    """One for all: keys take their time."""
    return ServiceAccount()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(tls: Authority, clock: Clock, account: ServiceAccount) -> Iterator[Client]:
    book = Book(DOCUMENT)
    book.put("Fall", [["Course", "Start"], ["BIO", "14:30"]])
    with (
        SheetsStandIn(tls=tls, book=book, account=account, clock=clock) as sheets,
        requests.Session() as session,
    ):
        session.verify = str(tls.ca_bundle)
        session.trust_env = False
        yield Client(sheets, session)
