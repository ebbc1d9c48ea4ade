"""Tests of the API's resource policy."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack

from cdk.api import Api
from cdk.at_rest import AtRest
from cdk.names import STAGE, Names
from cdk.settings import load
from tests.infra.template import SETTINGS, Template
from tests.infra.test_resources import methods_of

ALLOWED = "198.51.100.77"
STRANGER = "203.0.113.9"

OPEN = {
    ("POST", "new_recording"),
    ("POST", "schedule_update"),
    ("POST", "slack"),
    ("OPTIONS", "ingest"),
}
"""Routes that anyone may call: each route checks signatures or tokens, or answers a preflight."""

ONLY_ALLOWED = {("POST", "ingest"), ("GET", "status"), ("GET", "")}
"""Routes that only the addresses in `INGEST_ALLOWED_IPS` may call."""

EVERY_ROUTE = sorted(OPEN | ONLY_ALLOWED)

LARGEST_POLICY = 8192
"""Maximum size of an API's resource policy, in bytes.

https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
"""


def policy_of(template: Template) -> Mapping[str, Any]:
    [api] = template.of_type("AWS::ApiGateway::RestApi").values()
    policy: Mapping[str, Any] = api["Policy"]
    return policy


def each(value: Any) -> list[Any]:
    """Return the items of a list, or a single value as a list."""
    return value if isinstance(value, list) else [value]


def is_in(address: str, networks: Any) -> bool:
    return any(
        ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in each(networks)
    )


def holds(operator: str, condition: Mapping[str, Any], address: str) -> bool:
    """Return whether a condition on the caller's address holds."""
    [(key, networks)] = condition.items()
    assert key == "aws:SourceIp"
    return {"IpAddress": True, "NotIpAddress": False}[operator] == is_in(address, networks)


def matches(pattern: str, resource: str) -> bool:
    """Return whether a policy's resource, with `*` and `?`, matches a requested resource."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, resource, re.DOTALL) is not None


def effects(policy: Mapping[str, Any], resource: str, address: str) -> Iterator[str]:
    """Yield the effects of the statements that apply to a request.

    Also check that each statement is about the invocation of the API by any caller.
    """
    for statement in policy["Statement"]:
        assert statement["Principal"] in ("*", {"AWS": "*"})
        assert statement["Action"] == "execute-api:Invoke"
        conditions = statement.get("Condition", {})
        if any(matches(pattern, resource) for pattern in each(statement["Resource"])) and all(
            holds(operator, condition, address) for operator, condition in conditions.items()
        ):
            yield statement["Effect"]


def is_allowed(
    policy: Mapping[str, Any], method: str, path: str, address: str, stage: str = STAGE
) -> bool:
    """Return whether the policy allows an unsigned request, by the rules of API Gateway.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html
    """
    found = set(effects(policy, f"execute-api:/{stage}/{method}/{path}", address))
    return found == {"Allow"}


def spellings(path: str) -> tuple[str, ...]:
    """Return the spellings of a route's path that API Gateway serves."""
    return (path, f"{path}/") if path else ("",)


def test_the_policy_tests_cover_every_route_of_the_template(template: Template) -> None:
    assert set(methods_of(template)) == OPEN | ONLY_ALLOWED


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
def test_addresses_in_the_allowed_ips_may_call_every_route(
    template: Template, method: str, path: str
) -> None:
    for address in ("192.0.2.7", ALLOWED):
        for spelling in spellings(path):
            assert is_allowed(policy_of(template), method, spelling, address), spelling


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
def test_addresses_outside_the_allowed_ips_may_call_only_the_open_routes(
    template: Template, method: str, path: str
) -> None:
    for address in (STRANGER, "192.0.2.8", "2001:db8::1"):
        for spelling in spellings(path):
            expected = (method, path) in OPEN
            assert is_allowed(policy_of(template), method, spelling, address) is expected, spelling


