"""Targets: webhook events, answers of Zoom's API, and downloads."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, cast

import on_demand
import reconcile
import webhook
from ingester.errors import IngesterError
from ingester.pipeline.messages import DownloadMessage, decode
from ingester.zoom import signature
from ingester.zoom.download import ZoomFile
from ingester.zoom.download_token import Access, AccessInUse
from tests.fuzz import functions, payloads, planted
from tests.fuzz.fakes import Aws, Downloads
from tests.fuzz.functions import HOSTS, TIMESTAMP, process, text_of
from tests.fuzz.mutations import Mutator, encoded
from tests.fuzz.target import Target, require

BODY_LIMIT = 400_000


def proxy_event(body: bytes, headers: dict[str, Any]) -> dict[str, Any]:
    """Return API Gateway's event for a request. A body that isn't UTF-8 is encoded in base64."""
    try:
        text, is_base64 = body.decode(), False
    except UnicodeDecodeError:
        text, is_base64 = base64.b64encode(body).decode(), True
    return {"headers": headers, "body": text, "isBase64Encoded": is_base64}


def make_event(mutator: Mutator) -> Any:
    own = mutator.chance(0.2)
    base = payloads.on_demand_event() if own else mutator.one_of(payloads.zoom_events())
    content: Any = mutator.value(base)
    if mutator.chance(0.15):
        content = mutator.raw(encoded(content))
    headers = mutator.value({"X-Zm-Trackingid": "a"}) if mutator.chance(0.1) else {}
    known = mutator.value([payloads.record()]) if mutator.chance(0.1) else []
    return {"content": content, "own": own, "headers": headers, "known": known}


def check_event(given: Any) -> Iterator[str]:
    """Check the statuses for a signed webhook event, and that its repeat sends no message.

    A malformed record in the ledger allows a 503 and a second message. A repeat of the pipeline's
    own request may send a second message. Also pass the first message to the downloader.

    Yield the texts that must contain no secret.
    """
    aws, body = Aws(), encoded(given["content"])[:BODY_LIMIT]
    aws.recordings.put(given["known"])
    is_odd_record = bool(given["known"])
    key = planted.OWN_KEY if given["own"] else planted.ZOOM_SECRET
    headers = given["headers"] if isinstance(given["headers"], dict) else {}
    headers = {str(name): str(value) for name, value in headers.items()}
    event = proxy_event(body, headers | signature.signed_headers(key, TIMESTAMP, body))
    deps = functions.webhook_of(aws)
    counts = []
    for _ in range(2):
        answered = webhook.respond(event, deps)
        yield text_of(answered)
        usual = {200, 204, 400, 401} | ({503} if is_odd_record else set())
        require(answered.status in usual, f"The webhook answers {answered.status}")
        counts.append(len(aws.queues.messages(aws.download_queue)))
    is_repeat = not given["own"] and not is_odd_record
    require(not is_repeat or counts[0] == counts[1], "A repeat makes a second message")
    yield from aws.seen()
    yield from check_downloads(aws, {"/recordings": {"status": 404}}, [])


def check_downloads(aws: Aws, zoom: dict[str, Any], downloads: list[Any]) -> Iterator[str]:
    """Check that the downloader can process the first message of the download queue.

    Yield the texts that must contain no secret.
    """
    for message in aws.queues.messages(aws.download_queue)[:1]:
        decode(message.body, DownloadMessage)
        deps = functions.downloader_of(aws, zoom, downloads)
        process(aws, aws.download_queue, message.body, 1, deps)
        yield from aws.seen()


def answer(content: Any, **more: Any) -> dict[str, Any]:
    return {
        "status": 200,
        "headers": {"Content-Type": "application/json"},
        "content": content,
    } | more


def problems() -> list[dict[str, Any]]:
    """Return answers with which Zoom's API refuses a request."""
    text = "Invalid access token, does not contain scopes:[cloud_recording:read]."
    return [
        answer({"code": 3301, "message": "This recording does not exist."}, status=404),
        answer({"code": 4711, "message": text}, status=400),
        answer({"reason": "Bad Request", "error": "invalid_client"}, status=401),
        answer({"code": 429}, status=429, headers={"Retry-After": "3"}),
        answer({}, status=503, headers={"Retry-After": "Wed, 14 Oct 2026 18:31:00 GMT"}),
    ]


def mutated_answer(mutator: Mutator, good: dict[str, Any]) -> Any:
    """Return the good answer or, rarely, one of Zoom's refusals, with mutations."""
    found: Any = mutator.one_of(problems()) if mutator.chance(0.1) else good
    if mutator.chance(0.7):
        found = {**found, "content": mutator.value(found["content"])}
    else:
        found = mutator.value(found)
    if mutator.chance(0.1) and isinstance(found, dict) and "content" in found:
        found["content"] = mutator.raw(encoded(found["content"]))
    return found


