"""Check, from the operator's machine, the rights of the stack's Opencast user."""

from __future__ import annotations

import requests
from botocore.exceptions import ClientError

from cdk.names import UPLOADER
from ingester.errors import OpencastRefused, OpencastUnreachable
from ingester.opencast.client import Opencast
from ops.code.releases import Releases
from ops.secrets import store
from ops.target import Target

GOOD = "the uploader's user may read every event"


def opencast_access(target: Target, releases: Releases) -> str:
    """Return a text about the rights of the user with which the released uploader logs in.

    Opencast may be unreachable for the operator although the uploader reaches Opencast from a VPC.

    Raises:
        OpsError: The uploader or its alias doesn't exist.
        ClientError: Lambda refuses a request, or SSM fails for another reason than a missing right.
    """
    variables = releases.released(UPLOADER).variables
    try:
        password = store.value_of(target.client("ssm"), target.names, "OPENCAST_API_PASSWORD")
    except ClientError as error:
        if not error.response["Error"].get("Code", "").startswith("AccessDenied"):
            raise
        return "can't be asked: these credentials may not read its user's password in SSM"
    with requests.Session() as session:
        opencast = Opencast(
            variables.get("OPENCAST_BASE_URL", ""),
            variables.get("OPENCAST_API_USER", ""),
            password,
            auth=variables.get("OPENCAST_AUTH", "digest"),
            session=session,
        )
        try:
            opencast.check_reader()
        except OpencastUnreachable as error:
            return f"can't be asked from here: {error}"
        except OpencastRefused as error:
            is_followed = variables.get("FOLLOW_INGESTS") == "true"
            return f"{error} Nor is any ingest followed." if is_followed else str(error)
    return GOOD
