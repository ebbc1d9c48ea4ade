"""Select the elements of an item that document paths name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.simulation.aws.attribute_values import MISSING, Item, Path, look_up

Tree = dict[str | int, Any]


class Projection:
    """A selector of items' elements. The selected elements of a list become a list without gaps."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._tree: Tree = {}
        for path in paths:
            branch = self._tree
            for part in path[:-1]:
                branch = branch.setdefault(part, {})
            branch[path[-1]] = None

    def of(self, item: Item) -> Item:
        found = _taken(item, self._tree)
        return {} if found is MISSING else dict(found)


def _taken(value: Any, tree: Tree | None) -> Any:
    """Return the elements of a value that the tree names, or MISSING if there are none.

    If `tree` is None, return the whole value.
    """
    if tree is None or value is MISSING:
        return value
    is_map = type(value) is dict
    parts = tree if is_map else sorted(part for part in tree if isinstance(part, int))
    found = {part: _taken(look_up(value, (part,)), tree[part]) for part in parts}
    kept = {part: taken for part, taken in found.items() if taken is not MISSING}
    if not kept:
        return MISSING
    return kept if is_map else tuple(kept.values())
