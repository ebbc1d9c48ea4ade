"""Canaries: secrets that a test plants, and the search for their forms in texts and files."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus

BITS_OF_A_BYTE, BITS_OF_A_LETTER = 8, 6


def forms_of(secret: str) -> set[str]:
    """Return a secret's forms: plain, URL-encoded, once or twice JSON-escaped, within base64."""
    raw = secret.encode()
    escaped = json.dumps(secret)[1:-1]
    forms = {secret, quote(secret, safe=""), quote_plus(secret), quote(secret)}
    forms |= {escaped, json.dumps(escaped)[1:-1]}
    for before in range(3):
        # A base64 letter encodes 6 bits. With `before` other bytes in front of the secret, only the
        # letters from `first` to `end` depend on the secret alone.
        first = -(-before * BITS_OF_A_BYTE // BITS_OF_A_LETTER)
        end = (before + len(raw)) * BITS_OF_A_BYTE // BITS_OF_A_LETTER
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            forms.add(encode(b"\0" * before + raw).decode()[first:end])
    return forms


class Canaries:
    """A search for planted secrets. `planted` maps each secret's name to the secret."""

    def __init__(self, planted: Mapping[str, str]) -> None:
        self._forms = [
            (name, form) for name, secret in planted.items() for form in sorted(forms_of(secret))
        ]
        self._encoded = [(name, form.encode()) for name, form in self._forms]

    def found_in(self, text: str) -> list[str]:
        """Return the names of the secrets that a text contains, in any form."""
        return sorted({name for name, form in self._forms if form in text})

    def found_in_bytes(self, content: bytes) -> list[str]:
        """Return the names of the secrets that a file's content contains, in any form."""
        return sorted({name for name, form in self._encoded if form in content})

    def where(self, texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Yield (place, secret's name) for each secret found. `texts` maps places to texts."""
        for place, text in texts.items():
            for name in self.found_in(text):
                yield place, name
