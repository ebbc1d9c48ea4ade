"""The settings of a local stack, with defaults for a laptop.

The settings come from the environment, never from `.env`, which is for the real stack. A stack's
setting (cdk/settings.py) in the environment overrides the default here.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cdk.settings import TABLE
from local.cloud import HOST, REGION

API_ID = "localzip"
"""Id of the API, which a tag passes to ministack. So the URL is known before the deploy."""

API_ID_TAG = "ms-custom-id"

STACK_VARIABLE = "LOCAL_STACK"
"""Name of the environment variable in which `invoke local.env` exports the stack's name."""

ACCOUNT_SETTINGS = ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION")
"""Settings that choose an AWS account and region.

`stack_settings` leaves these settings out. `read_local` uses the region for the local cloud.
"""


class LocalSettingsError(Exception):
    """Error for a wrong setting `LOCAL_…`, or for a shell with the settings of a local stack."""


@dataclass(frozen=True)
class LocalSettings:
    """The settings `LOCAL_…` and the region. The `cloud_port` 0 stands for any free port.

    A neighbour with a URL gets no stand-in. `extra_ca` is a PEM file of more authorities to trust.
    """

    region: str = REGION
    cloud_port: int = 0
    zoom_url: str = ""
    opencast_url: str = ""
    slack_url: str = ""
    sheets_url: str = ""
    extra_ca: Path | None = None


@dataclass(frozen=True)
class Addresses:
    """The URLs of the cloud and the neighbours, without a slash at the end."""

    cloud: str = ""
    zoom: str = ""
    opencast: str = ""
    slack: str = ""
    sheets: str = ""


def read_local(given: Mapping[str, str]) -> LocalSettings:
    """Return the settings `LOCAL_…` and the region.

    Raises:
        LocalSettingsError: A setting is wrong, or `given` has the settings of another local stack,
            whose addresses a new stack can't use.
    """
    if another := given.get(STACK_VARIABLE):
        raise LocalSettingsError(
            f"This shell has the settings of the local stack {another} (`invoke local.env`): start "
            "one from a new shell."
        )
    extra_ca = given.get("LOCAL_EXTRA_CA", "").strip()
    return LocalSettings(
        region=given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION") or REGION,
        cloud_port=_port(given, "LOCAL_CLOUD_PORT"),
        zoom_url=_url(given, "LOCAL_ZOOM_URL"),
        opencast_url=_url(given, "LOCAL_OPENCAST_URL"),
        slack_url=_url(given, "LOCAL_SLACK_URL"),
        sheets_url=_url(given, "LOCAL_SHEETS_URL"),
        extra_ca=Path(extra_ca).expanduser().absolute() if extra_ca else None,
    )


def stack_settings(given: Mapping[str, str], addresses: Addresses) -> dict[str, str]:
    """Return the stack's settings by name, from `given`, new secrets and defaults."""
    known = set(TABLE) - set(ACCOUNT_SETTINGS)
    chosen = {name: given[name] for name in sorted(known) if given.get(name, "").strip()}
    name = chosen.get("STACK_NAME", "local-zip")
    settings = {**_defaults(name, addresses), **chosen}
    if chosen.get("ALLOW_UNSIGNED_WEBHOOKS", "").strip().lower() == "true":
        # With a default token, ALLOW_UNSIGNED_WEBHOOKS would have no effect.
        settings["WEBHOOK_VALIDATION_SECRET_TOKEN"] = chosen.get(
            "WEBHOOK_VALIDATION_SECRET_TOKEN", ""
        )
    tags = [chosen.get("STACK_TAGS", ""), f"Key={API_ID_TAG},Value={API_ID}"]
    return {**settings, "STACK_TAGS": " ".join(filter(None, tags))}


def api_url(cloud_url: str) -> str:
    """Return the URL of the API's stage, without a slash at the end."""
    return f"{cloud_url}/_aws/execute-api/{API_ID}/live"


def _defaults(name: str, addresses: Addresses) -> dict[str, str]:
    zoom_hosts = dict.fromkeys([HOST, "localhost", urlsplit(addresses.zoom).hostname or HOST])
    return {
        "STACK_NAME": name,
        "LAMBDA_CODE_BUCKET": f"{name}-code",
        "NOTIFICATION_EMAIL": "operator@example.org",
        "INGEST_ALLOWED_IPS": HOST,
        "API_BASE_URL": api_url(addresses.cloud),
        "STACK_TAGS": "",
        "WEBHOOK_VALIDATION_SECRET_TOKEN": secrets.token_urlsafe(16),
        "ZOOM_API_BASE_URL": f"{addresses.zoom}/v2",
        "ZOOM_OAUTH_URL": f"{addresses.zoom}/oauth/token",
        "ZOOM_ACCOUNT_ID": "local-account",
        "ZOOM_CLIENT_ID": "local-client",
        "ZOOM_CLIENT_SECRET": secrets.token_urlsafe(16),
        "ZOOM_DOWNLOAD_HOSTS": ",".join(zoom_hosts),
        "OPENCAST_BASE_URL": addresses.opencast,
        "OPENCAST_API_USER": "zoom_ingester",
        "OPENCAST_API_PASSWORD": secrets.token_urlsafe(16),
        "DEFAULT_OC_WORKFLOW": "schedule-and-upload",
        "FOLLOW_INGESTS": "true",
        "SLACK_API_BASE_URL": f"{addresses.slack}/api",
        "SLACK_SIGNING_SECRET": secrets.token_hex(16),
        "SLACK_API_TOKEN": f"xoxb-{secrets.token_urlsafe(16)}",
        "SLACK_ZIP_CHANNEL": "zip",
        "SLACK_ALLOWED_GROUPS": "zip-users",
        "GSHEETS_API_BASE_URL": addresses.sheets,
        "GSHEETS_DOC_ID": "local-schedule",
        "GSHEETS_SHEET_NAMES": "Fall,Spring",
        "ALLOW_OPEN_SCHEDULE_UPDATE": "true",
    }


def _port(given: Mapping[str, str], name: str) -> int:
    text = given.get(name, "").strip() or "0"
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65_535:
        raise LocalSettingsError(f"{name} is {text!r}: a port is needed, or 0 for any free one.")
    return int(text)


def _url(given: Mapping[str, str], name: str) -> str:
    text = given.get(name, "").strip().rstrip("/")
    if text and not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", text):
        raise LocalSettingsError(
            f"{name} is {text!r}: an address is needed, like https://host:1234."
        )
    return text
