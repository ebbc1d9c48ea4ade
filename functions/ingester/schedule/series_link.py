"""The id of an Opencast series, as people have it at hand: bare, or in a link to the series."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

LONGEST = 200
"""Characters. Opencast's own are uuids."""

_IN_LINKS = re.compile(r"[\w.:-]+")
_BARE = re.compile(rf"[^\s/#]{{1,{LONGEST}}}")


def in_link(link: str) -> str:
    """The id in a link's fragment: `…/index.html#/2021/01/12345` → `20210112345`; "" if none is."""
    series = after_hash(link)
    before = link.partition("#")[0]
    is_one = before and len(before.split()) == 1 and _IN_LINKS.fullmatch(series)
    return series if is_one and len(series) <= LONGEST else ""


def after_hash(link: str) -> str:
    """What stands in a link's fragment, without slashes."""
    try:
        return urlsplit(link).fragment.replace("/", "").strip()
    except ValueError:
        return ""


def series_id_in(text: str) -> str:
    """The id that a text is, or that a link holds; "" if it can be none."""
    return text if _BARE.fullmatch(text) and text.isprintable() else in_link(text)
