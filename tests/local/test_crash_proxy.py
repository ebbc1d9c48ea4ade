"""Tests of the crash tests' proxies, which forward and count calls and kill the caller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from functools import partial

import pytest
import requests

from local.authority import Authority
from local.neighbours.https_server import Answer, HttpsServer, Request
from tests.crashes.calls import Call, name_of
from tests.crashes.proxy import Aim, Gate, Moment, Proxies

FILE = Call("Zoom: GET /file")


@dataclass
class Site:
    """An upstream server and its proxy, with the requests and kills so far."""

    url: str
    ask: partial[requests.Response]
    gate: Gate
    seen: list[Request] = field(default_factory=list)
    kills: list[str] = field(default_factory=list)

    def kill(self) -> int:
        self.kills.append("killed")
        return 1


@pytest.fixture
def site(tls: Authority) -> Iterator[Site]:
    seen: list[Request] = []

    def answer(request: Request) -> Answer:
        seen.append(request)
        if request.path == "/moved":
            return Answer(302, (("Location", f"{upstream}/file"),))
        return Answer(200, (("ETag", "1"),), b"content")

    server = HttpsServer(answer, tls.ssl_context())
    server.start()
    upstream = f"https://127.0.0.1:{server.port}"
    gate = Gate()
    session = requests.Session()
    session.trust_env = False
    with (
        Proxies({"zoom": upstream}, gate, stack="zip", tls=tls, trusted=tls.ca_bundle) as proxies,
        session,
    ):
        ask = partial(session.request, verify=str(tls.ca_bundle), allow_redirects=False, timeout=20)
        site = Site(proxies.url("zoom"), ask, gate, seen)
        gate.kill = site.kill
        yield site
    server.close()


def test_crash_proxy_forwards_a_call_unchanged(site: Site) -> None:
    answer = site.ask("PUT", f"{site.url}/file?part=1", data=b"sent", headers={"X-Own": "1"})
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (200, b"content", "1")
    (request,) = site.seen
    assert (request.method, request.body, request.query) == ("PUT", b"sent", {"part": "1"})
    assert request.headers["X-Own"] == "1"
    assert request.headers["Host"] == site.url.removeprefix("https://")


def test_crash_proxy_forwards_the_content_length_of_a_head_request(site: Site) -> None:
    answer = site.ask("HEAD", f"{site.url}/file")
    assert (answer.headers["Content-Length"], answer.content) == ("7", b"")


def test_crash_proxy_makes_a_redirect_lead_to_the_url_of_the_proxy(site: Site) -> None:
    assert site.ask("GET", f"{site.url}/moved").headers["Location"] == f"{site.url}/file"


def test_crash_proxy_counts_calls_by_name(site: Site) -> None:
    for path in ("file", "moved", "file"):
        site.ask("GET", f"{site.url}/{path}")
    assert site.gate.calls == [FILE, Call("Zoom: GET /moved"), Call(FILE.name, 2)]
    assert site.kills == []


def test_crash_proxy_forwards_no_call_when_the_caller_is_killed_before_the_call(site: Site) -> None:
    site.gate.begin(Aim(FILE, Moment.BEFORE))
    assert site.ask("GET", f"{site.url}/file").status_code == 502
    assert (site.seen, site.kills, site.gate.killed.is_set()) == ([], ["killed"], True)


def test_crash_proxy_forwards_the_call_when_the_caller_is_killed_after_the_call(site: Site) -> None:
    site.gate.begin(Aim(Call(FILE.name, 2), Moment.AFTER))
    assert site.ask("GET", f"{site.url}/file").status_code == 200
    assert site.kills == []
    assert site.ask("GET", f"{site.url}/file").status_code == 502
    assert (len(site.seen), site.kills) == (2, ["killed"])


def test_crash_proxy_kills_the_caller_only_once(site: Site) -> None:
    site.gate.begin(Aim(FILE, Moment.BEFORE))
    for _ in range(2):
        site.ask("GET", f"{site.url}/file")
    assert site.kills == ["killed"]


def request_of(
    method: str, path: str, body: bytes = b"", query: str = "", **headers: str
) -> Request:
    message = Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    parameters = dict(pair.partition("=")[::2] for pair in query.split("&") if pair)
    return Request(method, path, parameters, message, body, query)


@pytest.mark.parametrize(
    ("origin", "request_", "name"),
    [
        (
            "aws",
            request_of(
                "POST",
                "/",
                b'{"TableName": "zip-recordings", "Key": {}}',
                X_Amz_Target="DynamoDB_20120810.UpdateItem",
            ),
            "DynamoDB: UpdateItem recordings",
        ),
        (
            "aws",
            request_of(
                "POST",
                "/",
                b'{"QueueUrl": "https://127.0.0.1:1/123/zip-upload.fifo", "MessageBody": ""}',
                X_Amz_Target="AmazonSQS.SendMessage",
            ),
            "SQS: SendMessage upload.fifo",
        ),
        ("aws", request_of("PUT", "/b/k", query="partNumber=1&uploadId=2"), "S3: UploadPart"),
        ("aws", request_of("GET", "/b", query="uploads="), "S3: ListMultipartUploads"),
        ("aws", request_of("GET", "/b/k", query="uploadId=2"), "S3: ListParts"),
        ("aws", request_of("GET", "/b/k", query="X-Amz-Signature=2"), ""),
        (
            "aws",
            request_of("POST", "/_aws/execute-api/zip/live/new_recording"),
            "webhook: POST /new_recording",
        ),
        (
            "zoom",
            request_of("GET", "/v2/meetings/aB3%2F%3D%3D/recordings"),
            "Zoom: GET /v2/meetings/…/recordings",
        ),
        (
            "opencast",
            request_of("GET", "/api/events/0-1"),
            "Opencast: GET /api/events/… (before signing in)",
        ),
        (
            "opencast",
            request_of("POST", "/ingest/addMediaPackage/two-words", Authorization="Digest"),
            "Opencast: POST /ingest/addMediaPackage/…",
        ),
    ],
)
def test_name_of_a_call_contains_no_id_that_differs_between_runs(
    origin: str, request_: Request, name: str
) -> None:
    assert name_of(origin, request_, "zip") == name