def recording_answer() -> dict[str, Any]:
    return answer(payloads.meeting(download_access_token=planted.DOWNLOAD_TOKEN))


def make_recording(mutator: Mutator) -> Any:
    made: dict[str, Any] = {"/recordings": mutated_answer(mutator, recording_answer())}
    if mutator.chance(0.1):
        made["oauth/token"] = mutated_answer(mutator, answer(functions.GOOD_OAUTH["content"]))
    return {"zoom": made, "downloads": make_download(mutator)}


def check_recording(given: Any) -> Iterator[str]:
    """Check that a "+Zoom" request gets a documented status, whatever Zoom's API answers.

    Also pass the request's message, and a message that has only ids, to the downloader.

    Yield the texts that must contain no secret.
    """
    aws = Aws()
    deps = functions.on_demand_of(aws, given["zoom"])
    body = encoded({"uuid": payloads.UUID})
    answered = on_demand.respond(proxy_event(body, {}), deps)
    yield text_of(answered)
    require(answered.status in {200, 400, 404, 500, 503}, f"/ingest answers {answered.status}")
    yield from check_downloads(aws, given["zoom"], steps_of(given["downloads"]))
    partial = {
        **payloads.vectors("download")[0]["message"],
        "uuid": payloads.UUID,
        "zip_id": f"auto-ingest-{payloads.UUID}",
        "topic": "",
        "zoom_series_id": 0,
        "start_time": "",
        "host_id": "",
        "recording_files": [],
        "duration": 0,
        "download_token": "",
        "is_partial": True,
    }
    deps_of_download = functions.downloader_of(aws, given["zoom"], steps_of(given["downloads"]))
    process(aws, aws.download_queue, encoded(partial).decode(), 1, deps_of_download)
    yield from aws.seen()


def make_list(mutator: Mutator) -> Any:
    page = {"from": "2026-10-11", "next_page_token": "", "meetings": [payloads.meeting()] * 2}
    users = {"users": [{"id": "u1"}, {"id": "u2"}], "next_page_token": ""}
    made = {
        "/users?": mutated_answer(mutator, answer(users)),
        "/accounts/me": mutated_answer(mutator, answer(page)),
        "/users/u1": mutated_answer(mutator, answer(page)),
        "/users": mutated_answer(mutator, answer(users)),
        "/recordings": mutated_answer(mutator, recording_answer()),
    }
    if mutator.chance(0.3):
        made["/accounts/me"] = problems()[1]
    state = mutator.value([payloads.reconcile_item()]) if mutator.chance(0.3) else []
    return {"zoom": made, "state": state or [payloads.reconcile_item()]}


def check_list(given: Any) -> Iterator[str]:
    """Check that a run of reconcile ends with a report, whatever Zoom lists.

    Yield the texts that must contain no secret.
    """
    aws = Aws()
    aws.recordings.put(given["state"])
    deps = functions.reconcile_of(aws, given["zoom"])
    yield str(reconcile.answer({"source": "aws.events"}, deps, 100.0))
    yield from aws.seen()


def make_download(mutator: Mutator) -> Any:
    redirect = {
        "status": 302,
        "headers": {
            "Location": "https://ssrweb.zoom.us/a/GMT_Recording.mp4?x=1",
            "Content-Length": "0",
        },
    }
    whole = {
        "status": 206,
        "headers": {
            "Content-Type": "video/mp4",
            "Content-Disposition": "attachment; filename*=UTF-8''GMT%20Recording.mp4",
            "Content-Length": "1",
            "Content-Range": "bytes 0-0/1800000",
            "ETag": '"abc"',
            "Last-Modified": "Wed, 14 Oct 2026 16:00:00 GMT",
        },
        "content": b"\0",
    }
    steps = mutator.one_of(([redirect, whole], [whole], [redirect, redirect, whole]))
    return mutator.value(steps) if mutator.chance(0.8) else steps


def steps_of(given: Any) -> list[Any]:
    """Return the successive answers to a download, even if a mutation has replaced the list."""
    return list(given) if isinstance(given, list) else [given]


def check_download(given: Any) -> Iterator[str]:
    """Check that a download returns a body or raises IngesterError.

    Yield the texts that must contain no secret.
    """
    access = AccessInUse(Access(planted.DOWNLOAD_TOKEN), lambda: Access(planted.DOWNLOAD_TOKEN))
    http = cast(Any, Downloads(steps_of(given)))
    file = ZoomFile("f", "https://zoom.us/rec/download/f", access, http=http, hosts=HOSTS)
    try:
        body = file.open(0, 0)
        yield f"{body.name} {body.version.size}"
        body.read(10)
        body.close()
    except IngesterError as error:
        yield str(error)


TARGETS = (
    Target("zoom-webhook", 16, make_event, check_event),
    Target("zoom-recording", 8, make_recording, check_recording),
    Target("zoom-list", 6, make_list, check_list),
    Target("zoom-download", 5, make_download, check_download),
)
