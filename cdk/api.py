"""The REST API in front of the functions: routes, limits, logs and resource policy."""

from __future__ import annotations

from typing import cast

from aws_cdk import Aws, RemovalPolicy, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from cdk.at_rest import AtRest
from cdk.names import (
    API_KEY,
    ON_DEMAND_PATH,
    PAGE_PATH,
    SCHEDULE_UPDATE_PATH,
    SLACK_PATH,
    STAGE,
    STATUS_PATH,
    WEBHOOK_PATH,
    Names,
)
from cdk.settings import Settings

MEASURED = (WEBHOOK_PATH, ON_DEMAND_PATH)
"""The routes with metrics of their own in CloudWatch.

AWS bills the metrics of each route, so the other routes have no metrics of their own.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
"""

THROTTLED = {
    ("POST", ON_DEMAND_PATH): (10, 20),
    ("POST", SLACK_PATH): (10, 20),
    ("POST", SCHEDULE_UPDATE_PATH): (1, 5),
    ("GET", STATUS_PATH): (50, 100),
    ("GET", PAGE_PATH): (20, 40),
}
"""The limits of each route to a function except the webhook: requests per second, and burst.

API Gateway answers further requests with 429 and doesn't bill them. Without limits a stranger, or a
page that sends requests in a loop, could use up the account's Lambda concurrency and SSM's few
reads per second, which the webhook needs. Opencast requests `/status` every ten seconds for each
open page. The webhook has no limit, because a refused request may lose a recording.
"""

ERRORS = apigateway.MethodLoggingLevel.ERROR
"""The level of the execution log, which holds the reasons for API Gateway's own errors.

Data traces would log bodies and headers, so data traces stay off.
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
"""

ANYONE = None
"""The value for `only_from` that lets every address call a route."""

CORS_METHODS = ["POST", "OPTIONS"]
CORS_HEADERS = [*apigateway.Cors.DEFAULT_HEADERS, "Accept-Language", "X-Requested-With"]
# API Gateway itself makes the responses in OPEN_TO_BROWSERS, so the function behind "+Zoom" can't
# add the CORS header. Without the header, the browser hides the error from Opencast's page.
OPEN_TO_BROWSERS = {
    "AccessDenied": apigateway.ResponseType.ACCESS_DENIED,
    "Default4xx": apigateway.ResponseType.DEFAULT_4_XX,
    "Default5xx": apigateway.ResponseType.DEFAULT_5_XX,
}


