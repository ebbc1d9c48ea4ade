"""The CloudFormation stack, which connects the constructs of the other modules."""

from __future__ import annotations

from aws_cdk import CliCredentialsStackSynthesizer, Stack, Tags
from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

from cdk.alarms import Alarms
from cdk.api import ANYONE, Api
from cdk.at_rest import AtRest
from cdk.bucket import StagingBucket
from cdk.build import Build
from cdk.dashboard import Dashboard
from cdk.environment import Resources
from cdk.exports import Exports
from cdk.functions import Functions
from cdk.names import (
    ON_DEMAND,
    ON_DEMAND_PATH,
    PAGE_PATH,
    SCHEDULE_UPDATE,
    SCHEDULE_UPDATE_PATH,
    SLACK,
    SLACK_PATH,
    STATUS_PATH,
    STATUS_QUERY,
    WEBHOOK,
    WEBHOOK_PATH,
    Names,
)
from cdk.notifications import Notifications
from cdk.queues import Queues
from cdk.receive_limits import upload_receive_limit
from cdk.settings import Settings
from cdk.tables import Tables


class ZoomIngester(Stack):
    """The CloudFormation stack with this system's AWS resources.

    The code bucket and the secrets aren't in the stack. The stack needs no CDK bootstrap. The
    caller's own credentials deploy the template from the bucket with the functions' packages.
    """

    def __init__(self, scope: Construct, settings: Settings) -> None:
        super().__init__(
            scope,
            settings.stack_name,
            stack_name=settings.stack_name,
            description="Moves Zoom's cloud recordings into Opencast",
            analytics_reporting=False,
            synthesizer=CliCredentialsStackSynthesizer(
                file_assets_bucket_name=settings.place.code_bucket,
                bucket_prefix=f"{settings.stack_name}/templates/",
            ),
        )
        names = Names(settings.stack_name)
        at_rest = AtRest.of(self, settings)
        queues = Queues(
            self,
            "Queues",
            names,
            at_rest,
            upload_receive_limit(settings.oc_ingest_patience_hours, settings.oc_outage_hours),
        )
        api = Api(self, "Api", settings, names, at_rest)
        resources = Resources(
            tables=Tables(self, "Tables", names, at_rest),
            queues=queues,
            staging=StagingBucket(self, "Staging", names, at_rest, settings.staging_days),
            notifications=Notifications(
                self, "Notifications", names, settings.notification_email, at_rest
            ),
            at_rest=at_rest,
            webhook_url=api.webhook_url,
            page_url=api.url(PAGE_PATH),
        )
        functions = Functions(self, "Functions", settings, resources)
        routes = _routes(api, functions, settings.ingest_allowed_ips)
        alarms = Alarms(
            self,
            "Alarms",
            names=names,
            topic=resources.notifications.topic,
            patience_hours=settings.oc_ingest_patience_hours,
            reconcile_days=settings.reconcile_days,
            staging_days=settings.staging_days,
        )
        dashboard = Dashboard(self, "Dashboard", names=names, alarms=alarms.all)
        Exports(
            self,
            "Exports",
            names=names,
            api=api,
            queues=queues,
            routes=routes,
            dashboard_url=dashboard.url,
        )
        Build(self, "Build", settings, names, at_rest)
        for key, value in settings.stack_tags:
            Tags.of(self).add(key, value)


def _routes(
    api: Api, functions: Functions, allowed: tuple[str, ...]
) -> dict[str, apigateway.IResource]:
    """Add all routes to the API, and return their resources for `Exports`.

    `allowed` lists the addresses and networks that may call the restricted routes.
    """
    alias = functions.alias
    return {
        "webhook": api.route("POST", WEBHOOK_PATH, alias(WEBHOOK), only_from=ANYONE),
        "ingest": api.route("POST", ON_DEMAND_PATH, alias(ON_DEMAND), only_from=allowed, cors=True),
        "schedule": api.route(
            "POST", SCHEDULE_UPDATE_PATH, alias(SCHEDULE_UPDATE), only_from=ANYONE
        ),
        "status": api.route("GET", STATUS_PATH, alias(STATUS_QUERY), only_from=allowed),
        "slack": api.route("POST", SLACK_PATH, alias(SLACK), only_from=ANYONE),
        "page": api.route("GET", PAGE_PATH, alias(STATUS_QUERY), only_from=allowed),
    }
