"""The fake of DynamoDB's table beside moto's, and what moto doesn't do."""

from __future__ import annotations

import functools
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cloud import Cloud
from tests.simulation.aws.calls import at_once
from tests.simulation.aws.dynamodb import FakeTable
from tests.simulation.tests.both import (
    Moments,
    by_key,
    code_of,
    expressions,
    fake_table,
    outcome,
)

SCHEDULE = "zoom_series_id"

SETS = [
    "n = :num",
    "n = n + :num",
    "n = if_not_exists(n, :num) - :one",
    "t = :text",
    "t = o",
    "o = t",
    "m = :map",
    "m.x = :num",
    "#m.#x = :text",
    "m.y = if_not_exists(m.y, :list)",
    "l = list_append(if_not_exists(l, :none), :list)",
    "l = list_append(l, :list)",
    "l[0] = :text",
    "l[2] = :num",
    "l[0] = l[1]",
]
REMOVES = ["t", "m.y", "l[0]", "l[1]", "s", "nothing", "n"]
ADDS = ["n :num", "s :set", "s :num", "fresh :set"]
DELETES = ["s :set", "fresh :set"]
TESTS = [
    "attribute_exists(n)",
    "attribute_not_exists(t)",
    "attribute_exists(m.x)",
    "attribute_not_exists(l[1])",
    "n = :num",
    "n <> :num",
    "n < :num",
    "n >= :num",
    "n BETWEEN :low AND :high",
    "t IN (:text, :other)",
    "n IN (:num, :one)",
    "contains(s, :text)",
    "contains(l, :text)",
    "contains(t, :text)",
    "begins_with(t, :text)",
    "m.x = :num",
    "#m.#x = :text",
    "l[0] = :text",
    "m = :map",
    "s = :set",
]

texts = st.sampled_from(["a", "b", "ab", "é"])
numbers = st.integers(-3, 3)
values = st.fixed_dictionaries(
    {
        ":num": numbers,
        ":one": st.just(1),
        ":low": st.integers(-3, 0),
        ":high": st.integers(0, 3),
        ":text": texts,
        ":other": texts,
        ":map": st.dictionaries(st.sampled_from(["x", "y"]), numbers | texts, max_size=2),
        ":none": st.just([]),
        ":list": st.lists(numbers | texts | st.booleans() | st.none(), max_size=2),
        ":set": st.sets(texts, min_size=1),
    }
)


PARTS = [
    *(("SET", text) for text in SETS),
    *(("REMOVE", text) for text in REMOVES),
    *(("ADD", text) for text in ADDS),
    *(("DELETE", text) for text in DELETES),
]


def attribute_of(part: tuple[str, str]) -> str:
    """Return the top-level attribute that a part of an update writes."""
    return part[1].lstrip("#").split(" ")[0].split(".")[0].split("[")[0]


@st.composite
def update_expressions(draw: st.DrawFn) -> str:
    """Updates without overlapping paths: moto tests the condition before it refuses those."""
    chosen = draw(st.lists(st.sampled_from(PARTS), min_size=1, max_size=4, unique_by=attribute_of))
    words = draw(st.permutations(["SET", "REMOVE", "ADD", "DELETE"]))
    clauses = [(word, [text for kind, text in chosen if kind == word]) for word in words]
    return " ".join(f"{word} {', '.join(texts)}" for word, texts in clauses if texts)


@st.composite
def conditions(draw: st.DrawFn) -> str:
    """Terms joined by AND and OR; moto reads no NOT before another NOT or a parenthesis."""

    def joined(most: int) -> str:
        terms = draw(st.lists(st.sampled_from(TESTS), min_size=1, max_size=most))
        words = [draw(st.sampled_from(["", "NOT "])) + term for term in terms]
        return functools.reduce(
            lambda left, right: f"{left} {draw(st.sampled_from(['AND', 'OR']))} {right}", words
        )

    text = joined(3)
    return f"({text}) AND {joined(1)}" if draw(st.booleans()) else text


updates = st.builds(
    lambda key, text, condition, found, returned: {
        "Key": {SCHEDULE: key},
        "ReturnValues": returned,
        **expressions(found, UpdateExpression=text, ConditionExpression=condition),
    },
    st.sampled_from(["one", "two"]),
    update_expressions(),
    st.none() | conditions(),
    values,
    st.sampled_from(["NONE", "ALL_OLD", "ALL_NEW"]),
)


def emptied(table: Any) -> Any:
    for item in table.scan()["Items"]:
        table.delete_item(Key={SCHEDULE: item[SCHEDULE]})
    return table


