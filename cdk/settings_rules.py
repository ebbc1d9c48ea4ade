"""Rules that concern more than one setting."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from cdk.receive_limits import BUSY_FACTOR, MESSAGE_DAYS, longest_upload_wait

ZOOM_ACCESS = (
    ("APIGEE_KEY",),
    ("ZOOM_ACCOUNT_ID", "ZOOM_CLIENT_ID", "ZOOM_CLIENT_SECRET"),
    ("ZOOM_API_KEY", "ZOOM_API_SECRET"),
)
"""The settings for each kind of access to Zoom's API. The first complete kind is used."""

IN_THE_REGION = ("KMS_KEY_ARN", "WEB_ACL_ARN")
"""The settings whose ARNs have to be in the stack's own region."""

SHEET = ("GSHEETS_DOC_ID", "GSHEETS_SHEET_NAMES")


def problems(given: Mapping[str, str], values: Mapping[str, Any]) -> Iterator[str]:
    """Yield a message for each broken rule.

    Args:
        given: The texts of the settings that are given, by name.
        values: The value of every setting by name, as `Reader.read` returns the value.
    """
    yield from _zoom_access(given)
    yield from _webhook_token(given, values)
    yield from _opencast_address(given)
    yield from _network(given, values)
    yield from _sheet(given)
    yield from _region_of_arns(values)
    yield from _staging(values)


def _zoom_access(given: Mapping[str, str]) -> Iterator[str]:
    """Yield messages if no kind of access to Zoom's API is complete."""
    missing = [[name for name in way if name not in given] for way in ZOOM_ACCESS]
    if not all(missing):
        return
    begun = [
        names for way, names in zip(ZOOM_ACCESS, missing, strict=True) if len(names) < len(way)
    ]
    for name in chain.from_iterable(begun):
        yield (
            f"{name} is missing: it belongs to the other settings of the same way into Zoom's API."
        )
    if not begun:
        yield (
            "No access to Zoom's API is configured: set ZOOM_ACCOUNT_ID, ZOOM_CLIENT_ID and "
            "ZOOM_CLIENT_SECRET (of a Server-to-Server OAuth app), or APIGEE_KEY, or "
            "ZOOM_API_KEY and ZOOM_API_SECRET."
        )


def _webhook_token(given: Mapping[str, str], values: Mapping[str, Any]) -> Iterator[str]:
    """Yield a message if the webhook's token is missing and unsigned requests aren't allowed."""
    if not values["ALLOW_UNSIGNED_WEBHOOKS"] and "WEBHOOK_VALIDATION_SECRET_TOKEN" not in given:
        yield (
            "WEBHOOK_VALIDATION_SECRET_TOKEN is missing: the secret token of the Zoom app that "
            "sends the webhook events. Without it anyone can send recordings; if that is meant, "
            "set ALLOW_UNSIGNED_WEBHOOKS=true."
        )


def _opencast_address(given: Mapping[str, str]) -> Iterator[str]:
    """Yield a message if Opencast's address is neither set nor looked up (cdk/opencast.py)."""
    if "OPENCAST_BASE_URL" in given:
        return
    if cluster := given.get("OC_CLUSTER_NAME"):
        yield (
            "OPENCAST_BASE_URL is missing, and the address of the Opencast cluster "
            f"{cluster} wasn't looked up yet: `invoke stack.diff` does so in AWS (as do create "
            "and update), or set OPENCAST_BASE_URL to the admin node's, like "
            "http://admin.example.edu."
        )
    else:
        yield (
            "OPENCAST_BASE_URL is missing: the address of Opencast's admin node, like "
            "https://opencast.example.edu."
        )


def _network(given: Mapping[str, str], values: Mapping[str, Any]) -> Iterator[str]:
    """Yield a message if the subnets or the security group of an uploader in a VPC are missing."""
    in_vpc = values["OC_VPC_ID"] or values["OC_SECURITY_GROUP_ID"]
    if in_vpc and "OC_SUBNET_IDS" not in given:
        yield (
            "OC_SUBNET_IDS is missing: OC_VPC_ID and OC_SECURITY_GROUP_ID say that the uploader "
            "runs in Opencast's VPC, and it needs subnets there, with a way to AWS's services."
        )
    if values["OC_SUBNET_IDS"] and "OC_SECURITY_GROUP_ID" not in given:
        yield "OC_SECURITY_GROUP_ID is missing: the uploader's security group in OC_SUBNET_IDS."


def _sheet(given: Mapping[str, str]) -> Iterator[str]:
    """Yield a message if only one of the settings `SHEET` is given."""
    missing = [name for name in SHEET if name not in given]
    if len(missing) == 1:
        yield (
            f"{missing[0]} is missing: the sheet needs its document's id and its tabs' names. "
            "Leave both empty if there is no Google Sheet."
        )


def _region_of_arns(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield a message for each ARN of `IN_THE_REGION` that is in another region than the stack."""
    for name in IN_THE_REGION:
        arn = values[name]
        if arn and arn.split(":")[3] != values["AWS_REGION"]:
            yield f"{name} is in {arn.split(':')[3]}, but has to be in {values['AWS_REGION']}."


def _staging(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield a message if S3 may delete staged files while their upload waits for Opencast."""
    outage, patience = values["OC_OUTAGE_HOURS"], values["OC_INGEST_PATIENCE_HOURS"]
    hours = longest_upload_wait(patience, outage)
    days = math.ceil(hours / 24)
    if days > values["STAGING_DAYS"]:
        yield (
            f"STAGING_DAYS is {values['STAGING_DAYS']}, but an upload may wait {hours:g} hours: "
            f"{outage:g} for an Opencast that can't be reached (OC_OUTAGE_HOURS), and "
            f"{BUSY_FACTOR} times {patience:g} for the outcome of an ingest while Opencast is busy "
            f"(OC_INGEST_PATIENCE_HOURS), at most {MESSAGE_DAYS} days in all. Set STAGING_DAYS to "
            f"at least {days}, or lower the other two."
        )
