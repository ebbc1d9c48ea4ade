"""DynamoDB's update expressions.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

from boto3.dynamodb.types import DYNAMODB_CONTEXT

from tests.simulation.aws.attribute_values import (
    MISSING,
    InvalidRequest,
    Item,
    Path,
    kind_of,
    look_up,
    size_of,
    with_value,
    without_value,
)
from tests.simulation.aws.projections import Projection
from tests.simulation.aws.syntax import Parser

Values = Mapping[str, Any]
Reader = Callable[[Item, Values], Any]
First = TypeVar("First")

_WRONG_TYPE = "An operand in the update expression has an incorrect data type"
_NO_SUCH = "The provided expression refers to an attribute that does not exist in the item"


@dataclass(frozen=True)
class Update:
    """A parsed UpdateExpression."""

    sets: tuple[tuple[Path, Reader], ...]
    removes: tuple[Path, ...]
    adds: tuple[tuple[Path, str], ...]
    deletes: tuple[tuple[Path, str], ...]
    attributes: frozenset[str]
    """The top-level attributes that the update writes."""
    projection: Projection
    used_names: frozenset[str]
    used_values: frozenset[str]
    copied: tuple[Path, ...]
    most_uses: int

    def apply(self, item: Item, values: Values) -> Item:
        """Return the updated item.

        Raises:
            InvalidRequest: The update doesn't fit the item.
        """
        # DynamoDB reads every operand of SET before it writes.
        written = [(path, read(item, values)) for path, read in self.sets]
        new = dict(item)
        for path, value in written:
            _put(new, path, value)
        for path, name in self.adds:
            _put(new, path, _added(look_up(item, path), values[name]))
        for path, name in self.deletes:
            _take(new, path, values[name])
        for path in self.removes:
            if len(path) == 1:
                new.pop(str(path[0]), None)
            else:
                new[str(path[0])] = _parent(new, path, without_value)
        return new

    def growth(self, item: Item, values: Values) -> int:
        """Return a rough upper limit of the bytes by which the update enlarges an item.

        The limit leaves out the names and the overhead of elements in nested paths.
        """
        names = sum(len(name) for name in self.attributes)
        given = sum(map(size_of, values.values())) * self.most_uses
        copies = (look_up(item, path) for path in self.copied)
        return names + given + sum(size_of(copy) for copy in copies if copy is not MISSING)


def _put(item: Item, path: Path, value: Any) -> None:
    if len(path) == 1:
        item[str(path[0])] = value
    else:
        item[str(path[0])] = _parent(item, path, lambda top, rest: with_value(top, rest, value))


def _parent(item: Item, path: Path, change: Callable[[Any, Path], Any]) -> Any:
    """Change a nested path, and return the new top-level attribute."""
    return change(look_up(item, path[:1]), path[1:])


def _added(old: Any, value: Any) -> Any:
    if type(value) is not Decimal and type(value) is not frozenset:
        raise InvalidRequest(
            "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: "
            f"ADD, operand type: {kind_of(value)}, typeSet: ALLOWED_FOR_ADD_OPERAND"
        )
    if old is MISSING:
        return value
    if type(old) is Decimal and type(value) is Decimal:
        return DYNAMODB_CONTEXT.add(old, value)
    if _are_sets_of_one_kind(old, value):
        return old | value
    raise InvalidRequest(_WRONG_TYPE)


def _take(item: Item, path: Path, values: Any) -> None:
    """Remove elements from a set, and the set if no element is left.

    Raises:
        InvalidRequest: `values` isn't a set, or the path's value isn't a set of the same type.
    """
    if type(values) is not frozenset:
        raise InvalidRequest(
            "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: "
            f"DELETE, operand type: {kind_of(values)}, typeSet: ALLOWED_FOR_DELETE_OPERAND"
        )
    old = look_up(item, path)
    if old is MISSING:
        return
    if not _are_sets_of_one_kind(old, values):
        raise InvalidRequest(_WRONG_TYPE)
    if left := old - values:
        _put(item, path, left)
    elif len(path) == 1:
        del item[str(path[0])]
    else:
        item[str(path[0])] = _parent(item, path, without_value)


def _are_sets_of_one_kind(first: Any, second: Any) -> bool:
    if type(first) is not frozenset or type(second) is not frozenset:
        return False
    return type(next(iter(first))) is type(next(iter(second)))


@lru_cache(maxsize=4096)
def update(text: str, names: tuple[tuple[str, str], ...]) -> Update:
    """Parse an UpdateExpression. `names` are ExpressionAttributeNames as pairs.

    Raises:
        InvalidRequest: The expression is wrong.
    """
    return _UpdateParser(Parser("UpdateExpression", text, dict(names))).update()


class _UpdateParser:
    """A recursive-descent parser of an update expression."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self._sets: list[tuple[Path, Reader]] = []
        self._removes: list[Path] = []
        self._adds: list[tuple[Path, str]] = []
        self._deletes: list[tuple[Path, str]] = []
        self._copied: list[Path] = []

    def update(self) -> Update:
        self._clauses()
        written = [
            *(path for path, _ in self._sets),
            *self._removes,
            *(path for path, _ in self._adds),
            *(path for path, _ in self._deletes),
        ]
        self._parser.check_overlap(written)
        uses = self._parser.used_values
        return Update(
            # DynamoDB adds new elements of a list in the order of the indexes, and removes elements
            # by the old indexes. So the fake removes the last element first.
            sets=tuple(sorted(self._sets, key=lambda pair: _order(pair[0]))),
            removes=tuple(sorted(self._removes, key=_order, reverse=True)),
            adds=tuple(self._adds),
            deletes=tuple(self._deletes),
            attributes=frozenset(str(path[0]) for path in written),
            projection=Projection(written),
            used_names=frozenset(self._parser.used_names),
            used_values=frozenset(uses),
            copied=tuple(self._copied),
            most_uses=max(uses.values(), default=0),
        )

    def _clauses(self) -> None:
        readers: dict[str, Callable[[], None]] = {
            "SET": self._set,
            "REMOVE": lambda: self._removes.append(self._parser.path()),
            "ADD": lambda: self._adds.append(self._with_value()),
            "DELETE": lambda: self._deletes.append(self._with_value()),
        }
        seen: set[str] = set()
        while self._parser.peek() or not seen:
            word = self._parser.peek().upper()
            if word not in readers:
                raise self._parser.unexpected()
            if word in seen:
                raise self._parser.error(
                    f'The "{word}" section can only be used once in an update expression;'
                )
            self._parser.next()
            seen.add(word)
            readers[word]()
            while self._parser.accept(","):
                readers[word]()

    def _with_value(self) -> tuple[Path, str]:
        return self._parser.path(), self._parser.value()

    def _set(self) -> None:
        path = self._parser.path()
        self._parser.expect("=")
        left = self._operand(path)
        operator = self._parser.peek()
        if operator in {"+", "-"}:
            self._parser.next()
            self._sets.append((path, _calculated(left, self._operand(path), operator)))
        else:
            self._sets.append((path, left))

    def _operand(self, target: Path) -> Reader:
        parser = self._parser
        token = parser.peek()
        if token.startswith(":"):
            name = parser.value()
            return lambda _item, values: values[name]
        if token == "if_not_exists" and parser.peek(1) == "(":
            return self._if_not_exists(target)
        if token == "list_append" and parser.peek(1) == "(":
            first, second = self._two(self._operand, target)
            return _appended(first, second)
        path = self._read_path(target)
        return lambda item, _values: _present(look_up(item, path))

    def _read_path(self, target: Path) -> Path:
        path = self._parser.path()
        if path != target:
            self._copied.append(path)
        return path

    def _if_not_exists(self, target: Path) -> Reader:
        path, other = self._two(self._read_path, target)

        def read(item: Item, values: Values) -> Any:
            found = look_up(item, path)
            return other(item, values) if found is MISSING else found

        return read

    def _two(self, first: Callable[[Path], First], target: Path) -> tuple[First, Reader]:
        """Read a call of a function, and return the call's two arguments."""
        self._parser.next()
        self._parser.expect("(")
        found = first(target)
        self._parser.expect(",")
        second = self._operand(target)
        self._parser.expect(")")
        return found, second


def _order(path: Path) -> tuple[tuple[bool, str | int], ...]:
    return tuple((isinstance(part, int), part) for part in path)


def _present(value: Any) -> Any:
    if value is MISSING:
        raise InvalidRequest(_NO_SUCH)
    return value


def _calculated(left: Reader, right: Reader, operator: str) -> Reader:
    def read(item: Item, values: Values) -> Any:
        first, second = left(item, values), right(item, values)
        if type(first) is not Decimal or type(second) is not Decimal:
            raise InvalidRequest(_WRONG_TYPE)
        calculate = DYNAMODB_CONTEXT.add if operator == "+" else DYNAMODB_CONTEXT.subtract
        return calculate(first, second)

    return read


def _appended(left: Reader, right: Reader) -> Reader:
    def read(item: Item, values: Values) -> Any:
        first, second = left(item, values), right(item, values)
        if type(first) is not tuple or type(second) is not tuple:
            raise InvalidRequest(_WRONG_TYPE)
        return first + second

    return read
