"""Fixtures of the webhook with an in-process AWS."""

from __future__ import annotations

from typing import Any

import pytest

import webhook
from tests.cloud import Clock, Cloud
from tests.function_harness import post_webhook, webhook_dependencies
from tests.unit.functions.webhook.notifications import Post


@pytest.fixture
def deps(aws: Cloud, clock: Clock) -> webhook.Dependencies:
    return webhook_dependencies(aws, clock)


@pytest.fixture
def post(deps: webhook.Dependencies) -> Post:
    def send(content: Any, **more: Any) -> int:
        return post_webhook(deps, content, **more).status

    return send
