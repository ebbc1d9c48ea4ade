"""The token of the sheet's script, which an update needs unless an open stack has no token."""

from __future__ import annotations

import pytest

from tests.function_harness import schedule_update_dependencies
from tests.google_web import DOCUMENT, row
from tests.unit.functions.schedule_update.harness import SheetUser


def configure(user: SheetUser, *, token: str, is_open: str) -> None:
    user.deps = schedule_update_dependencies(
        user.aws,
        user.clock,
        user.deps.sheets,
        token=token,
        gsheets_doc_id=DOCUMENT,
        allow_open_schedule_update=is_open,
    )


@pytest.mark.parametrize("headers", [{}, {"X-Schedule-Token": ""}, {"X-Schedule-Token": "x"}])
def test_schedule_update_is_refused_before_google_is_asked_when_a_stack_without_token_is_not_open(
    user: SheetUser, headers: dict[str, str]
) -> None:
    configure(user, token="", is_open="false")
    user.sheet(row())
    status, text = user.update(**headers)
    assert status == 401
    assert "`invoke stack.update` makes one" in text
    assert user.google.web.seen == []
    assert user.stored() == {}


def test_schedule_update_needs_no_token_when_none_is_set_and_open_updates_are_allowed(
    user: SheetUser,
) -> None:
    configure(user, token="", is_open="true")
    user.sheet(row())
    assert user.update()[0] == 200


def test_schedule_update_needs_the_token_when_an_open_stack_has_a_token(user: SheetUser) -> None:
    configure(user, token="right", is_open="true")
    user.sheet(row())
    assert user.update()[0] == 401
    assert user.update(X_Schedule_Token="right")[0] == 200


def test_schedule_update_accepts_a_token_that_was_made_after_the_container_started(
    user: SheetUser,
) -> None:
    configure(user, token="made", is_open="false")
    newer = user.deps
    configure(user, token="", is_open="false")
    user.sheet(row())
    user.rebuild = lambda: newer
    assert user.update(X_Schedule_Token="made")[0] == 200
    assert user.update(X_Schedule_Token="wrong")[0] == 401
