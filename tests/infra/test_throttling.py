"""The routes that API Gateway throttles."""

from __future__ import annotations

from tests.infra.template import Template


def test_only_slack_and_schedule_update_are_throttled(template: Template) -> None:
    [stage] = template.of_type("AWS::ApiGateway::Stage").values()
    assert {
        route["ResourcePath"]: (route["HttpMethod"], route["ThrottlingRateLimit"])
        for route in stage["MethodSettings"]
        if "ThrottlingRateLimit" in route
    } == {"/~1slack": ("POST", 10), "/~1schedule_update": ("POST", 1)}
