"""A target of the fuzzer: how its inputs are made, and what has to hold for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.fuzz.mutations import Mutator


class Finding(AssertionError):
    """An input breaks what has to hold. The text up to the first colon is the same for each."""


@dataclass(frozen=True)
class Target:
    """A parser or a handler, with what comes to it from outside.

    Attributes:
        name: Its name on the command line.
        weight: Its part of all inputs.
        make: Makes an input: a Python value whose `repr` can be pasted into a test.
        check: Hands an input to the product, and returns every text that people, tables or
            neighbours then see. Raises Finding, or any other error, if the input breaks it.
    """

    name: str
    weight: float
    make: Callable[[Mutator], Any]
    check: Callable[[Any], Iterable[str]]


def require(holds: object, finding: str) -> None:
    """Raise a Finding unless something holds."""
    if not holds:
        raise Finding(finding)
