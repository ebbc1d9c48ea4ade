"""The answer with a page, and the page's content security policy."""

from __future__ import annotations

import base64
import hashlib

from ingester.runtime.static_page import page_answer
from status_query import page_text

EMPTY = "<!doctype html><title>x</title>"


def test_page_allows_no_script_or_style_but_its_own() -> None:
    script, style = "run('ü');\n", "p { color: red }"
    html = f"{EMPTY}<style>{style}</style><script>{script}</script>"
    answer = page_answer(html)
    policy = dict(
        part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; ")
    )
    digests = {
        name: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for name, text in (("script", script), ("style", style))
    }
    assert policy == {
        "default-src": "'none'",
        "script-src": f"'sha256-{digests['script']}'",
        "style-src": f"'sha256-{digests['style']}'",
        "connect-src": "'self'",
        "img-src": "data:",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert answer.body == html
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_page_allows_no_script_or_style_when_it_has_none() -> None:
    assert (
        "script-src 'none'; style-src 'none'"
        in (page_answer(EMPTY).headers["Content-Security-Policy"])
    )


def test_status_page_has_under_60_kb_and_no_code_that_makes_html_or_that_its_policy_blocks() -> (
    None
):
    html = page_text()
    assert len(html.encode()) < 60_000
    # Each name below stands for a way to turn text into HTML or code in a browser.
    sinks = (
        "innerHTML outerHTML insertAdjacentHTML document.write eval( DOMParser srcdoc Function( "
        "createContextualFragment javascript: setHTML"
    )
    assert [word for word in sinks.split() if word in html] == []
    # The content security policy blocks scripts and styles in other files and in attributes.
    others = (" src=", "@import", "url(", " style=", " onclick=", "stylesheet")
    assert [word for word in others if word in html] == []
    assert html.count("<script>") == html.count("<script") == 1
    assert html.count("<style>") == html.count("<style") == 1
