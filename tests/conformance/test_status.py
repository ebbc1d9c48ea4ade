"""Tests that the pipeline answers queries of random status tables as the first system did."""

from __future__ import annotations

import json
from typing import Any

import pytest

import status_query
from tests.cloud import Clock, Cloud
from tests.conformance.vectors import cases
from tests.function_harness import status_query_dependencies


def crashed(case: dict[str, Any]) -> bool:
    """Return whether the first system crashed, as it did for queries with `seconds=0`.

    The pipeline answers such a query with the updates of the current second.
    """
    return str(case["status_code"]).startswith("raises")


def as_sets(meeting: dict[str, Any] | None) -> Any:
    """Return a meeting in a form in which the order of recordings and ingests doesn't matter."""
    if meeting is None:
        return None
    return {
        **meeting,
        "recordings": {
            recording["recording_id"]: {
                **recording,
                "zip_ingests": sorted(recording["zip_ingests"], key=json.dumps),
            }
            for recording in meeting["recordings"]
        },
    }


@pytest.mark.parametrize("case", cases("status_query"))
def test_status_answer_has_http_status_and_meetings_of_the_first_system_unless_it_crashed(
    case: dict[str, Any], aws: Cloud, clock: Clock
) -> None:
    clock.set(case["now"])
    for item in case["items"]:
        aws.status.put_item(Item=item)
    answer = status_query.respond(
        {"queryStringParameters": case["query"]}, status_query_dependencies(aws, clock)
    )
    if crashed(case):
        assert answer.status == 200
        for meeting in json.loads(answer.body)["records"]["meetings"]:
            for recording in meeting["recordings"]:
                ingests = recording["zip_ingests"]
                assert all(ingest["last_updated"] >= case["now"] for ingest in ingests)
        return
    assert answer.status == case["status_code"]
    if answer.status != 200:
        assert json.loads(answer.body)["message"]
        return
    got, expected = json.loads(answer.body)["records"], case["body"]["records"]
    if "meeting_id" in case["query"]:
        assert as_sets(got) == as_sets(expected)
        return
    assert [as_sets(meeting) for meeting in got["meetings"]] == [
        as_sets(meeting) for meeting in expected["meetings"]
    ]
