"""A target of the fuzzer: the generator of its inputs, and the check of each input."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.fuzz.mutations import Mutator


class Finding(AssertionError):
    """An input's failed requirement (see `require`).

    The text up to the first colon is the kind of problem.
    """


@dataclass(frozen=True)
class Target:
    """A parser or a handler, with functions that make and check its inputs.

    Attributes:
        name: The target's name on the command line.
        weight: The target's share of all inputs, relative to other targets.
        make: Makes an input: a Python value whose `repr` can be pasted into a test.
        check: Passes an input to the code, and returns the texts that people then see, or that
            tables or neighbours then get. Raises Finding or another error if the input breaks the
            code.
    """

    name: str
    weight: float
    make: Callable[[Mutator], Any]
    check: Callable[[Any], Iterable[str]]


def require(holds: object, finding: str) -> None:
    """Raise a Finding with the text `finding` unless `holds` is true."""
    if not holds:
        raise Finding(finding)
