"""Check a message's blocks as Slack does, with the error texts of Slack's API.

Limits and fields are those of https://docs.slack.dev/reference/block-kit. Blocks that the app
doesn't use are refused as unsupported.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

MOST_BLOCKS = 50


def errors_in(blocks: Any) -> list[str]:
    """Return the errors in a message's blocks.

    Ids that occur twice are reported only if there is no other error.
    """
    errors = list(Items(OneOf(BLOCKS), MOST_BLOCKS, least=0).check(blocks, "/blocks"))
    if errors:
        return errors
    return [
        *_twice([block.get("block_id") for block in blocks], "block_id", "/blocks"),
        *(
            error
            for index, block in enumerate(blocks)
            if block["type"] == "actions"
            for error in _twice(
                [element.get("action_id") for element in block["elements"]],
                "action_id",
                f"/blocks/{index}/elements",
            )
        ),
    ]


class Rule(Protocol):
    """A rule for one value."""

    def check(self, value: Any, where: str) -> Iterator[str]:
        """Yield Slack's texts for errors in a value. `where` is the value's JSON pointer."""
        ...


@dataclass(frozen=True)
class Chars:
    """A rule for a string of `least` to `most` characters, or for one of the strings `one_of`."""

    most: int
    least: int = 1
    one_of: tuple[str, ...] = ()

    def check(self, value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield _error("must provide a string", where)
        elif self.one_of and value not in self.one_of:
            yield _error(f"must be one of: {', '.join(self.one_of)}", where)
        elif len(value) > self.most:
            yield _error(f"must be less than {self.most + 1} characters", where)
        elif len(value) < self.least:
            yield _error(f"must be more than {self.least - 1} characters", where)


@dataclass(frozen=True)
class Flag:
    """A rule for a boolean."""

    def check(self, value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, bool):
            yield _error("must provide a boolean", where)


@dataclass(frozen=True)
class Items:
    """A rule for a list of `least` to `most` values that satisfy the rule `of`."""

    of: Rule
    most: int
    least: int = 1

    def check(self, value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield _error("must provide an array", where)
        elif len(value) > self.most:
            yield _error(f"no more than {self.most} items allowed", where)
        elif len(value) < self.least:
            yield _error(f"no fewer than {self.least} items required", where)
        else:
            for index, item in enumerate(value):
                yield from self.of.check(item, f"{where}/{index}")


@dataclass(frozen=True)
class Shape:
    """A rule for an object with all fields in `needs`, and perhaps some of `takes`.

    Unless `either` is empty, the object needs at least one of the fields in `either`.
    """

    needs: Mapping[str, Rule] = field(default_factory=dict)
    takes: Mapping[str, Rule] = field(default_factory=dict)
    either: tuple[str, ...] = ()

    def check(self, value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield _error("must provide an object", where)
            return
        known = {**self.needs, **self.takes}
        for name in self.needs:
            if name not in value:
                yield _error(f"missing required field: {name}", where)
        if self.either and not any(name in value for name in self.either):
            yield _error(f"must define either {' or '.join(map(repr, self.either))}", where)
        for name, given in value.items():
            if name in known:
                yield from known[name].check(given, f"{where}/{name}")
            elif name != "type":
                yield _error(f"invalid additional property: {name}", where)


@dataclass(frozen=True)
class OneOf:
    """A rule for an object whose `type` names the rule in `shapes` that applies."""

    shapes: Mapping[str, Rule]

    def check(self, value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield _error("must provide an object", where)
        elif "type" not in value:
            yield _error("missing required field: type", where)
        elif not isinstance(value["type"], str) or value["type"] not in self.shapes:
            yield _error(f"unsupported type: {value['type']}", f"{where}/type")
        else:
            yield from self.shapes[value["type"]].check(value, where)


def _plain(most: int) -> Rule:
    return OneOf({"plain_text": Shape({"text": Chars(most)}, {"emoji": Flag()})})


def _text(most: int) -> Rule:
    return OneOf(
        {
            "plain_text": Shape({"text": Chars(most)}, {"emoji": Flag()}),
            "mrkdwn": Shape({"text": Chars(most)}, {"verbatim": Flag()}),
        }
    )


_STYLE = Chars(20, one_of=("primary", "danger"))
_BLOCK_ID: Mapping[str, Rule] = {"block_id": Chars(255)}
_BUTTON = Shape(
    {"text": _plain(75)},
    {
        "action_id": Chars(255),
        "url": Chars(3000),
        "value": Chars(2000, least=0),
        "style": _STYLE,
        "accessibility_label": Chars(75),
    },
)

BLOCKS: Mapping[str, Rule] = {
    "actions": Shape({"elements": Items(OneOf({"button": _BUTTON}), 25)}, _BLOCK_ID),
    "context": Shape({"elements": Items(_text(3000), 10)}, _BLOCK_ID),
    "divider": Shape({}, _BLOCK_ID),
    "header": Shape({"text": _plain(150)}, _BLOCK_ID),
    "section": Shape(
        {},
        {
            "text": _text(3000),
            "fields": Items(_text(2000), 10),
            **_BLOCK_ID,
        },
        either=("text", "fields"),
    ),
}


def _twice(names: list[str | None], what: str, where: str) -> Iterator[str]:
    given = [name for name in names if name is not None]
    for name in dict.fromkeys(given):
        if given.count(name) > 1:
            yield _error(f"`{what}` {name} already exists", where)


def _error(what: str, where: str) -> str:
    return f"{what} [json-pointer:{where}]"
