"""Answer a request with a page that is one HTML file.

The page's Content-Security-Policy allows no scripts and styles but the page's own, by their hashes.
https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Content-Security-Policy
"""

from __future__ import annotations

import base64
import hashlib
import re

from ingester.runtime.api_gateway import Answer

_ELEMENTS = {
    name: re.compile(rf"<{name}>(.*?)</{name}>", re.DOTALL) for name in ("script", "style")
}


def page_answer(html: str) -> Answer:
    """Return an answer with the page and its Content-Security-Policy.

    The policy allows the page to send requests only to the page's own origin, and allows no page to
    frame this page.
    """
    policy = {
        "default-src": "'none'",
        "script-src": _hashes(html, "script"),
        "style-src": _hashes(html, "style"),
        "connect-src": "'self'",
        "img-src": "data:",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return Answer(
        status=200,
        body=html,
        headers={
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": "; ".join(" ".join(pair) for pair in policy.items()),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-cache",
        },
    )


def _hashes(html: str, element: str) -> str:
    """Return a directive's sources: each element's hash, or `'none'` without such an element."""
    digests = (
        base64.b64encode(hashlib.sha256(found.encode()).digest()).decode()
        for found in _ELEMENTS[element].findall(html)
    )
    return " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
