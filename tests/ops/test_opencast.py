"""Tests of the look-up of an Opencast cluster in AWS, and of the cache beside `.env`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from cdk.opencast import cache_file
from cdk.settings import Network, load
from cdk.settings_reader import SettingsError
from ops.command import OpsError
from ops.stack.opencast import (
    Location,
    ecs_location,
    ensure_location,
    opsworks_location,
    private_subnets,
    subnets_behind_nat,
)
from tests.cloud import REGION, Cloud
from tests.infra.template import SETTINGS

CLUSTER = "oc-prod"
EXPORTS = {
    "oc-prod-vpc-id": "vpc-0a",
    "oc-prod-private-security-group-id": "sg-0b",
    "oc-prod-admin-public-hostname": "admin.oc.example.edu",
}


def stack(exports: Mapping[str, str]) -> dict[str, Any]:
    outputs = [
        {"OutputKey": f"o{index}", "OutputValue": value, "ExportName": name}
        for index, (name, value) in enumerate(exports.items())
    ]
    made = {"StackName": "s", "CreationTime": "2026-01-01", "StackStatus": "CREATE_COMPLETE"}
    return {"Stacks": [{**made, "Outputs": [*outputs, {"OutputKey": "x", "OutputValue": "y"}]}]}


@pytest.fixture
def cloudformation(aws: Cloud) -> Iterator[Any]:
    """Yield a stub of CloudFormation, whose answers a test sets."""
    assert aws.bucket
    with Stubber(boto3.client("cloudformation", region_name=REGION)) as answers:
        yield answers


@dataclass
class Vpc:
    """A VPC with four subnets. The `private` subnets have a route to a NAT gateway."""

    ec2: Any
    id: str
    private: tuple[str, ...]


@pytest.fixture
def vpc(ec2: Any) -> Vpc:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24")["Subnet"]["SubnetId"]
        for n in range(4)
    ]
    internet = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=internet, VpcId=vpc)
    nat = ec2.create_nat_gateway(SubnetId=subnets[0])["NatGateway"]["NatGatewayId"]
    of_vpc = [{"Name": "vpc-id", "Values": [vpc]}]
    [main] = ec2.describe_route_tables(Filters=of_vpc)["RouteTables"]
    ec2.create_route(
        RouteTableId=main["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat
    )
    for subnet, target in (
        (subnets[0], {"GatewayId": internet}),
        (subnets[1], {"NatGatewayId": nat}),
        (subnets[2], {}),
    ):
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        if target:
            ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **target)
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    return Vpc(ec2, vpc, tuple(sorted((subnets[1], subnets[3]))))


@pytest.fixture
def ec2(aws: Cloud) -> Any:
    assert aws.bucket
    return boto3.client("ec2", region_name=REGION)


def launch(ec2: Any, **tags: str) -> dict[str, Any]:
    """Launch an instance with OpsWorks' tags for `stack` and `layer`, and return the instance."""
    named = {"opsworks:stack": tags["stack"], f"opsworks:layer:{tags['layer']}": "Any"}
    found = ec2.run_instances(
        ImageId="ami-12c6146b",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[
            {
                "ResourceType": "instance",
                "Tags": [{"Key": key, "Value": value} for key, value in named.items()],
            }
        ],
    )
    [instance] = found["Instances"]
    return dict(instance)


def test_the_location_of_an_opsworks_cluster_is_the_address_of_its_running_admin_node(
    ec2: Any,
) -> None:
    launch(ec2, stack=CLUSTER, layer="workers")
    launch(ec2, stack="oc-dev", layer="admin")
    gone = launch(ec2, stack=CLUSTER, layer="admin")
    ec2.terminate_instances(InstanceIds=[gone["InstanceId"]])
    with pytest.raises(OpsError, match="No running instance is tagged opsworks:stack=oc-prod"):
        opsworks_location(ec2, CLUSTER)
    launch(ec2, stack=CLUSTER, layer="admin")
    pages = ec2.describe_instances()["Reservations"]
    [host] = [
        instance["PublicDnsName"]
        for page in pages
        for instance in page["Instances"]
        if instance["State"]["Name"] == "running"
        and {"Key": "opsworks:stack", "Value": CLUSTER} in instance["Tags"]
        and {"Key": "opsworks:layer:admin", "Value": "Any"} in instance["Tags"]
    ]
    assert opsworks_location(ec2, CLUSTER) == Location(f"http://{host}")
    launch(ec2, stack=CLUSTER, layer="admin")
    with pytest.raises(OpsError, match="more than one admin node"):
        opsworks_location(ec2, CLUSTER)


def test_the_location_of_an_ecs_cluster_has_the_exports_of_its_stack_and_its_private_subnets(
    vpc: Vpc, cloudformation: Any
) -> None:
    cloudformation.add_response(
        "describe_stacks",
        stack({**EXPORTS, "oc-prod-vpc-id": vpc.id}),
        {"StackName": "opencast-ecs-oc-prod-database"},
    )
    assert ecs_location(cloudformation.client, vpc.ec2, CLUSTER) == Location(
        "https://admin.oc.example.edu", vpc.id, vpc.private, "sg-0b"
    )


def test_subnets_of_opencast_are_not_looked_up_when_they_are_given(
    ec2: Any, cloudformation: Any
) -> None:
    cloudformation.add_response("describe_stacks", stack(EXPORTS))
    found = ecs_location(cloudformation.client, ec2, CLUSTER, subnets="subnet-1")
    assert found == Location("https://admin.oc.example.edu", "vpc-0a", (), "sg-0b")


