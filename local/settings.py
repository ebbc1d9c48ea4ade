"""The local stack's settings: those of a site, with defaults that make sense on a laptop.

They are read from the environment only, never from `.env`: that file is about the real stack.
A stack's setting (cdk/settings.py) that is given there wins over the default here.
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
"""The API's id, which ministack takes from a tag: so its address is known before it is there."""

API_ID_TAG = "ms-custom-id"

OF_A_STACK = "LOCAL_STACK"
"""What `invoke local.env` exports beside a local stack's settings: its name."""

OF_THE_OPERATOR = ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION")
"""Settings of a stack that say which account is worked on: never the local cloud."""


class LocalSettingsError(Exception):
    """A setting of the local stack itself (`LOCAL_…`) makes no sense. The text says which."""


@dataclass(frozen=True)
class LocalSettings:
    """What `LOCAL_…` variables say about the local stack itself.

    `cloud_port` 0 is any free port. A neighbour's URL, if given, is used instead of the stand-in.
    `extra_ca` is a PEM file with authorities to trust beside our own.
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
    """Where the local stack's cloud and neighbours are, without a slash at the end."""

    cloud: str = ""
    zoom: str = ""
    opencast: str = ""
    slack: str = ""
    sheets: str = ""


def read_local(given: Mapping[str, str]) -> LocalSettings:
    """The local stack's own settings. Raises LocalSettingsError if one is nonsense.

    Also if the others are those of a local stack, whose addresses another can't have.
    """
    if another := given.get(OF_A_STACK):
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
    """The stack's settings, as `.env` would have them: random secrets, the given ones on top."""
    known = set(TABLE) - set(OF_THE_OPERATOR)
    chosen = {name: given[name] for name in sorted(known) if given.get(name, "").strip()}
    name = chosen.get("STACK_NAME", "local-zip")
    settings = {**_defaults(name, addresses), **chosen}
    if chosen.get("ALLOW_UNSIGNED_WEBHOOKS", "").strip().lower() == "true":
        # Whoever asks for unsigned webhooks and names no token wants to see what happens without.
        settings["WEBHOOK_VALIDATION_SECRET_TOKEN"] = chosen.get(
            "WEBHOOK_VALIDATION_SECRET_TOKEN", ""
        )
    tags = [chosen.get("STACK_TAGS", ""), f"Key={API_ID_TAG},Value={API_ID}"]
    return {**settings, "STACK_TAGS": " ".join(filter(None, tags))}


def api_url(cloud_url: str) -> str:
    """Where the API's stage is, without a slash at the end."""
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
        "WEBHOOK_DELAY_SECONDS": "1",
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
        "SLACK_API_BASE_URL": f"{addresses.slack}/api",
        "SLACK_SIGNING_SECRET": secrets.token_hex(16),
        "SLACK_API_TOKEN": f"xoxb-{secrets.token_urlsafe(16)}",
        "SLACK_ZIP_CHANNEL": "zip",
        "SLACK_ALLOWED_GROUPS": "zip-users",
        "GSHEETS_API_BASE_URL": addresses.sheets,
        "GSHEETS_DOC_ID": "local-schedule",
        "GSHEETS_SHEET_NAMES": "Fall,Spring",
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
