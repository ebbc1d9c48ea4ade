"""Tests that the stack gives each function the settings and secrets that the function reads."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cdk.names import FUNCTIONS, Function
from cdk.settings import READ_BY, SIGNING_KEY, TABLE, load
from cdk.settings_reader import SettingsError
from cdk.settings_row import text_of
from ingester import settings as read
from tests.infra.function_types import READS
from tests.infra.template import SETTINGS, STACK, Template

every_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda each: each.name)


def fields_of(function: Function) -> list[msgspec.structs.FieldInfo]:
    """Return the fields of a function's settings and secrets that are in the settings table."""
    settings, secrets = READS[function]
    fields = [
        *msgspec.structs.fields(settings),
        *(msgspec.structs.fields(secrets) if secrets else ()),
    ]
    return [field for field in fields if field.encode_name in TABLE]


@every_function
def test_the_settings_table_names_the_functions_that_read_a_setting(function: Function) -> None:
    rows = {name for name, row in TABLE.items() if function in row.read_by}
    assert rows == {field.encode_name for field in fields_of(function)}


@every_function
def test_the_settings_table_marks_the_secrets_of_each_function(function: Function) -> None:
    _, secrets = READS[function]
    expected = set(read.variables_of(secrets)) if secrets else set()
    assert set(READ_BY[function]) == expected
    # The first deployment makes the signing key, which therefore has no row in the table.
    assert all(TABLE[name].secret for name in expected - {SIGNING_KEY})


@every_function
def test_a_function_has_the_same_default_of_a_setting_as_the_settings_table(
    function: Function,
) -> None:
    optional = [field for field in fields_of(function) if not field.required]
    defaults = {field.encode_name: text_of(field.default) for field in optional}
    assert defaults == {name: text_of(TABLE[name].default) for name in defaults}


@every_function
def test_settings_are_refused_without_a_setting_that_a_function_requires(
    function: Function,
) -> None:
    for field in fields_of(function):
        if field.required:
            with pytest.raises(SettingsError, match=f"{field.encode_name} is missing"):
                load({**SETTINGS, field.encode_name: ""}, None)


@every_function
def test_the_environment_of_a_function_has_exactly_the_settings_that_it_reads(
    template: Template, function: Function
) -> None:
    functions = template.functions
    variables: dict[str, Any] = functions[function.name]["Environment"]["Variables"]
    settings, _ = READS[function]
    assert sorted(variables) == sorted(read.variables_of(settings))
    # CloudFormation replaces references by text, for which "x" stands here.
    filled = {name: value if isinstance(value, str) else "x" for name, value in variables.items()}
    assert read.read(settings, filled).stack_name == STACK