def test_update_item_answers_as_moto_when_expressions_are_generated(aws: Cloud) -> None:
    @settings(max_examples=30)
    @given(st.lists(updates, min_size=2, max_size=6))
    def check(operations: list[dict[str, Any]]) -> None:
        moto, fake = emptied(aws.schedule), fake_table(SCHEDULE)
        for operation in operations:
            assert outcome(fake.update_item, **operation) == outcome(
                moto.update_item, **operation
            ), operation
        assert by_key(fake, SCHEDULE) == by_key(moto, SCHEDULE)

    check()


def seeded(table: Any, **attributes: Any) -> Any:
    table.put_item(Item={SCHEDULE: "one", **attributes})
    return table


def update_of(text: str, condition: str | None = None, **more: Any) -> dict[str, Any]:
    given = {":num": 2, ":text": "a", ":list": ["c"], ":set": {"a", "b"}, ":map": {"x": 1}}
    arguments = expressions(given, UpdateExpression=text, ConditionExpression=condition)
    return {"Key": {SCHEDULE: "one"}, **arguments, **more}


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("SET a = :num, a = :text", None),
        ("SET m = :map REMOVE m.x", None),
        ("SET m.x = :num REMOVE m", None),
        ("SET gone.x = :num", None),
        ("SET gone[0] = :num", None),
        ("SET a = gone", None),
        ("SET a = n + :text", None),
        ("SET a = list_append(n, :list)", None),
        ("ADD t :num", None),
        ("ADD n :set", None),
        ("ADD n :text", None),
        ("DELETE t :set", None),
        ("SET zoom_series_id = :text", None),
        ("SET state = :num", None),
        ("SET a = :unknown", None),
        ("SET a = :num SET b = :num", None),
        ("SET a", None),
        ("SET a = :num", "n ="),
        ("SET a = :num", "n IN :num"),
    ],
)
def test_update_item_is_refused_as_by_moto_when_expressions_are_wrong(
    aws: Cloud, text: str, condition: str | None
) -> None:
    attributes = {"n": 1, "t": "x", "m": {"x": 1}, "l": ["a"]}
    moto, fake = seeded(aws.schedule, **attributes), seeded(fake_table(SCHEDULE), **attributes)
    arguments = update_of(text, condition)
    assert code_of(fake.update_item, **arguments) == "ValidationException"
    if condition is None:
        # moto raises errors of Python's own for conditions that it can't read.
        assert code_of(moto.update_item, **arguments) == "ValidationException"
    assert by_key(fake, SCHEDULE) == by_key(moto, SCHEDULE)


@pytest.mark.parametrize("kind", ["Names", "Values"])
def test_update_item_is_refused_when_a_placeholder_is_unused(aws: Cloud, kind: str) -> None:
    arguments = update_of("SET n = :num")
    unused: dict[str, Any] = {"Names": {"#x": "x"}, "Values": {":num": 1, ":x": 1}}
    arguments[f"ExpressionAttribute{kind}"] = unused[kind]
    for table in (aws.schedule, fake_table(SCHEDULE)):
        assert code_of(table.update_item, **arguments) == "ValidationException"


def test_update_item_is_refused_when_parentheses_are_redundant() -> None:
    # AWS: "The expression has redundant parentheses"; moto takes them.
    code = code_of(fake_table(SCHEDULE).update_item, **update_of("SET a = :num", "((n = :num))"))
    assert code == "ValidationException"


def test_remove_is_refused_when_the_path_has_no_parent() -> None:
    # moto ignores this. scylladb's issue 10043 says what DynamoDB does.
    table = seeded(fake_table(SCHEDULE), m={})
    assert code_of(table.update_item, **update_of("REMOVE gone.x")) == "ValidationException"
    assert outcome(table.update_item, **update_of("REMOVE m.gone")) == {}


def test_size_of_a_missing_attribute_meets_no_comparison() -> None:
    # moto raises a ValueError.
    table = fake_table(SCHEDULE)
    code = code_of(table.update_item, **update_of("SET n = :num", "size(steps) >= :num"))
    assert code == "ConditionalCheckFailedException"


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("SET n = :num, t = :text", {"n": 1}, {"n": 2, "t": "a"}),
        ("ADD n :num REMOVE l", {"n": 1, "l": ["a"]}, {"n": 3}),
        ("SET l = list_append(l, :list)", {"l": ["a"]}, {"l": ["a", "c"]}),
    ],
)
def test_update_item_returns_updated_attributes_as_moto_when_all_changed(
    aws: Cloud, text: str, old: dict[str, Any], new: dict[str, Any]
) -> None:
    for returned, expected in (("UPDATED_OLD", old), ("UPDATED_NEW", new)):
        for table in (aws.schedule, fake_table(SCHEDULE)):
            arguments = update_of(text, ReturnValues=returned)
            found = outcome(seeded(table, n=1, l=["a"]).update_item, **arguments)
            assert found == {"Attributes": expected}


