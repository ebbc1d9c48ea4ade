"""Tests of the fake DynamoDB table, compared with moto where moto behaves as AWS."""

from __future__ import annotations

import functools
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cloud import Cloud
from tests.simulation.aws.calls import call_directly
from tests.simulation.aws.dynamodb import FakeTable
from tests.simulation.tests.comparison import (
    Time,
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
    """Return the top-level attribute that an action of an update writes."""
    return part[1].lstrip("#").split(" ")[0].split(".")[0].split("[")[0]


@st.composite
def update_expressions(draw: st.DrawFn) -> str:
    """Draw an update without overlapping paths, which moto refuses later than DynamoDB does."""
    chosen = draw(st.lists(st.sampled_from(PARTS), min_size=1, max_size=4, unique_by=attribute_of))
    words = draw(st.permutations(["SET", "REMOVE", "ADD", "DELETE"]))
    clauses = [(word, [text for kind, text in chosen if kind == word]) for word in words]
    return " ".join(f"{word} {', '.join(texts)}" for word, texts in clauses if texts)


@st.composite
def conditions(draw: st.DrawFn) -> str:
    """Draw terms joined by AND and OR. moto can't parse NOT before NOT or a parenthesis."""

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


def test_update_of_an_item_answers_as_in_moto_when_expressions_are_generated(aws: Cloud) -> None:
    @settings(max_examples=30)
    @given(st.lists(updates, min_size=2, max_size=6))
    def check(operations: list[dict[str, Any]]) -> None:
        moto, fake = aws.schedule, fake_table(SCHEDULE)
        for item in moto.scan()["Items"]:
            moto.delete_item(Key={SCHEDULE: item[SCHEDULE]})
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
def test_update_of_an_item_is_refused_when_an_expression_is_wrong(
    aws: Cloud, text: str, condition: str | None
) -> None:
    attributes = {"n": 1, "t": "x", "m": {"x": 1}, "l": ["a"]}
    moto, fake = seeded(aws.schedule, **attributes), seeded(fake_table(SCHEDULE), **attributes)
    arguments = update_of(text, condition)
    assert code_of(fake.update_item, **arguments) == "ValidationException"
    if condition is None:
        # moto raises Python's own errors for conditions that it can't parse.
        assert code_of(moto.update_item, **arguments) == "ValidationException"
    assert by_key(fake, SCHEDULE) == by_key(moto, SCHEDULE)


@pytest.mark.parametrize("kind", ["Names", "Values"])
def test_update_of_an_item_is_refused_when_a_placeholder_is_unused(aws: Cloud, kind: str) -> None:
    arguments = update_of("SET n = :num")
    unused: dict[str, Any] = {"Names": {"#x": "x"}, "Values": {":num": 1, ":x": 1}}
    arguments[f"ExpressionAttribute{kind}"] = unused[kind]
    for table in (aws.schedule, fake_table(SCHEDULE)):
        assert code_of(table.update_item, **arguments) == "ValidationException"


def test_update_of_an_item_is_refused_when_parentheses_are_redundant() -> None:
    # DynamoDB answers "The expression has redundant parentheses". moto accepts the expression.
    code = code_of(fake_table(SCHEDULE).update_item, **update_of("SET a = :num", "((n = :num))"))
    assert code == "ValidationException"


def test_update_of_an_item_is_refused_when_the_update_removes_a_path_without_parent() -> None:
    # DynamoDB refuses to remove a path without parent, but moto accepts the update. Source:
    # https://github.com/scylladb/scylladb/issues/10043
    table = seeded(fake_table(SCHEDULE), m={})
    assert code_of(table.update_item, **update_of("REMOVE gone.x")) == "ValidationException"
    assert outcome(table.update_item, **update_of("REMOVE m.gone")) == {}


def test_condition_on_the_size_of_an_attribute_fails_when_the_attribute_is_missing() -> None:
    # moto isn't compared, because it raises a ValueError.
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
def test_update_of_an_item_returns_the_updated_attributes_as_in_moto_when_all_change(
    aws: Cloud, text: str, old: dict[str, Any], new: dict[str, Any]
) -> None:
    for returned, expected in (("UPDATED_OLD", old), ("UPDATED_NEW", new)):
        for table in (aws.schedule, fake_table(SCHEDULE)):
            arguments = update_of(text, ReturnValues=returned)
            found = outcome(seeded(table, n=1, l=["a"]).update_item, **arguments)
            assert found == {"Attributes": expected}


def test_update_of_an_item_returns_updated_attributes_whose_values_stay_the_same() -> None:
    # UPDATED_NEW returns the updated attributes, but moto returns only changed values. Source:
    # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html
    table = seeded(fake_table(SCHEDULE), n=2, m={"x": 1, "y": 2})
    found = outcome(table.update_item, **update_of("SET n = :num", ReturnValues="UPDATED_NEW"))
    assert found == {"Attributes": {"n": 2}}
    nested = update_of("SET m.x = :num", ReturnValues="UPDATED_OLD")
    assert outcome(table.update_item, **nested) == {"Attributes": {"m": {"x": 1}}}


def test_update_of_an_item_changes_several_elements_of_a_list_as_in_moto(aws: Cloud) -> None:
    tables = [aws.schedule, fake_table(SCHEDULE)]
    for table in tables:
        seeded(table, l=["a", "b", "c", "d"])
        table.update_item(**update_of("SET l[0] = l[1], l[1] = l[2], l[8] = :text, l[9] = :num"))
        table.update_item(**update_of("REMOVE l[0], l[2]"))
    assert by_key(tables[0], SCHEDULE) == by_key(tables[1], SCHEDULE)
    assert tables[1].items()[0]["l"] == ["c", "d", "a", 2]


def test_update_of_an_item_appends_elements_of_a_list_in_the_order_of_their_indexes() -> None:
    # DynamoDB appends in the order of the indexes, but moto in the expression's order. Source:
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
    table = seeded(fake_table(SCHEDULE), l=[])
    table.update_item(**update_of("SET l[9] = :num, l[8] = :text"))
    assert table.items()[0]["l"] == ["a", 2]


def test_fake_table_puts_and_gets_items_as_moto_does(aws: Cloud) -> None:
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
        ("put_item", {"Item": {"n": 1}}),
        ("put_item", {"Item": {SCHEDULE: ""}}),
        ("put_item", {"Item": {SCHEDULE: "one", "s": set()}}),
        ("put_item", {"Item": {SCHEDULE: "one", "t": "x" * 410_000}}),
        ("get_item", {"Key": {"other": "one"}}),
        ("put_item", {"Item": {SCHEDULE: "one", "price": Decimal("1.50")}}),
        ("get_item", {"Key": {SCHEDULE: "one"}}),
    ]
    for name, arguments in calls:
        found = outcome(getattr(fake, name), **arguments)
        assert found == outcome(getattr(moto, name), **arguments), (name, arguments)


