"""A fake of one DynamoDB table, with the interface of boto3's resource.

A query returns only the first page of an index. The fake has no scans, deletions, batches, range
keys of the table, transactions or eventually consistent reads. The fake has no limits of capacity,
but the hook can raise throttling errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Literal

from botocore.exceptions import ClientError

from tests.simulation.aws.attribute_values import (
    MISSING,
    InvalidRequest,
    Item,
    frozen,
    item_size,
    kind_of,
    thawed,
)
from tests.simulation.aws.calls import Call, answer, client_error
from tests.simulation.aws.conditions import Condition, condition
from tests.simulation.aws.updates import Update, update

ITEM_LIMIT = 400 * 1024
KEY_LIMIT = 2048
"""Maximum length of a hash key, in bytes.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

ReturnValues = Literal["NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"]
Index = tuple[str, str | None]


class ConditionalCheckFailedException(ClientError):
    """The fake of botocore's error for a write whose condition doesn't hold."""


class _Conditional(Exception):
    """The fake's own error for a write whose condition doesn't hold."""


class _Placeholders:
    """A request's copied ExpressionAttributeNames and ExpressionAttributeValues.

    The fake checks the placeholders when the call takes place, because the server does so and
    boto3 doesn't.
    """

    def __init__(self, names: Mapping[str, str] | None, values: Mapping[str, Any] | None) -> None:
        self.names = tuple(sorted(names.items())) if names else ()
        self.values: dict[str, Any] = {}
        self._problem = ""
        self._names_used: set[str] = set()
        self._values_used: set[str] = set()
        if names is not None and not names:
            self._problem = "ExpressionAttributeNames must not be empty"
        if values is not None:
            self.values, self._problem = _copied(values)
            if not values:
                self._problem = "ExpressionAttributeValues must not be empty"

    def condition(self, text: str | None, kind: str = "ConditionExpression") -> Condition | None:
        if text is None:
            return None
        found = condition(text, self.names, kind)
        self._use(kind, found.used_names, found.used_values)
        found.check(self.values)
        return found

    def update(self, text: str) -> Update:
        found = update(text, self.names)
        self._use("UpdateExpression", found.used_names, found.used_values)
        return found

    def _use(self, kind: str, names: frozenset[str], values: frozenset[str]) -> None:
        self._names_used |= names
        self._values_used |= values
        for name in sorted(values - self.values.keys()):
            raise InvalidRequest(
                self._problem
                or f"Invalid {kind}: An expression attribute value used in expression is not "
                f"defined; attribute value: {name}"
            )

    def check(self) -> None:
        """Raise InvalidRequest for an empty map, a wrong value or an unused placeholder."""
        if self._problem:
            raise InvalidRequest(self._problem)
        for kind, given, used in (
            ("Names", {name for name, _ in self.names}, self._names_used),
            ("Values", self.values.keys(), self._values_used),
        ):
            if unused := sorted(given - used):
                raise InvalidRequest(
                    f"Value provided in ExpressionAttribute{kind} unused in expressions: keys: "
                    f"{{{', '.join(unused)}}}"
                )


def _copied(values: Mapping[str, Any]) -> tuple[Item, str]:
    """Return a caller's map in the stored form and "", or {} and DynamoDB's error message."""
    try:
        return {name: frozen(value) for name, value in values.items()}, ""
    except InvalidRequest as error:
        return {}, str(error)