class Api(Construct):
    """The API and its stage. `route` adds a method that calls a function.

    The API's resource policy allows only the routes that `route` adds. Without an authorizer, API
    Gateway refuses a request that no statement allows.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html

    `base_url` is the API's address for callers: `API_BASE_URL`, or the stage's own address. In the
    template, `base_url` doesn't refer to the stage, because the stage depends on the functions,
    whose environment contains `base_url`.
    """

    def __init__(
        self, scope: Construct, construct_id: str, settings: Settings, names: Names, at_rest: AtRest
    ) -> None:
        super().__init__(scope, construct_id)
        self._policy = iam.PolicyDocument()
        self._statements: dict[tuple[str, ...] | None, iam.PolicyStatement] = {}
        self.rest_api = apigateway.RestApi(
            self,
            "Api",
            rest_api_name=names.api,
            policy=self._policy,
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            # API Gateway writes logs with one role for the whole account and region. A new account
            # has no such role, and AWS refuses to create the stage without the role. The role stays
            # when the stack is deleted, because other APIs may use the role by then.
            # https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
            cloud_watch_role=True,
            cloud_watch_role_removal_policy=RemovalPolicy.RETAIN,
            deploy_options=_stage(at_rest.log_group(self, "AccessLog", names.access_log)),
        )
        # API Gateway itself would create this log group without a retention period.
        execution_log = at_rest.log_group(
            self, "ExecutionLog", f"API-Gateway-Execution-Logs_{self.rest_api.rest_api_id}/{STAGE}"
        )
        stage = self.rest_api.deployment_stage
        stage.node.add_dependency(execution_log)
        _throttle_the_page(stage)
        if settings.web_acl_arn:
            wafv2.CfnWebACLAssociation(
                self, "WebAcl", resource_arn=stage.stage_arn, web_acl_arn=settings.web_acl_arn
            )
        self.rest_api.add_api_key("Key", api_key_name=API_KEY)
        for construct, response_type in OPEN_TO_BROWSERS.items():
            self.rest_api.add_gateway_response(
                construct,
                type=response_type,
                response_headers={"Access-Control-Allow-Origin": "'*'"},
            )
        self.base_url = settings.api_base_url or (
            f"https://{self.rest_api.rest_api_id}.execute-api.{Aws.REGION}.{Aws.URL_SUFFIX}/{STAGE}"
        )
        self.webhook_url = self.url(WEBHOOK_PATH)

    def url(self, path: str) -> str:
        """Return the address of a route."""
        return f"{self.base_url}/{path}"

    def route(
        self,
        method: str,
        path: str,
        alias: lambda_.Alias,
        *,
        only_from: tuple[str, ...] | None,
        cors: bool = False,
    ) -> apigateway.IResource:
        """Add a method that calls the alias, and return the method's resource.

        Args:
            method: The HTTP method.
            path: The path without a slash in front; "" is the root.
            alias: The alias to call.
            only_from: The addresses and networks that may call the route, or `ANYONE`.
            cors: Whether browsers may call the route from any page.
        """
        root = self.rest_api.root
        resource = root.add_resource(path) if path else root
        resource.add_method(
            method,
            apigateway.LambdaIntegration(
                alias,
                # Only the console's "test" button needs the second permission that CDK adds by
                # default.
                allow_test_invoke=False,
            ),
        )
        self._allow(method, path, only_from)
        if cors:
            resource.add_cors_preflight(
                allow_origins=apigateway.Cors.ALL_ORIGINS,
                allow_methods=CORS_METHODS,
                allow_headers=CORS_HEADERS,
            )
            self._allow("OPTIONS", path, ANYONE)
        return resource

    def _allow(self, method: str, path: str, only_from: tuple[str, ...] | None) -> None:
        """Let the addresses `only_from` (None: every caller) call a route, by the API's policy."""
        # Routes with the same callers share a statement, because a policy has at most 8192 bytes:
        # https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
        if only_from not in self._statements:
            self._statements[only_from] = iam.PolicyStatement(
                principals=[iam.AnyPrincipal()],
                actions=["execute-api:Invoke"],
                conditions=None
                if only_from is None
                else {"IpAddress": {"aws:SourceIp": list(only_from)}},
            )
            self._policy.add_statements(self._statements[only_from])
        # API Gateway also serves a route with a trailing slash, and the policy counts that path as
        # another resource. The root's only resource ends in a slash.
        for spelling in (path, f"{path}/") if path else ("",):
            resource = f"execute-api:/{STAGE}/{method}/{spelling}"
            self._statements[only_from].add_resources(resource)


def _stage(access_log: logs.LogGroup) -> apigateway.StageOptions:
    """Return the stage's options for logs, metrics and throttling."""
    return apigateway.StageOptions(
        stage_name=STAGE,
        logging_level=ERRORS,
        data_trace_enabled=False,
        method_options={
            f"/{path}/{method}": _options(method, path)
            for method, path in dict.fromkeys([*(("POST", path) for path in MEASURED), *THROTTLED])
        },
        access_log_destination=apigateway.LogGroupLogDestination(access_log),
        access_log_format=apigateway.AccessLogFormat.json_with_standard_fields(
            caller=False,
            http_method=True,
            ip=True,
            protocol=True,
            request_time=True,
            resource_path=True,
            response_length=True,
            status=True,
            user=False,
        ),
    )


def _options(method: str, path: str) -> apigateway.MethodDeploymentOptions:
    """Return a route's options, which replace all of the stage's options."""
    rate, burst = THROTTLED.get((method, path), (None, None))
    is_measured = method == "POST" and path in MEASURED
    return apigateway.MethodDeploymentOptions(
        metrics_enabled=True if is_measured else None,
        throttling_rate_limit=rate,
        throttling_burst_limit=burst,
        logging_level=ERRORS,
        data_trace_enabled=False,
    )


def _throttle_the_page(stage: apigateway.Stage) -> None:
    """Set the root's path in the stage's settings to `/`, because CDK writes `/~1` for the root.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-apigateway-stage-methodsetting.html
    """
    resource = cast(apigateway.CfnStage, stage.node.default_child)
    settings = Stack.of(stage).resolve(resource.method_settings)
    for number, setting in enumerate(settings):
        if setting["resourcePath"] == "/~1":
            resource.add_property_override(f"MethodSettings.{number}.ResourcePath", "/")
