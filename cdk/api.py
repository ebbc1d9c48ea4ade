"""The REST API that Zoom and Opencast call."""

from __future__ import annotations

from aws_cdk import Aws, RemovalPolicy
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.names import (
    API_KEY,
    ON_DEMAND_PATH,
    SCHEDULE_UPDATE_PATH,
    SLACK_PATH,
    STAGE,
    WEBHOOK_PATH,
    Names,
)
from cdk.settings import Settings

MEASURED = (WEBHOOK_PATH, ON_DEMAND_PATH)
"""The routes whose answers and latencies CloudWatch is told: somebody waits for these. Each is paid
for."""

THROTTLED = {SLACK_PATH: (10, 20), SCHEDULE_UPDATE_PATH: (1, 5)}
"""Requests a second, and how many at once beyond that, on routes that anybody may call and only
people use. More of them get 429 from API Gateway, which is not paid for: else a stranger could
take the account's Lambdas, and SSM's few reads a second, from the webhook. The webhook itself isn't
throttled: a request more that is refused may be a recording."""

ERRORS = apigateway.MethodLoggingLevel.ERROR
"""Logged: why API Gateway itself answered with an error. Never bodies or headers (data traces)."""

CORS_METHODS = ["POST", "OPTIONS"]
CORS_HEADERS = [*apigateway.Cors.DEFAULT_HEADERS, "Accept-Language", "X-Requested-With"]
# The browser of whoever clicks "+Zoom" shows an error only if it may read it, and API Gateway
# answers these itself.
OPEN_TO_BROWSERS = {
    "AccessDenied": apigateway.ResponseType.ACCESS_DENIED,
    "Default4xx": apigateway.ResponseType.DEFAULT_4_XX,
    "Default5xx": apigateway.ResponseType.DEFAULT_5_XX,
}


class Api(Construct):
    """The API and its stage. `route` adds a method that calls a function.

    `base_url` is where callers find it: `API_BASE_URL`, or the stage's own address. It refers to
    the API alone, not to the stage, which comes after the functions, so functions may have it in
    their environment.
    """

    def __init__(
        self, scope: Construct, construct_id: str, settings: Settings, names: Names
    ) -> None:
        super().__init__(scope, construct_id)
        self.rest_api = apigateway.RestApi(
            self,
            "Api",
            rest_api_name=names.api,
            policy=_policy(settings.ingest_allowed_ips),
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            # The role by which API Gateway writes logs is one for the whole account and region.
            # It is set here, since a new account has none and then the stage can't be made, and
            # it is kept when the stack goes, since other APIs log through it by then.
            cloud_watch_role=True,
            cloud_watch_role_removal_policy=RemovalPolicy.RETAIN,
            deploy_options=_stage(self._log_group("AccessLog", names.access_log)),
        )
        # API Gateway would make it itself, kept for ever.
        execution_log = self._log_group(
            "ExecutionLog", f"API-Gateway-Execution-Logs_{self.rest_api.rest_api_id}/{STAGE}"
        )
        self.rest_api.deployment_stage.node.add_dependency(execution_log)
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

    def _log_group(self, construct_id: str, name: str) -> logs.LogGroup:
        return logs.LogGroup(
            self,
            construct_id,
            log_group_name=name,
            retention=logs.RetentionDays.SIX_MONTHS,
            removal_policy=RemovalPolicy.DESTROY,
        )

    def url(self, path: str) -> str:
        """The address of a route."""
        return f"{self.base_url}/{path}"

    def route(
        self, method: str, path: str, alias: lambda_.Alias, *, cors: bool = False
    ) -> apigateway.IResource:
        """Let `method` on `path` ("" for the root) call the alias.

        `cors` lets browsers call it from any page.
        """
        root = self.rest_api.root
        resource = root.add_resource(path) if path else root
        resource.add_method(
            method,
            apigateway.LambdaIntegration(
                alias,
                # The console's "test" button would need a second permission.
                allow_test_invoke=False,
            ),
        )
        if cors:
            resource.add_cors_preflight(
                allow_origins=apigateway.Cors.ALL_ORIGINS,
                allow_methods=CORS_METHODS,
                allow_headers=CORS_HEADERS,
            )
        return resource


def _stage(access_log: logs.LogGroup) -> apigateway.StageOptions:
    """The stage: what is logged of calls, and what is measured."""
    return apigateway.StageOptions(
        stage_name=STAGE,
        logging_level=ERRORS,
        data_trace_enabled=False,
        method_options={
            # What is said of a route replaces all that is said of the stage.
            f"/{path}/POST": apigateway.MethodDeploymentOptions(
                metrics_enabled=True, logging_level=ERRORS, data_trace_enabled=False
            )
            for path in MEASURED
        }
        | {
            f"/{path}/POST": apigateway.MethodDeploymentOptions(
                throttling_rate_limit=rate,
                throttling_burst_limit=burst,
                logging_level=ERRORS,
                data_trace_enabled=False,
            )
            for path, (rate, burst) in THROTTLED.items()
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


def _policy(allowed_ips: tuple[str, ...]) -> iam.PolicyDocument:
    """Everyone may call, but only from `allowed_ips` POST /ingest, and whatever is read by GET."""
    anyone = [iam.AnyPrincipal()]
    invoke = ["execute-api:Invoke"]
    return iam.PolicyDocument(
        statements=[
            iam.PolicyStatement(principals=anyone, actions=invoke, resources=["execute-api:/*"]),
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                principals=anyone,
                actions=invoke,
                # The same routes answer with a slash behind them, which is another resource here.
                # The page's own ends in `GET/`.
                resources=[
                    f"execute-api:/*/POST/{ON_DEMAND_PATH}",
                    f"execute-api:/*/POST/{ON_DEMAND_PATH}/*",
                    "execute-api:/*/GET/*",
                ],
                conditions={"NotIpAddress": {"aws:SourceIp": list(allowed_ips)}},
            ),
        ]
    )
