"""Where Opencast is: as the settings say, or as its ECS cluster's stack exports it.

The names of the exports are those of the stack `opencast-ecs-<cluster>-database`. CloudFormation
looks them up at deployment, so synth needs no AWS.
"""

from __future__ import annotations

from aws_cdk import Fn

from cdk.settings import Network, Opencast


def address(opencast: Opencast) -> str:
    """Opencast's base URL, without a slash at the end."""
    if opencast.ecs_cluster:
        return "https://" + Fn.import_value(f"{opencast.ecs_cluster}-admin-public-hostname")
    return opencast.base_url


def security_group(opencast: Opencast, network: Network) -> str:
    """The id of the security group in which the uploader runs."""
    return network.security_group or Fn.import_value(
        f"{opencast.ecs_cluster}-private-security-group-id"
    )