def test_the_look_up_of_an_ecs_cluster_names_a_missing_stack_or_export_or_subnet(
    ec2: Any, cloudformation: Any
) -> None:
    cloudformation.add_client_error(
        "describe_stacks", "ValidationError", "Stack with id x does not exist", 400
    )
    with pytest.raises(OpsError, match="There is no stack opencast-ecs-oc-prod-database"):
        ecs_location(cloudformation.client, ec2, CLUSTER)
    cloudformation.add_response("describe_stacks", stack({"oc-prod-vpc-id": "vpc-0a"}))
    with pytest.raises(OpsError, match="exports no oc-prod-admin-public-hostname, oc-prod-priv"):
        ecs_location(cloudformation.client, ec2, CLUSTER)
    with pytest.raises(OpsError, match="No subnet of vpc-0a has a route to a NAT gateway"):
        private_subnets(ec2, "vpc-0a")


@pytest.mark.parametrize(
    ("route", "taken"),
    [
        ({"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1"}, True),
        ({"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "active"}, True),
        ({"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "n", "State": "blackhole"}, False),
        ({"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1"}, False),
        ({"DestinationCidrBlock": "10.1.0.0/16", "NatGatewayId": "nat-1"}, False),
    ],
)
def test_subnets_behind_nat_have_an_active_default_route_to_a_nat_gateway(
    route: dict[str, str], taken: bool
) -> None:
    tables = [{"Routes": [route], "Associations": [{"Main": True}]}]
    assert subnets_behind_nat(["subnet-1"], tables) == (("subnet-1",) if taken else ())


def settings_of(**changes: str) -> dict[str, str]:
    cluster = {"OC_CLUSTER_NAME": CLUSTER, "AWS_REGION": REGION}
    left = {name: value for name, value in SETTINGS.items() if name != "OPENCAST_BASE_URL"}
    return {**left, **cluster, **changes}


def test_the_location_of_opencast_is_cached_once_and_read_by_the_settings(
    ec2: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    env_file = tmp_path / ".env"
    given = settings_of()
    with pytest.raises(SettingsError, match=r"oc-prod wasn't looked up yet: `invoke stack\."):
        load(given, env_file)
    launch(ec2, stack=CLUSTER, layer="admin")
    ensure_location(given, env_file)
    found = opsworks_location(ec2, CLUSTER).base_url
    assert capsys.readouterr().out == (
        f"Opencast oc-prod is {found}; cached in {cache_file(env_file)}\n"
    )
    assert load(given, env_file).opencast_base_url == found
    cached = cache_file(env_file).read_text()
    assert cached.startswith(f"# Looked up in {REGION} from the Opencast cluster oc-prod.")
    # A second look-up would fail, because there are two admin nodes now.
    launch(ec2, stack=CLUSTER, layer="admin")
    ensure_location(given, env_file)
    assert cache_file(env_file).read_text() == cached
    cache_file(env_file).unlink()
    with pytest.raises(OpsError, match="more than one"):
        ensure_location(given, env_file)


@pytest.mark.parametrize(
    "changes",
    [
        {"OPENCAST_BASE_URL": "https://oc.example.edu"},
        {"OC_CLUSTER_NAME": ""},
        {"STACK_TYPE": "opsworks"},
        {"STACK_NAME": ""},
    ],
)
def test_opencast_is_not_looked_up_when_its_address_is_given_or_the_settings_are_wrong(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    ensure_location(settings_of(**changes), tmp_path / ".env")
    assert list(tmp_path.iterdir()) == []


CACHE = """
OC_CLUSTER_NAME=oc-prod
STACK_TYPE=ecs
OPENCAST_BASE_URL=https://admin.oc.example.edu
OC_VPC_ID=vpc-0a
OC_SUBNET_IDS=subnet-0a,subnet-0b
OC_SECURITY_GROUP_ID=sg-0b
STACK_NAME=another
"""


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    cache_file(tmp_path / ".env").write_text(CACHE)
    (tmp_path / ".env").write_text("OC_SECURITY_GROUP_ID=sg-0c\n")
    return tmp_path / ".env"


def test_settings_override_the_cached_location_of_opencast(env_file: Path) -> None:
    settings = load(settings_of(STACK_TYPE="ECS"), env_file)
    assert settings.opencast_base_url == "https://admin.oc.example.edu"
    assert settings.network == Network(("subnet-0a", "subnet-0b"), "sg-0c")
    assert settings.stack_name == SETTINGS["STACK_NAME"]
    settings = load(settings_of(STACK_TYPE="ecs", OC_SUBNET_IDS="subnet-1"), env_file)
    assert settings.network == Network(("subnet-1",), "sg-0c")


@pytest.mark.parametrize(
    "changes", [{"OC_CLUSTER_NAME": "oc-dev", "STACK_TYPE": "ecs"}, {"STACK_TYPE": ""}]
)
def test_cached_location_of_opencast_is_not_used_when_settings_name_another_cluster_or_type(
    env_file: Path, changes: dict[str, str]
) -> None:
    with pytest.raises(SettingsError, match="wasn't looked up yet"):
        load(settings_of(**changes), env_file)


def test_the_cached_location_of_opencast_is_not_used_when_an_address_is_given(
    env_file: Path,
) -> None:
    given = settings_of(
        STACK_TYPE="ecs", OPENCAST_BASE_URL="https://oc.example.edu", OC_SECURITY_GROUP_ID="sg-1"
    )
    with pytest.raises(SettingsError, match="OC_SUBNET_IDS is missing"):
        load(given, env_file)
