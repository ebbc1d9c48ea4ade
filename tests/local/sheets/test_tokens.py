"""Tests of the tokens that the Google stand-in issues."""

import json
import time
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2 import service_account
from hypothesis import given
from hypothesis import strategies as st

from local.authority import Authority
from local.neighbours.sheets import SheetsStandIn
from local.neighbours.sheets_account import GRANT, SCOPE, ServiceAccount, TokenProblem, Tokens
from local.neighbours.sheets_book import Spreadsheet
from tests.local.clock import NOW, Clock
from tests.local.sheets.client import DOCUMENT, VALUES, Client

CLAIMS = st.none() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=2)
SHORT_LIVED = "Invalid JWT: Token must be a short-lived token (60 minutes)"


def test_google_stand_in_issues_a_token_for_3599_seconds_when_the_assertion_is_valid(
    client: Client, clock: Clock
) -> None:
    answer = client.ask_token(grant_type=GRANT, assertion=client.assertion())
    issued = answer.json()
    assert (answer.status_code, issued["token_type"], issued["expires_in"]) == (200, "Bearer", 3599)
    token = issued["access_token"]
    clock.now += 3599
    assert client.get(VALUES, token).status_code == 200
    clock.now += 1
    assert client.get(VALUES, token).status_code == 401


def test_client_library_of_google_can_sign_in_to_the_stand_in_and_read(
    tls: Authority, account: ServiceAccount
) -> None:
    spreadsheet = Spreadsheet(DOCUMENT)
    spreadsheet.put("Fall", [["a"]])
    with (
        SheetsStandIn(tls=tls, spreadsheet=spreadsheet, account=account, clock=time.time) as sheets,
        requests.Session() as plain,
    ):
        plain.trust_env, plain.verify = False, str(tls.ca_bundle)
        credentials = service_account.Credentials.from_service_account_info(
            sheets.credentials, scopes=[SCOPE]
        )
        with AuthorizedSession(credentials, auth_request=Request(plain)) as session:
            session.trust_env, session.verify = False, str(tls.ca_bundle)
            url = f"{sheets.url}/v4/spreadsheets/{DOCUMENT}/values:batchGet"
            answer = session.get(url, params={"ranges": ["Fall"]}, timeout=10)
        assert answer.json()["valueRanges"][0]["values"] == [["a"]]
        assert [seen.where for seen in sheets.requests] == ["token", "values"]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": GRANT}, "invalid_request"),
        ({"grant_type": GRANT, "assertion": "a.b"}, "invalid_grant"),
        ({"grant_type": GRANT, "assertion": "a.b.ü"}, "invalid_grant"),
        ({"grant_type": GRANT, "assertion": "e30.W10.e30"}, "invalid_grant"),
    ],
)
def test_google_stand_in_refuses_a_token_request_when_its_form_is_wrong(
    client: Client, form: dict[str, str], error: str
) -> None:
    answer = client.ask_token(**form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.json()["error_description"]


@pytest.mark.parametrize(
    ("changes", "error", "description"),
    [
        ({"iss": "other@example.org"}, "invalid_grant", "account not found"),
        ({"aud": "https://accounts.example.org/token"}, "invalid_grant", "audience"),
        ({"aud": None}, "invalid_grant", "audience"),
        ({"scope": None}, "invalid_scope", "Invalid OAuth scope"),
        (
            {"scope": "https://www.googleapis.com/auth/spreadsheets"},
            "invalid_scope",
            "Invalid OAuth scope",
        ),
        ({"iat": None}, "invalid_grant", SHORT_LIVED),
        ({"exp": None}, "invalid_grant", SHORT_LIVED),
        ({"exp": int(NOW)}, "invalid_grant", SHORT_LIVED),
        ({"exp": int(NOW) + 3601}, "invalid_grant", SHORT_LIVED),
        ({"iat": int(NOW) + 301}, "invalid_grant", SHORT_LIVED),
    ],
)
def test_google_stand_in_refuses_an_assertion_when_a_claim_is_wrong(
    client: Client, changes: dict[str, Any], error: str, description: str
) -> None:
    answer = client.ask_token(grant_type=GRANT, assertion=client.assertion(**changes))
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert description in answer.json()["error_description"]


@given(claims=st.dictionaries(st.sampled_from(["iss", "aud", "scope", "iat", "exp"]), CLAIMS))
def test_google_stand_in_refuses_an_assertion_with_arbitrary_claims(
    account: ServiceAccount, claims: dict[str, Any]
) -> None:
    head = jwt.encode({}, account.key, algorithm="RS256").partition(".")[0]
    whole = {"iss": account.email, "iat": int(NOW), "exp": int(NOW) + 60, **claims}
    body = jwt.utils.base64url_encode(json.dumps(whole).encode()).decode()
    signer = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256)
    signature = jwt.utils.base64url_encode(signer.sign(f"{head}.{body}".encode(), account.key))
    form = {"grant_type": GRANT, "assertion": f"{head}.{body}.{signature.decode()}"}
    with pytest.raises(TokenProblem):
        Tokens(account, Clock()).issue(form, "https://127.0.0.1/token")


def test_google_stand_in_refuses_an_assertion_when_another_key_signed_it(client: Client) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    answer = client.ask_token(grant_type=GRANT, assertion=client.assertion(key=other))
    assert answer.json() == {
        "error": "invalid_grant",
        "error_description": "Invalid JWT Signature.",
    }


def test_google_stand_in_refuses_an_assertion_when_its_algorithm_is_not_rs256(
    client: Client,
) -> None:
    for algorithm, key in (("HS256", "a shared secret of thirty-two bytes"), ("RS512", None)):
        assertion = client.assertion(key=key, algorithm=algorithm)
        answer = client.ask_token(grant_type=GRANT, assertion=assertion)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_google_stand_in_refuses_an_assertion_when_it_is_not_in_a_form(client: Client) -> None:
    body = {"grant_type": GRANT, "assertion": client.assertion()}
    answer = client.session.post(client.sheets.token_uri, json=body, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert client.session.get(client.sheets.token_uri, timeout=10).status_code == 405


def test_google_stand_in_refuses_a_request_for_values_without_a_valid_token(client: Client) -> None:
    url = f"{client.sheets.url}/v4/spreadsheets/{VALUES}"
    nobody = client.session.get(url, timeout=10)
    assert (nobody.status_code, nobody.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
    stranger = client.get(VALUES, "ya29.other")
    assert (stranger.status_code, stranger.json()["error"]["status"]) == (401, "UNAUTHENTICATED")


def test_google_stand_in_refuses_a_token_after_a_control_request_has_expired_all_tokens(
    client: Client,
) -> None:
    token = client.token()
    client.control("POST", "expire")
    assert client.get(VALUES, token).status_code == 401


def test_repr_of_google_requests_and_account_shows_no_secret(client: Client) -> None:
    token = client.token()
    client.get(VALUES, token)
    assert token not in repr(client.sheets.requests)
    assert "PRIVATE" not in repr(client.sheets.account)
