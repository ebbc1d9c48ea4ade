"""Find the id of an Opencast series in a text: a bare id, or a link to the series."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

LONGEST = 200
"""Maximum number of characters of an id. Opencast's own ids are UUIDs."""

_ID_IN_LINK = re.compile(r"[\w.:-]+")
_BARE_ID = re.compile(rf"[^\s/#]{{1,{LONGEST}}}")


def in_link(link: str) -> str:
    """Return the id in a link's fragment, "" if there is none.

    The id has none of the fragment's slashes: `…/index.html#/2021/01/12345` → `20210112345`.
    """
    series = after_hash(link)
    page = link.partition("#")[0]
    is_link = page and len(page.split()) == 1
    return series if is_link and _ID_IN_LINK.fullmatch(series) and len(series) <= LONGEST else ""


def after_hash(link: str) -> str:
    """Return a link's fragment without slashes; "" if the link is malformed or has no fragment."""
    try:
        return urlsplit(link).fragment.replace("/", "").strip()
    except ValueError:
        return ""


def series_id_in(text: str) -> str:
    """Return the id that a text is or links to; "" if there is none."""
    return text if _BARE_ID.fullmatch(text) and text.isprintable() else in_link(text)
