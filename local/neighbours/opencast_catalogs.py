"""Dublin Core catalogs as Opencast reads them: JSON or XML, to terms and their values."""

import json
import re
from xml.parsers import expat

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


class BadCatalogError(ValueError):
    """The text isn't a Dublin Core catalog."""


def read_catalog(text: str) -> DublinCore:
    """The terms in the catalog; JSON if it begins with a brace or a bracket, else XML.

    Raises BadCatalogError if it is neither.
    """
    return _from_json(text) if text.startswith(("{", "[")) else _from_xml(text)


def _from_json(text: str) -> DublinCore:
    try:
        terms = json.loads(text)[DC_TERMS]
        return {
            term: [{key: str(part) for key, part in value.items()} for value in values]
            for term, values in terms.items()
            if values and all("value" in value for value in values)
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadCatalogError(f"not a Dublin Core catalog in JSON: {error!r}") from error


def _from_xml(text: str) -> DublinCore:
    catalog: DublinCore = {}
    text_of_element: list[str] = []

    def end(name: str) -> None:
        namespace, _, term = name.rpartition(" ")
        value = "".join(text_of_element).strip()
        if namespace == DC_TERMS and value:
            catalog.setdefault(term, []).append({"value": value})
        text_of_element.clear()

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = lambda _name, _attributes: text_of_element.clear()
    parser.CharacterDataHandler = text_of_element.append
    parser.EndElementHandler = end
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise BadCatalogError(f"not XML: {error}") from error
    return catalog
