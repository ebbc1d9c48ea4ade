"""The stack's outputs. Each output is exported for other stacks, scripts and people."""

from __future__ import annotations

from aws_cdk import CfnOutput
from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

from cdk.api import Api
from cdk.names import RESOURCE_ID, Names
from cdk.queues import Queues


class Exports(Construct):
    """The stack's exports.

    `routes` has each route's resource in the API, by the word in the exports' names that stands for
    the route, such as `webhook`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        api: Api,
        queues: Queues,
        routes: dict[str, apigateway.IResource],
        dashboard_url: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self.names = names
        self._export("api-id", api.rest_api.rest_api_id)
        for route, resource in routes.items():
            self._export(f"{route}-url", api.url(resource.path.removeprefix("/")))
            self._export(f"{route}{RESOURCE_ID}", resource.resource_id)
        self._export("download-url", queues.download.queue_url)
        self._export("download-dlq-url", queues.download_dlq.queue_url)
        self._export("upload-fifo-url", queues.upload.queue_url)
        self._export("upload-dlq-fifo-url", queues.upload_dlq.queue_url)
        self._export("dashboard-url", dashboard_url)

    def _export(self, name: str, value: str) -> None:
        CfnOutput(self, name, value=value, export_name=self.names.of(name))