def test_update_item_returns_unchanged_attributes_when_they_were_set() -> None:
    # UpdateItem: UPDATED_NEW "returns only the updated attributes"; moto gives those that differ.
    table = seeded(fake_table(SCHEDULE), n=2, m={"x": 1, "y": 2})
    found = outcome(table.update_item, **update_of("SET n = :num", ReturnValues="UPDATED_NEW"))
    assert found == {"Attributes": {"n": 2}}
    nested = update_of("SET m.x = :num", ReturnValues="UPDATED_OLD")
    assert outcome(table.update_item, **nested) == {"Attributes": {"m": {"x": 1}}}


def test_lists_change_as_in_moto_when_several_elements_are_written(aws: Cloud) -> None:
    tables = [aws.schedule, fake_table(SCHEDULE)]
    for table in tables:
        seeded(table, l=["a", "b", "c", "d"])
        table.update_item(**update_of("SET l[0] = l[1], l[1] = l[2], l[8] = :text, l[9] = :num"))
        table.update_item(**update_of("REMOVE l[0], l[2]"))
    assert by_key(tables[0], SCHEDULE) == by_key(tables[1], SCHEDULE)
    assert tables[1].items()[0]["l"] == ["c", "d", "a", 2]


def test_new_elements_of_a_list_come_in_order_of_their_numbers() -> None:
    # Update expressions, "Adding elements to a list". moto takes the order of the expression.
    table = seeded(fake_table(SCHEDULE), l=[])
    table.update_item(**update_of("SET l[9] = :num, l[8] = :text"))
    assert table.items()[0]["l"] == ["a", 2]


def test_put_and_delete_answer_as_moto(aws: Cloud) -> None:
    moto, fake = aws.schedule, fake_table(SCHEDULE)
    condition = {
        "ConditionExpression": "attribute_not_exists(zoom_series_id) OR n < :num",
        "ExpressionAttributeValues": {":num": 2},
    }
    calls: list[tuple[str, dict[str, Any]]] = [
        ("put_item", {"Item": {SCHEDULE: "one", "n": 1, "deep": {"a": [None, True, {1, 2}]}}}),
        ("put_item", {"Item": {SCHEDULE: "one", "n": 3}, "ReturnValues": "ALL_OLD"}),
        ("get_item", {"Key": {SCHEDULE: "one"}}),
        ("get_item", {"Key": {SCHEDULE: "two"}, "ConsistentRead": True}),
        ("put_item", {"Item": {SCHEDULE: "one"}, **condition}),
        ("delete_item", {"Key": {SCHEDULE: "one"}, **condition}),
        ("delete_item", {"Key": {SCHEDULE: "one"}, "ReturnValues": "ALL_OLD"}),
        ("delete_item", {"Key": {SCHEDULE: "one"}}),
        ("put_item", {"Item": {"n": 1}}),
        ("put_item", {"Item": {SCHEDULE: ""}}),
        ("put_item", {"Item": {SCHEDULE: "one", "s": set()}}),
        ("put_item", {"Item": {SCHEDULE: "one", "t": "x" * 410_000}}),
        ("get_item", {"Key": {"other": "one"}}),
        ("put_item", {"Item": {SCHEDULE: "one", "price": Decimal("1.50")}}),
        ("get_item", {"Key": {SCHEDULE: "one"}, "ProjectionExpression": "price"}),
    ]
    for name, arguments in calls:
        found = outcome(getattr(fake, name), **arguments)
        assert found == outcome(getattr(moto, name), **arguments), (name, arguments)


def test_a_failed_condition_raises_the_client_s_exception() -> None:
    table = fake_table(SCHEDULE)
    with pytest.raises(table.meta.client.exceptions.ConditionalCheckFailedException) as caught:
        table.delete_item(
            Key={SCHEDULE: "one"}, ConditionExpression="attribute_exists(zoom_series_id)"
        )
    assert caught.value.operation_name == "DeleteItem"


def test_floats_are_refused_as_by_boto3(aws: Cloud) -> None:
    for table in (aws.schedule, fake_table(SCHEDULE)):
        with pytest.raises(TypeError):
            table.put_item(Item={SCHEDULE: "one", "n": 1.5})


