"""Mutations of payloads: of JSON values, of texts, and of raw bytes.

A value may contain placeholders (`DEEP`, `DIGITS`, `LONG`), which keep printed inputs short.
`encoded` replaces the placeholders by nested arrays, a number of many digits, and a long text.
"""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, TypeVar

from tests.fuzz.planted import is_secret

T = TypeVar("T")

DEEP, DIGITS, LONG = "@deep@", "@digits@", "@long@"
DEPTH, MANY_DIGITS, LENGTH = 3000, 5000, 200_000

TEXTS = (
    *("", " ", "0", "-1", "null", "None", "true", "nan", "Infinity", "\0", "\x1b[2J", "\r\n\t"),
    *("\ud800", "x\udfff", "\ufffe\uffff", "\u202e\u2066", "😀", "ä" * 400, "a" * 129, "a" * 3000),
    *("1" * 40, "9" * 4301, "00000000000", "2026-10-14T15:00:00Z", "0001-01-01T00:00:00Z"),
    *("9999-12-31T23:59:59Z", "2026-10-14", "1969-12-31T23:59:59Z", "24:00", "٣٤:٥٦"),
    *("../../x", "/", "//", "a b", "%", "%00", "%ff%fe", "\\", "'", '"', "<a href=x>&amp;", "=1+1"),
    *(
        "https://[",
        "https://[::1]/x",
        "http://user:pw@h/",
        "https://zoom.us/j/1?pwd=x",
        "javascript:",
    ),
    *("{", "[]", '{"a": 1}', "&a=1", ";", "|", "#", "#reconcile", "an import is running", "MP4"),
    *("auto-ingest-", "on-demand-", LONG),
)
"""Texts that often break parsers."""

SCALARS: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 59, 86_400, 2**31, 2**53 + 1, 2**63, 2**64, -(2**64)),
    *(10**18, 10**19, 10**38, 10**40, 0.5, -0.0, 1e22, 1e308, float("nan"), float("inf")),
    *([], {}, [[]], [None], {"": None}, DEEP, DIGITS, *TEXTS),
)
"""JSON values and placeholders that often break parsers."""

