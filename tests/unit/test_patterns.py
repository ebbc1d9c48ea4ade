"""Tests of the regular expressions of the deployed code with long, hostile text.

The time of a pattern that backtracks can grow with the square of the text's length, or faster. Such
a pattern can take hours for these texts, so a test ends the match after a minute.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ingester
from tests.fuzz.runner import ended_after
from tests.fuzz.target import Finding

LENGTH = 256 * 1024
MAX_SECONDS = 60.0
"""Limit in seconds for one pattern and one text.

The slowest pattern takes less than two seconds.
"""

FOLDER = Path(ingester.__path__[0]).parent
FUNCTIONS = [path.stem for path in FOLDER.glob("*.py")]
MODULES = [module.name for module in pkgutil.walk_packages(ingester.__path__, "ingester.")]

PIECES = (
    *("0", "1.", "9:", "a", "A/", "#", "#A", "_", "-", ".", " ", "\n", "\\", "'", '"', "=", ":"),
    *("http://", "https://a/j/1", "token", "token=", "token: ", "token='", "pwd=a&", "bearer "),
    *("eyJaaaaaaaaa.", "xoxb-", "-----BEGIN PRIVATE KEY-----", "token%3D", "a:b@", "bytes 0-"),
    *("hooks.slack.com/", "REPORT ", "[ERROR] ", "RequestId: ", "00000000-", "1-1-", "E+", "am"),
)


def patterns() -> Iterator[re.Pattern[Any]]:
    """Yield each compiled pattern at the module level of the deployed code."""
    for module in (*MODULES, *FUNCTIONS):
        for value in vars(importlib.import_module(module)).values():
            yield from _patterns_in(value)


def _patterns_in(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _patterns_in(item)
    elif isinstance(value, dict):
        yield from _patterns_in([*value.values()])


def literal_patterns() -> Iterator[re.Pattern[Any]]:
    """Yield each literal pattern, without its flags, that the deployed code passes to `re`.

    Patterns in functions and classes aren't values of a module.
    """
    for path in sorted(FOLDER.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name("re"), attr=name),
                    args=[ast.Constant(str() | bytes() as pattern), *_],
                ) if name != "escape":
                    yield re.compile(pattern)


PATTERNS = {pattern.pattern: pattern for pattern in (*literal_patterns(), *patterns())}


def test_patterns_of_the_deployed_code_are_found() -> None:
    assert len(PATTERNS) > 50
    in_a_function = r"[\s,]"
    assert in_a_function in PATTERNS


def test_match_is_ended_when_its_pattern_takes_exponential_time() -> None:
    with pytest.raises(Finding), ended_after(0.01):
        re.search(r"(?:a|a)*b", "a" * 60)


@pytest.mark.parametrize(
    "pattern", PATTERNS.values(), ids=lambda pattern: str(pattern.pattern)[:40]
)
def test_pattern_is_matched_within_a_minute_when_the_text_is_hostile(
    pattern: re.Pattern[Any],
) -> None:
    for piece in PIECES:
        text: Any = piece * (LENGTH // len(piece)) + "!\nx"
        if isinstance(pattern.pattern, bytes):
            text = text.encode()
        with ended_after(MAX_SECONDS):
            pattern.fullmatch(text)
            pattern.search(text)