def test_an_update_is_refused_when_the_item_becomes_too_large() -> None:
    table = fake_table(SCHEDULE)
    grow: dict[str, Any] = {
        "Key": {SCHEDULE: "one"},
        "UpdateExpression": "SET l = list_append(if_not_exists(l, :none), :more)",
        "ExpressionAttributeValues": {":none": [], ":more": ["x" * 100_000]},
    }
    for _ in range(4):
        table.update_item(**grow)
    assert code_of(table.update_item, **grow) == "ValidationException"
    assert len(table.items()[0]["l"]) == 4


def test_stored_items_are_no_alias_of_what_callers_hold() -> None:
    table = fake_table(SCHEDULE)
    given: dict[str, Any] = {SCHEDULE: "one", "l": [{"a": {"x"}}]}
    table.put_item(Item=given)
    given["l"][0]["a"].add("y")
    for read in (table.get_item(Key={SCHEDULE: "one"})["Item"], table.items()[0]):
        assert read == {SCHEDULE: "one", "l": [{"a": {"x"}}]}
        read["l"][0]["a"].add("z")
        read["l"].append(1)
    assert table.items() == [{SCHEDULE: "one", "l": [{"a": {"x"}}]}]


def test_expire_removes_items_when_their_time_has_passed() -> None:
    now = Moments(1000)
    table = FakeTable("test", "id", call=at_once, now=now)
    table.put_item(Item={"id": "old", "expiration": 999})
    table.put_item(Item={"id": "new", "expiration": 1001})
    table.put_item(Item={"id": "text", "expiration": "999"})
    assert "Item" in table.get_item(Key={"id": "old"})
    assert [item["id"] for item in table.expire()] == ["old"]
    assert sorted(item["id"] for item in table.items()) == ["new", "text"]


def status_table(**more: Any) -> FakeTable:
    """Return a fake table with the indexes of the status table."""
    return fake_table(
        "zip_id",
        indexes={"mid_index": ("meeting_id", None), "time_index": ("update_date", "update_time")},
        types={"zip_id": "S", "meeting_id": "N", "update_date": "S", "update_time": "N"},
        **more,
    )


def filled(table: Any) -> Any:
    for number in range(12):
        table.put_item(
            Item={
                "zip_id": f"z{number}",
                "meeting_id": number % 3,
                "update_date": f"2026-01-0{1 + number % 2}",
                "update_time": 100 * number,
                "pipeline_state": "IGNORED" if number % 4 == 0 else "SENT",
                "steps": [{"at": "now"}],
            }
        )
    table.put_item(Item={"zip_id": "in no index"})
    return table


QUERIES: list[dict[str, Any]] = [
    {
        "KeyConditionExpression": "update_date = :day",
        "ExpressionAttributeValues": {":day": "2026-01-01"},
    },
    {
        "KeyConditionExpression": "update_date = :day AND update_time >= :first",
        "ExpressionAttributeValues": {":day": "2026-01-01", ":first": 400},
    },
    {
        "KeyConditionExpression": "update_date = :day AND update_time BETWEEN :first AND :last",
        "ExpressionAttributeValues": {
            ":day": "2026-01-02",
            ":first": 100,
            ":last": 900,
            ":ignored": "IGNORED",
        },
        "FilterExpression": "NOT pipeline_state IN (:ignored)",
        "ProjectionExpression": "zip_id, update_date, update_time",
    },
]


def pages(table: Any, **query: Any) -> list[tuple[list[Any], int, int]]:
    """Return every page of a query that holds or read anything."""
    found = []
    while True:
        page = table.query(**query)
        if page["ScannedCount"]:
            found.append((page["Items"], page["Count"], page["ScannedCount"]))
        if "LastEvaluatedKey" not in page:
            return found
        query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("limit", [None, 1, 2, 4])
def test_query_gives_pages_as_moto(
    aws: Cloud, query: dict[str, Any], forward: bool, limit: int | None
) -> None:
    query = {"IndexName": "time_index", "ScanIndexForward": forward, **query}
    if limit:
        query["Limit"] = limit
    assert pages(filled(status_table()), **query) == pages(filled(aws.status), **query)


def test_query_finds_the_rows_of_a_meeting_as_moto(aws: Cloud) -> None:
    query = {
        "IndexName": "mid_index",
        "KeyConditionExpression": "meeting_id = :meeting",
        "ExpressionAttributeValues": {":meeting": 2},
    }
    found = [
        sorted((item for items, _, _ in pages(table, **query) for item in items), key=str)
        for table in (filled(status_table()), filled(aws.status))
    ]
    assert found[0] == found[1]
    assert len(found[0]) == 4


