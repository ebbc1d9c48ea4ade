"""A client of the Zoom stand-in, and an endpoint for webhook events."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import requests

from local.neighbours.https_server import Request
from local.neighbours.zoom import ZoomStandIn
from local.neighbours.zoom_account import ZoomApp
from local.neighbours.zoom_recordings import Recording

START = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
APP = ZoomApp(account_id="acc", client_id="cid", client_secret="csecret", webhook_secret="hook")


@dataclass(frozen=True)
class Client:
    """A client of the Zoom stand-in, whose `get` follows no redirect unless asked to."""

    zoom: ZoomStandIn
    session: requests.Session

    def token_answer(self, **changes: Any) -> requests.Response:
        params = {"grant_type": "account_credentials", "account_id": "acc"}
        asked: dict[str, Any] = {"params": params, "auth": ("cid", "csecret")} | changes
        return self.session.post(self.zoom.oauth_url, timeout=5, **asked)

    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token_answer().json()['access_token']}"}

    def get(self, url: str, token: str | None = None, **more: Any) -> requests.Response:
        headers = more.pop("headers", {})
        if token is not None:
            headers = headers | {"Authorization": f"Bearer {token}"}
        asked: dict[str, Any] = {"timeout": 5, "allow_redirects": False} | more
        return self.session.get(url, headers=headers, **asked)

    def recordings(self, meeting: str, query: str = "") -> requests.Response:
        url = f"{self.zoom.api_base_url}/meetings/{meeting}/recordings{query}"
        return self.get(url, headers=self.bearer())

    def completed(self, recording: Recording) -> tuple[str, str]:
        """Return a link to the first file, and the token, of a new `recording.completed`."""
        event = self.zoom.event("recording.completed", recording.uuid)
        files = event["payload"]["object"]["recording_files"]
        return files[0]["download_url"], event["download_token"]

    def address(self, recording: Recording) -> str:
        """Return a signed URL of a recording's first file."""
        return self.get(*self.completed(recording)).headers["Location"]


Start = Callable[..., Client]


@dataclass(frozen=True)
class Endpoint:
    """An endpoint for webhook events, with the requests that it received."""

    url: str
    seen: list[Request]


def twice(uuid: str) -> str:
    return quote(quote(uuid, safe=""), safe="")


def signed(request: Request, key: bytes = b"hook") -> bool:
    stamp = request.headers["x-zm-request-timestamp"]
    if stamp is None:
        return False
    raw = f"v0:{stamp}:".encode() + request.body
    right = "v0=" + hmac.new(key, raw, hashlib.sha256).hexdigest()
    return bool(request.headers["x-zm-signature"] == right)
