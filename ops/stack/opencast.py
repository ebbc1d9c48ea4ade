"""Look up in AWS the address and network of the Opencast cluster that `OC_CLUSTER_NAME` names.

The result is cached in `.env.opencast`, which cdk/opencast.py reads. So `cdk synth` needs no AWS,
and a change of Opencast's stack doesn't change the template. Without the file, the next command
that deploys the stack, or compares the stack with the settings, looks the cluster up again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from cdk import checks
from cdk.opencast import cache_file, cached_settings, cluster_of, needs_lookup
from cdk.settings import read_place
from cdk.settings_reader import Reader, given_settings
from ops import terminal
from ops.command import OpsError
from ops.target import target_of

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

EC2Client = Any
"""The type of boto3's client of EC2, whose type stubs aren't installed."""

MOST_SUBNETS = 16
"""Lambda's limit of subnets for one function.

https://docs.aws.amazon.com/lambda/latest/api/API_VpcConfig.html
"""


@dataclass(frozen=True)
class Location:
    """The address and network of an Opencast. The network is empty if it wasn't looked up."""

    base_url: str
    vpc: str = ""
    subnets: tuple[str, ...] = ()
    security_group: str = ""

    def settings(self) -> dict[str, str]:
        """Return the location as settings, without empty values."""
        named = {
            "OPENCAST_BASE_URL": self.base_url,
            "OC_VPC_ID": self.vpc,
            "OC_SUBNET_IDS": ",".join(self.subnets),
            "OC_SECURITY_GROUP_ID": self.security_group,
        }
        return {name: value for name, value in named.items() if value}


def ensure_location(environment: Mapping[str, str], env_file: Path) -> None:
    """Look up, cache and print Opencast's location, unless settings or cache have the location.

    Without `OC_CLUSTER_NAME`, this function does nothing. If `STACK_TYPE` or a setting that
    `read_place` reads is wrong, this function does nothing either, because `load_settings` reports
    all wrong settings.

    Raises:
        OpsError: The location can't be found, or the cache can't be written.
        SettingsError: `.env` or the cache isn't UTF-8.
        ProfileNotFound: The profile doesn't exist.
        ClientError: AWS refuses a request.
    """
    given = given_settings(environment, env_file)
    if not needs_lookup(given) or cached_settings(given, env_file):
        return
    reader = Reader(given)
    place = read_place(reader)
    if reader.problems or given.get("STACK_TYPE", "").lower() not in {"", "ecs"}:
        return
    cluster, is_ecs = cluster_of(given)
    target = target_of(place)
    with terminal.working(f"Looking Opencast {cluster} up"):
        found = (
            ecs_location(
                target.client("cloudformation"),
                target.client("ec2"),
                cluster,
                subnets=given.get("OC_SUBNET_IDS", ""),
            )
            if is_ecs
            else opsworks_location(target.client("ec2"), cluster)
        )
    cache = cache_file(env_file)
    write_cache(cache, found, cluster, is_ecs=is_ecs, region=place.region)
    terminal.say(f"Opencast {cluster} is {found.base_url}; cached in {cache}")


def write_cache(path: Path, found: Location, cluster: str, *, is_ecs: bool, region: str) -> None:
    """Write the location and the cluster to a file in the form of `.env`.

    If `is_ecs`, the file also has `STACK_TYPE=ecs`. A comment in the file names `region`.

    Raises:
        OpsError: The file can't be written.
    """
    settings = {
        "OC_CLUSTER_NAME": cluster,
        **({"STACK_TYPE": "ecs"} if is_ecs else {}),
        **found.settings(),
    }
    text = "".join(f"{name}={value}\n" for name, value in settings.items())
    head = (
        f"# Looked up in {region} from the Opencast cluster {cluster}. What is set in the shell or "
        "in .env wins.\n# Delete this file to look it up again.\n"
    )
    try:
        path.write_text(head + text, encoding="utf-8")
    except OSError as error:
        raise OpsError(f"{path} can't be written: {error.strerror}.") from error