def test_put_of_an_item_raises_the_exception_of_the_client_when_the_condition_fails() -> None:
    table = fake_table(SCHEDULE)
    with pytest.raises(table.meta.client.exceptions.ConditionalCheckFailedException) as caught:
        table.put_item(
            Item={SCHEDULE: "one"}, ConditionExpression="attribute_exists(zoom_series_id)"
        )
    assert caught.value.operation_name == "PutItem"


def test_fake_table_refuses_floats_as_boto3_does(aws: Cloud) -> None:
    for table in (aws.schedule, fake_table(SCHEDULE)):
        with pytest.raises(TypeError):
            table.put_item(Item={SCHEDULE: "one", "n": 1.5})


def test_fake_table_refuses_an_item_when_names_and_values_together_have_more_than_400_kib() -> None:
    # moto isn't compared, because its limit is lower.
    table = fake_table(SCHEDULE)
    most = 400 * 1024 - len(SCHEDULE) - len("one") - len("t")
    assert outcome(table.put_item, Item={SCHEDULE: "one", "t": "x" * most}) == {}
    larger = {SCHEDULE: "one", "t": "x" * (most + 1)}
    assert code_of(table.put_item, Item=larger) == "ValidationException"


def test_update_of_an_item_is_refused_when_the_item_becomes_too_large() -> None:
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


def test_stored_items_stay_the_same_when_a_caller_changes_its_copy() -> None:
    table = fake_table(SCHEDULE)
    given: dict[str, Any] = {SCHEDULE: "one", "l": [{"a": {"x"}}]}
    table.put_item(Item=given)
    given["l"][0]["a"].add("y")
    for read in (table.get_item(Key={SCHEDULE: "one"})["Item"], table.items()[0]):
        assert read == {SCHEDULE: "one", "l": [{"a": {"x"}}]}
        read["l"][0]["a"].add("z")
        read["l"].append(1)
    assert table.items() == [{SCHEDULE: "one", "l": [{"a": {"x"}}]}]


def test_fake_table_deletes_items_when_their_time_to_live_has_passed() -> None:
    now = Time(1000)
    table = FakeTable("test", "id", call=call_directly, now=now)
    table.put_item(Item={"id": "old", "expiration": 999})
    table.put_item(Item={"id": "new", "expiration": 1001})
    table.put_item(Item={"id": "text", "expiration": "999"})
    assert "Item" in table.get_item(Key={"id": "old"})
    assert [item["id"] for item in table.expire()] == ["old"]
    assert sorted(item["id"] for item in table.items()) == ["new", "text"]


def status_table(**more: Any) -> FakeTable:
    """Make a fake table with the status table's indexes."""
    return fake_table(
        "zip_id",
        indexes={"mid_index": ("meeting_id", None), "time_index": ("update_date", "update_time")},
        types={"zip_id": "S", "meeting_id": "N", "update_date": "S", "update_time": "N"},
        **more,
    )


@pytest.mark.parametrize("value", ["12", ""])
def test_fake_table_refuses_an_item_when_an_index_key_is_a_string_in_place_of_a_number(
    value: str,
) -> None:
    # The key of an index must have the type that the index declares. moto accepts a string. Source:
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html
    item = {"zip_id": "one", "meeting_id": value}
    assert code_of(status_table().put_item, Item=item) == "ValidationException"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("meeting_id =", "Syntax error"),
        ("meeting_id = :unknown", "An expression attribute value used in expression"),
    ],
)
def test_error_of_a_query_names_its_expression_when_the_expression_is_wrong(
    text: str, problem: str
) -> None:
    with pytest.raises(ClientError, match=f"Invalid KeyConditionExpression: {problem}"):
        status_table().query(
            IndexName="mid_index",
            KeyConditionExpression=text,
            ExpressionAttributeValues={":meeting": 1},
            Limit=1,
        )


def test_hook_of_a_fake_table_can_skip_the_effect_of_a_call() -> None:
    names: list[str] = []

    class Crashed(Exception):
        pass

    def crash(name: str, _effect: Any) -> Any:
        names.append(name)
        raise Crashed

    table = FakeTable("test", "id", call=crash, now=Time())
    with pytest.raises(Crashed):
        table.put_item(Item={"id": "one"})
    assert names == ["dynamodb.PutItem"]
    assert table.items() == []
