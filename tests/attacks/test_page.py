"""Attacks on the status page: scripts in texts, frames, and pages of other origins."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest

from tests.attacks.probes import (
    STAGE,
    Answer,
    Probe,
    encoded,
    new_uuid,
    started,
    to_status,
    to_webhook,
)
from tests.attacks.target import Target

pytestmark = pytest.mark.usefixtures("no_error_mail")

TOPICS = {
    "a script": "<script>alert(1)</script>",
    "an image": '"><img src=x onerror=alert(1)>',
    "the end of a script": "</script><script>alert(1)</script>",
    "a link of JavaScript": "javascript:alert(1)",
    "a line separator": "a\u2028alert(1)\u2029",
    "a template": "{{constructor.constructor('alert(1)')()}}",
    "text from right to left": "\u202eevil\u202c",
}
ORIGINS = ("https://evil.example", "null", "http://localhost", "https://zoom.us.evil.example")


def page(target: Target, query: str = "", **headers: str) -> Answer:
    """Request the status page, assert status 200 and unchanged data, and return the answer."""
    probe = Probe(path=f"{STAGE}/{query}", method="GET", headers=headers)
    return target.assert_refused(probe, 200)


@pytest.mark.parametrize("name", TOPICS)
def test_hostile_topic_is_sent_as_json_and_not_in_the_status_page(
    name: str, target: Target
) -> None:
    # Tests in tests/browser check that the page shows a hostile topic as text.
    meeting, uid = target.stack.new_meeting(), new_uuid()
    event = encoded(started(uid, id=meeting, topic=TOPICS[name]))
    assert target.send(to_webhook(event, target.zoom_secret)).status == 204
    for query in (f"meeting_id={meeting}", f"meeting_id={meeting}&details=true"):
        answer = target.send(to_status(query))
        assert answer.headers["content-type"] == "application/json"
        assert json.dumps(TOPICS[name]) in json.dumps(answer.json())
    assert TOPICS[name] not in page(target).body


def test_status_page_repeats_nothing_of_its_url(target: Target) -> None:
    plain = page(target)
    for query in ("?q=<script>", "?meeting_id=%3Cscript%3E", "?callback=alert", "?lang=../../x"):
        answer = page(target, query)
        assert (answer.body, answer.headers["content-type"]) == (
            plain.body,
            "text/html; charset=utf-8",
        )


def test_status_page_allows_only_its_own_script_and_no_frame(target: Target) -> None:
    answer = page(target)
    policy = {
        part.partition(" ")[0]: part.partition(" ")[2]
        for part in answer.headers["content-security-policy"].split("; ")
    }
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "http" not in answer.headers["content-security-policy"]
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["form-action"] == policy["trusted-types"] == "'none'"
    assert policy["connect-src"] == "'self'"
    scripts = re.findall("<script>(.*?)</script>", answer.body, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()) for text in scripts]
    assert policy["script-src"] == " ".join(f"'sha256-{digest.decode()}'" for digest in digests)
    assert scripts
    assert re.findall(r"<script[^>]|\son\w+=|javascript:", answer.body) == []
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize("origin", ORIGINS)
def test_page_of_another_origin_reads_no_status(origin: str, target: Target) -> None:
    # Without CORS headers, a browser hides the answer from a page of another origin.
    asked = to_status("meeting_id=1").having(origin=origin)
    for probe in (asked, asked.at(f"{STAGE}/")):
        answer = target.assert_refused(probe, 200)
        assert [name for name in answer.headers if name.startswith("access-control")] == []
    target.assert_refused(asked.by("OPTIONS"), 403)
    assert target.send(to_status("meeting_id=1")).json() == {"records": None}
