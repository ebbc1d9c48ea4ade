"""Read the parts of Opencast's forms in order, with URIs and series catalogs."""

import io
import json
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from local.neighbours.opencast_store import DC_TERMS, DublinCore

TERMS = frozenset(
    re.findall(
        r"\w+",
        """abstract accessRights accrualMethod accrualPeriodicity accrualPolicy alternative audience
    available bibliographicCitation conformsTo contributor coverage created creator date
    dateAccepted dateCopyrighted dateSubmitted description educationLevel extent format hasFormat
    hasPart hasVersion identifier instructionalMethod isFormatOf isPartOf isReferencedBy
    isReplacedBy isRequiredBy issued isVersionOf language license mediator medium modified
    provenance publisher references relation replaces requires rights rightsHolder source spatial
    subject tableOfContents temporal title type valid""",
    )
)
"""Names of the parts that are Dublin Core terms of the episode."""

# Opencast parses URIs with java.net.URI, which refuses the pattern's characters, a colon at the
# beginning, and a % without two hex digits.
_BAD_URI = re.compile(r"^:|[\x00-\x20\x7f<>\"{}|\\^`]|%(?![0-9A-Fa-f]{2})")


class BadRequestError(Exception):
    """Error for a request to which Opencast answers 400 with the error's text."""


class BrokenFormError(Exception):
    """Error for a body that ends too early, or that isn't a multipart form."""


class Part(NamedTuple):
    """A part of a form. `filename` is None unless the part is a file."""

    name: str
    value: str
    filename: str | None = None


def boundary_of(content_type: str) -> str | None:
    """Return the boundary of a multipart form ("" if missing), or None for another content type."""
    kind, options = parse_options_header(content_type)
    return str(options.get("boundary", "")) if kind == "multipart/form-data" else None


def read_parts(body: bytes, boundary: str, *, files: bool = False) -> Iterator[Part]:
    """Yield a form's parts in order. `files` allows parts that are files.

    Raises:
        BadRequestError: A part is a file, and `files` is false. Opencast's ingest would take the
            part for media, whatever the part's name.
        BrokenFormError: The body ends too early, or isn't a form.
    """
    name, value, filename = "", bytearray(), None
    try:
        for event in PushMultipartParser(boundary).parse_blocking(io.BytesIO(body).read):
            if isinstance(event, MultipartSegment):
                if event.filename is not None and not files:
                    raise BadRequestError(f"{event.name} is a file: the stand-in takes only URIs")
                name, value, filename = event.name, bytearray(), event.filename
            elif event is None:
                yield Part(name, value.decode("utf-8", errors="replace"), filename)
            else:
                value += event
    except MultipartError as error:
        raise BrokenFormError(f"the form can't be read: {error}") from error


def read_catalog(text: str) -> DublinCore:
    """Return the terms of a Dublin Core catalog in JSON. Terms without a value are left out.

    Raises:
        BadRequestError: The text isn't a Dublin Core catalog in JSON.
    """
    try:
        terms = json.loads(text)[DC_TERMS]
        return {
            term: [{key: str(part) for key, part in value.items()} for value in values]
            for term, values in terms.items()
            if values and all("value" in value for value in values)
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRequestError("Could not parse the Dublin Core catalog") from error


def uri_of(part: Part) -> SplitResult:
    """Return a part's value as a URI.

    Raises:
        BadRequestError: The value isn't a URI.
    """
    try:
        if not _BAD_URI.search(part.value):
            return urlsplit(part.value)
    except ValueError:
        # urlsplit raises for brackets without an address. Opencast refuses a URI with such
        # brackets, too.
        pass
    raise BadRequestError(f"Invalid URI for {part.name}")


def without_signature(value: str) -> str:
    """Return a part's value. Leave out a URI's query, which may contain a signature."""
    return value.partition("?")[0] if value.startswith(("http://", "https://", "s3://")) else value