@pytest.mark.parametrize("address", [ALLOWED, STRANGER])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "forgotten"),
        ("POST", "forgotten"),
        ("POST", ""),
        ("GET", "ingest"),
        ("GET", "slack"),
        ("POST", "status"),
        ("PUT", "ingest"),
        ("DELETE", "schedule_update"),
        ("PATCH", "new_recording"),
        ("HEAD", "status"),
        ("OPTIONS", "new_recording"),
        ("OPTIONS", ""),
        ("*", "ingest"),
        ("post", "ingest"),
        ("TRACE", "slack"),
    ],
)
def test_unknown_routes_and_methods_are_denied(
    template: Template, method: str, path: str, address: str
) -> None:
    for spelling in (path, f"{path}/"):
        assert not is_allowed(policy_of(template), method, spelling, address), spelling


@pytest.mark.parametrize("address", [ALLOWED, STRANGER])
@pytest.mark.parametrize("stage", ["", "*", "prod", "test", "Live", "live2", "live/live"])
def test_every_route_is_denied_in_another_stage(
    template: Template, stage: str, address: str
) -> None:
    for method, path in EVERY_ROUTE:
        for spelling in spellings(path):
            assert not is_allowed(policy_of(template), method, spelling, address, stage), path


@pytest.mark.parametrize("address", [ALLOWED, STRANGER])
@pytest.mark.parametrize(
    "spell",
    [
        "/{0}".format,
        "{0}//".format,
        "//{0}/".format,
        "{0}/.".format,
        "./{0}".format,
        "x/../{0}".format,
        "{0}/more".format,
        "{0}%2F".format,
        "%2F{0}".format,
        "{0}%00".format,
        "{0};x".format,
        "{0}?x".format,
        "{0} ".format,
        "{0}\n".format,
        str.upper,
        str.title,
        lambda path: f"%{ord(path[0]):02x}{path[1:]}",
        lambda path: f"{path[:-1]}%{ord(path[-1]):02X}",
        lambda path: path[:-1],
        lambda path: f"{path}s",
    ],
)
def test_a_misspelled_path_of_a_route_is_denied(
    template: Template, spell: Callable[[str], str], address: str
) -> None:
    for method, path in EVERY_ROUTE:
        if path:
            assert not is_allowed(policy_of(template), method, spell(path), address), spell(path)


def test_a_route_is_denied_when_the_policy_does_not_name_the_route(tmp_path: Path) -> None:
    app = App(outdir=str(tmp_path))
    stack = Stack(app, "stack")
    settings = load(SETTINGS, None)
    api = Api(stack, "Api", settings, Names("stack"), AtRest.of(stack, settings))
    api.rest_api.root.add_resource("forgotten").add_method("GET")
    resources = app.synth().get_stack_by_name("stack").template["Resources"]
    [policy] = [
        resource["Properties"].get("Policy", {"Statement": []})
        for resource in resources.values()
        if resource["Type"] == "AWS::ApiGateway::RestApi"
    ]
    assert not is_allowed(policy, "GET", "forgotten", ALLOWED)


def test_a_change_of_the_allowed_ips_deploys_the_api_again(
    template: Template, changed: Callable[[Mapping[str, str]], Template]
) -> None:
    later = changed({"INGEST_ALLOWED_IPS": STRANGER})
    for address, expected in ((STRANGER, True), (ALLOWED, False)):
        assert is_allowed(policy_of(later), "POST", "ingest", address) is expected
    # API Gateway uses the old policy until CloudFormation deploys the API again.
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-resource-policies-create-attach.html
    deployments = [set(t.of_type("AWS::ApiGateway::Deployment")) for t in (template, later)]
    assert deployments[0].isdisjoint(deployments[1])


def test_a_policy_with_200_allowed_networks_fits_into_the_limit_of_api_gateway(
    changed: Callable[[Mapping[str, str]], Template],
) -> None:
    networks = [f"198.51.{number}.128/25" for number in range(200)]
    policy = policy_of(changed({"INGEST_ALLOWED_IPS": ",".join(networks)}))
    assert len(str(policy)) < LARGEST_POLICY
    assert is_allowed(policy, "GET", "status", "198.51.199.129")
