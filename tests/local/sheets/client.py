"""A client of the Google stand-in."""

from dataclasses import dataclass
from typing import Any

import jwt
import requests

from local.neighbours.sheets import SheetsStandIn
from local.neighbours.sheets_account import GRANT, SCOPE
from tests.local.clock import NOW
from tests.neighbours import CONTROL

DOCUMENT = "document-1"
VALUES = f"{DOCUMENT}/values:batchGet"


@dataclass
class Client:
    """A client of the Google stand-in with the service account's key."""

    sheets: SheetsStandIn
    session: requests.Session

    def assertion(self, key: Any = None, algorithm: str = "RS256", **changes: Any) -> str:
        """Return an assertion whose claims are valid but for `changes`. None removes a claim."""
        claims: dict[str, Any] = {
            "iss": self.sheets.account.email,
            "aud": self.sheets.token_uri,
            "scope": SCOPE,
            "iat": int(NOW),
            "exp": int(NOW) + 3600,
        } | changes
        present = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(present, key or self.sheets.account.key, algorithm=algorithm)

    def ask_token(self, **form: str) -> requests.Response:
        return self.session.post(self.sheets.token_uri, data=form, timeout=10)

    def token(self) -> str:
        answer = self.ask_token(grant_type=GRANT, assertion=self.assertion())
        return str(answer.json()["access_token"])

    def get(self, path: str, token: str | None = None, **query: Any) -> requests.Response:
        url = f"{self.sheets.url}/v4/spreadsheets/{path}"
        headers = {"Authorization": f"Bearer {self.token() if token is None else token}"}
        return self.session.get(url, headers=headers, params=query, timeout=10)

    def batch(self, *ranges: str, **query: Any) -> requests.Response:
        return self.get(VALUES, ranges=ranges, **query)

    def values(self, text: str) -> Any:
        """Ask for one range, assert status 200, and return the values, or None without values."""
        answer = self.batch(text)
        assert answer.status_code == 200, answer.text
        (tab,) = answer.json()["valueRanges"]
        return tab.get("values")

    def control(self, method: str, path: str, **more: Any) -> requests.Response:
        url = f"{self.sheets.url}/_control/{path}"
        return self.session.request(method, url, headers=CONTROL, timeout=10, **more)
