"""A fake of one DynamoDB table, with the interface of boto3's resource.

Not modelled: a table with a range key, transactions, PartiQL, legacy parameters, the size of one
batch, capacity and throttling (the hook injects those errors).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Literal
from zlib import crc32

from botocore.exceptions import ClientError

from tests.simulation.aws.attribute_values import (
    MISSING,
    InvalidRequest,
    Item,
    frozen,
    kind_of,
    size_of,
    thawed,
)
from tests.simulation.aws.calls import Call, answer, client_error
from tests.simulation.aws.conditions import Condition, KeyCondition, condition, key_condition
from tests.simulation.aws.projections import ProjectionExpression, projection
from tests.simulation.aws.replica import Replica
from tests.simulation.aws.updates import Update, update

ITEM_LIMIT = 400 * 1024
PAGE_LIMIT = 1024 * 1024
BATCH = 25
"""How many items boto3's batch_writer sends at once."""

ReturnValues = Literal["NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"]
Index = tuple[str, str | None]


class ConditionalCheckFailedException(ClientError):
    """The condition of a write doesn't hold."""


class _Conditional(Exception):
    """The condition of a write doesn't hold; becomes botocore's error."""


class _Placeholders:
    """ExpressionAttributeNames and ExpressionAttributeValues of one request, copied.

    An error in them is kept until the call takes place: the server finds it, not boto3.
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

    def condition(self, kind: str, text: str | None) -> Condition | None:
        if text is None:
            return None
        found = condition(kind, text, self.names)
        self._use(kind, found.used_names, found.used_values)
        found.check(self.values)
        return found

    def update(self, text: str) -> Update:
        found = update(text, self.names)
        self._use("UpdateExpression", found.used_names, found.used_values)
        return found

    def projection(self, text: str | None) -> ProjectionExpression | None:
        if text is None:
            return None
        found = projection(text, self.names)
        self._use("ProjectionExpression", found.used_names, frozenset())
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
        """Refuse wrong values, and placeholders that no expression uses."""
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
    """A copy of a caller's map in the stored form, and what DynamoDB says against it."""
    try:
        return {name: frozen(value) for name, value in values.items()}, ""
    except InvalidRequest as error:
        return {}, str(error)


