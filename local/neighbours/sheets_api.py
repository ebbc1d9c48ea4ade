"""The Google stand-in's HTTP: tokens, and what of the Sheets API one reads with.

[developers.google.com/workspace/sheets/api/reference/rest/v4/spreadsheets.values/batchGet, …/get]
"""

import re
import threading
from collections.abc import Callable
from typing import Any, get_args
from urllib.parse import parse_qs, parse_qsl, unquote

from local.neighbours.host import Fault
from local.neighbours.https_server import Answer, Request, json_answer
from local.neighbours.sheets_account import TokenProblem, Tokens
from local.neighbours.sheets_book import Book, DateOption, RangeProblem, ValueOption, find
from local.neighbours.sheets_fields import MaskProblem, masked, read_mask

FORM = "application/x-www-form-urlencoded"
_PATH = re.compile(r"/v4/spreadsheets/([^/:]+)(?:/(values:batchGet|values/[^/]+))?")
_OPTIONS = {
    "majorDimension": ("major_dimension", "Dimension", ("ROWS", "COLUMNS")),
    "valueRenderOption": ("value_render_option", "ValueRenderOption", get_args(ValueOption)),
    "dateTimeRenderOption": (
        "date_time_render_option",
        "DateTimeRenderOption",
        get_args(DateOption),
    ),
}
_EVERYWHERE = {
    *("access_token", "alt", "callback", "fields", "key", "oauth_token", "prettyPrint"),
    *("quotaUser", "upload_protocol", "uploadType", "$.xgafv"),
}
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
    """What Google answers in place of what was asked for."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.answer = google_error(code, message)


class SheetsApi:
    """Answers whoever reads a spreadsheet. Whoever touches the book holds `lock`."""

    places: tuple[str, ...] = ("token", "values", "spreadsheet")

    def __init__(self, book: Book, tokens: Tokens, token_uri: Callable[[], str]) -> None:
        self.lock = threading.Lock()
        self._book = book
        self._tokens = tokens
        self._token_uri = token_uri

    def where(self, request: Request) -> str:
        """`token`, `values`, `spreadsheet`, or elsewhere."""
        if request.path == "/token":
            return "token"
        found = _PATH.fullmatch(request.path)
        if not found:
            return "elsewhere"
        return "values" if found.group(2) else "spreadsheet"

    def answer(self, request: Request) -> Answer:
        """What Google answers."""
        if request.path == "/token":
            return self._token(request)
        found = _PATH.fullmatch(unquote(request.path) if "%3A" in request.path else request.path)
        if not found or request.method != "GET":
            return google_error(404, "Method not found.")
        try:
            self._check_token(request)
            query = parse_qs(request.query_string, keep_blank_values=True)
            with self.lock:
                answer = self._read(unquote(found.group(1)), found.group(2), query)
            if mask := query.get("fields", [""])[-1]:
                answer = masked(answer, read_mask(mask))
            return json_answer(200, answer)
        except MaskProblem:
            return google_error(400, "Invalid field selection")
        except RangeProblem as problem:
            return google_error(400, str(problem))
        except ApiProblem as problem:
            return problem.answer

    def refusal(self, fault: Fault) -> Answer:
        """An error in Google's words; it never says how long to wait."""
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
            if kind != "Bearer" or not self._tokens.holds(token.strip()):
                raise ApiProblem(401)

    def _read(self, document: str, what: str | None, query: dict[str, list[str]]) -> Any:
        single = what is not None and what.startswith("values/")
        takes = set(_OPTIONS) if what else {"includeGridData", "ranges"}
        if what and not single:
            takes.add("ranges")
        _check_query(query, takes)
        if document != self._book.document:
            raise ApiProblem(404)
        if not self._book.shared:
            raise ApiProblem(403)
        if what is None:
            return self._properties(query)
        if single:
            return self._values(unquote(what.removeprefix("values/")), query)
        told: dict[str, Any] = {"spreadsheetId": document}
        if ranges := query.get("ranges"):
            told["valueRanges"] = [self._values(each, query) for each in ranges]
        return told

    def _values(self, text: str, query: dict[str, list[str]]) -> dict[str, Any]:
        dimension = query.get("majorDimension", ["ROWS"])[-1]
        area = find(text, self._book)
        values = area.values(
            query.get("valueRenderOption", ["FORMATTED_VALUE"])[-1],  # type: ignore[arg-type]  # checked before
            query.get("dateTimeRenderOption", ["SERIAL_NUMBER"])[-1],  # type: ignore[arg-type]  # as above
            by_columns=dimension == "COLUMNS",
        )
        told: dict[str, Any] = {"range": str(area), "majorDimension": dimension}
        return told | ({"values": values} if values else {})

    def _properties(self, query: dict[str, list[str]]) -> dict[str, Any]:
        if query.get("includeGridData", ["false"])[-1].lower() != "false":
            raise ApiProblem(400, "The stand-in gives cells by values:batchGet only.")
        book = self._book
        return {
            "spreadsheetId": book.document,
            "properties": {
                "title": book.title,
                "locale": "en_US",
                "autoRecalc": "ON_CHANGE",
                "timeZone": "America/New_York",
            },
            "sheets": [
                {
                    "properties": {
                        "sheetId": tab.sheet_id,
                        "title": tab.title,
                        "index": index,
                        "sheetType": "GRID",
                        "gridProperties": {"rowCount": tab.rows, "columnCount": tab.columns},
                    }
                }
                for index, tab in enumerate(book.tabs)
            ],
            "spreadsheetUrl": f"https://docs.google.com/spreadsheets/d/{book.document}/edit",
        }


def google_error(code: int, message: str = "") -> Answer:
    """An error as Google's APIs give it."""
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


def _check_query(query: dict[str, list[str]], takes: set[str]) -> None:
    for name in query:
        if name not in takes | _EVERYWHERE:
            raise ApiProblem(
                400,
                f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query '
                f"parameter. Field '{name}' could not be found in request message.",
            )
    for name, (field, kind, values) in _OPTIONS.items():
        for given in query.get(name, []):
            if given not in values:
                where = f"type.googleapis.com/google.apps.sheets.v4.{kind}"
                raise ApiProblem(400, f"Invalid value at '{field}' ({where}), \"{given}\"")
    if query.get("alt", ["json"])[-1] != "json":
        raise ApiProblem(400, "The stand-in answers in JSON only.")