class FakeTable:
    """A fake of a DynamoDB table that has a hash key only.

    Args:
        name: The table's name.
        key: The attribute of the table's hash key.
        call: The hook around each call.
        now: Returns the time in seconds since 1970.
        indexes: Name of each global secondary index → its hash and range key.
        types: Type ("S" or "N") of each key attribute of the table and the indexes. Other
            attributes may have any type.
        ttl_attribute: The attribute with an item's time of expiry in seconds since 1970.
    """

    def __init__(
        self,
        name: str,
        key: str,
        *,
        call: Call,
        now: Callable[[], float],
        indexes: Mapping[str, Index] | None = None,
        types: Mapping[str, str] | None = None,
        ttl_attribute: str = "expiration",
    ) -> None:
        self.name = name
        self.meta = SimpleNamespace(
            client=SimpleNamespace(
                exceptions=SimpleNamespace(
                    ClientError=ClientError,
                    ConditionalCheckFailedException=ConditionalCheckFailedException,
                )
            )
        )
        self._key = key
        self._call = call
        self._now = now
        self._indexes = dict(indexes or {})
        self._types = dict(types or {})
        self._ttl_attribute = ttl_attribute
        self._index_keys = {
            part: name for name, parts in self._indexes.items() for part in parts if part
        }
        self.on_write: Callable[[], None] = lambda: None
        """The callback after each write of an item."""
        self._stored: dict[Any, Item] = {}
        self._bounds: dict[Any, int] = {}

    # The simulator and the judge use the next methods, which call neither the hook nor `on_write`.

    def items(self) -> list[dict[str, Any]]:
        """Return every item, in the order of the first writes."""
        return [thawed(item) for item in self._stored.values()]

    def expire(self) -> list[dict[str, Any]]:
        """Delete and return the expired items."""
        now = self._now()
        gone = [
            (key, item)
            for key, item in self._stored.items()
            if type(ends := item.get(self._ttl_attribute)) is Decimal and ends < now
        ]
        for key, _ in gone:
            self._forget(key)
        return [thawed(item) for _, item in gone]

    # The methods below have boto3's interface, as far as production uses it.

    def get_item(
        self,
        *,
        Key: Mapping[str, Any],
        ConsistentRead: bool = False,  # noqa: ARG002  # every read is consistent
    ) -> dict[str, Any]:
        key, problem = _copied(Key)

        def effect() -> dict[str, Any]:
            item = self._stored.get(self._key_of(key, problem))
            return answer() if item is None else answer(Item=thawed(item))

        return self._request("GetItem", effect)

    def put_item(
        self,
        *,
        Item: Mapping[str, Any],
        ConditionExpression: str | None = None,
        ExpressionAttributeNames: Mapping[str, str] | None = None,
        ExpressionAttributeValues: Mapping[str, Any] | None = None,
        ReturnValues: ReturnValues = "NONE",
    ) -> dict[str, Any]:
        given = _Placeholders(ExpressionAttributeNames, ExpressionAttributeValues)
        item, problem = _copied(Item)

        def effect() -> dict[str, Any]:
            key = self._key_of({self._key: item.get(self._key)}, problem)
            required = given.condition(ConditionExpression)
            given.check()
            if ReturnValues not in {"NONE", "ALL_OLD"}:
                raise InvalidRequest("Return values set to invalid value")
            old = self._required(key, required, given)
            self._check_index_keys(item, item.keys())
            self._put(key, item, item_size(item))
            if ReturnValues == "ALL_OLD" and old is not None:
                return answer(Attributes=thawed(old))
            return answer()

        return self._request("PutItem", effect)

    def update_item(
        self,
        *,
        Key: Mapping[str, Any],
        UpdateExpression: str,
        ConditionExpression: str | None = None,
        ExpressionAttributeNames: Mapping[str, str] | None = None,
        ExpressionAttributeValues: Mapping[str, Any] | None = None,
        ReturnValues: ReturnValues = "NONE",
    ) -> dict[str, Any]:
        given = _Placeholders(ExpressionAttributeNames, ExpressionAttributeValues)
        key, problem = _copied(Key)

        def effect() -> dict[str, Any]:
            change = given.update(UpdateExpression)
            required = given.condition(ConditionExpression)
            given.check()
            value = self._key_of(key, problem)
            if self._key in change.attributes:
                raise InvalidRequest(
                    "One or more parameter values were invalid: Cannot update attribute "
                    f"{self._key}. This attribute is part of the key"
                )
            old = self._required(value, required, given)
            base = key if old is None else old
            new = change.apply(base, given.values)
            self._check_index_keys(new, change.attributes)
            bound = self._bounds.get(value, 100) + change.growth(base, given.values)
            self._put(value, new, bound)
            return _returned(change, old or {}, new, ReturnValues)

        return self._request("UpdateItem", effect)

    def query(
        self,
        *,
        IndexName: str,
        KeyConditionExpression: str,
        ExpressionAttributeValues: Mapping[str, Any],
        ExpressionAttributeNames: Mapping[str, str] | None = None,
        Limit: int,
    ) -> dict[str, Any]:
        """Return the keys of the first `Limit` items of an index that meet the condition.

        The items are in the order of the index's range key, if the index has one.
        """
        given = _Placeholders(ExpressionAttributeNames, ExpressionAttributeValues)

        def effect() -> dict[str, Any]:
            required = given.condition(KeyConditionExpression, "KeyConditionExpression")
            given.check()
            keys = [key for key in self._indexes[IndexName] if key]
            found = [
                item
                for item in self._stored.values()
                if all(key in item for key in keys)
                and (required is None or required.holds(item, given.values))
            ]
            found.sort(key=lambda item: item[keys[-1]])
            kept = [{name: item[name] for name in (self._key, *keys)} for item in found[:Limit]]
            return answer(Items=[thawed(item) for item in kept])

        return self._request("Query", effect)

    def _request(self, operation: str, effect: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        def run() -> dict[str, Any]:
            try:
                return effect()
            except InvalidRequest as error:
                code = "ValidationException"
                raise client_error(operation, code, str(error)) from error
            except _Conditional as error:
                raise client_error(
                    operation,
                    "ConditionalCheckFailedException",
                    "The conditional request failed",
                    error=ConditionalCheckFailedException,
                ) from error

        return self._call(f"dynamodb.{operation}", run)

    def _key_of(self, key: Item, problem: str) -> Any:
        """Return the value of a request's hash key. Raise InvalidRequest if the key is wrong."""
        if problem:
            raise InvalidRequest(problem)
        if key.keys() != {self._key}:
            raise InvalidRequest("The provided key element does not match the schema")
        value = key[self._key]
        if kind_of(value) not in self._types.get(self._key, "SN"):
            raise InvalidRequest("The provided key element does not match the schema")
        if value == "":
            raise InvalidRequest(
                "One or more parameter values are not valid. The AttributeValue for a key "
                f"attribute cannot contain an empty string value. Key: {self._key}"
            )
        if isinstance(value, str) and len(value.encode()) > KEY_LIMIT:
            raise InvalidRequest(
                "One or more parameter values were invalid: Size of hashkey has exceeded the "
                f"maximum size limit of{KEY_LIMIT} bytes"
            )
        return value

    def _check_index_keys(self, item: Item, attributes: Iterable[str]) -> None:
        """Raise InvalidRequest if an index can't have the value of an attribute as a key."""
        for name in sorted(self._index_keys.keys() & set(attributes)):
            value = item.get(name, MISSING)
            if value is MISSING:
                continue
            expected, index = self._types.get(name, "SN"), self._index_keys[name]
            if kind_of(value) not in expected:
                raise InvalidRequest(
                    "One or more parameter values were invalid: Type mismatch for Index Key "
                    f"{name} Expected: {expected} Actual: {kind_of(value)} IndexName: {index}"
                )
            if value == "":
                raise InvalidRequest(
                    "One or more parameter values are not valid. A value specified for a secondary "
                    "index key is not supported. The AttributeValue for a key attribute cannot "
                    f"contain an empty string value. IndexName: {index}, IndexKey: {name}"
                )

    def _required(self, key: Any, required: Condition | None, given: _Placeholders) -> Item | None:
        """Return the stored item, or None. Raise _Conditional if the condition doesn't hold."""
        old = self._stored.get(key)
        if required is not None and not required.holds(old or {}, given.values):
            raise _Conditional
        return old

    def _put(self, key: Any, item: Item, bound: int) -> None:
        """Store an item and call `on_write`, or raise InvalidRequest if the item is too large.

        `bound` is a rough upper limit of the item's size in bytes.
        """
        if bound > ITEM_LIMIT:
            bound = item_size(item)
            _check_size(bound)
        self._stored[key] = item
        self._bounds[key] = bound
        self.on_write()

    def _forget(self, key: Any) -> None:
        del self._bounds[key], self._stored[key]


def _check_size(size: int) -> None:
    if size > ITEM_LIMIT:
        raise InvalidRequest("Item size has exceeded the maximum allowed size")


def _returned(change: Update, old: Item, new: Item, wanted: ReturnValues) -> dict[str, Any]:
    """Make UpdateItem's answer."""
    if wanted == "NONE":
        return answer()
    item = new if wanted.endswith("NEW") else old
    found = item if wanted.startswith("ALL") else change.projection.of(item)
    return answer(Attributes=thawed(found)) if found else answer()