PIECES = (
    *(b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b", b"\\u"),
    *(b"\\ud800", b'"', b"{", b"}", b"[" * 200, b"]", b",", b":", b"\n", b"\r\n", b"%", b"&", b"="),
    *(b"1e999", b"NaN", b"-", b"9" * 400, b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"\xe2\x80\xa8"),
)


class Mutator:
    """A source of mutations, which are the same for the same `random`."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def one_of(self, values: Sequence[T]) -> T:
        return values[self.random.randrange(len(values))]

    def value(self, value: T, most: int = 4) -> T:
        """Return a copy of a value with one to `most` mutations, or rarely with none."""
        changed: Any = [copy.deepcopy(value)]
        if self.chance(0.03):
            return changed[0]  # type: ignore[no-any-return]  # a copy
        for _ in range(1 + int(self.random.random() ** 2 * most)):
            places = list(_places(changed))
            self._change(*self.one_of(places), changed)
        return changed[0] if changed else None  # type: ignore[return-value]  # whatever it became

    def scalar(self) -> Any:
        # Some values are lists or dicts, which later mutations change in place.
        return copy.deepcopy(self.one_of(SCALARS))

    def _change(self, parent: Any, key: Any, root: list[Any]) -> None:
        old = parent[key]
        kind = self.random.randrange(10)
        if kind < 3:
            parent[key] = self.scalar()
        elif kind == 3 and parent is not root:
            del parent[key]
        elif kind == 4:
            parent[key] = self.one_of(([old], {"a": old}, [old, old], str(old), [[old]]))
        elif kind == 5:
            self._add(parent, old)
        elif kind == 6:
            other, place = self.one_of(list(_places(root)))
            if not (is_secret(json.dumps(old, default=str)) or _contains(old, other)):
                other[place] = copy.deepcopy(old)
        else:
            parent[key] = self._changed_scalar(old)

    def _add(self, parent: Any, old: Any) -> None:
        if isinstance(parent, list) and len(parent) < 200:
            parent.insert(self.random.randrange(len(parent) + 1), copy.deepcopy(old))
        elif isinstance(parent, dict):
            parent[self.one_of(("", "a", "id", "type", "\0", "$ref", "__proto__"))] = self.scalar()

    def _changed_scalar(self, old: Any) -> Any:
        if isinstance(old, bool) or old is None:
            return self.scalar()
        if isinstance(old, str):
            return self.text(old)
        if isinstance(old, int | float):
            return self.one_of((str(old), -old, old + 1, old * 1000, float(old), old - 10**6))
        return self.value(old, 2) if isinstance(old, list | dict) else self.scalar()

    def text(self, text: str) -> str:
        """Return a text with one mutation."""
        at = self.random.randrange(len(text) + 1)
        to = self.random.randrange(at, min(len(text), at + 8) + 1)
        odd = self.one_of(TEXTS)
        changes: tuple[Callable[[], str], ...] = (
            lambda: odd,
            lambda: text[:at] + odd + text[at:],
            lambda: text[:at] + text[to:],
            lambda: text[:to] + text[at:],
            lambda: text[:at],
            text.upper,
            lambda: text[:at] + chr(self.random.randrange(0x250)) + text[to:],
            lambda: text[:at] + chr(self.random.randrange(0x11000)) + text[to:],
            lambda: text * self.one_of((2, 3, 20)),
            lambda: f" {text}\t",
        )
        return self.one_of(changes)()

    def raw(self, content: bytes, most: int = 4) -> bytes:
        """Return content with one to `most` mutations."""
        for _ in range(1 + int(self.random.random() ** 2 * most)):
            content = self._raw(content)
        return content

    def _raw(self, content: bytes) -> bytes:
        at = self.random.randrange(len(content) + 1)
        to = self.random.randrange(at, min(len(content), at + 64) + 1)
        odd = self.one_of(PIECES)
        common: tuple[Callable[[], bytes], ...] = (
            lambda: content[:at] + odd + content[at:],
            lambda: content[:at] + odd + content[to:],
            lambda: content[:at] + content[to:],
            lambda: content[:to] + content[at:],
            lambda: content[:at] + self.random.randbytes(4) + content[at + 4 :],
            lambda: content[:at] + bytes([self.random.randrange(256)]) + content[at + 1 :],
        )
        # The mutations below are rare because parsers reject most of the results at once.
        rare: tuple[Callable[[], bytes], ...] = (
            lambda: content[:at],
            lambda: content[at:],
            lambda: content.decode("utf-8", "replace").encode("utf-16"),
            lambda: gzip.compress(content, mtime=0),
            lambda: self.random.randbytes(self.random.randrange(100)),
        )
        return self.one_of(rare if self.chance(0.05) else common)()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (container, key) for each place in a value, at any depth."""
    entries: Any = ()
    if isinstance(value, dict):
        entries = list(value)
    elif isinstance(value, list):
        entries = range(len(value))
    for key in entries:
        yield value, key
        yield from _places(value[key])


def _contains(value: Any, container: Any) -> bool:
    """Return whether a container is the value or is within the value.

    A value can't be put into such a container, because the result would contain itself.
    """
    if value is container:
        return True
    inner: Any = value.values() if isinstance(value, dict) else value
    return isinstance(value, dict | list) and any(_contains(part, container) for part in inner)


def filled(text: str) -> str:
    """Return a text with the placeholders LONG and DIGITS replaced."""
    return text.replace(LONG, "L" * LENGTH).replace(DIGITS, "7" * MANY_DIGITS)


def encoded(value: Any) -> bytes:
    """Return a value as JSON, with the placeholders replaced. Bytes stay as they are."""
    if isinstance(value, bytes):
        return value
    text = json.dumps(value, default=str)
    text = text.replace(f'"{DEEP}"', "[" * DEPTH + "]" * DEPTH)
    text = text.replace(f'"{DIGITS}"', "7" * MANY_DIGITS)
    return filled(text).encode()