def test_query_gives_a_key_when_its_limit_ends_with_the_last_item() -> None:
    query = {"IndexName": "time_index", "Limit": 6, **QUERIES[0]}
    page = filled(status_table()).query(**query)
    assert page["LastEvaluatedKey"] == {
        "zip_id": "z10",
        "update_date": "2026-01-01",
        "update_time": 1000,
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"KeyConditionExpression": "update_time = :first"},
        {"KeyConditionExpression": "update_date = :day OR update_date = :day"},
        {"KeyConditionExpression": "update_date = :day AND pipeline_state = :day"},
        {"KeyConditionExpression": "update_date = :first"},
        {"KeyConditionExpression": "update_date = :day AND update_time BETWEEN :last AND :first"},
        {
            "KeyConditionExpression": "update_date = :day",
            "FilterExpression": "update_time > :first",
        },
        {"KeyConditionExpression": "update_date = :day", "ConsistentRead": True},
        {"KeyConditionExpression": "update_date = :day", "IndexName": "no_index"},
    ],
)
def test_query_is_refused_when_dynamodb_can_t_answer_it(wrong: dict[str, Any]) -> None:
    given = {":day": "2026-01-01", ":first": 1, ":last": 2}
    texts = {name: text for name, text in wrong.items() if name.endswith("Expression")}
    others = {name: value for name, value in wrong.items() if name not in texts}
    query = {"IndexName": "time_index", **expressions(given, **texts), **others}
    assert code_of(filled(status_table()).query, **query) == "ValidationException"


@pytest.mark.parametrize("value", ["12", ""])
def test_put_item_is_refused_when_an_index_can_t_have_the_key(value: str) -> None:
    # Global secondary indexes, "Data synchronization": the types have to match. moto takes a text.
    item = {"zip_id": "one", "meeting_id": value}
    assert code_of(status_table().put_item, Item=item) == "ValidationException"


def test_index_and_eventual_reads_lag_when_they_are_told_to() -> None:
    now = Moments(1000)
    table = FakeTable(
        "test",
        "id",
        call=at_once,
        now=now,
        indexes={"group": ("group", None)},
        index_lag=lambda: 5,
        read_lag=lambda: 2,
    )
    query: dict[str, Any] = {
        "IndexName": "group",
        "KeyConditionExpression": "#g = :group",
        "ExpressionAttributeNames": {"#g": "group"},
        "ExpressionAttributeValues": {":group": "a"},
    }
    table.put_item(Item={"id": "one", "group": "a"})
    assert "Item" in table.get_item(Key={"id": "one"}, ConsistentRead=True)
    assert "Item" not in table.get_item(Key={"id": "one"})
    now.now += 2
    assert "Item" in table.get_item(Key={"id": "one"})
    assert table.query(**query)["Items"] == []
    now.now += 3
    assert table.query(**query)["Items"] == [{"id": "one", "group": "a"}]
    table.delete_item(Key={"id": "one"})
    assert table.query(**query)["Count"] == 1
    now.now += 5
    assert table.query(**query)["Count"] == 0


def test_scan_gives_every_item_once_when_paged(aws: Cloud) -> None:
    fake = filled(status_table())
    found: list[Any] = []
    more: dict[str, Any] = {}
    while True:
        page = fake.scan(Limit=5, ConsistentRead=True, **more)
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            break
        more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert sorted(found, key=str) == sorted(filled(aws.status).scan()["Items"], key=str)


def test_pages_end_when_they_hold_a_megabyte() -> None:
    table = fake_table(SCHEDULE)
    for number in range(5):
        table.put_item(Item={SCHEDULE: str(number), "t": "x" * 300_000})
    page = table.scan()
    assert page["Count"] == 4
    assert "LastEvaluatedKey" in page


def test_the_hook_sees_every_call_and_may_leave_out_its_effect() -> None:
    names: list[str] = []

    class Crashed(Exception):
        pass

    def crash(name: str, _effect: Any) -> Any:
        names.append(name)
        raise Crashed

    table = FakeTable("test", "id", call=crash, now=Moments())
    with pytest.raises(Crashed):
        table.put_item(Item={"id": "one"})
    with pytest.raises(Crashed), table.batch_writer() as batch:
        batch.put_item(Item={"id": "two"})
    assert names == ["dynamodb.PutItem", "dynamodb.BatchWriteItem"]
    assert table.items() == []