class FakeTable:
    """One table.

    Args:
        name: The table's name.
        key: The attribute of its hash key.
        call: The hook around each call.
        now: Gives the time in seconds since the epoch.
        indexes: The global secondary indexes, all with every attribute: name → hash and range key.
        types: The types of key attributes ("S" or "N"): the table's and the indexes'. An attribute
            that isn't named may have any type.
        ttl_attribute: The attribute that says when an item expires.
        index_lag: Gives the seconds until a write is in the indexes; None for none.
        read_lag: Gives the seconds until reads that aren't consistent see a write; None for none.
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
        index_lag: Callable[[], float] | None = None,
        read_lag: Callable[[], float] | None = None,
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
        self._stored: dict[Any, Item] = {}
        self._bounds: dict[Any, int] = {}
        self._in_indexes = Replica(now, index_lag) if index_lag else None
        self._in_reads = Replica(now, read_lag) if read_lag else None

    # What a judge and the simulator use, without the hook.

    def items(self) -> list[dict[str, Any]]:
        """Every item as it is now, in the order of the first writes."""
        return [thawed(item) for item in self._stored.values()]

    def expire(self) -> list[dict[str, Any]]:
        """Delete the items whose time to live has passed. Returns the items."""
        now = self._now()
        gone = [
            (key, item)
            for key, item in self._stored.items()
            if type(ends := item.get(self._ttl_attribute)) is Decimal and ends < now
        ]
        for key, _ in gone:
            self._forget(key)
        return [thawed(item) for _, item in gone]

    # What production uses.

    def get_item(
        self,
        *,
        Key: Mapping[str, Any],
        ConsistentRead: bool = False,
        ProjectionExpression: str | None = None,
        ExpressionAttributeNames: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        given = _Placeholders(ExpressionAttributeNames, None)
        key, problem = _copied(Key)

        def effect() -> dict[str, Any]:
            wanted = given.projection(ProjectionExpression)
            given.check()
            value = self._key_of(key, problem)
            if ConsistentRead or self._in_reads is None:
                item = self._stored.get(value)
            else:
                item = self._in_reads.get(value)
            return answer() if item is None else answer(Item=thawed(_part(item, wanted)))

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
            required = given.condition("ConditionExpression", ConditionExpression)
            given.check()
            _check_returned(ReturnValues)
            old = self._required(key, required, given)
            self._check_index_keys(item, item.keys())
            self._put(key, item, size_of(item))
            return _with_old(old, ReturnValues)

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
            required = given.condition("ConditionExpression", ConditionExpression)
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

    def delete_item(
        self,
        *,
        Key: Mapping[str, Any],
        ConditionExpression: str | None = None,
        ExpressionAttributeNames: Mapping[str, str] | None = None,
        ExpressionAttributeValues: Mapping[str, Any] | None = None,
        ReturnValues: ReturnValues = "NONE",
    ) -> dict[str, Any]:
        given = _Placeholders(ExpressionAttributeNames, ExpressionAttributeValues)
        key, problem = _copied(Key)

        def effect() -> dict[str, Any]:
            required = given.condition("ConditionExpression", ConditionExpression)
            given.check()
            _check_returned(ReturnValues)
            value = self._key_of(key, problem)
            old = self._required(value, required, given)
            self._forget(value)
            return _with_old(old, ReturnValues)

        return self._request("DeleteItem", effect)

    def query(
        self,
        *,
        KeyConditionExpression: str,
        IndexName: str | None = None,
        FilterExpression: str | None = None,
        ProjectionExpression: str | None = None,
        ExpressionAttributeNames: Mapping[str, str] | None = None,
        ExpressionAttributeValues: Mapping[str, Any] | None = None,
        ScanIndexForward: bool = True,
        Limit: int | None = None,
        ExclusiveStartKey: Mapping[str, Any] | None = None,
        ConsistentRead: bool = False,
    ) -> dict[str, Any]:
        given = _Placeholders(ExpressionAttributeNames, ExpressionAttributeValues)
        start = _copied(ExclusiveStartKey)[0] if ExclusiveStartKey else None

        def effect() -> dict[str, Any]:
            index = self._index(IndexName)
            asked = given.condition("KeyConditionExpression", KeyConditionExpression)
            kept = given.condition("FilterExpression", FilterExpression)
            wanted = given.projection(ProjectionExpression)
            given.check()
            if kept:
                _check_filter(kept, index)
            if asked is None:
                raise InvalidRequest("Either the KeyConditions or KeyConditionExpression is needed")
            keys = key_condition(asked, *index)
            if kind_of(given.values[keys.hash_value]) not in self._types.get(index[0], "SN"):
                raise InvalidRequest("Condition parameter type does not match schema type")
            source = self._source(IndexName, ConsistentRead)
            found = [item for item in source if _is_asked_for(item, keys, index, given.values)]
            ordered = self._in_order(found, index[1], start, forward=ScanIndexForward)
            return self._page(ordered, index, Limit, kept, wanted, given.values)

        return self._request("Query", effect)

    def scan(
        self,
        *,
        IndexName: str | None = None,
        FilterExpression: str | None = None,
        ProjectionExpression: str | None = None,
        ExpressionAttributeNames: Mapping[str, str] | None = None,
        ExpressionAttributeValues: Mapping[str, Any] | None = None,
        Limit: int | None = None,
        ExclusiveStartKey: Mapping[str, Any] | None = None,
        ConsistentRead: bool = False,
    ) -> dict[str, Any]:
        given = _Placeholders(ExpressionAttributeNames, ExpressionAttributeValues)
        start = _copied(ExclusiveStartKey)[0] if ExclusiveStartKey else None

        def effect() -> dict[str, Any]:
            index = self._index(IndexName)
            kept = given.condition("FilterExpression", FilterExpression)
            wanted = given.projection(ProjectionExpression)
            given.check()
            source = self._source(IndexName, ConsistentRead)
            found = [item for item in source if all(part in item for part in index if part)]
            ordered = self._in_order(found, None, start, forward=True)
            return self._page(ordered, index, Limit, kept, wanted, given.values)

        return self._request("Scan", effect)

    @contextmanager
    def batch_writer(self) -> Iterator[BatchWriter]:
        """Collect puts and deletions; send 25 at once, and the rest at the end."""
        batch = BatchWriter(self._write_batch)
        try:
            yield batch
        finally:
            batch.flush()

    def _write_batch(self, writes: list[tuple[Item, bool]]) -> None:
        def effect() -> dict[str, Any]:
            keys = [self._key_of({self._key: item.get(self._key)}, "") for item, _ in writes]
            if len(set(keys)) < len(keys):
                raise InvalidRequest("Provided list of item keys contains duplicates")
            for item, is_put in writes:
                self._check_index_keys(item, item.keys() if is_put else ())
                _check_size(size_of(item))
            for key, (item, is_put) in zip(keys, writes, strict=True):
                if is_put:
                    self._put(key, item, size_of(item))
                else:
                    self._forget(key)
            return answer(UnprocessedItems={})

        self._request("BatchWriteItem", effect)

    # How it works.

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
        """The value of a request's key."""
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
        return value

    def _check_index_keys(self, item: Item, attributes: Iterable[str]) -> None:
        """Refuse a value that an index can't have as a key."""
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
        """The item as it is, if it meets the condition."""
        old = self._stored.get(key)
        if required is not None and not required.holds(old or {}, given.values):
            raise _Conditional
        return old

    def _put(self, key: Any, item: Item, bound: int) -> None:
        """Store an item; `bound` is a size in bytes that it doesn't exceed."""
        if bound > ITEM_LIMIT:
            bound = size_of(item)
            _check_size(bound)
        self._stored[key] = item
        self._bounds[key] = bound
        self._record(key, item)

    def _forget(self, key: Any) -> None:
        self._bounds.pop(key, None)
        if self._stored.pop(key, None) is not None:
            self._record(key, None)

    def _record(self, key: Any, item: Item | None) -> None:
        for replica in (self._in_indexes, self._in_reads):
            if replica is not None:
                replica.record(key, item)

    def _index(self, name: str | None) -> Index:
        if name is None:
            return self._key, None
        if name not in self._indexes:
            raise InvalidRequest(f"The table does not have the specified index: {name}")
        return self._indexes[name]

    def _source(self, index: str | None, consistent: bool) -> Iterable[Item]:
        if index is not None and consistent:
            raise InvalidRequest("Consistent reads are not supported on global secondary indexes")
        replica = self._in_reads if index is None else self._in_indexes
        return self._stored.values() if consistent or replica is None else replica.items()

    def _in_order(
        self, items: list[Item], range_key: str | None, start: Item | None, *, forward: bool
    ) -> list[Item]:
        """Items by their range key, and those of the same one in an order of the fake's own."""

        def position(item: Item) -> tuple[Any, int, str]:
            name = str(item[self._key])
            return (item[range_key] if range_key else 0, crc32(name.encode()), name)

        found = sorted(((position(item), item) for item in items), key=lambda pair: pair[0])
        if not forward:
            found.reverse()
        if start is not None:
            begin = position(start)
            found = [
                entry for entry in found if (entry[0] > begin if forward else entry[0] < begin)
            ]
        return [item for _, item in found]

    def _page(
        self,
        items: list[Item],
        index: Index,
        limit: int | None,
        kept: Condition | None,
        wanted: ProjectionExpression | None,
        values: Mapping[str, Any],
    ) -> dict[str, Any]:
        """One page of items.

        A page that its limit ends has a LastEvaluatedKey, also if no item follows (API reference
        of Query: "does not necessarily mean that there is more data"). moto leaves the key out
        then.
        """
        count = self._page_length(items, limit)
        read = items[:count]
        found = [item for item in read if kept is None or kept.holds(item, values)]
        page = answer(
            Items=[thawed(_part(item, wanted)) for item in found],
            Count=len(found),
            ScannedCount=len(read),
        )
        if read and (count < len(items) or count == limit):
            keys = dict.fromkeys((self._key, *(part for part in index if part)))
            page["LastEvaluatedKey"] = {name: thawed(read[-1][name]) for name in keys}
        return page

    def _page_length(self, items: list[Item], limit: int | None) -> int:
        if limit is not None and limit < 1:
            raise InvalidRequest("Limit must be greater than or equal to 1")
        length = len(items) if limit is None else min(limit, len(items))
        bounds = (self._bounds.get(item[self._key], 0) for item in items[:length])
        if sum(bounds) <= PAGE_LIMIT:
            return length
        size = 0
        for count, item in enumerate(items[:length], start=1):
            size += size_of(item)
            if size > PAGE_LIMIT:
                return count
        return length


