"""Stand-in for Google over HTTPS: a token endpoint, a spreadsheet's values, and a service key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from local.authority import Authority
from local.neighbours.https_server import Answer, json_answer
from local.neighbours.sheets_account import ServiceAccount
from tests.neighbours import Page, Web, client_session, web_server

DOCUMENT = "1AbC-dEf_gh"
EMAIL = "reader@project.iam.gserviceaccount.com"
HEADER = ("Course Code", "Type", "Day", "Start", "Meeting ID with Password", "OC Series")
VALUES = f"/v4/spreadsheets/{DOCUMENT}/values:batchGet"
TOKEN = "/token"
GOOD_TOKEN = json_answer(
    200, {"access_token": "ya29.t", "expires_in": 3599, "token_type": "Bearer"}
)


@cache
def account() -> ServiceAccount:
    """Return the service account, whose key is made once."""
    # A key of 2048 bits would take 60 ms to load in each test.
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505
    return ServiceAccount(email=EMAIL, key=key)


def private_key() -> str:
    """Return the service account's private key in PEM."""
    return account().credentials("")["private_key"]


def service_key(token_uri: str) -> str:
    """Return the service account's key as Google's console saves it."""
    return json.dumps(account().credentials(token_uri))


def row(
    course: str = "HIST E-1010",
    kind: str = "lecture",
    day: str = "MW",
    start: str = "9:30",
    link: str = "https://zoom.us/j/86168921331?pwd=topsecret",
    series: str = "https://oc.example.edu/engage/ui/index.html#/2026/01/12345",
) -> list[str]:
    """Return a row of a schedule. The default values make a valid row."""
    return [course, kind, day, start, link, series]


def tabs(*rows: Sequence[Sequence[Any]], name: str = "Fall") -> Answer:
    """Return batchGet's answer. Each of `rows` is one tab's rows, and each tab is named `name`."""
    ranges = [
        {"range": f"{name}!A1:Z1000", "majorDimension": "ROWS", "values": values} for values in rows
    ]
    return json_answer(200, {"spreadsheetId": DOCUMENT, "valueRanges": ranges})


def refusal(status: int, name: str, message: str, **detail: str) -> Answer:
    """Return an error as Google's APIs write it."""
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", **detail}] if detail else []
    error = {"code": status, "message": message, "status": name, "details": details}
    return json_answer(status, {"error": error})


@dataclass
class Google:
    """The stand-in for Google, and a session that trusts the stand-in.

    `urls` are the URLs of the answered requests.
    """

    web: Web
    session: requests.Session
    urls: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        return service_key(f"{self.web.url}{TOKEN}")

    def answers(self, *values: Page, token: Page = GOOD_TOKEN) -> None:
        """Set batchGet's answers, the last of which repeats, and the token endpoint's answer.

        Also forget earlier requests.
        """
        self.web.forget()
        self.urls.clear()
        self.web.pages = {TOKEN: token, VALUES: list(values)}

    def asked(self) -> list[dict[str, list[str]]]:
        """Return the query parameters of each batchGet request since the last call of `answers`."""
        return [parse_qs(urlsplit(url).query) for url in self.urls if VALUES in url]


@contextmanager
def google(tls: Authority) -> Iterator[Google]:
    """Serve the stand-in for Google during the `with` block, and yield the stand-in."""
    with web_server(tls) as web, client_session(tls) as session:
        made = Google(web, session)

        def note(response: requests.Response, **_: Any) -> None:
            made.urls.append(response.url)

        session.hooks["response"].append(note)
        yield made
