"""DynamoDB's attribute values as the fake stores them.

A stored value never changes in place: a list is a tuple, a set is a frozenset, and a map is a dict
that a write replaces. So versions of an item may share values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from types import NoneType
from typing import Any, Final

from boto3.dynamodb.types import DYNAMODB_CONTEXT, Binary

Item = dict[str, Any]
Path = tuple[str | int, ...]


class _Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""The value of an attribute that an item lacks."""


class InvalidRequest(Exception):
    """DynamoDB's refusal of a request: a ValidationException with the text of this error."""


class BadPath(InvalidRequest):
    """The error for a nested path whose parent is missing, or has the wrong type."""

    def __init__(self) -> None:
        super().__init__(
            "The document path provided in the update expression is invalid for update"
        )


_KINDS = {
    str: "S",
    Decimal: "N",
    bool: "BOOL",
    NoneType: "NULL",
    tuple: "L",
    dict: "M",
    Binary: "B",
}


def bytes_of(value: Any) -> bytes:
    """Return the bytes of a `Binary`, whose `value` has no type annotation."""
    return bytes(value.value)


def kind_of(value: Any) -> str:
    """Return DynamoDB's name of a stored value's type: "S", "N", "SS" and so on."""
    found = _KINDS.get(type(value))
    return found or f"{_KINDS[type(next(iter(value)))]}S"


def _frozen_number(value: Any) -> Decimal:
    number = DYNAMODB_CONTEXT.create_decimal(value)
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int):
        raise TypeError("Infinity and NaN not supported")
    if exponent < 0:
        # DynamoDB trims trailing zeroes. Source:
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
        number = number.normalize()
        if number == number.to_integral_value():
            number = Decimal(int(number))
    return number


def _frozen_set(values: Iterable[Any]) -> frozenset[Any]:
    found = frozenset(map(frozen, values))
    if not found:
        raise InvalidRequest(
            "One or more parameter values were invalid: An string set  may not be empty"
        )
    if len({type(value) for value in found}) > 1:
        raise TypeError(f"Unsupported set: {found!r}")
    return found


def _frozen_map(values: Mapping[Any, Any]) -> Item:
    return {str(name): frozen(value) for name, value in values.items()}


def _refuse(value: Any) -> Any:
    raise TypeError(f"Unsupported type {type(value)!r} for value {value!r}")


_FREEZERS: dict[type, Callable[[Any], Any]] = {
    int: _frozen_number,
    Decimal: _frozen_number,
    float: _refuse,
    list: lambda values: tuple(map(frozen, values)),
    tuple: lambda values: tuple(map(frozen, values)),
    set: _frozen_set,
    frozenset: _frozen_set,
    dict: _frozen_map,
    bytes: Binary,
    bytearray: lambda value: Binary(bytes(value)),
    Binary: lambda value: Binary(bytes_of(value)),
}


def frozen(value: Any) -> Any:
    """Copy a caller's value into the stored form.

    Raises:
        TypeError: boto3 can't send the value.
        decimal.DecimalException: A number has too many digits, or is too large or too small.
        InvalidRequest: The value is or contains an empty set, which DynamoDB refuses.
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    freezer = _FREEZERS.get(kind)
    if freezer is not None:
        return freezer(value)
    if isinstance(value, str):  # boto3 sends a StrEnum as its text.
        return str(value)
    return _frozen_map(value) if isinstance(value, Mapping) else _refuse(value)


def thawed(value: Any) -> Any:
    """Copy a stored value into the form of boto3's resource."""
    kind = type(value)
    if kind is str or kind is Decimal:
        return value
    if kind is dict:
        return {name: thawed(part) for name, part in value.items()}
    if kind is tuple:
        return [thawed(part) for part in value]
    return set(value) if kind is frozenset else value


def same(first: Any, second: Any) -> bool:
    """Return whether two stored values have the same type and are equal."""
    if type(first) is not type(second):
        return False
    if type(first) is dict:
        return first.keys() == second.keys() and all(
            same(first[name], second[name]) for name in first
        )
    if type(first) is tuple:
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


def item_size(item: Item) -> int:
    """Return the size of an item in bytes: its attributes' names and values.

    Only lists and maps inside of an item have an overhead. Source:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(size_of(name) + size_of(value) for name, value in item.items())


def size_of(value: Any) -> int:
    """Return the size of a stored value in bytes.

    Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    kind = type(value)
    if kind is str:
        return len(value) if value.isascii() else len(value.encode())
    if kind is Decimal:
        return len(value.as_tuple().digits) // 2 + 2
    if kind is dict:
        return 3 + sum(1 + size_of(name) + size_of(part) for name, part in value.items())
    if kind is tuple:
        return 3 + sum(1 + size_of(part) for part in value)
    if kind is frozenset:
        return sum(map(size_of, value))
    return len(bytes_of(value)) if kind is Binary else 1


def look_up(value: Any, path: Path) -> Any:
    """Return the value at a path, or MISSING."""
    for part in path:
        if isinstance(part, str):
            value = value.get(part, MISSING) if type(value) is dict else MISSING
        else:
            is_there = type(value) is tuple and part < len(value)
            value = value[part] if is_there else MISSING
    return value


def with_value(container: Any, path: Path, value: Any) -> Any:
    """Copy a map or list with `value` at a path.

    Raises:
        BadPath: The path's parent is missing, or has the wrong type.
    """
    part, rest = path[0], path[1:]
    old = look_up(container, path[:1])
    if rest:
        value = with_value(old, rest, value)
    if type(part) is str and type(container) is dict:
        return {**container, part: value}
    if isinstance(part, int) and type(container) is tuple:
        # A write to an index past the end appends. Source:
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
        return (*container[:part], value, *container[part + 1 :])
    raise BadPath


def without_value(container: Any, path: Path) -> Any:
    """Return a map or list without the value at a path.

    Raises:
        BadPath: The path's parent is missing, or has the wrong type.
    """
    part, rest = path[0], path[1:]
    if not isinstance(container, dict if isinstance(part, str) else tuple):
        raise BadPath
    old = look_up(container, path[:1])
    if rest:
        return with_value(container, path[:1], without_value(old, rest))
    if old is MISSING:
        return container
    if isinstance(container, tuple) and isinstance(part, int):
        return (*container[:part], *container[part + 1 :])
    return {name: value for name, value in dict(container).items() if name != part}
