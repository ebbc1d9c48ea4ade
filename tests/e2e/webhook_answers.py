"""Scenarios in which the webhook refuses a "+Zoom" request, or the webhook's answer is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import requests

from cdk.names import ON_DEMAND
from tests.e2e import deployed
from tests.e2e.stack import SERIES, Stack

REFUSAL = 400
"""Status of the server in the webhook's place. "+Zoom" doesn't retry after this status."""

Received = Callable[[dict[str, str], bytes], None]
"""A function that gets the headers and the body of a request."""


def webhook_refusal(stack: Stack) -> None:
    """Check that the status row has the reason when the webhook refuses a "+Zoom" request."""
    recording = stack.lecture(scheduled=False)
    with answered_for_the_webhook(stack, lambda _headers, _body: None):
        answer = stack.driver.request_ingest(uuid=recording.uuid, oc_series_id=SERIES)
    assert answer.status == 500, answer
    stack.await_state(recording, "WEBHOOK_FAILED", f"answered {REFUSAL}")
    assert stack.driver.ingests_of(recording) == []


def lost_webhook_answer(stack: Stack) -> None:
    """Check that "+Zoom" accepts a request when the webhook's answer is lost."""
    recording = stack.lecture(scheduled=False)

    def forward(headers: dict[str, str], body: bytes) -> None:
        answer = requests.post(
            stack.driver.webhook_url,
            data=body,
            headers=headers,
            timeout=30,
            verify=stack.driver.state.ca_bundle,
        )
        assert answer.status_code == 200, answer.text

    with answered_for_the_webhook(stack, forward):
        answer = stack.driver.request_ingest(uuid=recording.uuid, oc_series_id=SERIES)
    assert (answer.status, json.loads(answer.body)) == (200, {"message": "Ingest accepted"})
    stack.await_state(recording, "SENT_TO_OPENCAST")


@contextmanager
def answered_for_the_webhook(stack: Stack, received: Received) -> Iterator[None]:
    """Let "+Zoom" post to a server that passes each request to `received` and answers REFUSAL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            signed = {name: value for name, value in self.headers.items() if name != "Host"}
            received(signed, body)
            self.send_response(REFUSAL)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            function = stack.function(ON_DEMAND)
            with deployed.limited(stack.driver, function, seconds=29, WEBHOOK_URL=url):
                yield
        finally:
            server.shutdown()
            thread.join()
