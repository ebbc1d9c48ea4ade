"""Target: Opencast's answers to the uploader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import uploader
from tests.fuzz import functions, payloads
from tests.fuzz.fakes import Aws
from tests.fuzz.functions import process
from tests.fuzz.mutations import Mutator, encoded
from tests.fuzz.target import Target, require

JSON = {"Content-Type": "application/json"}
TERMS = "http://purl.org/dc/terms/"
CATALOG = {
    TERMS: {
        "identifier": [{"value": payloads.SERIES}],
        "title": [{"value": "Mapping the Ocean", "lang": "en"}],
        "publisher": [{"value": "pub@example.edu"}],
    }
}
WORKFLOW = (
    b'<?xml version="1.0"?><ns3:workflow xmlns:ns3="http://workflow.opencastproject.org" '
    b'id="1234" state="INSTANTIATED"><template>wf</template></ns3:workflow>'
)


def good_answers() -> dict[str, Any]:
    """Return the answers of an Opencast that lacks the recording, by a text in the URL."""
    return {
        "/api/events/": {"status": 404, "headers": JSON, "content": {}},
        "/api/info/me/roles": {"headers": JSON, "content": ["ROLE_ADMIN", "ROLE_USER"]},
        "/services/count": {"content": b"0"},
        "/hasActiveWorkflows": {"content": b"false"},
        "/series/": {"headers": JSON, "content": CATALOG},
        "/ingest/addMediaPackage/": {"headers": {"Content-Type": "text/xml"}, "content": WORKFLOW},
    }


def make(mutator: Mutator) -> Any:
    answers = good_answers()
    for _ in range(1 + mutator.random.randrange(3)):
        name = mutator.one_of(list(answers))
        changed: Any = answers[name]
        if not isinstance(changed, dict) or "content" not in changed:
            continue
        if mutator.chance(0.3):
            changed = {
                **changed,
                "status": mutator.one_of((200, 302, 401, 403, 404, 409, 500, 502)),
            }
        content = changed["content"]
        changed["content"] = (
            mutator.raw(encoded(content))
            if isinstance(content, bytes) or mutator.chance(0.3)
            else mutator.value(content)
        )
        answers[name] = mutator.value(changed) if mutator.chance(0.2) else changed
    return {
        "answers": answers,
        "number": mutator.random.randrange(60),
        "known": mutator.chance(0.3),
    }


def ingests_of(deps: uploader.Dependencies) -> int:
    """Return the number of POSTs to Opencast's ingest endpoint."""
    asked = deps.opencast._session.asked  # type: ignore[attr-defined]  # noqa: SLF001  # the fake's
    return sum("/ingest/" in url for url in asked)


def check(given: Any) -> Iterator[str]:
    """Check that two deliveries of a message raise no error, and that no POST follows a 200.

    Yield the texts that must contain no secret.
    """
    aws = Aws()
    message = payloads.upload_messages()[given["number"] % 60]
    if given["known"]:
        aws.recordings.put([{**payloads.record(), "uuid": message["uuid"]}])
    body = encoded(message).decode()
    deps = functions.uploader_of(aws, given["answers"], body)
    for receives in (1, 2):
        process(aws, aws.upload_queue, body, receives, deps)
    answered = given["answers"].get("/ingest/addMediaPackage/")
    is_taken = isinstance(answered, dict) and answered.get("status", 200) == 200
    require(not is_taken or ingests_of(deps) <= 1, "A second POST after an answer of 200")
    yield from aws.seen()


TARGETS = (Target("opencast-answers", 6, make, check),)
