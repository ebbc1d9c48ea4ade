"""The webhook over the in-process AWS."""

from __future__ import annotations

from typing import Any

import pytest

import webhook
from tests.cloud import Clock, Cloud
from tests.kits import post_webhook, webhook_tools
from tests.unit.functions.webhook.notifications import Post


@pytest.fixture
def tools(aws: Cloud, clock: Clock) -> webhook.Tools:
    return webhook_tools(aws, clock)


@pytest.fixture
def post(tools: webhook.Tools) -> Post:
    def send(content: Any, **more: Any) -> int:
        return post_webhook(tools, content, **more).status

    return send
