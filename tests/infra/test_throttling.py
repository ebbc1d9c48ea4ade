"""Which routes API Gateway holds back."""

from __future__ import annotations

from tests.infra.template import Template


def test_a_stranger_s_requests_are_throttled_and_no_recording_s(template: Template) -> None:
    [stage] = template.of_type("AWS::ApiGateway::Stage").values()
    assert {
        one["ResourcePath"]: (one["HttpMethod"], one["ThrottlingRateLimit"])
        for one in stage["MethodSettings"]
        if "ThrottlingRateLimit" in one
    } == {"/~1slack": ("POST", 10), "/~1schedule_update": ("POST", 1)}
