"""The syntax that DynamoDB's expressions share: tokens, placeholders and document paths."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

from tests.simulation.aws.attribute_values import InvalidRequest, Path

_TOKEN = re.compile(r"\s*([#:]\w+|[A-Za-z_]\w*|\d+|<>|<=|>=|[=<>(),.\[\]+-])", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


@cache
def _reserved_words() -> frozenset[str]:
    """Return moto's copy of DynamoDB's reserved words.

    Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html
    """
    text = files("moto").joinpath("dynamodb/parsing/reserved_keywords.txt").read_text()
    return frozenset(text.upper().split())


class Parser:
    """A reader of an expression's tokens from left to right.

    `kind` is the name of the request's parameter, for error messages. `used_names` and
    `used_values` are the placeholders read so far.

    Raises:
        InvalidRequest: The text is empty, or contains no valid token at some place.
    """

    def __init__(self, kind: str, text: str, names: Mapping[str, str]) -> None:
        self.kind = kind
        self.used_names: set[str] = set()
        self.used_values: Counter[str] = Counter()
        self._names = names
        self._tokens = self._split(text)
        self._at = 0

    def _split(self, text: str) -> list[str]:
        tokens: list[str] = []
        at, end = 0, len(text.rstrip())
        if not end:
            raise self.error("The expression can not be empty;")
        while at < end:
            match = _TOKEN.match(text, at)
            if match is None:
                raise self.error(f'Syntax error; token: "{text[at]}", near: "{text[at : at + 9]}"')
            tokens.append(match[1])
            at = match.end()
        return tokens

    def error(self, problem: str) -> InvalidRequest:
        return InvalidRequest(f"Invalid {self.kind}: {problem}")

    def unexpected(self) -> InvalidRequest:
        """Make the error for a syntax error at the next token."""
        return self.error(f'Syntax error; token: "{self.peek() or "<EOF>"}"')

    def peek(self, ahead: int = 0) -> str:
        """Return the token that is `ahead` places after the next token, or "" at the end."""
        at = self._at + ahead
        return self._tokens[at] if at < len(self._tokens) else ""

    def next(self) -> str:
        token = self.peek()
        if not token:
            raise self.unexpected()
        self._at += 1
        return token

    def accept(self, token: str) -> bool:
        """Read the next token if its upper case is `token`. Return whether the token was read."""
        if self.peek().upper() != token:
            return False
        self._at += 1
        return True

    def expect(self, token: str) -> None:
        if not self.accept(token):
            raise self.unexpected()

    def expect_end(self) -> None:
        if self.peek():
            raise self.unexpected()

    def value(self) -> str:
        """Read and return a placeholder of a value.

        Raises:
            InvalidRequest: The next token isn't such a placeholder.
        """
        if not self.peek().startswith(":"):
            raise self.unexpected()
        token = self.next()
        self.used_values[token] += 1
        return token

    def path(self) -> Path:
        """Read a document path, and return the path with names in place of the placeholders.

        Raises:
            InvalidRequest: The path is wrong, or has a reserved word or an undefined placeholder.
        """
        parts: list[str | int] = [self._attribute()]
        while True:
            if self.accept("."):
                parts.append(self._attribute())
            elif self.accept("["):
                if not self.peek().isdigit():
                    raise self.unexpected()
                parts.append(int(self.next()))
                self.expect("]")
            else:
                return tuple(parts)

    def _attribute(self) -> str:
        token = self.peek()
        if token.startswith("#"):
            self.next()
            self.used_names.add(token)
            if token not in self._names:
                raise self.error(
                    "An expression attribute name used in the document path is not defined; "
                    f"attribute name: {token}"
                )
            return self._names[token]
        if not _NAME.fullmatch(token):
            raise self.unexpected()
        if token.upper() in _reserved_words():
            raise self.error(f"Attribute name is a reserved keyword; reserved keyword: {token}")
        return self.next()

    def check_overlap(self, paths: Iterable[Path]) -> None:
        """Raise InvalidRequest if a path equals or contains another path."""
        known: list[Path] = []
        for path in paths:
            for other in known:
                if path[: len(other)] == other[: len(path)]:
                    raise self.error(
                        "Two document paths overlap with each other; must remove or rewrite one "
                        f"of these paths; path one: {list(other)}, path two: {list(path)}"
                    )
            known.append(path)
