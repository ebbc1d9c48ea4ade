"""The documents that Opencast answers with: a workflow as XML or JSON, an event, a series."""

from random import Random
from typing import Any
from xml.etree import ElementTree as ET

from local.neighbours.opencast_store import DC_TERMS, Event, Store, StoredFile, Workflow

WORKFLOW_NS = "http://workflow.opencastproject.org"
MEDIAPACKAGE_NS = "http://mediapackage.opencastproject.org"
# JAXB hands out prefixes as it likes; a reader has to go by the namespace.
PREFIXES = (("", "ns2"), ("ns3", "ns2"), ("wf", "mp"), ("", "mp"), ("ns2", ""))
STATUS = {
    "INSTANTIATED": "PENDING",
    "RUNNING": "PROCESSING",
    "PAUSED": "PAUSED",
    "SUCCEEDED": "PROCESSED",
    "FAILED": "PROCESSING_FAILURE",
    "STOPPED": "PROCESSING_CANCELLED",
}


def workflow_xml(workflow: Workflow, event: Event, random: Random) -> bytes:
    """The answer to an ingest: the workflow that it started, always as INSTANTIATED."""
    own, package = random.choice(PREFIXES)
    root = _root(own, "workflow", WORKFLOW_NS, id=str(workflow.id), state="INSTANTIATED")
    _child(root, own, "template", workflow.template)
    root.append(_mediapackage_xml(package, event))
    operations = _child(root, own, "operations")
    _child(operations, own, "operation", id="defaults", state="INSTANTIATED", job="0")
    configurations = _child(root, own, "configurations")
    for key, value in workflow.properties.items():
        _child(configurations, own, "configuration", value, key=key)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _mediapackage_xml(prefix: str, event: Event) -> ET.Element:
    root = _root(prefix, "mediapackage", MEDIAPACKAGE_NS, id=event.identifier, start=event.created)
    for name, term in (("title", "title"), ("series", "isPartOf"), ("language", "language")):
        for value in event.terms.get(term, [])[:1]:
            _child(root, prefix, name, value)
    media = _child(root, prefix, "media")
    metadata = _child(root, prefix, "metadata")
    _child(metadata, prefix, "catalog", type="dublincore/episode")
    attachments = _child(root, prefix, "attachments")
    for number, stored in enumerate(event.files):
        parent = media if stored.kind == "track" else attachments
        element = _child(
            parent, prefix, stored.kind, id=f"{stored.kind}-{number}", type=stored.flavor
        )
        _child(element, prefix, "mimetype", stored.content_type)
        tags = _child(element, prefix, "tags")
        for tag in stored.tags:
            _child(tags, prefix, "tag", tag)
        _child(element, prefix, "url", f"/{event.identifier}/{stored.name}")
        _child(element, prefix, "size", str(stored.size))
    return root


def _root(prefix: str, name: str, namespace: str, **attributes: str) -> ET.Element:
    declaration = f"xmlns:{prefix}" if prefix else "xmlns"
    return ET.Element(_qualified(prefix, name), {declaration: namespace, **attributes})


def _child(
    parent: ET.Element, prefix: str, name: str, text: str | None = None, **attributes: str
) -> ET.Element:
    element = ET.SubElement(parent, _qualified(prefix, name), attributes)
    element.text = text
    return element


def _qualified(prefix: str, name: str) -> str:
    return f"{prefix}:{name}" if prefix else name


def workflow_json(workflow: Workflow, event: Event, store: Store) -> dict[str, Any]:
    """`/workflow/instance/{id}.json`; a list with one element is that element."""
    tracks = [_file_json(stored) for stored in event.files if stored.kind == "track"]
    return {
        "workflow": {
            "id": workflow.id,
            "state": store.state(workflow),
            "template": workflow.template,
            "mediapackage": {
                "id": event.identifier,
                "title": first(event, "title"),
                "media": {"track": tracks[0] if len(tracks) == 1 else tracks},
            },
        }
    }


def _file_json(stored: StoredFile) -> dict[str, Any]:
    return {"type": stored.flavor, "mimetype": stored.content_type, "size": stored.size}


def event_json(event: Event, store: Store) -> dict[str, Any]:
    """`/api/events/{id}`: strings that are missing are empty, the duration may be null."""
    workflows = store.workflows_of(event.identifier)
    state = store.state(workflows[-1]) if workflows else ""
    series = first(event, "isPartOf")
    titles = store.series.get(series, {}).get("title", [{"value": ""}])
    return {
        "identifier": event.identifier,
        "title": first(event, "title"),
        "description": first(event, "description"),
        "is_part_of": series,
        "series": titles[0]["value"],
        "source": first(event, "source"),
        "creator": "",
        "presenter": event.terms.get("creator", []),
        "contributor": event.terms.get("contributor", []),
        "subjects": event.terms.get("subject", []),
        "publisher": first(event, "publisher"),
        "created": event.created,
        "start": event.created,
        "duration": None,
        "location": first(event, "spatial"),
        "language": first(event, "language"),
        "license": first(event, "license"),
        "rightsholder": first(event, "rightsHolder"),
        "archive_version": len(workflows),
        "status": f"EVENTS.EVENTS.STATUS.{STATUS[state]}" if state else "",
        "processing_state": state,
        "publication_status": ["internal"] if state == "SUCCEEDED" else [],
    }


def series_json(catalog: dict[str, list[dict[str, str]]]) -> dict[str, Any]:
    """`/series/{id}.json`: every term that is set, its values as an array."""
    return {DC_TERMS: catalog}


def first(event: Event, term: str) -> str:
    """The term's first value, "" if it isn't set."""
    return event.terms.get(term, [""])[0]
