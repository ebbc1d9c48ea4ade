"""DynamoDB's condition expressions.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html

Parentheses around a single operand, as in `(a) = :b`, aren't supported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, partial
from operator import ge, gt, le, lt
from typing import Any

from boto3.dynamodb.types import Binary

from tests.simulation.aws.attribute_values import (
    MISSING,
    InvalidRequest,
    Item,
    Path,
    bytes_of,
    kind_of,
    look_up,
    same,
)
from tests.simulation.aws.syntax import Parser

Values = Mapping[str, Any]
Test = Callable[[Item, Values], bool]
Reader = Callable[[Item, Values], Any]

_ORDERS = {"<": lt, "<=": le, ">": gt, ">=": ge}


@dataclass(frozen=True)
class Operand:
    """A path, the size of the value at a path, or a value's placeholder."""

    path: Path = ()
    value: str = ""
    is_size: bool = False


@dataclass(frozen=True)
class Comparison:
    """A test of operands: `=`, `<`, BETWEEN, IN, begins_with, attribute_exists and so on."""

    operator: str
    operands: tuple[Operand, ...]


@dataclass(frozen=True)
class Combination:
    """AND, OR or NOT of other conditions, or parentheses around a condition."""

    operator: str
    parts: tuple[Node, ...]
    is_in_parentheses: bool = False


Node = Comparison | Combination


@dataclass(frozen=True)
class Condition:
    """A parsed condition. `holds` returns whether an item meets the condition."""

    holds: Test
    used_names: frozenset[str]
    used_values: frozenset[str]
    ordered: tuple[tuple[str, str], ...]
    """Pairs of an operator that compares by order, and a placeholder that is its operand."""
    ranges: tuple[tuple[str, str], ...]
    """The placeholders of the lower and the upper bound, for each BETWEEN that has both."""

    def check(self, values: Values) -> None:
        """Raise InvalidRequest for a value of a wrong type, or for swapped bounds of a BETWEEN."""
        for operator, name in self.ordered:
            kind = kind_of(values[name])
            if kind not in {"S", "N", "B"}:
                raise InvalidRequest(
                    "Incorrect operand type for operator or function; operator or function: "
                    f"{operator}, operand type: {kind}"
                )
        for low, high in self.ranges:
            if _in_order(values[low], values[high], gt):
                raise InvalidRequest(
                    "The BETWEEN operator requires upper bound to be greater than or equal to "
                    f"lower bound; lower bound operand: {values[low]}, upper bound operand: "
                    f"{values[high]}"
                )


@lru_cache(maxsize=4096)
def condition(
    text: str, names: tuple[tuple[str, str], ...], kind: str = "ConditionExpression"
) -> Condition:
    """Parse a condition or key condition. `names` are ExpressionAttributeNames as pairs.

    `kind` is the name of the request's parameter, for error messages.

    Raises:
        InvalidRequest: The expression is wrong.
    """
    parser = Parser(kind, text, dict(names))
    reader = _ConditionParser(parser)
    node = reader.any_of()
    parser.expect_end()
    return Condition(
        _test(node),
        frozenset(parser.used_names),
        frozenset(parser.used_values),
        tuple(reader.ordered),
        tuple(reader.ranges),
    )


