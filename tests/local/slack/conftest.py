"""Fixtures for a Slack stand-in, a fake app, and a client of the stand-in."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from local.authority import Authority
from local.neighbours.https_server import HttpsServer
from local.neighbours.slack import SlackStandIn
from local.neighbours.slack_workspace import SlackApp, default_workspace
from tests.local.clock import Clock
from tests.local.slack.client import SECRET, TOKEN, App, Client
from tests.neighbours import CONTROL_TOKEN, client_session


@pytest.fixture
def app(tls: Authority) -> Iterator[App]:
    app = App()
    server = HttpsServer(app.answer, tls.ssl_context())
    app.url = f"https://127.0.0.1:{server.port}/slack"
    server.start()
    yield app
    server.close()


@pytest.fixture
def client(tls: Authority, clock: Clock, app: App) -> Iterator[Client]:
    installed = replace(SlackApp(signing_secret=SECRET, bot_token=TOKEN), request_url=app.url)
    workspace = default_workspace(installed, clock, groups=["zip-users", "staff"], channel="zip")
    with (
        SlackStandIn(tls=tls, workspace=workspace, control_token=CONTROL_TOKEN) as slack,
        client_session(tls) as session,
    ):
        yield Client(slack, app, session)
