"""Reading Opencast's answers about events, workflows and incidents."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.opencast.processing import (
    TEXT_LIMIT,
    WorkflowState,
    event_of,
    incident_text,
    workflow_of,
)

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def workflow(**changes: Any) -> dict[str, Any]:
    return {"workflow": {"id": 1603, "state": "FAILED", "mediaPackageId": "mp", **changes}}


@pytest.mark.parametrize(
    ("publications", "is_published"),
    [(["internal"], False), (["internal", "engage-player"], True), (["api"], True), ([], False)],
)
def test_an_event_is_published_when_people_other_than_editors_see_it(
    publications: list[str], is_published: bool
) -> None:
    document = {"identifier": "mp", "publication_status": publications}
    assert event_of(document, "mp").is_published is is_published


@pytest.mark.parametrize("publications", ["", None, "engage-player", {}])
def test_an_event_is_not_published_when_its_publications_are_not_a_list(publications: Any) -> None:
    document = {"identifier": "mp", "publication_status": publications}
    assert not event_of(document, "mp").is_published


def test_answer_about_an_event_is_rejected_when_it_names_another_event() -> None:
    with pytest.raises(ValueError, match="isn't about the event"):
        event_of({"identifier": "other"}, "mp")


@pytest.mark.parametrize(
    "document", [workflow(mediaPackageId="other"), workflow(mediaPackageId="", mediapackage="x")]
)
def test_a_workflow_is_rejected_when_it_names_another_event_but_not_when_it_names_no_event(
    document: Any,
) -> None:
    if document["workflow"]["mediaPackageId"]:
        with pytest.raises(ValueError, match="another event"):
            workflow_of(document, "mp")
    else:
        assert workflow_of(document, "mp").state is WorkflowState.FAILED


def test_a_workflow_is_rejected_when_its_media_package_names_another_event() -> None:
    document = {"workflow": {"state": "FAILED", "mediapackage": {"id": "other"}}}
    with pytest.raises(ValueError, match="another event"):
        workflow_of(document, "mp")


@pytest.mark.parametrize(
    "operation",
    [
        {"id": "encode", "state": "FAILED", "job": "17"},
        {"id": 4, "template": "encode", "state": "FAILED", "job": 17},
    ],
)
def test_failed_operation_is_read_from_both_forms_of_the_answer_of_opencast(
    operation: dict[str, Any],
) -> None:
    found = workflow_of(workflow(operations={"operation": operation}), "mp")
    assert (found.operation, found.job) == ("encode", "17")


def test_end_of_a_workflow_is_the_last_end_of_its_operations() -> None:
    operations = [{"completed": 1791986412000}, {"completed": "1791986400000"}, {"completed": "x"}]
    found = workflow_of(workflow(operations={"operation": operations}), "mp")
    assert found.completed == datetime.fromtimestamp(1791986412, UTC)


def test_incident_text_comes_from_the_failure_when_a_warning_precedes_the_failure() -> None:
    tree = {
        "incidentFullTree": {
            "incidentFull": {"severity": "WARNING", "title": "Slow", "description": ""},
            "incidentFullTree": [
                {"incidentFull": {"severity": "FAILURE", "title": "Disk", "description": "a\n b"}}
            ],
        }
    }
    assert incident_text(tree) == "Disk: a b"


def test_incident_text_is_found_in_a_document_that_is_nested_deeply() -> None:
    tree: Any = {"severity": "FAILURE", "title": "Disk"}
    for _ in range(5_000):
        tree = [{"incidentFullTree": tree}]
    assert incident_text(tree) == "Disk"


def test_text_of_an_incident_is_truncated() -> None:
    incident = {"severity": "FAILURE", "description": "x" * 5000}
    assert len(incident_text({"incident": incident})) == TEXT_LIMIT


@given(ANY_JSON)
def test_opencast_answer_is_parsed_or_raises_value_error_whatever_the_json(document: Any) -> None:
    assert isinstance(incident_text(document), str)
    for read in (event_of, workflow_of):
        for content in (document, {"workflow": document}, workflow(operations=document)):
            try:
                read(content, "mp")
            except ValueError:
                continue
