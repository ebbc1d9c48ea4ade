"""What the tests of the transfer share: one server a module, its client, real media."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from local.authority import Authority, ensure_authority
from tests.neighbours import Web, client_session, web_server


@pytest.fixture(scope="package")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return ensure_authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def _web(tls: Authority) -> Iterator[Web]:
    with web_server(tls) as web:
        yield web


@pytest.fixture
def web(_web: Web) -> Web:
    """Without pages and without memory."""
    _web.forget()
    return _web


@pytest.fixture
def session(tls: Authority) -> Iterator[requests.Session]:
    with client_session(tls) as made:
        yield made