class BatchWriter:
    """What boto3's `batch_writer()` gives."""

    def __init__(self, write: Callable[[list[tuple[Item, bool]]], None]) -> None:
        self._write = write
        self._waiting: list[tuple[Item, bool]] = []

    def put_item(self, *, Item: Mapping[str, Any]) -> None:
        self._add(_copied(Item)[0], is_put=True)

    def delete_item(self, *, Key: Mapping[str, Any]) -> None:
        self._add(_copied(Key)[0], is_put=False)

    def _add(self, item: Item, *, is_put: bool) -> None:
        self._waiting.append((item, is_put))
        if len(self._waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Send what waits."""
        while self._waiting:
            sent, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            self._write(sent)


def _check_size(size: int) -> None:
    if size > ITEM_LIMIT:
        raise InvalidRequest("Item size has exceeded the maximum allowed size")


def _check_returned(wanted: str) -> None:
    if wanted not in {"NONE", "ALL_OLD"}:
        raise InvalidRequest("Return values set to invalid value")


def _check_filter(kept: Condition, index: Index) -> None:
    for name in index:
        if name in kept.attributes:
            raise InvalidRequest(
                "Filter Expression can only contain non-primary key attributes: Primary key "
                f"attribute: {name}"
            )


def _is_asked_for(item: Item, keys: KeyCondition, index: Index, values: Mapping[str, Any]) -> bool:
    hash_key, range_key = index
    if hash_key not in item or item[hash_key] != values[keys.hash_value]:
        return False
    if range_key and range_key not in item:
        return False
    return keys.range_test is None or keys.range_test(item, values)


def _part(item: Item, wanted: ProjectionExpression | None) -> Item:
    return item if wanted is None else wanted.projection.of(item)


def _with_old(old: Item | None, wanted: ReturnValues) -> dict[str, Any]:
    if wanted == "ALL_OLD" and old is not None:
        return answer(Attributes=thawed(old))
    return answer()


def _returned(change: Update, old: Item, new: Item, wanted: ReturnValues) -> dict[str, Any]:
    """UpdateItem's answer."""
    if wanted == "NONE":
        return answer()
    item = new if wanted.endswith("NEW") else old
    found = item if wanted.startswith("ALL") else change.projection.of(item)
    return answer(Attributes=thawed(found)) if found else answer()