def opsworks_location(ec2: EC2Client, cluster: str) -> Location:
    """Return the location of an OpsWorks cluster's admin node, by the tags of instances.

    The tags don't name the network, so the location has no network.

    Raises:
        OpsError: The cluster has no admin node, or several admin nodes, or the admin node has no
            valid host name.
        ClientError: EC2 refuses the request.
    """
    pages = ec2.get_paginator("describe_instances").paginate(
        Filters=[
            {"Name": "tag:opsworks:stack", "Values": [cluster]},
            {"Name": "tag-key", "Values": ["opsworks:layer:admin"]},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
    )
    instances = [
        instance
        for page in pages
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
    ]
    advice = "or set OPENCAST_BASE_URL"
    if not instances:
        raise OpsError(
            f"No running instance is tagged opsworks:stack={cluster} and opsworks:layer:admin: "
            "check OC_CLUSTER_NAME and AWS_REGION, set STACK_TYPE=ecs if the cluster runs on ECS, "
            f"{advice}."
        )
    if len(instances) > 1:
        ids = ", ".join(sorted(instance["InstanceId"] for instance in instances))
        raise OpsError(f"{cluster} has more than one admin node ({ids}): set OPENCAST_BASE_URL.")
    [instance] = instances
    host = instance.get("PublicDnsName") or instance.get("PrivateDnsName")
    if not host:
        raise OpsError(f"{instance['InstanceId']} has no host name: wait until it runs, {advice}.")
    return Location(_address("http", host))


def ecs_location(
    cloudformation: CloudFormationClient, ec2: EC2Client, cluster: str, *, subnets: str = ""
) -> Location:
    """Return an ECS cluster's location, made of the stack's exports and the VPC's private subnets.

    If `subnets` (OC_SUBNET_IDS) are given, no subnets are looked up.

    Raises:
        OpsError: The cluster's stack, an export of the stack or a private subnet is missing, or the
            host name isn't valid.
        ClientError: AWS refuses a request.
    """
    exports = _exports(cloudformation, f"opencast-ecs-{cluster}-database")
    wanted = {
        name: exports.get(f"{cluster}-{name}", "")
        for name in ("admin-public-hostname", "vpc-id", "private-security-group-id")
    }
    missing = ", ".join(f"{cluster}-{name}" for name, value in wanted.items() if not value)
    if missing:
        raise OpsError(
            f"The stack opencast-ecs-{cluster}-database exports no {missing}: mend it, or give "
            "OPENCAST_BASE_URL (and, for the uploader in its VPC, OC_SUBNET_IDS and "
            "OC_SECURITY_GROUP_ID)."
        )
    return Location(
        base_url=_address("https", wanted["admin-public-hostname"]),
        vpc=wanted["vpc-id"],
        subnets=() if subnets else private_subnets(ec2, wanted["vpc-id"]),
        security_group=wanted["private-security-group-id"],
    )


def _exports(cloudformation: CloudFormationClient, stack: str) -> dict[str, str]:
    """Return a stack's exports by name.

    Raises:
        OpsError: The stack doesn't exist.
        ClientError: CloudFormation refuses the request for another reason.
    """
    try:
        [found] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" not in error.response["Error"].get("Message", ""):
            raise
        raise OpsError(
            f"There is no stack {stack}: check OC_CLUSTER_NAME and AWS_REGION, or set "
            "OPENCAST_BASE_URL."
        ) from None
    return {
        output["ExportName"]: output.get("OutputValue", "")
        for output in found.get("Outputs", ())
        if "ExportName" in output
    }


def private_subnets(ec2: EC2Client, vpc: str) -> tuple[str, ...]:
    """Return a VPC's subnets with a default route to a NAT gateway, at most MOST_SUBNETS.

    A function in a VPC has no public address, so the function can't use an internet gateway.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc-internet.html

    Raises:
        OpsError: No subnet of the VPC has a default route to a NAT gateway.
        ClientError: EC2 refuses a request.
    """
    of_vpc: Any = [{"Name": "vpc-id", "Values": [vpc]}]
    tables = [
        table
        for page in ec2.get_paginator("describe_route_tables").paginate(Filters=of_vpc)
        for table in page["RouteTables"]
    ]
    subnets = [
        subnet["SubnetId"]
        for page in ec2.get_paginator("describe_subnets").paginate(Filters=of_vpc)
        for subnet in page["Subnets"]
    ]
    through_nat = subnets_behind_nat(subnets, tables)
    if not through_nat:
        raise OpsError(
            f"No subnet of {vpc} has a route to a NAT gateway: set OC_SUBNET_IDS to subnets with a "
            "way to AWS's services."
        )
    return through_nat[:MOST_SUBNETS]


def subnets_behind_nat(
    subnets: Iterable[str], tables: Iterable[Mapping[str, Any]]
) -> tuple[str, ...]:
    """Return the subnets, sorted, whose default route leads to a NAT gateway.

    A subnet without a route table of its own uses the VPC's main route table.
    https://docs.aws.amazon.com/vpc/latest/userguide/subnet-route-tables.html
    """
    own: dict[str, bool] = {}
    main = False
    for table in tables:
        leads_through_nat = any(
            route.get("DestinationCidrBlock") == "0.0.0.0/0"
            and route.get("NatGatewayId")
            and route.get("State") != "blackhole"
            for route in table.get("Routes", ())
        )
        for association in table.get("Associations", ()):
            if association.get("Main"):
                main = leads_through_nat
            elif association.get("SubnetId"):
                own[association["SubnetId"]] = leads_through_nat
    return tuple(sorted(subnet for subnet in subnets if own.get(subnet, main)))


def _address(scheme: str, host: str) -> str:
    try:
        return checks.url(scheme)(f"{scheme}://{host.strip()}")
    except ValueError:
        raise OpsError(f"{host!r} is no host's name: set OPENCAST_BASE_URL.") from None
