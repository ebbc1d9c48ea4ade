"""Tests that the webhook does with random requests what the first system did.

`webhook_rules.py` and `webhook_expected.py` quote the specification's rules for the allowed
differences. `webhook_derived.py` derives further cases, to which several rules apply.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.cloud import Clock, Cloud, plain
from tests.conformance.vectors import cases, empty_is_absent
from tests.conformance.webhook_derived import derived_cases
from tests.conformance.webhook_expected import (
    check_messages,
    check_rows,
    expected_of,
    without,
)
from tests.conformance.webhook_rules import expected_status
from tests.function_harness import post_webhook, webhook_dependencies

NEW_IN_ROWS = {"expiration", "file_ids", "steps", "asked"}


def check(case: dict[str, Any], aws: Cloud, clock: Clock) -> None:
    """Post a case's requests, and check the answers, messages, rows and recording events."""
    clock.set(case["now"])
    deps = webhook_dependencies(aws, clock)
    for step in case["steps"]:
        answer = post_webhook(deps, step["request"])
        expected = expected_status(step["request"], step["status_code"])
        assert answer.status == expected, answer.body
    found = expected_of(case)
    check_messages(found, aws.sent_to(aws.download_queue))
    rows = [empty_is_absent(without(row, NEW_IN_ROWS)) for row in aws.rows().values()]
    check_rows(found, rows, [empty_is_absent(row) for row in case["status_rows"]])
    events = [without(plain(item), {"expiration"}) for item in aws.events.scan()["Items"]]
    assert events == [without(item, {"expiration"}) for item in case["recording_events"]]


@pytest.mark.parametrize("case", cases("webhook"))
def test_the_webhook_does_what_the_first_system_did_except_for_specified_changes(
    case: dict[str, Any], aws: Cloud, clock: Clock
) -> None:
    check(case, aws, clock)


@pytest.mark.parametrize("case", derived_cases())
def test_the_webhook_follows_the_specified_rules_when_several_apply_to_one_case(
    case: dict[str, Any], aws: Cloud, clock: Clock
) -> None:
    check(case, aws, clock)
