"""Google's answers to the pipeline's requests for tokens, and for `values:batchGet` of whole tabs.

https://developers.google.com/workspace/sheets/api/reference/rest/v4/spreadsheets.values/batchGet
"""

import re
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote

from local.neighbours.faults import Fault
from local.neighbours.https_server import Answer, Request, json_answer
from local.neighbours.sheets_account import TokenProblem, Tokens
from local.neighbours.sheets_book import RangeProblem, Spreadsheet

FORM = "application/x-www-form-urlencoded"
_VALUES = re.compile(r"/v4/spreadsheets/([^/:]+)/values:batchGet")
_OPTIONS = {"majorDimension": "ROWS", "valueRenderOption": "FORMATTED_VALUE", "alt": "json"}
"""Query parameters besides `ranges`, each with the only value that the stand-in supports."""

_WORDS = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "Requested entity was not found."),
    429: (
        "RESOURCE_EXHAUSTED",
        (
            "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute "
            "per user' of service 'sheets.googleapis.com' for consumer 'project_number:1'."
        ),
    ),
    503: ("UNAVAILABLE", "The service is currently unavailable."),
}


class ApiProblem(Exception):
    """Google's refusal of a request. `answer` is the answer to the request."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.answer = google_error(code, message)


class SheetsApi:
    """The Google stand-in's API for tokens and values. Access to the spreadsheet needs `lock`."""

    places: tuple[str, ...] = ("token", "values")

    def __init__(
        self, spreadsheet: Spreadsheet, tokens: Tokens, token_uri: Callable[[], str]
    ) -> None:
        self.lock = threading.Lock()
        self._spreadsheet = spreadsheet
        self._tokens = tokens
        self._token_uri = token_uri

    def where(self, request: Request) -> str:
        """Return the place of a request: `token`, `values` or `elsewhere`."""
        if request.path == "/token":
            return "token"
        return "values" if _VALUES.fullmatch(unquote(request.path)) else "elsewhere"

    def answer(self, request: Request) -> Answer:
        """Carry out a request, and return Google's answer."""
        if request.path == "/token":
            return self._token(request)
        found = _VALUES.fullmatch(unquote(request.path))
        if not found or request.method != "GET":
            return google_error(404, "Method not found.")
        try:
            self._check_token(request)
            query = parse_qs(request.query_string, keep_blank_values=True)
            with self.lock:
                return json_answer(200, self._values(found[1], query))
        except RangeProblem as problem:
            return google_error(400, str(problem))
        except ApiProblem as problem:
            return problem.answer

    def refusal(self, fault: Fault) -> Answer:
        """Return an error with the fault's status and without Retry-After."""
        return google_error(fault.status)

    def _token(self, request: Request) -> Answer:
        kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if request.method != "POST":
            return json_answer(405, {"error": "invalid_request"})
        form = dict(parse_qsl(request.body.decode("utf-8", "replace"))) if kind == FORM else {}
        try:
            with self.lock:
                return json_answer(200, self._tokens.issue(form, self._token_uri()))
        except TokenProblem as problem:
            return json_answer(400, problem.content)

    def _check_token(self, request: Request) -> None:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if not token:
            raise ApiProblem(
                403,
                "Method doesn't allow unregistered callers (callers without established identity). "
                "Please use API Key or other form of API consumer identity to call this API.",
            )
        with self.lock:
            if kind != "Bearer" or not self._tokens.is_valid(token.strip()):
                raise ApiProblem(401)

    def _values(self, document: str, query: dict[str, list[str]]) -> dict[str, Any]:
        for name, given in query.items():
            if name != "ranges" and name not in _OPTIONS:
                raise ApiProblem(
                    400,
                    f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query '
                    f"parameter. Field '{name}' could not be found in request message.",
                )
            if name != "ranges" and given != [_OPTIONS[name]]:
                raise ApiProblem(400, f"The stand-in supports only {name}={_OPTIONS[name]}.")
        if document != self._spreadsheet.document:
            raise ApiProblem(404)
        tabs = [self._spreadsheet.read(text) for text in query.get("ranges", [])]
        value_ranges = [
            {"range": area, "majorDimension": "ROWS"} | ({"values": rows} if rows else {})
            for area, rows in tabs
        ]
        return {"spreadsheetId": document, "valueRanges": value_ranges}


def google_error(code: int, message: str = "") -> Answer:
    """Return an error answer in the format of Google's APIs, by default with Google's text."""
    if code == 401:
        message = message or (
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login "
            "cookie or other valid authentication credential. See "
            "https://developers.google.com/identity/sign-in/web/devconsole-project."
        )
        status = "UNAUTHENTICATED"
    else:
        status, usual = _WORDS.get(code, ("INTERNAL", "Internal error encountered."))
        message = message or usual
    return json_answer(code, {"error": {"code": code, "message": message, "status": status}})
