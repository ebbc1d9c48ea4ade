"""A signer of requests to AWS (SigV4), which can also make invalid signatures."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Signer:
    """A signer with one key. `at` is the time of the signature, by default the current time."""

    key_id: str
    secret: str
    token: str = ""
    region: str = "us-east-1"
    at: datetime | None = None

    def headers(
        self,
        method: str,
        url: str,
        service: str,
        body: bytes = b"",
        more: Mapping[str, str] | None = None,
        host: str | None = None,
    ) -> dict[str, str]:
        """Return the headers of a signed request, `more` included.

        `host` is the signed host, by default the URL's host. With "" the host isn't signed.
        """
        parts = urlsplit(url)
        when = f"{self.at or datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        headers = {"x-amz-date": when, **(more or {})}
        if self.token:
            headers["x-amz-security-token"] = self.token
        signed = headers if host == "" else {**headers, "host": host or parts.netloc}
        names = sorted(signed)
        canonical = [method, parts.path or "/", parts.query]
        canonical += [*(f"{name}:{signed[name]}" for name in names), "", ";".join(names)]
        canonical += [signed.get("x-amz-content-sha256") or hashlib.sha256(body).hexdigest()]
        scope = f"{when[:8]}/{self.region}/{service}/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", when, scope, _digest("\n".join(canonical))])
        key = f"AWS4{self.secret}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.key_id}/{scope}, "
            f"SignedHeaders={';'.join(names)}, Signature={signature}"
        )
        return headers


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
