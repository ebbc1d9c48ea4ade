"""Write docs/api.md from docs/openapi.yaml: `python -m ops.api_reference`.

A test compares the file with this module's output. PyYAML is one of the developer's tools (`make
setup`). The operator's commands don't need PyYAML.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

SOURCE = Path(__file__).resolve().parents[1] / "docs" / "openapi.yaml"
DOCUMENT = SOURCE.with_name("api.md")

INTRODUCTION = """# The API

This page lists what each endpoint takes and answers. Addresses begin with
`{server}`;
`invoke stack.status` shows those of your stack. `.venv/bin/python -m ops.api_reference` writes
this file from [the OpenAPI document](openapi.yaml), which programs can read.

{description}
"""

LONG_ENUMERATION = 3
"""Number of values above which a named enumeration gets a section, to which fields link."""

Schema = Mapping[str, Any]


def load() -> Schema:
    """Return the content of docs/openapi.yaml."""
    document: Schema = yaml.safe_load(SOURCE.read_text("utf-8"))
    return document


def text_of(document: Schema) -> str:
    """Return the text of docs/api.md."""
    return "\n".join(pages(document)).rstrip() + "\n"


def pages(document: Schema) -> Iterator[str]:
    """Yield the lines of docs/api.md."""
    server = document["servers"][0]["url"]
    yield INTRODUCTION.format(server=server, description=document["info"]["description"].strip())
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"## {method.upper()} {path}\n"
            yield from _endpoint(document, operation)
    yield "## Objects\n"
    for name, schema in document["components"]["schemas"].items():
        if _has_section(document, name):
            yield f"### {name}\n"
            if "description" in schema:
                yield f"{_one_line(schema)}\n"
            if "enum" in schema:
                yield f"{', '.join(f'`{value}`' for value in schema['enum'])}\n"
            else:
                yield from _fields_table(document, schema)


def _endpoint(document: Schema, operation: Schema) -> Iterator[str]:
    """Yield the lines about one operation: its description, tables and examples."""
    yield f"{operation['summary']}.\n"
    if "description" in operation:
        yield f"{_one_line(operation)}\n"
    yield from _headers_table(document, operation)
    yield from _parameters_table(document, operation)
    for content in operation.get("requestBody", {}).get("content", {}).values():
        yield from _fields_table(document, _resolved(document, content["schema"]))
        yield from _examples("Example of a body", content)
    yield from _answers_table(document, operation)
    answer = _resolved(document, operation["responses"].get("200", {}))
    for kind, content in answer.get("content", {}).items():
        if kind != "text/html":
            yield from _examples("Example of an answer", content)


def _headers_table(document: Schema, operation: Schema) -> Iterator[str]:
    schemes = document["components"]["securitySchemes"]
    names = [name for alternative in operation.get("security", []) for name in alternative]
    if names:
        yield "| header | value |\n| --- | --- |"
        for name in names:
            yield f"| `{schemes[name]['name']}` | {_one_line(schemes[name])} |"
        yield ""


def _parameters_table(document: Schema, operation: Schema) -> Iterator[str]:
    if "parameters" in operation:
        yield "| in the query | type | meaning |\n| --- | --- | --- |"
        for parameter in operation["parameters"]:
            kind = _type(document, parameter["schema"])
            yield f"| `{parameter['name']}` | {kind} | {_one_line(parameter)} |"
        yield ""


def _answers_table(document: Schema, operation: Schema) -> Iterator[str]:
    yield "| answer | when | content |\n| --- | --- | --- |"
    for status, reference in operation["responses"].items():
        answer = _resolved(document, reference)
        contents = [
            f"{kind}: {_type(document, content['schema'])}"
            for kind, content in answer.get("content", {}).items()
        ]
        shown = "other" if status == "default" else status
        # A reference may have a description of its own, which takes precedence (OpenAPI 3.1).
        when = _one_line(reference if "description" in reference else answer)
        yield f"| {shown} | {when} | {'<br>'.join(contents)} |"
    yield ""


def _fields_table(document: Schema, schema: Schema) -> Iterator[str]:
    yield "| field | type | meaning |\n| --- | --- | --- |"
    for name, field, required in _fields(document, schema):
        meaning = [_one_line(field)] if "description" in field else []
        meaning += ["Required."] if required else []
        meaning += [f"Default: `{json.dumps(field['default'])}`."] if "default" in field else []
        yield f"| `{name}` | {_type(document, field)} | {' '.join(meaning)} |"
    yield ""


def _fields(
    document: Schema, schema: Schema, prefix: str = ""
) -> Iterator[tuple[str, Schema, bool]]:
    """Yield (name, schema, is required) of each field, including the fields of nested objects.

    Each name begins with `prefix`.
    """
    for name, field in schema.get("properties", {}).items():
        yield f"{prefix}{name}", field, name in schema.get("required", [])
        inner = field.get("items", field)
        if "properties" in inner:
            mark = "[]" if "items" in field else ""
            yield from _fields(document, inner, f"{prefix}{name}{mark}.")


def _examples(title: str, content: Schema) -> Iterator[str]:
    """Yield each example in an OpenAPI media type as Markdown: the title, and an indented block."""
    values = [example["value"] for example in content.get("examples", {}).values()]
    for value in [*values, *([content["example"]] if "example" in content else [])]:
        text = value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)
        yield f"{title}:\n"
        yield "".join(f"    {line}\n" for line in text.splitlines())


def _type(document: Schema, schema: Schema) -> str:
    """Return a schema's type in Markdown: a link to a section, or a name, values or items."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if _has_section(document, name):
            return f"[{name}](#{name.lower()})"
        return _type(document, _resolved(document, schema))
    if "oneOf" in schema:
        return " or ".join(_type(document, choice) for choice in schema["oneOf"])
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "items" in schema:
        return f"list of {_type(document, schema['items'])}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of {_type(document, schema['additionalProperties'])}"
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return " or ".join(kinds)


def _has_section(document: Schema, name: str) -> bool:
    """Return whether a schema has a section of its own.

    Objects and long enumerations have a section, unless they are request bodies.
    """
    schema = document["components"]["schemas"][name]
    return name not in _bodies(document) and (
        "properties" in schema or len(schema.get("enum", [])) > LONG_ENUMERATION
    )


def _bodies(document: Schema) -> set[str]:
    """Return the names of request bodies' schemas, which the document shows without a section."""
    return {
        content["schema"]["$ref"].rpartition("/")[2]
        for item in document["paths"].values()
        for operation in item.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
    }


def _resolved(document: Schema, value: Schema) -> Schema:
    """Return the object of the document to which `value` refers, or `value` itself."""
    while "$ref" in value:
        found: Any = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        value = found
    return value


def _one_line(described: Schema) -> str:
    """Return a description on one line, with `|` escaped; "" if there is no description."""
    return " ".join(str(described.get("description", "")).split()).replace("|", "\\|")


if __name__ == "__main__":
    DOCUMENT.write_text(text_of(load()), encoding="utf-8")