class _ConditionParser:
    """A recursive-descent parser of a condition."""

    def __init__(self, parser: Parser) -> None:
        self.ordered: list[tuple[str, str]] = []
        self.ranges: list[tuple[str, str]] = []
        self._parser = parser

    def any_of(self) -> Node:
        return self._joined("OR", self._all_of)

    def _all_of(self) -> Node:
        return self._joined("AND", self._negated)

    def _joined(self, word: str, part: Callable[[], Node]) -> Node:
        parts = [part()]
        while self._parser.accept(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Combination(word, tuple(parts))

    def _negated(self) -> Node:
        if self._parser.accept("NOT"):
            return Combination("NOT", (self._negated(),))
        if self._parser.accept("("):
            return self._in_parentheses()
        return self._comparison()

    def _in_parentheses(self) -> Node:
        inner = self.any_of()
        self._parser.expect(")")
        if isinstance(inner, Combination) and inner.is_in_parentheses:
            raise self._parser.error("The expression has redundant parentheses;")
        return Combination("()", (inner,), is_in_parentheses=True)

    def _comparison(self) -> Node:
        parser = self._parser
        name = parser.peek()
        if name in _FUNCTIONS and parser.peek(1) == "(":
            return self._function(parser.next())
        left = self._operand()
        if parser.accept("BETWEEN"):
            low = self._operand()
            parser.expect("AND")
            return self._ordered("BETWEEN", left, low, self._operand())
        if parser.accept("IN"):
            return Comparison("IN", (left, *self._arguments()))
        operator = parser.next()
        if operator not in _TESTS:
            raise parser.error(f'Syntax error; token: "{operator}"')
        return self._ordered(operator, left, self._operand())

    def _ordered(self, operator: str, *operands: Operand) -> Node:
        values = [operand.value for operand in operands]
        if operator == "BETWEEN" or operator in _ORDERS:
            self.ordered += [(operator, name) for name in values if name]
        if operator == "BETWEEN" and values[1] and values[2]:
            self.ranges.append((values[1], values[2]))
        return Comparison(operator, operands)

    def _function(self, name: str) -> Node:
        operands = self._arguments()
        if len(operands) != _FUNCTIONS[name]:
            raise self._parser.error(
                "Incorrect number of operands for operator or function; operator or function: "
                f"{name}, number of operands: {len(operands)}"
            )
        if name.startswith("attribute_") and not operands[0].path:
            raise self._parser.error(
                f"Operator or function requires a document path; operator or function: {name}"
            )
        return Comparison(name, operands)

    def _arguments(self) -> tuple[Operand, ...]:
        self._parser.expect("(")
        found = [self._operand()]
        while self._parser.accept(","):
            found.append(self._operand())
        self._parser.expect(")")
        return tuple(found)

    def _operand(self) -> Operand:
        if self._parser.peek().startswith(":"):
            return Operand(value=self._parser.value())
        is_size = self._parser.peek() == "size" and self._parser.peek(1) == "("
        if is_size:
            self._parser.next()
            self._parser.expect("(")
        path = self._parser.path()
        if is_size:
            self._parser.expect(")")
        return Operand(path=path, is_size=is_size)


def _test(node: Node) -> Test:
    if isinstance(node, Comparison):
        return _compared(node)
    parts = tuple(map(_test, node.parts))
    match node.operator:
        case "AND":
            return lambda item, values: all(part(item, values) for part in parts)
        case "OR":
            return lambda item, values: any(part(item, values) for part in parts)
        case "NOT":
            return lambda item, values: not parts[0](item, values)
        case _:
            return parts[0]


def _compared(node: Comparison) -> Test:
    test = _TESTS[node.operator]
    readers = tuple(map(_reader, node.operands))
    if len(readers) == 1:
        only = readers[0]
        return lambda item, values: test(only(item, values))
    if len(readers) == 2:
        left, right = readers
        return lambda item, values: test(left(item, values), right(item, values))
    return lambda item, values: test(*[read(item, values) for read in readers])


def _reader(operand: Operand) -> Reader:
    """Make a function that returns an operand's value."""
    path, name = operand.path, operand.value
    if operand.is_size:
        return lambda item, _values: _size(look_up(item, path))
    if len(path) == 1:
        attribute = str(path[0])
        return lambda item, _values: item.get(attribute, MISSING)
    if path:
        return lambda item, _values: look_up(item, path)
    return lambda _item, values: values[name]


def _size(value: Any) -> Any:
    """Return size() of a string, binary value, set, list or map, or MISSING for other values."""
    kind = type(value)
    if kind is Binary:
        return Decimal(len(bytes_of(value)))
    return Decimal(len(value)) if kind in {str, frozenset, tuple, dict} else MISSING


def _is_not(left: Any, right: Any) -> bool:
    return not same(left, right)


def _is(left: Any, right: Any) -> bool:
    return left is not MISSING and same(left, right)


def _in_order(left: Any, right: Any, order: Callable[[Any, Any], bool]) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, Binary):
        return order(bytes_of(left), bytes_of(right))
    return type(left) in {str, Decimal} and order(left, right)


def _between(value: Any, low: Any, high: Any) -> bool:
    return _in_order(low, value, le) and _in_order(value, high, le)


def _contains(value: Any, part: Any) -> bool:
    if isinstance(value, tuple | frozenset):
        return any(same(element, part) for element in value)
    return type(value) is str and type(part) is str and part in value


def _begins_with(value: Any, part: Any) -> bool:
    if isinstance(value, Binary) and isinstance(part, Binary):
        return bytes_of(value).startswith(bytes_of(part))
    return type(value) is str and type(part) is str and value.startswith(part)


def _has_type(value: Any, kind: Any) -> bool:
    return value is not MISSING and kind_of(value) == kind


_FUNCTIONS = {
    "attribute_exists": 1,
    "attribute_not_exists": 1,
    "attribute_type": 2,
    "contains": 2,
    "begins_with": 2,
}

_TESTS: dict[str, Callable[..., bool]] = {
    "=": _is,
    "<>": _is_not,
    **{name: partial(_in_order, order=order) for name, order in _ORDERS.items()},
    "BETWEEN": _between,
    "IN": lambda value, *others: any(_is(value, other) for other in others),
    "attribute_exists": lambda value: value is not MISSING,
    "attribute_not_exists": lambda value: value is MISSING,
    "attribute_type": _has_type,
    "contains": _contains,
    "begins_with": _begins_with,
}
