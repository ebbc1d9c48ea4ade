"""Someone who reads the Google stand-in's spreadsheet."""

from dataclasses import dataclass
from typing import Any

import jwt
import requests

from local.neighbours.sheets import SheetsStandIn
from local.neighbours.sheets_account import GRANT, SCOPE
from tests.local.clock import NOW

DOCUMENT = "document-1"


@dataclass
class Client:
    """A client of one stand-in that trusts its authority."""

    sheets: SheetsStandIn
    session: requests.Session

    def assertion(self, key: Any = None, algorithm: str = "RS256", **changes: Any) -> str:
        """A good assertion, but for the changes; None takes a claim away."""
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
        return self.get(f"{DOCUMENT}/values:batchGet", ranges=ranges, **query)

    def values(self, text: str, **query: Any) -> Any:
        """The values of one range; None if the answer has none."""
        answer = self.batch(text, **query)
        assert answer.status_code == 200, answer.text
        (told,) = answer.json()["valueRanges"]
        return told.get("values")

    def control(self, method: str, path: str, **more: Any) -> requests.Response:
        url = f"{self.sheets.url}/_control/{path}"
        return self.session.request(method, url, timeout=10, **more)
