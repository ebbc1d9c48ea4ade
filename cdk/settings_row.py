"""A row of the table of settings: the facts about one setting."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar, Unpack, cast

from cdk import checks
from cdk.names import Function

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Value = TypeVar("Value")

_NONSENSE = "?" * 300
"""A text that every check refuses, except checks for any text and for a list of any texts."""


@dataclass(frozen=True)
class Section:
    """A heading of `example.env` and docs/settings.md, and the text below the heading.

    `see` is the document with more, relative to `docs/`. `about` and `see` may be "".
    """

    title: str
    about: str = ""
    see: str = ""


@dataclass(frozen=True)
class Setting(Generic[Value]):
    """The facts about one setting.

    Attributes:
        name: The setting's name in the shell, in `.env` and in a function's environment.
        section: The heading above the setting in the documents.
        default: The value of a setting that isn't given.
        check: The function that converts the setting's text to a value, or raises ValueError with
            the required form.
        line: A description of the setting for people.
        see: The document with more, relative to `docs/`.
        read_by: The functions that read the setting from their environment, or a secret from SSM.
        secret: Whether the value belongs in SSM and in no message.
        missing: The end of the message "<NAME> is missing: …"; "" if the setting isn't required.
        example: The setting's text in `example.env`; "" for the text of the default.
        fallback: The variable whose text is used if the setting isn't given or its text is wrong.
    """

    name: str
    section: Section
    default: Value
    check: checks.Check[Value]
    line: str
    see: str = ""
    read_by: tuple[Function, ...] = ()
    secret: bool = False
    missing: str = ""
    example: str = ""
    fallback: str = ""

    @property
    def example_text(self) -> str:
        """The setting's text in `example.env`."""
        return self.example or text_of(self.default)

    @property
    def requirement(self) -> str:
        """The form that the setting's check requires; "" for any text or a list of any texts."""
        try:
            self.check(_NONSENSE)
        except ValueError as error:
            return str(error)
        return ""


class Options(TypedDict, total=False):
    """The fields that a declaration of a setting may leave out; see `Setting`."""

    see: str
    read_by: tuple[Function, ...]
    secret: bool
    missing: str
    example: str
    fallback: str


def setting(
    section: Section,
    default: Value,
    check: checks.Check[Value],
    line: str,
    **options: Unpack[Options],
) -> Value:
    """Declare that a dataclass's field is a setting; the arguments are those of `Setting`.

    The setting's name is the field's name in capitals. The declared type is the value's type, as
    with `dataclasses.field`, because the field of an instance holds the value.
    """
    row = {"section": section, "default": default, "check": check, "line": line, **options}
    return cast(Value, field(metadata=row, repr=not options.get("secret")))


def text_setting(section: Section, line: str, **options: Unpack[Options]) -> str:
    """Declare a setting that may be any text and is empty by default; see `setting`."""
    return setting(section, "", checks.any_text, line, **options)


def rows_of(settings_type: type[DataclassInstance]) -> tuple[Setting[Any], ...]:
    """Return the settings that a dataclass's fields declare, in the order of the fields."""
    return tuple(
        Setting(name=field_.name.upper(), **field_.metadata)
        for field_ in fields(settings_type)
        if field_.metadata
    )


def text_of(value: Any) -> str:
    """Return a setting's value as text, as `example.env` and a function's environment have it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value)
